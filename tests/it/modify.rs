//! VolumeAttributesClasses: what external-resizer asks for, what it is told, and what EC2 is asked for.

use std::time::Duration;

use csi::v1::{CapacityRange, ControllerExpandVolumeRequest, controller_service_capability};
use lab::orchestrator::Claim;
use rstest::rstest;
use serde_json::json;
use tonic::{Code, Status};

use crate::world::{self, World, calls, parameters, world, world_with};

type Class<'a> = &'a [(&'a str, &'a str)];

async fn modify(world: &World, claim: &Claim, class: Class<'_>) -> Result<(), Status> {
    world::modify(world, &claim.id, parameters(class)).await
}

async fn expand(world: &World, claim: &Claim, gib: i64) -> Result<i64, Status> {
    let request = ControllerExpandVolumeRequest {
        volume_id: claim.id.clone(),
        capacity_range: Some(CapacityRange {
            required_bytes: gib << 30,
            limit_bytes: 0,
        }),
        ..ControllerExpandVolumeRequest::default()
    };
    let mut client = world.controller.client();
    let answer = client.controller_expand_volume(request).await?;
    Ok(answer.get_ref().capacity_bytes >> 30)
}

/// Asks again until the last modification is completed and EC2 takes another one.
async fn modify_when_possible(world: &World, claim: &Claim, class: Class<'_>) {
    let tries = async {
        while let Err(status) = modify(world, claim, class).await {
            assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), tries)
        .await
        .expect("the class is applied at last");
}

/// A volume of gp3 of 100 GiB.
async fn volume(world: &World) -> Claim {
    let mut order = world.order("pvc-1");
    order.gib = 100;
    world.controller.create(&order).await.unwrap()
}

/// Type, IOPS and throughput, as EC2 has them.
async fn speed(world: &World, claim: &Claim) -> (String, Option<u32>, Option<u32>) {
    let volume = world.cloud.volume(&claim.id).await.unwrap().unwrap();
    (volume.kind, volume.iops, volume.throughput)
}

#[tokio::test]
async fn it_is_offered() {
    let world = world().await;
    let answer = world
        .controller
        .client()
        .controller_get_capabilities(csi::v1::ControllerGetCapabilitiesRequest {})
        .await
        .unwrap();
    let offered = answer.into_inner().capabilities.into_iter().any(|one| {
        let modify = controller_service_capability::rpc::Type::ModifyVolume;
        matches!(one.r#type, Some(controller_service_capability::Type::Rpc(rpc)) if rpc.r#type() == modify)
    });
    assert!(offered);
}

#[tokio::test]
async fn a_volume_changes_its_type_and_speed_and_back() {
    let world = world().await;
    let claim = volume(&world).await;
    let fast: Class<'_> = &[("type", "gp3"), ("Iops", "6000"), ("throughput", "500")];
    modify(&world, &claim, fast).await.unwrap();
    let is = ("gp3".to_owned(), Some(6_000), Some(500));
    assert_eq!(speed(&world, &claim).await, is);
    modify(&world, &claim, fast).await.unwrap();
    assert_eq!(calls(&world, "ModifyVolume").await, 1);

    modify_when_possible(&world, &claim, &[("volumeType", "gp2")]).await;
    assert_eq!(
        speed(&world, &claim).await,
        ("gp2".to_owned(), Some(300), None)
    );
    modify_when_possible(&world, &claim, &[("type", "gp3")]).await;
    let is = ("gp3".to_owned(), Some(3_000), Some(125));
    assert_eq!(speed(&world, &claim).await, is);
    modify_when_possible(&world, &claim, &[("type", "io2"), ("iops", "5000")]).await;
    assert_eq!(
        speed(&world, &claim).await,
        ("io2".to_owned(), Some(5_000), None)
    );
}

#[tokio::test]
async fn an_expansion_and_a_class_that_come_together_take_one_modification() {
    let world = world().await;
    let claim = volume(&world).await;
    let slow = json!({"action": "DescribeVolumes", "kind": "delay", "delay_ms": 500, "count": 1});
    world.cloud.fault(&slow).await.unwrap();
    let (size, modified) = tokio::join!(
        expand(&world, &claim, 200),
        modify(&world, &claim, &[("iops", "80000")])
    );
    modified.unwrap();
    assert_eq!(size.unwrap(), 200);
    let is = ("gp3".to_owned(), Some(80_000), Some(125));
    assert_eq!(speed(&world, &claim).await, is);
    assert_eq!(calls(&world, "ModifyVolume").await, 1);
}

#[tokio::test]
async fn a_class_is_infeasible_alone_where_ec2_says_so() {
    let world = world().await;
    let claim = volume(&world).await;
    let (size, modified) = tokio::join!(
        expand(&world, &claim, 101),
        modify(&world, &claim, &[("iops", "80000")])
    );
    assert_eq!(size.unwrap(), 101);
    let refusal = modified.unwrap_err().code();
    let codes = [Code::InvalidArgument, Code::FailedPrecondition];
    assert!(codes.contains(&refusal), "{refusal}");
    // Whatever came first: once EC2 looks at it by itself, it is infeasible.
    let answer = loop {
        match modify(&world, &claim, &[("iops", "80000")]).await {
            Err(status) if status.code() == Code::FailedPrecondition => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            answer => break answer,
        }
    };
    let status = answer.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert!(status.message().contains("500 iops per GiB"), "{status:?}");
}

#[tokio::test]
async fn a_restart_in_the_middle_makes_no_second_modification() {
    let mut world = world_with(|config| config.delays.modify = Duration::from_secs(2)).await;
    let claim = volume(&world).await;
    let class: Class<'_> = &[
        ("throughput", "250"),
        ("tagSpecification_1", "team=storage"),
    ];
    let sent = async {
        while calls(&world, "ModifyVolume").await == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        answer = modify(&world, &claim, class) => panic!("EC2 takes longer: {answer:?}"),
        () = sent => {}
    }
    world.kill_controller().await.unwrap();
    world.start_controller().await.unwrap();
    modify(&world, &claim, class).await.unwrap();
    assert_eq!(speed(&world, &claim).await.2, Some(250));
    // The process that has just started learns of the first one by EC2's refusal of another.
    let refused = world.cloud.refusals("ModifyVolume").await.unwrap();
    let refused: u64 = refused.values().sum();
    assert_eq!(calls(&world, "ModifyVolume").await - refused, 1);
    let volume = world.cloud.volume(&claim.id).await.unwrap().unwrap();
    assert_eq!(volume.tags["team"], "storage");
}

