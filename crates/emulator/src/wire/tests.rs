//! The protocol: parameters as the SDK and the CLI send them, documents as EC2 sends them.

use ebs_types::{Gibibytes, VolumeType};
use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::model::{
    Attachment, Filter, InstanceChange, Lifecycle, Page, Paging, Phase, Selection, Timestamp,
    Volume,
};

fn parse(text: &str) -> Result<(Action, Call), ApiError> {
    let mut form = Form::read(&[text.as_bytes()])?;
    let action = action(&mut form)?;
    Ok((action, read(action, form)?))
}

fn refusal(text: &str) -> (String, String) {
    let error = parse(text).expect_err("the call is refused");
    (error.code, error.message)
}

#[test]
fn create_volume_is_read() {
    let (action, call) = parse(
        "Action=CreateVolume&Version=2016-11-15&AvailabilityZone=eu-central-1a&Size=10&VolumeType=gp3&Iops=4000\
         &Throughput=250&Encrypted=true&KmsKeyId=alias%2Fk&ClientToken=t-1&DryRun=false\
         &TagSpecification.1.ResourceType=volume&TagSpecification.1.Tag.1.Key=CSIVolumeName\
         &TagSpecification.1.Tag.1.Value=pvc+1&TagSpecification.1.Tag.2.Key=k%26&TagSpecification.1.Tag.2.Value=",
    )
    .unwrap();
    assert_eq!(action, Action::CreateVolume);
    let Request::Change(Command::CreateVolume(c)) = call.request else {
        panic!("{call:?}")
    };
    assert!(!call.dry_run);
    assert_eq!(c.size, Some(Gibibytes(10)));
    assert_eq!(c.volume_type, VolumeType::Gp3);
    assert_eq!((c.iops, c.throughput), (Some(4_000), Some(250)));
    assert_eq!(c.kms_key.as_deref(), Some("alias/k"));
    let tags: Vec<_> = c.tags.iter().collect();
    assert_eq!(tags, [("CSIVolumeName", "pvc 1"), ("k&", "")]);
}

#[test]
fn create_snapshots_is_read() {
    let (_, call) = parse(
        "Action=CreateSnapshots&InstanceSpecification.InstanceId=i-0000000a&InstanceSpecification.ExcludeBootVolume=true\
         &InstanceSpecification.ExcludeDataVolumeId.1=vol-0000000a&CopyTagsFromSource=volume&Description=d",
    )
    .unwrap();
    let Request::Change(Command::CreateSnapshots(c)) = call.request else {
        panic!("{call:?}")
    };
    assert_eq!(c.instance.as_str(), "i-0000000a");
    assert_eq!(c.excluded, ["vol-0000000a".parse().unwrap()]);
    assert!(c.exclude_boot && c.copy_tags);
    let (code, words) =
        refusal("Action=CreateSnapshots&InstanceSpecification.ExcludeBootVolume=true");
    assert_eq!(code, "MissingParameter");
    assert!(
        words.contains("InstanceSpecification.InstanceId"),
        "{words}"
    );
    let local = "Action=CreateSnapshots&InstanceSpecification.InstanceId=i-0000000a&Location=local";
    assert_eq!(refusal(local).0, "InvalidParameterValue");
}

#[test]
fn describe_volumes_is_read() {
    let (_, call) = parse(
        "Action=DescribeVolumes&Filter.2.Name=status&Filter.2.Value.1=available&Filter.1.Name=tag%3Ak\
         &Filter.1.Value.10=z&Filter.1.Value.2=b&MaxResults=9999&NextToken=after:x",
    )
    .unwrap();
    let filter = |name: &str, values: &[&str]| Filter {
        name: name.to_owned(),
        values: values.iter().map(|v| (*v).to_owned()).collect(),
    };
    let expected = Selection {
        ids: Vec::new(),
        filters: vec![
            filter("tag:k", &["b", "z"]),
            filter("status", &["available"]),
        ],
        paging: Some(Paging {
            max: 500,
            token: Some("after:x".to_owned()),
        }),
    };
    assert_eq!(call.request, Request::Look(Query::Volumes(expected)));
}

