//! CopyVolumes on the wire.

use super::*;
use crate::CopyVolume;

fn copy_volume() -> CopyVolume {
    let create = create_volume();
    CopyVolume {
        token: create.token,
        source: "vol-0fedcba9876543210".parse().unwrap(),
        size: create.size,
        kind: create.kind,
        encryption: Encryption::AccountDefault,
        multi_attach: true,
        tags: create.tags,
    }
}

#[tokio::test]
async fn a_copy_is_asked_for_and_read() {
    let volumes = format!(
        "<volumeSet><item>{VOLUME_FIELDS}<sourceVolumeId>vol-0fedcba9876543210</sourceVolumeId></item></volumeSet>"
    );
    let server = Server::start([done("CopyVolumes", &volumes)]).await;
    let volume = server.ec2.copy_volume(&copy_volume()).await.unwrap();
    assert_eq!(volume.id, volume_id());
    assert_eq!(volume.copy_of, Some(copy_volume().source));
    let request = server.requests().remove(0);
    let token = format!("ClientToken={}", ClientToken::for_name("pvc-1", 0).as_str());
    has(
        &request,
        &[
            "Action=CopyVolumes",
            "SourceVolumeId=vol-0fedcba9876543210",
            "Size=4",
            "VolumeType=gp3",
            "Iops=4000",
            "MultiAttachEnabled=true",
            "TagSpecification.1.ResourceType=volume",
            "TagSpecification.1.Tag.1.Key=CSIVolumeName",
            &token,
        ],
    );
    assert!(!request.contains("AvailabilityZone") && !request.contains("Encrypted"));
}

#[tokio::test]
async fn a_reply_without_a_copy_leaves_it_in_doubt() {
    let server = Server::start([done("CopyVolumes", "<volumeSet/>")]).await;
    let error = server.ec2.copy_volume(&copy_volume()).await.unwrap_err();
    assert_eq!(
        (error.kind, error.outcome),
        (ErrorKind::Unreadable, Outcome::MayBeDone)
    );
}

#[tokio::test]
async fn a_lost_reply_is_asked_for_again_with_the_same_token() {
    let volumes = format!("<volumeSet><item>{VOLUME_FIELDS}</item></volumeSet>");
    let server = Server::start([Reply::Lost, done("CopyVolumes", &volumes)]).await;
    server.ec2.copy_volume(&copy_volume()).await.unwrap();
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0], requests[1]);
}

#[rstest]
#[case("ConcurrentCopyVolumeLimitExceeded")]
#[case("CopyVolumesLimitExceeded")]
#[tokio::test]
async fn too_many_copies_are_told_apart(#[case] code: &str) {
    let server = Server::start([refusal(400, code, "Wait.")]).await;
    let error = server.ec2.copy_volume(&copy_volume()).await.unwrap_err();
    assert_eq!(
        (error.kind, error.outcome),
        (ErrorKind::CopiesUnderWay, Outcome::NotDone)
    );
}
