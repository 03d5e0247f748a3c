//! The SDK against answers on the wire: what is sent, what is read, what is repeated, and what an error says was done.

mod blocks;
mod copies;
mod snapshots;
mod throttling;
mod together;

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_credential_types::credential_fn::provide_credentials_fn;
use aws_credential_types::provider::error::CredentialsError;
use ebs_types::{
    AttachmentState, ClientToken, DeviceName, Gibibytes, InstanceId, Performance, Source, Tags,
    VolumeId, VolumeKind, VolumeState, VolumeType,
};
use rstest::rstest;

use super::canned::{Reply, Server, client, client_with, done, refusal};
use super::*;
use crate::{Action, Encryption, ErrorKind, Outcome, VolumeTrouble};

const VOLUME: &str = "vol-0123456789abcdef0";

const VOLUME_FIELDS: &str = "<volumeId>vol-0123456789abcdef0</volumeId><size>4</size><status>creating</status>\
    <availabilityZone>eu-central-1a</availabilityZone><createTime>2026-11-21T09:00:00.000Z</createTime>\
    <volumeType>gp3</volumeType><iops>3000</iops><throughput>125</throughput><encrypted>true</encrypted>\
    <snapshotId/><tagSet><item><key>CSIVolumeName</key><value>pvc-1</value></item></tagSet>";

fn volume_id() -> VolumeId {
    VOLUME.parse().unwrap()
}

fn instance_id() -> InstanceId {
    "i-0123456789abcdef0".parse().unwrap()
}

fn device() -> DeviceName {
    "/dev/xvdba".parse().unwrap()
}

fn create_volume() -> CreateVolume {
    let mut tags = Tags::new();
    tags.set("CSIVolumeName", "pvc-1").unwrap();
    CreateVolume {
        token: ClientToken::for_name("pvc-1", 0),
        zone: "eu-central-1a".parse().unwrap(),
        outpost: None,
        size: Gibibytes(4),
        kind: VolumeKind::Gp3 {
            iops: Some(4_000),
            throughput: None,
        },
        source: Source::Empty,
        initialization_rate: None,
        encryption: Encryption::Key("alias/ebs".to_owned()),
        multi_attach: false,
        tags,
    }
}

fn create_snapshot() -> CreateSnapshot {
    CreateSnapshot {
        volume: volume_id(),
        description: "of pvc-1".to_owned(),
        outpost: None,
        tags: Tags::new(),
    }
}

/// Whether `request` has each of these form fields.
fn has(request: &str, fields: &[&str]) {
    for field in fields {
        assert!(
            request.split('&').any(|part| part == *field),
            "{field} is not in {request}"
        );
    }
}

#[tokio::test]
async fn a_volume_is_asked_for_and_read() {
    let server = Server::start([done("CreateVolume", VOLUME_FIELDS)]).await;
    let volume = server.ec2.create_volume(&create_volume()).await.unwrap();
    assert_eq!(volume.id, volume_id());
    assert_eq!(volume.state, VolumeState::Creating);
    assert_eq!(volume.size, Gibibytes(4));
    assert_eq!(volume.volume_type, VolumeType::Gp3);
    assert_eq!((volume.iops, volume.throughput), (Some(3_000), Some(125)));
    assert_eq!(volume.name(), Some("pvc-1"));
    assert_eq!(volume.snapshot, None);
    assert!(volume.encrypted);
    assert_eq!(
        volume.created,
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_251_600)
    );
    let request = server.requests().remove(0);
    has(
        &request,
        &[
            "Action=CreateVolume",
            "AvailabilityZone=eu-central-1a",
            "Size=4",
            "VolumeType=gp3",
            "Iops=4000",
            "Encrypted=true",
            "KmsKeyId=alias%2Febs",
            "TagSpecification.1.ResourceType=volume",
            "TagSpecification.1.Tag.1.Key=CSIVolumeName",
            "TagSpecification.1.Tag.1.Value=pvc-1",
        ],
    );
    assert!(!request.contains("MultiAttach"), "{request}");
    let token = format!("ClientToken={}", ClientToken::for_name("pvc-1", 0).as_str());
    has(&request, &[&token]);
    for absent in ["Throughput", "SnapshotId", "OutpostArn"] {
        assert!(!request.contains(absent), "{request}");
    }
}

