//! Which volumes are listed, under which handle, and where they are said to be.

use std::collections::BTreeMap;

use csi::v1::controller_server::Controller;
use csi::v1::{
    ControllerGetVolumeRequest, ControllerPublishVolumeRequest, ControllerUnpublishVolumeRequest,
    DeleteVolumeRequest, TopologyRequirement,
};
use ebs_types::AttachmentState;
use ec2::Action;
use tonic::{Code, Request, Status};

use super::super::testing::{FakeEc2, capability, create, create_request, service};
use super::*;

const NODE: &str = "i-0000000a";

/// Every handle with its nodes, and the size of its volume in GiB.
async fn listed(service: &ControllerService) -> BTreeMap<String, (Vec<String>, i64)> {
    let (mut found, mut token) = (BTreeMap::new(), String::new());
    loop {
        let message = ListVolumesRequest {
            max_entries: 2,
            starting_token: token,
        };
        let answer = service.list_volumes(Request::new(message)).await.unwrap();
        let answer = answer.into_inner();
        for entry in answer.entries {
            let (volume, status) = (entry.volume.unwrap(), entry.status.unwrap());
            let gib = volume.capacity_bytes >> 30;
            let known = found.insert(volume.volume_id, (status.published_node_ids, gib));
            assert_eq!(known, None, "listed twice");
        }
        token = answer.next_token;
        if token.is_empty() {
            return found;
        }
    }
}

async fn publish(service: &ControllerService, handle: &str, node: &str) -> Result<(), Status> {
    let message = ControllerPublishVolumeRequest {
        volume_id: handle.to_owned(),
        node_id: node.to_owned(),
        volume_capability: Some(capability()),
        ..ControllerPublishVolumeRequest::default()
    };
    let answer = service.controller_publish_volume(Request::new(message));
    answer.await.map(|_| ())
}

async fn unpublish(service: &ControllerService, handle: &str, node: &str) {
    let message = ControllerUnpublishVolumeRequest {
        volume_id: handle.to_owned(),
        node_id: node.to_owned(),
        ..ControllerUnpublishVolumeRequest::default()
    };
    service
        .controller_unpublish_volume(Request::new(message))
        .await
        .unwrap();
}

/// The handle of a new volume in the zone of [`NODE`].
async fn made(service: &ControllerService, name: &str) -> String {
    let mut request = create_request(name);
    request.accessibility_requirements = Some(TopologyRequirement {
        requisite: vec![super::super::testing::in_zone("z-a")],
        preferred: Vec::new(),
    });
    create(service, request).await.unwrap().volume_id
}

/// A volume that somebody made by hand.
async fn by_hand(service: &ControllerService, fake: &FakeEc2, name: &str) -> String {
    let id = made(service, name).await;
    let key = id.parse().unwrap();
    fake.state().volumes.get_mut(&key).unwrap().tags.clear();
    id
}

#[tokio::test(start_paused = true)]
async fn marked_volumes_and_attached_ones_are_listed_each_once() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    for n in 0..7 {
        made(&service, &format!("pvc-{n}")).await;
    }
    let attached = made(&service, "pvc").await;
    publish(&service, &attached, NODE).await.unwrap();
    let foreign = by_hand(&service, &fake, "foreign").await;
    let used = by_hand(&service, &fake, "used").await;
    publish(&service, &used, NODE).await.unwrap();

    let found = listed(&service).await;
    assert_eq!(found.len(), 9);
    assert!(!found.contains_key(&foreign));
    let nodes: Vec<&str> = found
        .values()
        .flat_map(|(nodes, _)| nodes)
        .map(String::as_str)
        .collect();
    assert_eq!(nodes, [NODE, NODE]);
    assert!(found.values().all(|(_, gib)| *gib > 0));
}

