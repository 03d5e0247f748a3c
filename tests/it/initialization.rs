//! `blockAttachUntilInitialized`: a restored volume is attached once EC2 has fetched its blocks; every other volume at once.

use lab::orchestrator::{Claim, Order};
use lab::socket::Patience;
use serde_json::json;
use tonic::Code;

use crate::world::{World, calls, code, message, world};

async fn volume(world: &World, snapshot: Option<&str>, waits: &'static str) -> Claim {
    let name = format!("{}-{waits}", snapshot.unwrap_or("empty"));
    let order = Order {
        parameters: vec![("BlockAttachUntilInitialized", waits)],
        source: snapshot.map(|id| {
            let snapshot_id = id.to_owned();
            csi::v1::volume_content_source::Type::Snapshot(
                csi::v1::volume_content_source::SnapshotSource { snapshot_id },
            )
        }),
        ..world.order(&name)
    };
    world.controller.create(&order).await.unwrap()
}

#[tokio::test]
async fn a_restored_volume_is_attached_once_its_blocks_are_there() {
    let world = world().await;
    let (once, node) = (
        world.controller.with(Patience::ONCE),
        world.node(0).unwrap(),
    );
    let origin = volume(&world, None, "true").await;
    let snapshot = once.snapshot(&origin, "snapshot-1").await.unwrap();
    world
        .cloud
        .delays(&json!({"initialize_ms": 600_000}))
        .await
        .unwrap();

    // There is nothing to fetch, or nobody to wait for it: no look.
    once.attach(&origin, &node).await.unwrap();
    let other = volume(&world, Some(&snapshot), "false").await;
    once.attach(&other, &node).await.unwrap();
    assert_eq!(calls(&world, "DescribeVolumeStatus").await, 0);

    let restored = volume(&world, Some(&snapshot), "true").await;
    let answer = once.attach(&restored, &node).await;
    assert_eq!(code(&answer), Code::Unavailable, "{answer:?}");
    let words = message(answer);
    for part in [
        "blockAttachUntilInitialized",
        restored.id.as_str(),
        "% of its snapshot's blocks",
    ] {
        assert!(words.contains(part), "{part} in {words}");
    }
    let seen = world.cloud.volume(&restored.id).await.unwrap().unwrap();
    assert_eq!(seen.state, "available");

    world
        .cloud
        .delays(&json!({"initialize_ms": 0}))
        .await
        .unwrap();
    world.controller.attach(&restored, &node).await.unwrap();

    // What is attached stays so, whatever EC2 says later, and gone is gone.
    world
        .cloud
        .delays(&json!({"initialize_ms": 600_000}))
        .await
        .unwrap();
    once.attach(&restored, &node).await.unwrap();
    once.detach(&restored, &node).await.unwrap();
    once.delete(&restored).await.unwrap();
    assert_eq!(code(&once.attach(&restored, &node).await), Code::NotFound);
}

#[tokio::test]
async fn the_attribute_is_read_in_any_case_and_says_yes_or_no() {
    let world = world().await;
    let node = world.node(0).unwrap();
    let mut claim = volume(&world, None, "false").await;
    claim.context = [(
        "BlockAttachUntilInitialized".to_owned(),
        "perhaps".to_owned(),
    )]
    .into();
    let answer = world
        .controller
        .with(Patience::ONCE)
        .attach(&claim, &node)
        .await;
    assert_eq!(code(&answer), Code::InvalidArgument);
    assert!(message(answer).contains("perhaps"));
    // An empty volume has nothing to fetch, whatever its PV says.
    claim.context = [("blockattachuntilinitialized".to_owned(), "true".to_owned())].into();
    world.controller.attach(&claim, &node).await.unwrap();
}