#[tokio::test]
async fn volumes_by_name_are_read_over_all_pages() {
    let attachment = "<attachmentSet><item><volumeId>vol-0123456789abcdef0</volumeId>\
        <instanceId>i-0123456789abcdef0</instanceId><device>/dev/xvdba</device><status>busy</status>\
        <attachTime>2026-11-22T01:02:03.000Z</attachTime></item></attachmentSet>";
    let first = format!(
        "<volumeSet><item>{VOLUME_FIELDS}{attachment}</item></volumeSet><nextToken>more</nextToken>"
    );
    let second = format!("<volumeSet><item>{VOLUME_FIELDS}</item></volumeSet><nextToken/>");
    let server = Server::start([
        done("DescribeVolumes", &first),
        done("DescribeVolumes", &second),
    ])
    .await;
    let query = VolumeQuery::Names(vec!["pvc-1".to_owned(), "a*".to_owned()]);
    let page = server.ec2.describe_volumes(&query).await.unwrap();
    assert_eq!((page.items.len(), page.next), (2, None));
    let attachment = page.items[0].attachment_to(&instance_id()).unwrap();
    assert_eq!(attachment.state, AttachmentState::Busy);
    let since = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_309_323);
    assert_eq!(attachment.since, Some(since));
    let requests = server.requests();
    has(
        &requests[0],
        &[
            "Filter.1.Name=tag%3ACSIVolumeName",
            "Filter.1.Value.1=pvc-1",
            "Filter.1.Value.2=a%5C%2A",
            "MaxResults=500",
        ],
    );
    has(&requests[1], &["NextToken=more"]);
}

#[tokio::test]
async fn a_reply_that_lacks_a_field_is_unreadable_and_the_call_may_be_done() {
    let server = Server::start([done("CreateVolume", "<volumeId>vol-1</volumeId>")]).await;
    let error = server
        .ec2
        .create_volume(&create_volume())
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreadable);
    assert_eq!(error.outcome, Outcome::MayBeDone);
    assert!(
        error
            .message
            .starts_with("unreadable reply: volumeId: \"vol-1\" is not a volume id"),
        "{error}"
    );
    assert_eq!(error.request_id.as_deref(), Some("req-7"));
}

#[tokio::test]
async fn a_refusal_is_final_and_tells_the_request() {
    let server = Server::start([refusal(400, "VolumeLimitExceeded", "Too many.")]).await;
    let error = server
        .ec2
        .create_volume(&create_volume())
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::QuotaExceeded);
    assert_eq!(error.outcome, Outcome::NotDone);
    assert_eq!(
        error.to_string(),
        "EC2 CreateVolume failed: VolumeLimitExceeded: Too many. (request id req-7)"
    );
    assert_eq!(server.requests().len(), 1);
}

#[rstest]
#[case::lost(Reply::Lost)]
#[case::failed_inside(refusal(500, "InternalError", "Oops."))]
#[case::gateway(Reply::Answer(502, "<html>Bad gateway</html>".to_owned()))]
#[tokio::test]
async fn what_is_harmless_to_repeat_is_repeated(#[case] trouble: Reply) {
    let server = Server::start([
        trouble.clone(),
        trouble,
        done("CreateVolume", VOLUME_FIELDS),
    ])
    .await;
    server.ec2.create_volume(&create_volume()).await.unwrap();
    let requests = server.requests();
    assert_eq!(requests.len(), 3);
    let token = |request: &String| {
        request
            .split('&')
            .find(|field| field.starts_with("ClientToken="))
            .map(str::to_owned)
    };
    assert_eq!(token(&requests[0]), token(&requests[2]));
}

