//! Who has a volume with Multi-Attach, and volumes that nobody may write.

use csi::v1::volume_capability::access_mode::Mode;
use csi::v1::volume_capability::{AccessMode as ModeMessage, AccessType, BlockVolume};

use super::*;

/// A second node in the zone of [`HERE`].
const BESIDE: &str = "i-0000000c";

fn beside(fake: &Arc<FakeEc2>) {
    let mut state = fake.state();
    let mut instance = state.instances[&HERE.parse().unwrap()].clone();
    instance.id = BESIDE.parse().unwrap();
    state.instances.insert(instance.id.clone(), instance);
}

/// A volume in zone z-a that several instances can have, and a node beside the first one.
async fn shared(fake: &Arc<FakeEc2>, service: &ControllerService) -> String {
    beside(fake);
    let volume = volume(service, "pvc").await;
    let id = volume.parse().unwrap();
    fake.state().volumes.get_mut(&id).unwrap().multi_attach = true;
    volume
}

async fn publish_as(
    service: &ControllerService,
    volume: &str,
    node: &str,
    mode: Mode,
) -> Result<HashMap<String, String>, Status> {
    publish_with(service, volume, node, |message| {
        message.volume_capability = Some(csi::v1::VolumeCapability {
            access_type: Some(AccessType::Block(BlockVolume {})),
            access_mode: Some(ModeMessage { mode: mode.into() }),
        });
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn several_nodes_get_a_volume_that_they_share_at_once() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volume = shared(&fake, &service).await;
    let nodes = [HERE, BESIDE, HERE];
    let publishing =
        nodes.map(|node| publish_as(&service, &volume, node, Mode::MultiNodeMultiWriter));
    let [here, beside, again] = futures::future::join_all(publishing)
        .await
        .try_into()
        .unwrap();
    assert!(here.is_ok() && beside.is_ok(), "{here:?} {beside:?}");
    assert_eq!(again.unwrap_err().code(), Code::Aborted);
    assert_eq!(states(&fake), [AttachmentState::Attached; 2]);
    publish_as(&service, &volume, BESIDE, Mode::MultiNodeMultiWriter)
        .await
        .unwrap();
    assert_eq!(fake.calls(Action::AttachVolume), 2);
}

#[tokio::test(start_paused = true)]
async fn one_that_a_single_node_may_have_stays_with_the_first() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volume = shared(&fake, &service).await;
    publish(&service, &volume, HERE).await.unwrap();
    for _ in 0..2 {
        let status = publish(&service, &volume, BESIDE).await.unwrap_err();
        assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
        assert!(status.message().contains(HERE), "{status:?}");
    }
    // EC2 has attached it each time, and was told to let go again.
    assert_eq!(fake.calls(Action::DetachVolume), 2);
    publish(&service, &volume, HERE).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    fake.state().settle();
    assert_eq!(states(&fake), [AttachmentState::Attached]);
}

#[tokio::test(start_paused = true)]
async fn of_two_controllers_one_attaches_what_a_single_node_may_have() {
    let fake = FakeEc2::new();
    let (one, other) = (service(&fake), service(&fake));
    let volume = shared(&fake, &one).await;
    let (here, beside) = tokio::join!(
        publish(&one, &volume, HERE),
        publish(&other, &volume, BESIDE)
    );
    // Whichever EC2 heard first.
    let ((Ok(_), Err(refused)) | (Err(refused), Ok(_))) = (here, beside) else {
        panic!("one has it and the other does not");
    };
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused:?}");
}

/// A controller that died after EC2 attached the volume leaves the attachment to ControllerUnpublishVolume.
#[tokio::test(start_paused = true)]
async fn an_attachment_of_an_earlier_call_is_refused_and_left_alone() {
    let fake = FakeEc2::new();
    let before = service(&fake);
    let volume = shared(&fake, &before).await;
    for node in [HERE, BESIDE] {
        publish_as(&before, &volume, node, Mode::MultiNodeMultiWriter)
            .await
            .unwrap();
    }
    let after = service(&fake);
    let status = publish(&after, &volume, BESIDE).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    assert_eq!(fake.calls(Action::DetachVolume), 0);
}

#[tokio::test(start_paused = true)]
async fn who_counts_on_sharing_is_told_that_the_volume_cannot_be_shared() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    beside(&fake);
    let volume = volume(&service, "pvc").await;
    let mode = Mode::MultiNodeReaderOnly;
    publish_as(&service, &volume, HERE, mode).await.unwrap();
    let status = publish_as(&service, &volume, BESIDE, mode)
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    let words = status.message();
    assert!(
        words.contains("type is gp3") && words.contains("no Multi-Attach"),
        "{words}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_published_read_only_is_not_published_otherwise() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volume = volume(&service, "pvc").await;
    let publish_for = async |read_only: bool| {
        publish_with(&service, &volume, HERE, |message| {
            message.readonly = read_only;
        })
        .await
    };
    let read_only = publish_for(true).await.unwrap();
    assert_eq!(read_only[READ_ONLY_KEY], "true");
    assert_eq!(publish_for(true).await.unwrap(), read_only);
    let status = publish_for(false).await.unwrap_err();
    assert_eq!(status.code(), Code::AlreadyExists, "{status:?}");
    assert!(status.message().contains("read-only"), "{status:?}");
    // A capability for readers says the same as the flag.
    publish_as(&service, &volume, HERE, Mode::SingleNodeReaderOnly)
        .await
        .unwrap();

    // Somebody detaches it by hand.
    let id = volume.parse().unwrap();
    fake.detach_by_hand(&id);
    let written = publish_for(false).await.unwrap();
    assert!(!written.contains_key(READ_ONLY_KEY), "{written:?}");
    assert_eq!(
        publish_for(true).await.unwrap_err().code(),
        Code::AlreadyExists
    );
}
