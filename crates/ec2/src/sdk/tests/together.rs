//! Snapshots of several volumes at once on the wire, and their instance's root.

use super::*;

fn request() -> CreateSnapshots {
    let mut tags = Tags::new();
    tags.set("CSIVolumeGroupSnapshotName", "group").unwrap();
    CreateSnapshots {
        instance: instance_id(),
        exclude_root: true,
        excluded: vec![volume_id(), "vol-00000001".parse().unwrap()],
        description: "of a group".to_owned(),
        tags,
    }
}

#[tokio::test]
async fn they_are_asked_for_and_read() {
    let item = |id: &str, volume: &str| {
        format!(
            "<item><snapshotId>{id}</snapshotId><volumeId>{volume}</volumeId><state>pending</state><volumeSize>4</volumeSize>\
             <startTime>2026-11-21T09:00:00.000Z</startTime><progress/><ownerId>1</ownerId><description/>\
             <tagSet><item><key>CSIVolumeGroupSnapshotName</key><value>group</value></item></tagSet></item>"
        )
    };
    let set = [
        item("snap-00000001", "vol-0000000a"),
        item("snap-00000002", "vol-0000000b"),
    ];
    let set = format!("<snapshotSet>{}</snapshotSet>", set.concat());
    let server = Server::start([done("CreateSnapshots", &set)]).await;
    let made = server.ec2.create_snapshots(&request()).await.unwrap();
    let ids: Vec<_> = made.iter().map(|s| s.id.as_str()).collect();
    assert_eq!(ids, ["snap-00000001", "snap-00000002"]);
    assert_eq!(made[1].volume, Some("vol-0000000b".parse().unwrap()));
    assert_eq!(
        (made[0].size, made[0].group()),
        (Gibibytes(4), Some("group"))
    );
    has(
        &server.requests()[0],
        &[
            "Action=CreateSnapshots",
            "InstanceSpecification.InstanceId=i-0123456789abcdef0",
            "InstanceSpecification.ExcludeBootVolume=true",
            "InstanceSpecification.ExcludeDataVolumeId.1=vol-0123456789abcdef0",
            "InstanceSpecification.ExcludeDataVolumeId.2=vol-00000001",
            "Description=of%20a%20group",
            "TagSpecification.1.ResourceType=snapshot",
            "TagSpecification.1.Tag.1.Key=CSIVolumeGroupSnapshotName",
        ],
    );
}

#[tokio::test]
async fn a_failure_inside_is_not_repeated_and_may_have_made_them() {
    let server = Server::start([refusal(500, "InternalError", "Oops.")]).await;
    let error = server.ec2.create_snapshots(&request()).await.unwrap_err();
    assert_eq!(error.outcome, Outcome::MayBeDone);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn members_are_found_by_the_group_s_name() {
    let server = Server::start([done("DescribeSnapshots", "<snapshotSet/>")]).await;
    let query = SnapshotQuery::Groups(vec!["a*".to_owned()]);
    let page = server.ec2.describe_snapshots(&query).await.unwrap();
    assert!(page.items.is_empty());
    has(
        &server.requests()[0],
        &[
            "Owner.1=self",
            "Filter.1.Name=tag%3ACSIVolumeGroupSnapshotName",
            "Filter.1.Value.1=a%5C%2A",
        ],
    );
}

#[tokio::test]
async fn an_instance_tells_its_root_volume() {
    let device = |name: &str, volume: &str| {
        format!(
            "<item><deviceName>{name}</deviceName><ebs><volumeId>{volume}</volumeId><status>attached</status></ebs></item>"
        )
    };
    let devices = device("/dev/xvdba", VOLUME) + &device("/dev/sda1", "vol-00000001");
    let reply = format!(
        "<reservationSet><item><instancesSet><item><instanceId>i-0123456789abcdef0</instanceId><instanceType>m5.large</instanceType>\
         <instanceState><code>16</code><name>running</name></instanceState><placement><availabilityZone>eu-central-1a</availabilityZone>\
         </placement><rootDeviceName>/dev/sda1</rootDeviceName><blockDeviceMapping>{devices}</blockDeviceMapping>\
         </item></instancesSet></item></reservationSet>"
    );
    let server = Server::start([done("DescribeInstances", &reply)]).await;
    let found = server
        .ec2
        .describe_instances(&[instance_id()])
        .await
        .unwrap();
    let root = "vol-00000001".parse().unwrap();
    assert_eq!(found[0].root_volume(), Some(&root));
}