#[rstest]
#[case::lost(Reply::Lost, ErrorKind::Unreachable)]
#[case::failed_inside(refusal(500, "InternalError", "Oops."), ErrorKind::Service)]
#[tokio::test]
async fn a_snapshot_is_never_asked_for_twice(#[case] trouble: Reply, #[case] kind: ErrorKind) {
    let server = Server::start([trouble]).await;
    let error = server
        .ec2
        .create_snapshot(&create_snapshot())
        .await
        .unwrap_err();
    assert_eq!((error.kind, error.outcome), (kind, Outcome::MayBeDone));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_refused_repetition_does_not_hide_that_the_first_attempt_may_be_done() {
    let server = Server::start([
        Reply::Lost,
        refusal(
            400,
            "VolumeInUse",
            "vol-… is already attached to an instance",
        ),
    ])
    .await;
    let request = AttachVolume {
        volume: volume_id(),
        instance: instance_id(),
        device: device(),
        card: Some(1),
    };
    let error = server.ec2.attach_volume(&request).await.unwrap_err();
    assert_eq!(
        (error.kind, error.outcome),
        (ErrorKind::VolumeInUse, Outcome::MayBeDone)
    );
    assert!(server.requests()[1].contains("&EbsCardIndex=1"));
}

#[tokio::test]
async fn where_nobody_listens_nothing_was_done() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = client(&url)
        .await
        .create_snapshot(&create_snapshot())
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind, error.outcome),
        (ErrorKind::Unreachable, Outcome::NotDone)
    );
    assert!(error.message.contains("refused"), "{error}");
    assert_eq!(error.action, Action::CreateSnapshot);
}

#[rstest]
#[case::none(
    CredentialsError::not_loaded("no source has any"),
    ErrorKind::Unauthorized
)]
#[case::source_down(CredentialsError::provider_error("no answer"), ErrorKind::Unreachable)]
#[tokio::test]
async fn without_credentials_nothing_was_done(
    #[case] problem: CredentialsError,
    #[case] kind: ErrorKind,
) {
    let problem = Arc::new(Mutex::new(Some(problem)));
    let provider = provide_credentials_fn(move || {
        let problem = problem.lock().unwrap().take();
        async move { Err(problem.unwrap_or_else(|| CredentialsError::unhandled("asked twice"))) }
    });
    let ec2 = client_with("http://127.0.0.1:9", provider).await;
    let error = ec2.create_snapshot(&create_snapshot()).await.unwrap_err();
    assert_eq!(
        (error.kind, error.outcome),
        (kind, Outcome::NotDone),
        "{error}"
    );
}

#[tokio::test]
async fn modifications_are_asked_for_by_filter() {
    let found = "<volumeModificationSet><item><volumeId>vol-0123456789abcdef0</volumeId>\
        <modificationState>optimizing</modificationState><targetSize>8</targetSize><targetVolumeType>gp3</targetVolumeType>\
        <targetIops>3000</targetIops><startTime>2026-11-21T09:00:00.000Z</startTime></item></volumeModificationSet>";
    let server = Server::start([done("DescribeVolumesModifications", found)]).await;
    let ids = [volume_id()];
    let found = server
        .ec2
        .describe_volumes_modifications(&ids)
        .await
        .unwrap();
    assert_eq!((found.len(), found[0].target_size), (1, Gibibytes(8)));
    has(
        &server.requests()[0],
        &[
            "Filter.1.Name=volume-id",
            "Filter.1.Value.1=vol-0123456789abcdef0",
        ],
    );
}