#[rstest]
#[case("Version=2016-11-15", "MissingAction", "Action")]
#[case("Action=DescribeRegions", "InvalidAction", "DescribeRegions")]
#[case("Action=DeleteVolume", "MissingParameter", "VolumeId")]
#[case(
    "Action=DeleteVolume&VolumeId=vol-x",
    "InvalidVolumeID.Malformed",
    "vol-x"
)]
#[case(
    "Action=DeleteVolume&VolumeId=vol-12345678&Colour=red",
    "UnknownParameter",
    "Colour"
)]
#[case(
    "Action=DeleteVolume&VolumeId=vol-12345678&DryRun=yes",
    "InvalidParameterValue",
    "DryRun"
)]
#[case(
    "Action=DeleteVolume&VolumeId=vol-12345678&VolumeId=vol-12345679",
    "InvalidParameterCombination",
    "VolumeId"
)]
#[case(
    "Action=DescribeVolumes&VolumeId.1=vol-12345678&MaxResults=5",
    "InvalidParameterCombination",
    "MaxResults"
)]
#[case(
    "Action=DescribeVolumes&MaxResults=4",
    "InvalidParameterValue",
    "maxResults"
)]
#[case(
    "Action=DescribeVolumes&Filter.1.Value.1=x",
    "MissingParameter",
    "Filter.1.Name"
)]
#[case(
    "Action=DescribeVolumes&Filter.1.Name=x&Filter.1.Colour=x",
    "UnknownParameter",
    "Filter.1.Colour"
)]
#[case(
    "Action=CreateVolume&AvailabilityZone=a&Size=-1",
    "InvalidParameterValue",
    "Size"
)]
#[case(
    "Action=CreateVolume&AvailabilityZone=a&Size=1&VolumeType=GP3",
    "UnknownVolumeType",
    "GP3"
)]
#[case(
    "Action=CreateVolume&AvailabilityZone=a&TagSpecification.1.ResourceType=snapshot",
    "InvalidParameterValue",
    "snapshot"
)]
#[case(
    "Action=AttachVolume&VolumeId=vol-12345678&InstanceId=i-12345678&Device=sdb",
    "InvalidParameterValue",
    "device name"
)]
#[case(
    "Action=RunInstances&ImageId=ami-1&MinCount=2&MaxCount=1",
    "InvalidParameterValue",
    "MinCount"
)]
fn what_cannot_be_read_is_named(#[case] text: &str, #[case] code: &str, #[case] words: &str) {
    let (found, message) = refusal(text);
    assert_eq!(found, code);
    assert!(message.contains(words), "{message}");
}

#[test]
fn more_than_fifty_tags_have_a_code_of_their_own() {
    let mut text =
        "Action=CreateVolume&AvailabilityZone=a&Size=1&TagSpecification.1.ResourceType=volume"
            .to_owned();
    for n in 1..=51 {
        text.push_str(&format!("&TagSpecification.1.Tag.{n}.Key=k{n}"));
    }
    assert_eq!(refusal(&text).0, "TagLimitExceeded");
}

#[test]
fn every_action_knows_its_name_and_its_dry_run() {
    for action in Action::ALL {
        assert_eq!(Action::named(action.as_str()), Some(*action));
    }
    let (_, call) = parse("Action=DescribeAvailabilityZones&DryRun=true").unwrap();
    assert!(call.dry_run);
}

#[test]
fn the_region_is_the_one_signed_for() {
    let header = "AWS4-HMAC-SHA256 Credential=AKID/20261121/eu-west-1/ec2/aws4_request, SignedHeaders=host, Signature=0";
    assert_eq!(signed_region(header).unwrap().as_str(), "eu-west-1");
    for odd in ["", "Bearer x", "AWS4-HMAC-SHA256 Credential=AKID"] {
        assert_eq!(signed_region(odd), None);
    }
}

fn volume() -> Volume {
    let mut tags = ebs_types::Tags::new();
    tags.set("a<b", "c&\"d\"").unwrap();
    Volume {
        id: "vol-12345678".parse().unwrap(),
        zone: "eu-central-1a".parse().unwrap(),
        size: Gibibytes(10),
        volume_type: VolumeType::Gp3,
        iops: Some(3_000),
        throughput: Some(125),
        encrypted: false,
        kms_key: None,
        snapshot: None,
        multi_attach: false,
        tags,
        created: Timestamp(0),
        lifecycle: Lifecycle::Ready,
        attachments: vec![Attachment {
            instance: "i-12345678".parse().unwrap(),
            device: "/dev/xvdba".parse().unwrap(),
            since: Timestamp(0),
            phase: Phase::Attached,
            card: 0,
            serial: 1,
        }],
        modification: None,
        health: crate::model::Health::Ok,
        modified: Vec::new(),
        copy_of: None,
        initialization_rate: None,
        initializing: false,
        outpost: None,
        lineage: None,
    }
}

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

