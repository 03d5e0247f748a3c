//! Every RPC under everything that can go wrong on the way to EC2: nothing is lost, nothing is made twice, and repeating heals.

use std::time::Duration;

use lab::orchestrator::{Claim, gib_or_more};
use lab::socket::Patience;
use rstest::rstest;
use serde_json::{Value, json};
use tonic::Code;

use crate::world::{World, code, leaves_open, snapshots, volumes, world};

/// The faults that a call can meet; `count` is far more than any retry inside the driver makes.
fn fault(name: &str, action: &str) -> Value {
    match name {
        "throttled" => {
            json!({"action": action, "kind": "error", "code": "RequestLimitExceeded", "count": 1000})
        }
        "failing" => {
            json!({"action": action, "kind": "error", "code": "InternalError", "count": 1000})
        }
        "reset" => json!({"action": action, "kind": "reset", "count": 1000}),
        // The first call takes effect, and its reply is lost.
        "lost" => json!({"action": action, "kind": "lost-reply", "count": 1}),
        other => panic!("no such fault: {other}"),
    }
}

/// An RPC with the EC2 action that does its work.
#[derive(Clone, Copy, Debug)]
enum Rpc {
    Create,
    Clone,
    Attach,
    Detach,
    Expand,
    Snapshot,
    DeleteSnapshot,
    Delete,
}

impl Rpc {
    fn action(self) -> &'static str {
        match self {
            Self::Create => "CreateVolume",
            Self::Clone => "CopyVolumes",
            Self::Attach => "AttachVolume",
            Self::Detach => "DetachVolume",
            Self::Expand => "ModifyVolume",
            Self::Snapshot => "CreateSnapshot",
            Self::DeleteSnapshot => "DeleteSnapshot",
            Self::Delete => "DeleteVolume",
        }
    }

    async fn call(self, world: &World, actors: &Actors, patience: Patience) -> anyhow::Result<()> {
        let controller = world.controller.with(patience);
        let node = world.node(0).unwrap();
        match self {
            Self::Create => controller.create(&world.order("new")).await.map(drop),
            Self::Clone => {
                let order = world.order("new").clone_of(&actors.attached.id);
                controller.create(&order).await.map(drop)
            }
            Self::Attach => controller.attach(&actors.free, &node).await.map(drop),
            Self::Detach => controller.detach(&actors.attached, &node).await,
            Self::Expand => {
                let range = gib_or_more(2);
                controller.expand(&actors.free, range).await.map(drop)
            }
            Self::Snapshot => controller.snapshot(&actors.free, "new").await.map(drop),
            Self::DeleteSnapshot => controller.delete_snapshot(&actors.snapshot).await,
            Self::Delete => controller.delete(&actors.free).await,
        }
    }

    /// Volumes and snapshots that there are in the end: [`Actors`] and what the RPC has changed.
    fn leads_to(self) -> (usize, usize) {
        match self {
            Self::Create | Self::Clone => (3, 0),
            Self::Snapshot => (2, 1),
            Self::Delete => (1, 0),
            Self::Attach | Self::Detach | Self::Expand | Self::DeleteSnapshot => (2, 0),
        }
    }
}

/// What the RPCs are about: a volume that is attached, one that is not, and a snapshot for who deletes one.
struct Actors {
    attached: Claim,
    free: Claim,
    snapshot: String,
}

impl Actors {
    async fn of(world: &World, rpc: Rpc) -> Self {
        let controller = &world.controller;
        let attached = controller.create(&world.order("attached")).await.unwrap();
        let node = world.node(0).unwrap();
        controller.attach(&attached, &node).await.unwrap();
        let free = controller.create(&world.order("free")).await.unwrap();
        let snapshot = match rpc {
            Rpc::DeleteSnapshot => controller.snapshot(&free, "old").await.unwrap(),
            _ => String::new(),
        };
        Self {
            attached,
            free,
            snapshot,
        }
    }
}

#[rstest]
#[tokio::test]
async fn repeating_heals(
    #[values(
        Rpc::Create,
        Rpc::Clone,
        Rpc::Attach,
        Rpc::Detach,
        Rpc::Expand,
        Rpc::Snapshot,
        Rpc::DeleteSnapshot,
        Rpc::Delete
    )]
    rpc: Rpc,
    #[values("throttled", "failing", "reset", "lost")] trouble: &str,
) {
    let world = world().await;
    let actors = Actors::of(&world, rpc).await;
    world
        .cloud
        .fault(&fault(trouble, rpc.action()))
        .await
        .unwrap();

    let patience = Patience::within(Duration::from_secs(1));
    let answer = rpc.call(&world, &actors, patience).await;
    let code = code(&answer);
    assert!(
        code == Code::Ok || leaves_open(code),
        "{rpc:?} {trouble}: {answer:?}"
    );
    if trouble != "lost" {
        assert_ne!(code, Code::Ok, "{rpc:?} cannot have worked while {trouble}");
    }

    world.cloud.heal().await.unwrap();
    rpc.call(&world, &actors, Patience::SIDECAR).await.unwrap();
    let there = (volumes(&world).await, snapshots(&world).await);
    assert_eq!(
        there,
        rpc.leads_to(),
        "{rpc:?} {trouble}: volumes and snapshots"
    );
}

#[tokio::test]
async fn a_create_that_fails_inside_ec2_leaves_nothing_and_works_the_next_time() {
    let world = world().await;
    let rule = json!({"action": "CreateVolume", "kind": "create-failure"});
    world.cloud.fault(&rule).await.unwrap();

    let answer = world
        .controller
        .with(Patience::ONCE)
        .create(&world.order("pvc-1"))
        .await;
    assert_eq!(code(&answer), Code::Internal, "{answer:?}");
    assert_eq!(
        volumes(&world).await,
        0,
        "a final code says that there is no volume"
    );

    let claim = world
        .controller
        .create(&world.order("pvc-1"))
        .await
        .unwrap();
    let seen = world.cloud.volume(&claim.id).await.unwrap().unwrap();
    assert_eq!(seen.state, "available");
    assert_eq!(volumes(&world).await, 1);
}

#[tokio::test]
async fn a_stuck_attachment_can_be_undone_and_tried_again() {
    let world = world().await;
    let (controller, node) = (&world.controller, world.node(0).unwrap());
    let claim = controller.create(&world.order("pvc-1")).await.unwrap();
    let rule = json!({"action": "AttachVolume", "kind": "stuck"});
    world.cloud.fault(&rule).await.unwrap();

    let hasty = controller.with(Patience::within(Duration::from_secs(1)));
    let answer = hasty.attach(&claim, &node).await;
    assert!(leaves_open(code(&answer)), "{answer:?}");

    controller.detach(&claim, &node).await.unwrap();
    controller.attach(&claim, &node).await.unwrap();
    let seen = world.cloud.volume(&claim.id).await.unwrap().unwrap();
    assert_eq!(seen.attachments[0].state, "attached");
}