#[tokio::test]
async fn a_modification_asks_for_what_is_to_change() {
    let reply = "<volumeModification><volumeId>vol-0123456789abcdef0</volumeId><modificationState>modifying</modificationState>\
        <targetSize>8</targetSize><targetVolumeType>gp3</targetVolumeType><targetIops>4000</targetIops><targetThroughput>250\
        </targetThroughput><progress>7</progress></volumeModification>";
    let server = Server::start([done("ModifyVolume", reply)]).await;
    let request = ModifyVolume {
        volume: volume_id(),
        size: None,
        volume_type: Some(VolumeType::Gp3),
        performance: Performance {
            iops: Some(4_000),
            throughput: None,
        },
    };
    let begun = server.ec2.modify_volume(&request).await.unwrap();
    assert_eq!(
        (begun.progress, begun.target_throughput),
        (Some(7), Some(250))
    );
    let asked = &server.requests()[0];
    has(asked, &["VolumeType=gp3", "Iops=4000"]);
    assert!(
        !asked.contains("Size") && !asked.contains("Throughput"),
        "{asked}"
    );
}

#[tokio::test]
async fn tags_are_set_and_deleted_by_key() {
    let done = |action| done(action, "<return>true</return>");
    let server = Server::start([done("CreateTags"), done("DeleteTags")]).await;
    let mut tags = Tags::new();
    tags.set("team", "storage").unwrap();
    server.ec2.create_tags(&volume_id(), &tags).await.unwrap();
    let keys = ["tier".to_owned()];
    server.ec2.delete_tags(&volume_id(), &keys).await.unwrap();
    // EC2 takes a call that names no key for one that deletes all tags.
    server.ec2.delete_tags(&volume_id(), &[]).await.unwrap();
    let requests = server.requests();
    let resource = "ResourceId.1=vol-0123456789abcdef0";
    has(
        &requests[0],
        &[resource, "Tag.1.Key=team", "Tag.1.Value=storage"],
    );
    has(&requests[1], &[resource, "Tag.1.Key=tier"]);
    assert!(!requests[1].contains("Value"), "{}", requests[1]);
    assert_eq!(requests.len(), 2);
}

#[tokio::test]
async fn instances_and_zones_are_read() {
    let instances = "<reservationSet><item><instancesSet><item><instanceId>i-0123456789abcdef0</instanceId>\
        <instanceState><code>16</code><name>running</name></instanceState><instanceType>m7i.large</instanceType>\
        <placement><availabilityZone>eu-central-1a</availabilityZone></placement><blockDeviceMapping><item>\
        <deviceName>/dev/xvda</deviceName><ebs><volumeId>vol-0123456789abcdef0</volumeId><status>attached</status></ebs>\
        </item></blockDeviceMapping></item></instancesSet></item></reservationSet>";
    let zones = "<availabilityZoneInfo><item><zoneName>eu-central-1a</zoneName><zoneId>euc1-az2</zoneId>\
        <zoneState>available</zoneState><zoneType>availability-zone</zoneType></item><item>\
        <zoneName>eu-central-1-ham-1a</zoneName><zoneId>euc1-ham1-az1</zoneId><zoneState>available</zoneState>\
        <zoneType>local-zone</zoneType></item></availabilityZoneInfo>";
    let server = Server::start([
        done("DescribeInstances", instances),
        done("DescribeAvailabilityZones", zones),
    ])
    .await;
    let found = server
        .ec2
        .describe_instances(&[instance_id()])
        .await
        .unwrap();
    assert_eq!(found[0].block_devices[0].volume, volume_id());
    let zones = server.ec2.describe_availability_zones().await.unwrap();
    let ordinary: Vec<_> = zones.iter().map(|zone| zone.ordinary).collect();
    assert_eq!(ordinary, [true, false]);
}