#[test]
fn a_page_of_volumes_is_written() {
    let page = Page {
        items: vec![volume()],
        next: Some("after:vol-12345678".to_owned()),
    };
    let text = reply(Action::DescribeVolumes, &Reply::Volumes(page), "r-1");
    let expected = "<DescribeVolumesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">\
        <requestId>r-1</requestId><volumeSet><item><volumeId>vol-12345678</volumeId><size>10</size>\
        <snapshotId></snapshotId><availabilityZone>eu-central-1a</availabilityZone><status>in-use</status>\
        <createTime>1970-01-01T00:00:00.000Z</createTime><attachmentSet><item><volumeId>vol-12345678</volumeId>\
        <instanceId>i-12345678</instanceId><device>/dev/xvdba</device><status>attached</status>\
        <attachTime>1970-01-01T00:00:00.000Z</attachTime><deleteOnTermination>false</deleteOnTermination><ebsCardIndex>0</ebsCardIndex></item>\
        </attachmentSet><tagSet><item><key>a&lt;b</key><value>c&amp;&quot;d&quot;</value></item></tagSet>\
        <volumeType>gp3</volumeType><iops>3000</iops><throughput>125</throughput><encrypted>false</encrypted>\
        <multiAttachEnabled>false</multiAttachEnabled></item></volumeSet><nextToken>after:vol-12345678</nextToken>\
        </DescribeVolumesResponse>";
    assert_eq!(text, format!("{HEAD}{expected}"));
}

#[test]
fn a_copy_is_asked_for_and_written_with_its_source() {
    let text = "Action=CopyVolumes&SourceVolumeId=vol-12345678&VolumeType=io2&Iops=100&MultiAttachEnabled=true\
        &ClientToken=t&TagSpecification.1.ResourceType=volume&TagSpecification.1.Tag.1.Key=k&TagSpecification.1.Tag.1.Value=v";
    let Ok(Request::Change(Command::CopyVolumes(read))) = parse(text).map(|(_, call)| call.request)
    else {
        panic!("{text}");
    };
    assert_eq!(read.source.as_str(), "vol-12345678");
    assert_eq!(
        (read.size, read.iops, read.multi_attach),
        (None, Some(100), true)
    );
    assert_eq!(read.tags.iter().collect::<Vec<_>>(), [("k", "v")]);
    let copy = Volume {
        copy_of: Some(read.source),
        ..volume()
    };
    let text = reply(Action::CopyVolumes, &Reply::Copied(copy), "r-1");
    let expected = "<requestId>r-1</requestId><volumeSet><item><volumeId>vol-12345678</volumeId><size>10</size>\
        <snapshotId></snapshotId><sourceVolumeId>vol-12345678</sourceVolumeId>";
    assert!(text.contains(expected), "{text}");
    assert!(
        text.ends_with("</item></volumeSet></CopyVolumesResponse>"),
        "{text}"
    );
    assert_eq!(refusal("Action=CopyVolumes&Size=1").0, "MissingParameter");
}

#[test]
fn other_replies_are_written() {
    let done = reply(Action::DeleteVolume, &Reply::Done, "r-1");
    assert!(
        done.contains("<return>true</return></DeleteVolumeResponse>"),
        "{done}"
    );
    let change = InstanceChange {
        id: "i-12345678".parse().unwrap(),
        before: ebs_types::InstanceState::Running,
        after: ebs_types::InstanceState::Stopping,
    };
    let stopped = reply(Action::StopInstances, &Reply::Changes(vec![change]), "r-1");
    let expected = "<instancesSet><item><instanceId>i-12345678</instanceId><currentState><code>64</code>\
        <name>stopping</name></currentState><previousState><code>16</code><name>running</name></previousState>\
        </item></instancesSet>";
    assert!(stopped.contains(expected), "{stopped}");
}

#[test]
fn errors_are_written() {
    let text = error(&ApiError::client("A.B", "x < y"), "r-1");
    let expected = "<Response><Errors><Error><Code>A.B</Code><Message>x &lt; y</Message></Error></Errors>\
        <RequestID>r-1</RequestID></Response>";
    assert_eq!(text, format!("{HEAD}{expected}"));
}

proptest! {
    #[test]
    fn no_body_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Form::read(&[&bytes]);
    }

    #[test]
    fn no_parameters_panic(
        which in 0..Action::ALL.len(),
        pairs in proptest::collection::vec(
            (
                proptest::sample::select(vec![
                    "VolumeId", "VolumeId.1", "VolumeId.x", "InstanceId.1", "Size", "Filter.1.Name", "Filter.1.Value.1",
                    "Filter.99999999999.Name", "MaxResults", "NextToken", "TagSpecification.1.Tag.1.Key", "Device",
                    "AvailabilityZone", "MinCount", "MaxCount", "ImageId", "InstanceType.1",
                ]),
                "[ -~]{0,12}",
            ),
            0..6,
        ),
    ) {
        let action = Action::ALL[which].as_str();
        let mut text = format!("Action={action}");
        for (key, value) in pairs {
            let pair = serde_urlencoded::to_string([(key, value)]).unwrap();
            text.push('&');
            text.push_str(&pair);
        }
        let _ = parse(&text);
    }
}

#[test]
fn broken_encoding_is_refused_rather_than_guessed() {
    for bad in ["Action=%zz", "Action=DescribeVolumes&Filter.1.Name=%ff"] {
        assert_eq!(refusal(bad).0, "MalformedQueryString", "{bad}");
    }
}
