//! Snapshots on the wire: what they are of, fast restores, locks and Outposts.

use ebs_types::{FastRestoreState, LockMode, LockState, LockTerm, SnapshotId, SnapshotLock};

use super::*;

fn snapshot_id() -> SnapshotId {
    "snap-0123456789abcdef0".parse().unwrap()
}

fn zones() -> Vec<Zone> {
    ["eu-central-1a", "eu-central-1b"]
        .map(|zone| zone.parse().unwrap())
        .to_vec()
}

#[tokio::test]
async fn fast_restores_are_asked_for() {
    let server = Server::start([done("EnableFastSnapshotRestores", "<unsuccessful/>")]).await;
    let (id, zones) = (snapshot_id(), zones());
    let asked = server.ec2.enable_fast_restores(&id, &zones);
    asked.await.unwrap();
    has(
        &server.requests()[0],
        &[
            "Action=EnableFastSnapshotRestores",
            "SourceSnapshotId.1=snap-0123456789abcdef0",
            "AvailabilityZone.1=eu-central-1a",
            "AvailabilityZone.2=eu-central-1b",
        ],
    );
}

#[tokio::test]
async fn a_zone_that_is_refused_in_a_success_is_an_error() {
    let refused = "<unsuccessful><item><snapshotId>snap-0123456789abcdef0</snapshotId>\
        <fastSnapshotRestoreStateErrorSet><item><availabilityZone>eu-central-1b</availabilityZone>\
        <error><code>SomeLimitExceeded</code><message>No more.</message></error></item>\
        </fastSnapshotRestoreStateErrorSet></item></unsuccessful>";
    let server = Server::start([done("EnableFastSnapshotRestores", refused)]).await;
    let (id, zones) = (snapshot_id(), zones());
    let asked = server.ec2.enable_fast_restores(&id, &zones);
    let error = asked.await.unwrap_err();
    assert_eq!(
        (error.kind, error.outcome),
        (ErrorKind::QuotaExceeded, Outcome::NotDone)
    );
    assert_eq!(
        error.to_string(),
        "EC2 EnableFastSnapshotRestores failed: SomeLimitExceeded: eu-central-1b: No more. (request id req-7)"
    );
}

#[tokio::test]
async fn fast_restores_are_read() {
    let item = "<fastSnapshotRestoreSet><item><snapshotId>snap-0123456789abcdef0</snapshotId>\
        <availabilityZone>eu-central-1a</availabilityZone><state>optimizing</state></item></fastSnapshotRestoreSet>";
    let server = Server::start([done("DescribeFastSnapshotRestores", item)]).await;
    let ids = [snapshot_id()];
    let found = server.ec2.describe_fast_restores(&ids);
    let found = found.await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].zone.as_str(), "eu-central-1a");
    assert_eq!(found[0].state, FastRestoreState::Optimizing);
    has(
        &server.requests()[0],
        &[
            "Filter.1.Name=snapshot-id",
            "Filter.1.Value.1=snap-0123456789abcdef0",
        ],
    );
}

#[rstest]
#[case(
    LockMode::Governance,
    LockTerm::Days(7),
    &["LockMode=governance", "LockDuration=7"],
    &["CoolOffPeriod", "ExpirationDate"]
)]
#[case(
    LockMode::Compliance { cool_off: Some(72) },
    LockTerm::Until(SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_251_600)),
    &["LockMode=compliance", "CoolOffPeriod=72", "ExpirationDate=2026-11-21T09%3A00%3A00Z"],
    &["LockDuration"]
)]
#[case(
    LockMode::Compliance { cool_off: None },
    LockTerm::Days(36_500),
    &["LockMode=compliance", "LockDuration=36500"],
    &["CoolOffPeriod"]
)]
#[tokio::test]
async fn a_lock_is_asked_for(
    #[case] mode: LockMode,
    #[case] term: LockTerm,
    #[case] fields: &[&str],
    #[case] without: &[&str],
) {
    let server = Server::start([done("LockSnapshot", "<lockState>governance</lockState>")]).await;
    let lock = SnapshotLock { mode, term };
    let id = snapshot_id();
    let asked = server.ec2.lock_snapshot(&id, &lock);
    asked.await.unwrap();
    let request = server.requests().remove(0);
    has(&request, &["SnapshotId=snap-0123456789abcdef0"]);
    has(&request, fields);
    assert!(
        without.iter().all(|field| !request.contains(field)),
        "{request}"
    );
}