#[rstest]
#[case(
    "<hypervisor>nitro</hypervisor><ebsInfo><maximumEbsAttachments>128</maximumEbsAttachments>\
     <attachmentLimitType>dedicated</attachmentLimitType><maximumEbsCards>2</maximumEbsCards></ebsInfo>",
    Some("zz9.large,nitro,128,dedicated,2")
)]
#[case(
    "<hypervisor>xen</hypervisor><ebsInfo><maximumEbsAttachments>39</maximumEbsAttachments>\
     <attachmentLimitType>a new kind</attachmentLimitType></ebsInfo>",
    Some("zz9.large,xen,39,shared,1")
)]
#[case("<ebsInfo><nvmeSupport>required</nvmeSupport></ebsInfo>", None)]
#[case("", None)]
#[tokio::test]
async fn the_limit_of_an_instance_type_is_read(#[case] told: &str, #[case] line: Option<&str>) {
    let types = format!(
        "<instanceTypeSet><item><instanceType>zz9.large</instanceType>{told}</item></instanceTypeSet>"
    );
    let server = Server::start([done("DescribeInstanceTypes", &types)]).await;
    let instance_type = "zz9.large".parse().unwrap();
    let limit = server.ec2.describe_instance_type(&instance_type).await;
    let limit = limit.unwrap().map(|limit| limit.to_string());
    assert_eq!(limit.as_deref(), line);
    has(&server.requests()[0], &["InstanceType.1=zz9.large"]);
}

#[rstest]
#[case("impaired", "io-enabled", "failed", Some(VolumeTrouble::IoDisabled))]
#[case(
    "impaired",
    "io-performance",
    "stalled",
    Some(VolumeTrouble::IoStalled)
)]
#[case(
    "warning",
    "io-performance",
    "severely-degraded",
    Some(VolumeTrouble::IoDegraded)
)]
#[case("impaired", "something-new", "failed", Some(VolumeTrouble::Impaired))]
#[case("warning", "io-enabled", "passed", Some(VolumeTrouble::Warned))]
#[case("ok", "io-performance", "normal", None)]
#[case("insufficient-data", "io-enabled", "failed", None)]
#[case("something-new", "io-enabled", "failed", None)]
#[tokio::test]
async fn the_status_of_volumes_is_read(
    #[case] status: &str,
    #[case] check: &str,
    #[case] result: &str,
    #[case] trouble: Option<VolumeTrouble>,
) {
    let found = format!(
        "<volumeStatusSet><item><volumeId>vol-0123456789abcdef0</volumeId><volumeStatus><status>{status}</status><details><item>\
        <name>{check}</name><status>{result}</status></item></details></volumeStatus><eventsSet><item><eventType>x</eventType>\
        <description>the words</description></item></eventsSet></item></volumeStatusSet><nextToken>t</nextToken>"
    );
    let server = Server::start([done("DescribeVolumeStatus", &found)]).await;
    let query = VolumeStatusQuery::Unwell {
        max: 5,
        token: None,
    };
    let page = server.ec2.describe_volume_status(&query).await.unwrap();
    assert_eq!(page.items[0].trouble, trouble);
    assert_eq!(page.items[0].events, ["the words"]);
    assert_eq!(page.next.as_deref(), Some("t"));
    let sent = [
        "Filter.1.Name=volume-status.status",
        "Filter.1.Value.2=impaired",
        "MaxResults=5",
    ];
    has(&server.requests()[0], &sent);
}

/// A thousand calls may wait for their turns, each in its future.
#[tokio::test]
async fn a_call_that_waits_for_its_turn_is_small() {
    let (server, request, device) = (Server::start([]).await, create_volume(), device());
    let client = &server.ec2;
    let attach = AttachVolume {
        volume: volume_id(),
        instance: instance_id(),
        device,
        card: None,
    };
    let (volume, instance) = (volume_id(), instance_id());
    let sizes = [
        size_of_val(&*client.create_volume(&request)),
        size_of_val(&*client.attach_volume(&attach)),
        size_of_val(&*client.detach_volume(&volume, &instance)),
        size_of_val(&*client.delete_volume(&volume)),
    ];
    assert!(sizes.iter().all(|size| *size <= 2 << 10), "{sizes:?}");
}