#[tokio::test(start_paused = true)]
async fn a_handle_is_listed_as_its_pv_writes_it() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let id = by_hand(&service, &fake, "static").await;
    let handle = format!("aws://z-b/{id}");
    publish(&service, &handle, NODE).await.unwrap();
    let handles: Vec<String> = listed(&service).await.into_keys().collect();
    assert_eq!(handles, [handle.as_str()]);

    // Another process does not know it; publishing again tells, and changes nothing.
    let other = super::super::testing::service(&fake);
    assert!(listed(&other).await.contains_key(&id));
    publish(&other, &handle, NODE).await.unwrap();
    assert!(listed(&other).await.contains_key(&handle));

    unpublish(&service, &handle, NODE).await;
    assert!(listed(&service).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn node_local_volumes_are_where_they_were_published() {
    let fake = FakeEc2::new();
    let mut service = service(&fake);
    service.settings.node_local_volumes = true;
    let handle = "local-ebs://dev/xvdbz";
    publish(&service, handle, NODE).await.unwrap();
    publish(&service, handle, "i-0000000b").await.unwrap();
    for n in 0..6 {
        let handle = format!("local-ebs://dev/xvdc{}", char::from(b'a' + n));
        publish(&service, &handle, NODE).await.unwrap();
    }
    let found = listed(&service).await;
    assert_eq!(found.len(), 7);
    assert_eq!(
        found[handle],
        (vec![NODE.to_owned(), "i-0000000b".to_owned()], 0)
    );
    assert_eq!(get(&service, handle).await.unwrap().len(), 2);
    unpublish(&service, handle, NODE).await;
    assert_eq!(listed(&service).await[handle].0, ["i-0000000b"]);
    unpublish(&service, handle, "").await;
    assert_eq!(listed(&service).await.len(), 6);
    assert!(get(&service, handle).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_volume_is_on_a_node_from_attached_until_detached() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let id = made(&service, "pvc").await;
    publish(&service, &id, NODE).await.unwrap();
    let key = id.parse().unwrap();
    for (state, there) in [
        (AttachmentState::Attaching, false),
        (AttachmentState::Attached, true),
        (AttachmentState::Busy, true),
        (AttachmentState::Detaching, true),
        (AttachmentState::Detached, false),
    ] {
        let mut seen = fake.state().volumes[&key].clone();
        seen.attachments[0].state = state;
        assert_eq!(!render::nodes(&seen).is_empty(), there, "{state}");
    }
}

async fn get(service: &ControllerService, id: &str) -> Result<Vec<String>, Status> {
    let message = ControllerGetVolumeRequest {
        volume_id: id.to_owned(),
    };
    let answer = service.controller_get_volume(Request::new(message)).await?;
    let answer = answer.into_inner();
    assert_eq!(answer.volume.unwrap().volume_id, id);
    Ok(answer.status.unwrap().published_node_ids)
}

#[tokio::test(start_paused = true)]
async fn a_volume_is_got_as_it_is_and_not_found_once_it_is_gone() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let id = made(&service, "pvc").await;
    assert!(get(&service, &id).await.unwrap().is_empty());
    publish(&service, &id, NODE).await.unwrap();
    let handle = format!("aws:///{id}");
    assert_eq!(get(&service, &handle).await.unwrap(), [NODE]);
    unpublish(&service, &id, NODE).await;

    let code = async |id: &str| get(&service, id).await.unwrap_err().code();
    fake.state().volumes.clear();
    assert_eq!(code(&id).await, Code::NotFound);
    assert_eq!(code("fake-id").await, Code::NotFound);
    assert_eq!(code("").await, Code::InvalidArgument);
    assert_eq!(code("local-ebs://dev/xvdbz").await, Code::InvalidArgument);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_volume_is_not_listed() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volume_id = made(&service, "pvc").await;
    assert_eq!(listed(&service).await.len(), 1);
    let as_it_was = fake.state().volumes.clone();
    let message = DeleteVolumeRequest {
        volume_id,
        ..DeleteVolumeRequest::default()
    };
    service.delete_volume(Request::new(message)).await.unwrap();
    // EC2 shows it for a while yet.
    fake.state().volumes = as_it_was;
    assert!(listed(&service).await.is_empty());
    assert_eq!(fake.calls(Action::DeleteVolume), 1);
}
