//! What the controller says of volumes that EC2 finds something wrong with, or has no longer.

use std::collections::BTreeMap;

use csi::v1::{
    ControllerGetVolumeHealthRequest, ControllerListVolumeHealthRequest, VolumeHealth,
    VolumeHealthErrorType as Kind,
};
use lab::orchestrator::Claim;
use serde_json::json;
use tonic::{Code, Status};

use crate::world::{World, world};

async fn one(world: &World, id: &str) -> Result<VolumeHealth, Status> {
    let message = ControllerGetVolumeHealthRequest {
        volume_id: id.to_owned(),
        ..ControllerGetVolumeHealthRequest::default()
    };
    let mut client = world.controller.client();
    let answer = client.controller_get_volume_health(message).await?;
    Ok(answer.into_inner().volume_health.unwrap())
}

/// Kind and reason of the trouble of each volume that has one.
async fn all(world: &World, max_entries: i32) -> BTreeMap<String, (Kind, String)> {
    let (mut found, mut token) = (BTreeMap::new(), String::new());
    loop {
        let message = ControllerListVolumeHealthRequest {
            max_entries,
            starting_token: token,
            ..ControllerListVolumeHealthRequest::default()
        };
        let mut client = world.controller.client();
        let answer = client.controller_list_volume_health(message).await;
        let answer = answer.unwrap().into_inner();
        for VolumeHealth {
            volume_id,
            health_statuses,
        } in answer.entries
        {
            let trouble = &health_statuses[0];
            let known = found.insert(volume_id, (trouble.status(), trouble.reason.clone()));
            assert_eq!(known, None, "listed twice");
        }
        token = answer.next_token;
        if token.is_empty() {
            return found;
        }
    }
}

#[tokio::test]
async fn what_ec2_finds_is_told_of_one_and_of_all() {
    let world = world().await;
    let mut claims = Vec::new();
    for n in 0..7 {
        let order = world.order(&format!("pvc-{n}"));
        claims.push(world.controller.create(&order).await.unwrap());
    }
    assert!(all(&world, 0).await.is_empty());
    let troubles = [
        ("io-disabled", Kind::Inaccessible, "IoDisabled"),
        ("stalled", Kind::Inaccessible, "IoStalled"),
        ("severely-degraded", Kind::Degraded, "IoDegraded"),
        ("degraded", Kind::Degraded, "IoDegraded"),
    ];
    let mut expected = BTreeMap::new();
    for (claim, (found, kind, reason)) in claims.iter().zip(troubles) {
        let status = json!({ claim.id.as_str(): found });
        world.cloud.volume_status(&status).await.unwrap();
        expected.insert(claim.id.clone(), (kind, reason.to_owned()));
        let health = one(&world, &claim.id).await.unwrap();
        let [trouble] = health.health_statuses.try_into().unwrap();
        assert_eq!(
            (trouble.status(), trouble.reason.as_str()),
            (kind, reason),
            "{trouble:?}"
        );
        assert!(trouble.message.contains("EC2: "), "{trouble:?}");
    }
    for well in &claims[4..] {
        let health = one(&world, &well.id).await.unwrap();
        assert!(health.health_statuses.is_empty(), "{health:?}");
    }
    for max_entries in [1, 3, 0] {
        assert_eq!(all(&world, max_entries).await, expected);
    }

    let well = json!({ claims[0].id.as_str(): "ok", claims[1].id.as_str(): "insufficient-data" });
    world.cloud.volume_status(&well).await.unwrap();
    assert_eq!(all(&world, 0).await.len(), 2);
}

#[tokio::test]
async fn a_volume_deleted_behind_our_back_is_told_as_lost() {
    let world = world().await;
    let order = world.order("pvc-1");
    let made = world.controller.create(&order).await.unwrap();
    let claim = Claim {
        id: format!("aws://{}/{}", world.zone(), made.id),
        ..made.clone()
    };
    let node = world.node(0).unwrap();
    world.controller.attach(&claim, &node).await.unwrap();
    assert!(all(&world, 0).await.is_empty());
    world.cloud.pull_out(&made.id).await.unwrap();
    while world.cloud.delete_volume(&made.id).await.is_err() {
        tokio::task::yield_now().await;
    }
    let lost = (Kind::DataLoss, "VolumeDeleted".to_owned());
    let expected = BTreeMap::from([(claim.id.clone(), lost)]);
    assert_eq!(all(&world, 0).await, expected);
    let answer = one(&world, &claim.id).await;
    assert_eq!(answer.unwrap_err().code(), Code::NotFound);

    world.controller.detach(&claim, &node).await.unwrap();
    assert!(all(&world, 0).await.is_empty());
}

#[tokio::test]
async fn what_ec2_refuses_to_say_is_not_made_up() {
    let world = world().await;
    let order = world.order("pvc-1");
    let claim = world.controller.create(&order).await.unwrap();
    let fault = json!({"action": "DescribeVolumeStatus", "kind": "error", "code": "UnauthorizedOperation", "count": 2});
    world.cloud.fault(&fault).await.unwrap();
    let refused = one(&world, &claim.id).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let mut client = world.controller.client();
    let message = ControllerListVolumeHealthRequest::default();
    let refused = client.controller_list_volume_health(message).await;
    assert_eq!(refused.unwrap_err().code(), Code::PermissionDenied);

    for token in ["nonsense", "h2:0:5::x", "v2:0:5::"] {
        let message = ControllerListVolumeHealthRequest {
            starting_token: token.to_owned(),
            ..ControllerListVolumeHealthRequest::default()
        };
        let refused = client.controller_list_volume_health(message).await;
        assert_eq!(refused.unwrap_err().code(), Code::Aborted, "{token}");
    }
}
