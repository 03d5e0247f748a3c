//! Situations of the calls that list blocks of snapshots, up to the first message of an answer.

use csi::v1::snapshot_metadata_client::SnapshotMetadataClient;
use csi::v1::{GetMetadataAllocatedRequest, GetMetadataDeltaRequest};
use futures::FutureExt as _;
use lab::socket::channel;
use tonic::transport::Channel;

use super::requests::{Answer, NO_SNAPSHOT, ready};
use super::situations::{Named, situations};
use crate::world::World;

fn client(world: &World) -> SnapshotMetadataClient<Channel> {
    SnapshotMetadataClient::new(channel(&world.socket()).unwrap())
}

async fn allocated(
    world: &World,
    id: &str,
    change: impl FnOnce(&mut GetMetadataAllocatedRequest),
) -> Answer {
    let mut request = GetMetadataAllocatedRequest {
        snapshot_id: id.to_owned(),
        ..GetMetadataAllocatedRequest::default()
    };
    change(&mut request);
    let answer = client(world).get_metadata_allocated(request).await?;
    answer.into_inner().message().await.map(drop)
}

async fn delta(
    world: &World,
    base: &str,
    target: &str,
    change: impl FnOnce(&mut GetMetadataDeltaRequest),
) -> Answer {
    let mut request = GetMetadataDeltaRequest {
        base_snapshot_id: base.to_owned(),
        target_snapshot_id: target.to_owned(),
        ..GetMetadataDeltaRequest::default()
    };
    change(&mut request);
    let answer = client(world).get_metadata_delta(request).await?;
    answer.into_inner().message().await.map(drop)
}

/// Two completed snapshots of one volume.
async fn two(world: &World) -> [String; 2] {
    let volume = ready(world).await;
    let mut ids = Vec::new();
    for name in ["first", "second"] {
        ids.push(world.controller.snapshot(&volume, name).await.unwrap());
    }
    ids.try_into().unwrap()
}

/// A snapshot that is not completed.
async fn pending(world: &World) -> String {
    let delay = serde_json::json!({"snapshot_ms": 3_600_000});
    world.cloud.delays(&delay).await.unwrap();
    let volume = ready(world).await;
    world.cloud.create_snapshot(&volume.id).await.unwrap()
}

/// A completed snapshot of another volume.
async fn other(world: &World) -> String {
    let order = world.order("other");
    let volume = world.controller.create(&order).await.unwrap();
    world.controller.snapshot(&volume, "other").await.unwrap()
}

/// Blocks of a snapshot that is there.
pub(crate) async fn two_listed(world: &World) -> Answer {
    let [id, _] = two(world).await;
    allocated(world, &id, |_| {}).await
}

/// The blocks that differ between two of one volume.
pub(crate) async fn two_compared(world: &World) -> Answer {
    let [first, second] = two(world).await;
    delta(world, &first, &second, |_| {}).await
}

situations! { BLOCKS:
    "GetMetadataAllocated", "the id is missing, or none that a snapshot can have" => |world| {
        allocated(world, "nightly", |_| {}).await
    };
    "GetMetadataAllocated", "`max_results` or `starting_offset` is negative" => |world| {
        allocated(world, NO_SNAPSHOT, |r| r.max_results = -1).await
    };
    "GetMetadataAllocated", "there is no such snapshot" => |world| allocated(world, NO_SNAPSHOT, |_| {}).await;
    "GetMetadataAllocated", "the snapshot is not completed" => |world| {
        let id = pending(world).await;
        allocated(world, &id, |_| {}).await
    };
    "GetMetadataAllocated", "`starting_offset` is beyond the volume's end" => |world| {
        let [id, _] = two(world).await;
        allocated(world, &id, |r| r.starting_offset = (1 << 30) + 1).await
    };
    "GetMetadataAllocated", "`starting_offset` is the volume's end: no blocks" => |world| {
        let [id, _] = two(world).await;
        allocated(world, &id, |r| r.starting_offset = 1 << 30).await
    };
    "GetMetadataDelta", "an id is missing, or none that a snapshot can have" => |world| {
        delta(world, NO_SNAPSHOT, "", |_| {}).await
    };
    "GetMetadataDelta", "`max_results` or `starting_offset` is negative" => |world| {
        delta(world, NO_SNAPSHOT, NO_SNAPSHOT, |r| r.starting_offset = -1).await
    };
    "GetMetadataDelta", "one of the snapshots is not there" => |world| {
        let [id, _] = two(world).await;
        delta(world, NO_SNAPSHOT, &id, |_| {}).await
    };
    "GetMetadataDelta", "one of the snapshots is not completed" => |world| {
        let [id, _] = two(world).await;
        let pending = pending(world).await;
        delta(world, &id, &pending, |_| {}).await
    };
    "GetMetadataDelta", "the snapshots are of volumes that have nothing to do with one another" => |world| {
        let [id, _] = two(world).await;
        let other = other(world).await;
        delta(world, &id, &other, |_| {}).await
    };
    "GetMetadataDelta", "`starting_offset` is beyond the end of the target's volume" => |world| {
        let [first, second] = two(world).await;
        delta(world, &first, &second, |r| r.starting_offset = (1 << 30) + 1).await
    };
}
