//! What is formatted how, and what is not for readers.

use super::*;

fn with_context(lab: &Lab, fs: &str, context: &[(&str, &str)]) -> NodeStageVolumeRequest {
    NodeStageVolumeRequest {
        volume_context: context
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
        ..lab.stage_request(mount(fs))
    }
}

async fn stage(lab: &Lab, request: NodeStageVolumeRequest) -> Result<(), Status> {
    let answer = lab.node.node_stage_volume(Request::new(request)).await;
    answer.map(drop)
}

#[tokio::test]
async fn the_context_says_how_to_format() {
    let lab = Lab::with(Disk::Blank);
    let context = [("blocksize", "1024"), ("InodeSize", "512")];
    stage(&lab, with_context(&lab, "xfs", &context))
        .await
        .unwrap();
    let formatted = &lab.host.writes()[0];
    assert!(
        formatted.contains("1024") && formatted.contains("512"),
        "{formatted}"
    );
}

#[tokio::test]
async fn an_option_that_the_file_system_lacks_is_refused_where_one_is_to_be_made() {
    let context = [("bytesperinode", "8192")];
    let lab = Lab::with(Disk::Blank);
    let refused = stage(&lab, with_context(&lab, "xfs", &context)).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("bytesPerInode"), "{refused}");
    assert_eq!(lab.host.writes(), [""; 0]);

    let lab = Lab::with(Disk::Holds(FsType::Xfs));
    stage(&lab, with_context(&lab, "xfs", &context))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_clone_is_never_formatted() {
    let lab = Lab::with(Disk::Blank);
    let origin = [("ebs.csi.aws.com/source-volume", OTHER)];
    let refused = stage(&lab, with_context(&lab, "ext4", &origin)).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains(OTHER), "{refused}");
    assert_eq!(lab.host.writes(), [""; 0]);
}

fn readers() -> [VolumeCapability; 2] {
    let ro = MountVolume {
        mount_flags: vec!["ro".to_owned()],
        ..MountVolume::default()
    };
    [
        mount_for("ext4", Mode::SingleNodeReaderOnly),
        capability(AccessType::Mount(ro), Mode::SingleNodeWriter),
    ]
}

#[tokio::test]
async fn what_is_staged_read_only_is_not_written() {
    for reader in readers() {
        let lab = Lab::with(Disk::Blank);
        let refused = lab.stage(reader.clone()).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert!(refused.message().contains("read-only"), "{refused}");
        assert_eq!(lab.host.writes(), [""; 0]);

        let lab = Lab::with(Disk::Holds(FsType::Ext4));
        for _ in 0..2 {
            lab.stage(reader.clone()).await.unwrap();
        }
        assert_eq!(lab.host.writes(), ["mount ext4"]);
        let staged = lab.path("staging");
        let mount = lab.host.mounted(Path::new(&staged)).unwrap();
        assert!(mount.read_only);

        let lab = Lab::with(Disk::Holds(FsType::Xfs));
        let refused = lab.stage(reader).await.unwrap_err();
        assert!(refused.message().contains("an xfs"), "{refused}");
    }
}