#[tokio::test]
async fn locks_are_read() {
    let item = "<snapshotSet><item><snapshotId>snap-0123456789abcdef0</snapshotId>\
        <lockState>compliance-cooloff</lockState><coolOffPeriodExpiresOn>2026-11-21T09:00:00.000Z</coolOffPeriodExpiresOn>\
        </item></snapshotSet>";
    let server = Server::start([done("DescribeLockedSnapshots", item)]).await;
    let ids = [snapshot_id()];
    let found = server.ec2.describe_locked_snapshots(&ids);
    let lock = found.await.unwrap().remove(0);
    assert_eq!(lock.state, LockState::ComplianceCoolOff);
    let until = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_251_600);
    assert_eq!((lock.cools_off, lock.expires), (Some(until), None));
    has(
        &server.requests()[0],
        &["SnapshotId.1=snap-0123456789abcdef0"],
    );
}

#[tokio::test]
async fn what_is_on_an_outpost_is_asked_for_and_read() {
    const ARN: &str = "arn:aws:outposts:eu-central-1:1:outpost/op-1";
    let here = format!("<outpostArn>{ARN}</outpostArn>");
    let volume = format!("{VOLUME_FIELDS}{here}");
    let snapshot = format!(
        "<snapshotId>snap-0123456789abcdef0</snapshotId><status>pending</status>\
         <startTime>2026-11-21T09:00:00.000Z</startTime><volumeSize>4</volumeSize>{here}"
    );
    let instance = format!(
        "<reservationSet><item><instancesSet><item><instanceId>i-0123456789abcdef0</instanceId>\
         <instanceState><name>running</name></instanceState><instanceType>m5.large</instanceType>\
         <placement><availabilityZone>eu-central-1a</availabilityZone></placement>{here}</item></instancesSet></item></reservationSet>"
    );
    let replies = [
        done("CreateVolume", &volume),
        done("CreateSnapshot", &snapshot),
        done("DescribeInstances", &instance),
        done(
            "CreateVolume",
            &format!("{VOLUME_FIELDS}<outpostArn></outpostArn>"),
        ),
    ];
    let server = Server::start(replies).await;
    let ec2 = &server.ec2;
    let outpost = Some(ARN.parse().unwrap());
    let request = CreateVolume {
        outpost: outpost.clone(),
        ..create_volume()
    };
    assert_eq!(ec2.create_volume(&request).await.unwrap().outpost, outpost);
    let request = CreateSnapshot {
        outpost: outpost.clone(),
        ..create_snapshot()
    };
    let made = ec2.create_snapshot(&request).await.unwrap();
    assert_eq!(made.outpost, outpost);
    let ids = ["i-0123456789abcdef0".parse().unwrap()];
    let found = ec2.describe_instances(&ids).await.unwrap();
    assert_eq!(found[0].outpost, outpost);
    let in_the_region = ec2.create_volume(&create_volume()).await.unwrap();
    assert_eq!(in_the_region.outpost, None);
}

#[tokio::test]
async fn snapshots_of_no_volume_are_read() {
    let found = "<snapshotSet><item><snapshotId>snap-0123456789abcdef0</snapshotId><volumeId>vol-ffffffff</volumeId>\
        <status>pending</status><startTime>2026-11-21T09:00:00.000Z</startTime><volumeSize>4</volumeSize></item></snapshotSet>";
    let server = Server::start([done("DescribeSnapshots", found)]).await;
    let query = SnapshotQuery::Marked {
        volume: Some(volume_id()),
        max: 5,
        token: None,
    };
    let page = server.ec2.describe_snapshots(&query).await.unwrap();
    assert_eq!(page.items[0].volume, None);
    has(
        &server.requests()[0],
        &[
            "Owner.1=self",
            "MaxResults=5",
            "Filter.1.Name=tag%3Aebs.csi.aws.com%2Fcluster",
            "Filter.2.Name=volume-id",
        ],
    );
}

#[tokio::test]
async fn all_snapshots_of_a_volume_are_asked_for_whoever_made_them() {
    let server = Server::start([done("DescribeSnapshots", "<snapshotSet/>")]).await;
    let query = SnapshotQuery::OfVolume(volume_id());
    let page = server.ec2.describe_snapshots(&query).await.unwrap();
    assert!(page.items.is_empty() && page.next.is_none());
    let request = &server.requests()[0];
    has(request, &["Owner.1=self", "Filter.1.Name=volume-id"]);
    assert!(!request.contains("Filter.2"), "{request}");
}
