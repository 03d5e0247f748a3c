//! What is wrong with which volume, and what is not said of those that are nobody's business.

use csi::v1::VolumeHealthErrorType::{DataLoss, Degraded, Inaccessible};
use csi::v1::controller_server::Controller;
use ebs_types::AttachmentState;
use ec2::Attachment;
use rstest::rstest;
use tonic::{Code, Request, Status};

use super::super::testing::{FakeEc2, create, create_request, service};
use super::*;

async fn one(service: &ControllerService, id: &str) -> Result<Vec<VolumeHealthEntry>, Status> {
    let message = ControllerGetVolumeHealthRequest {
        volume_id: id.to_owned(),
        ..ControllerGetVolumeHealthRequest::default()
    };
    let answer = service
        .controller_get_volume_health(Request::new(message))
        .await?;
    let health = answer.into_inner().volume_health.unwrap();
    assert_eq!(health.volume_id, id);
    Ok(health.health_statuses)
}

/// Every volume that is listed, with the reason, in pages of two.
async fn all(service: &ControllerService) -> Vec<(String, String)> {
    let (mut found, mut token) = (Vec::new(), String::new());
    loop {
        let message = ControllerListVolumeHealthRequest {
            max_entries: 2,
            starting_token: token,
            ..ControllerListVolumeHealthRequest::default()
        };
        let answer = service
            .controller_list_volume_health(Request::new(message))
            .await
            .unwrap()
            .into_inner();
        assert!(answer.entries.len() <= 2);
        for entry in answer.entries {
            let [status] = entry.health_statuses.try_into().unwrap();
            found.push((entry.volume_id, status.reason));
        }
        token = answer.next_token;
        if token.is_empty() {
            return found;
        }
    }
}

async fn made(service: &ControllerService, name: &str) -> (String, VolumeId) {
    let volume = create(service, create_request(name)).await.unwrap();
    let id = volume.volume_id.parse().unwrap();
    (volume.volume_id, id)
}

#[rstest]
#[case(VolumeTrouble::IoDisabled, Inaccessible, "IoDisabled")]
#[case(VolumeTrouble::IoStalled, Inaccessible, "IoStalled")]
#[case(VolumeTrouble::IoDegraded, Degraded, "IoDegraded")]
#[case(VolumeTrouble::Impaired, Inaccessible, "Impaired")]
#[case(VolumeTrouble::Warned, Degraded, "Warning")]
#[tokio::test(start_paused = true)]
async fn each_trouble_has_its_kind_and_reason(
    #[case] trouble: VolumeTrouble,
    #[case] kind: VolumeHealthErrorType,
    #[case] reason: &str,
) {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let (handle, id) = made(&service, "pvc").await;
    assert!(one(&service, &handle).await.unwrap().is_empty());
    fake.state().troubles.insert(id, trouble);
    let [entry] = one(&service, &handle).await.unwrap().try_into().unwrap();
    assert_eq!((entry.status(), entry.reason.as_str()), (kind, reason));
    assert_eq!(all(&service).await, [(handle, reason.to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_volume_has_lost_its_data_and_one_that_is_gone_is_not_found() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let (handle, id) = made(&service, "pvc").await;
    fake.state().volumes.get_mut(&id).unwrap().state = VolumeState::Error;
    fake.state()
        .troubles
        .insert(id.clone(), VolumeTrouble::Impaired);
    let [entry] = one(&service, &handle).await.unwrap().try_into().unwrap();
    assert_eq!(
        (entry.status(), entry.reason.as_str()),
        (DataLoss, "VolumeFailed")
    );
    assert_eq!(
        all(&service).await,
        [(handle.clone(), "VolumeFailed".to_owned())],
        "once, by its worst trouble"
    );
    fake.state().volumes.clear();
    fake.state().troubles.clear();
    let code = async |id: &str| one(&service, id).await.unwrap_err().code();
    assert_eq!(code(&handle).await, Code::NotFound);
    assert_eq!(code("fake-id").await, Code::NotFound);
    assert_eq!(code("").await, Code::InvalidArgument);
}

#[tokio::test(start_paused = true)]
async fn what_was_published_and_is_gone_is_listed_until_it_is_unpublished() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let node = "i-0000000a".parse().unwrap();
    let mut expected = Vec::new();
    for n in 0..7 {
        let (handle, id) = made(&service, &format!("pvc-{n}")).await;
        let written = format!("aws:///{handle}");
        let volume = VolumeHandle::Ebs(id.clone());
        service.published.note(volume, &written, &node, false);
        if n % 2 == 0 {
            fake.state().volumes.remove(&id);
            expected.push((written, "VolumeDeleted".to_owned()));
        }
    }
    assert_eq!(all(&service).await, expected);
    for volume in service.published.after(None, 9, |_| true) {
        service.published.forget(&volume.0, Some(&node));
    }
    assert!(all(&service).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn other_peoples_volumes_are_not_listed() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let (_, foreign) = made(&service, "foreign").await;
    let (used, attached) = made(&service, "used").await;
    {
        let mut state = fake.state();
        for volume in state.volumes.values_mut() {
            volume.tags.clear();
        }
        let volume = state.volumes.get_mut(&attached).unwrap();
        volume.state = VolumeState::InUse;
        volume.attachments.push(Attachment {
            volume: attached.clone(),
            instance: "i-0000000a".parse().unwrap(),
            device: "/dev/xvdba".to_owned(),
            state: AttachmentState::Attached,
            since: None,
        });
        for id in [foreign, attached] {
            state.troubles.insert(id, VolumeTrouble::IoStalled);
        }
    }
    assert_eq!(all(&service).await, [(used, "IoStalled".to_owned())]);
}