#[tokio::test]
async fn while_optimizing_another_class_is_told_to_wait() {
    let world = world_with(|config| config.delays.optimize = Duration::from_secs(600)).await;
    let claim = volume(&world).await;
    modify(&world, &claim, &[("iops", "4000")]).await.unwrap();
    let status = modify(&world, &claim, &[("iops", "5000")])
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(status.message().contains("50 % done"), "{status:?}");
    let status = expand(&world, &claim, 200).await.unwrap_err();
    assert_eq!(status.code(), Code::Aborted, "{status:?}");
    // What it has is no modification, and tags are none either.
    let class = [("iops", "4000"), ("tagSpecification_1", "a=b")];
    modify(&world, &claim, &class).await.unwrap();
}

#[tokio::test]
async fn the_fifth_modification_of_a_day_is_told_when_it_is_possible() {
    let world = world().await;
    let claim = volume(&world).await;
    for iops in ["4000", "5000", "6000", "7000"] {
        modify_when_possible(&world, &claim, &[("iops", iops)]).await;
    }
    let told = async {
        loop {
            let refusal = modify(&world, &claim, &[("iops", "8000")]).await;
            let status = refusal.expect_err("EC2 takes four");
            assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
            if status.message().contains("VolumeModificationRateExceeded") {
                break status;
            }
        }
    };
    let status = tokio::time::timeout(Duration::from_secs(20), told)
        .await
        .unwrap();
    assert!(status.message().contains("is possible at 20"), "{status:?}");
    let status = expand(&world, &claim, 200).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
}

#[tokio::test]
async fn tags_are_changed_and_the_drivers_own_stay() {
    let world = world().await;
    let claim = volume(&world).await;
    let class = [
        ("tagSpecification_1", "team=storage"),
        ("tagSpecification_2", "tier=gold"),
    ];
    modify(&world, &claim, &class).await.unwrap();
    let class = [
        ("tagSpecification_1", "tier=silver"),
        ("tagDeletion_1", "team"),
    ];
    for _ in 0..2 {
        modify(&world, &claim, &class).await.unwrap();
    }
    let tags = world.cloud.volume(&claim.id).await.unwrap().unwrap().tags;
    assert_eq!(tags.get("tier").map(String::as_str), Some("silver"));
    assert_eq!(tags.get("team"), None);
    assert_eq!(tags["CSIVolumeName"], "pvc-1");
    assert_eq!(calls(&world, "ModifyVolume").await, 0);
    assert_eq!(calls(&world, "CreateTags").await, 2);
    assert_eq!(calls(&world, "DeleteTags").await, 1);

    let class = [("tagDeletion_1", "ebs.csi.aws.com/cluster")];
    let status = modify(&world, &claim, &class).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
}

#[rstest]
#[case(&[("type", "io1"), ("iops", "1000")], &[], ("io1", Some(1_000), None))]
#[case(&[("type", "io2"), ("iopsPerGB", "20"), ("blockExpress", "true")], &[], ("io2", Some(2_500), None))]
#[case(&[("type", "st1")], &[], ("st1", None, None))]
#[case(&[("type", "sc1")], &[], ("sc1", None, None))]
#[case(&[("type", "standard")], &[], ("standard", None, None))]
#[case(&[("type", "io2"), ("iops", "1000")], &[("type", "gp3"), ("iops", "4000"), ("tagDeletion_1", "x")], ("gp3", Some(4_000), Some(125)))]
#[tokio::test]
async fn volumes_are_made_as_both_classes_say(
    #[case] class: Class<'_>,
    #[case] attributes: Class<'_>,
    #[case] expected: (&str, Option<u32>, Option<u32>),
) {
    let world = world().await;
    let mut order = world.order("pvc-1");
    order.gib = 125;
    let mut request = order.request();
    request.parameters = parameters(class);
    request.mutable_parameters = parameters(attributes);
    let answer = world.controller.client().create_volume(request).await;
    let id = answer.unwrap().into_inner().volume.unwrap().volume_id;
    let volume = world.cloud.volume(&id).await.unwrap().unwrap();
    let is = (volume.kind.as_str(), volume.iops, volume.throughput);
    assert_eq!(is, expected);
}

#[tokio::test]
async fn iops_grow_with_an_expansion_where_that_is_agreed() {
    let world = world().await;
    let mut order = world.order("pvc-1");
    order.gib = 100;
    order.parameters = vec![
        ("iopsPerGB", "50"),
        ("allowAutoIOPSIncreaseOnModify", "true"),
    ];
    let claim = world.controller.create(&order).await.unwrap();
    expand(&world, &claim, 200).await.unwrap();
    let is = ("gp3".to_owned(), Some(10_000), Some(125));
    assert_eq!(speed(&world, &claim).await, is);
    assert_eq!(calls(&world, "ModifyVolume").await, 1);
}
