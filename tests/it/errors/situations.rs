//! How each situation of the table comes about.

use csi::v1::CreateVolumeRequest;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use lab::orchestrator::Use;
use serde_json::json;

use super::blocks::{BLOCKS, two_compared, two_listed};
use super::groups::{GROUPS, delete_group, get_group, group};
use super::requests::*;
use crate::outposts;
use crate::snapshot_class::take;
use crate::world::World;

/// A situation that has a name, and the call in it.
pub(crate) struct Named {
    pub(crate) call: &'static str,
    pub(crate) situation: &'static str,
    pub(crate) play: fn(&World) -> BoxFuture<'_, Answer>,
}

impl Named {
    /// The situation of this name.
    pub(crate) fn of(call: &str, situation: &str) -> Option<&'static Self> {
        Self::all().find(|named| named.call == call && named.situation == situation)
    }

    /// All of them.
    pub(crate) fn all() -> impl Iterator<Item = &'static Self> {
        [
            VOLUMES,
            ATTACHMENTS,
            CHANGES,
            SNAPSHOTS,
            GROUPS,
            LOOKS,
            BLOCKS,
        ]
        .into_iter()
        .flatten()
    }
}

/// The call while EC2 refuses the action that does its work.
pub(crate) async fn refused(world: &World, call: &str, code: &str) -> Answer {
    let volume = match call {
        "CreateVolume" => String::new(),
        _ => ready(world).await.id,
    };
    let node = node(world, 0);
    if call == "ControllerUnpublishVolume" || call.contains("VolumeGroup") {
        publish(world, &volume, &node, |_| {}).await.unwrap();
    }
    if call == "DeleteVolumeGroupSnapshot" {
        group(world, &[&volume], |_| {}).await.unwrap();
    }
    let action = match call {
        "ControllerPublishVolume" => "AttachVolume",
        "ControllerUnpublishVolume" => "DetachVolume",
        "ControllerExpandVolume" | "ControllerModifyVolume" => "ModifyVolume",
        "ValidateVolumeCapabilities" | "ListVolumes" => "DescribeVolumes",
        "ListSnapshots" | "GetVolumeGroupSnapshot" => "DescribeSnapshots",
        "CreateVolumeGroupSnapshot" => "CreateSnapshots",
        "DeleteVolumeGroupSnapshot" => "DeleteSnapshot",
        "GetMetadataAllocated" => "ListSnapshotBlocks",
        "GetMetadataDelta" => "ListChangedBlocks",
        same => same,
    };
    let rule = json!({"action": action, "kind": "error", "code": code, "count": 1000});
    world.cloud.fault(&rule).await.unwrap();
    match call {
        "CreateVolume" => create(world, |_| {}).await,
        "DeleteVolume" => delete(world, &volume).await,
        "ControllerPublishVolume" => publish(world, &volume, &node, |_| {}).await,
        "ControllerUnpublishVolume" => unpublish(world, &volume, &node).await,
        "ValidateVolumeCapabilities" => validate(world, &volume, |_| {}).await,
        "ControllerExpandVolume" => expand(world, &volume, 2, 0).await,
        "ControllerModifyVolume" => modify(world, &volume, "throughput", "250").await,
        "CreateSnapshot" => snapshot(world, &volume, "snapshot-1").await,
        "DeleteSnapshot" => delete_snapshot(world, NO_SNAPSHOT).await,
        "ListSnapshots" => list_snapshots(world, |_| {}).await,
        "ListVolumes" => list_volumes(world, "").await,
        "CreateVolumeGroupSnapshot" => group(world, &[&volume], |_| {}).await,
        "DeleteVolumeGroupSnapshot" => delete_group(world, "group", &[]).await,
        "GetVolumeGroupSnapshot" => get_group(world, "group", &[]).await,
        "GetMetadataAllocated" => two_listed(world).await,
        "GetMetadataDelta" => two_compared(world).await,
        other => panic!("no action does the work of {other}"),
    }
}

macro_rules! situations {
    ($name:ident: $($call:literal, $situation:literal => |$world:ident| $play:expr;)+) => {
        pub(crate) const $name: &[Named] = &[$(Named {
            call: $call,
            situation: $situation,
            play: |$world| async move { $play }.boxed(),
        }),+];
    };
}
pub(crate) use situations;

situations! { VOLUMES:
    "CreateVolume", "a name or a capability is missing" => |world| create(world, |r| r.name.clear()).await;
    "CreateVolume", "a parameter is not known, or asks for what no volume has" => |world| {
        create(world, |r| drop(r.parameters.insert("iops".to_owned(), "1".to_owned()))).await
    };
    "CreateVolume", "the size is beyond the type's largest" => |world| {
        create(world, |r| r.capacity_range.as_mut().unwrap().required_bytes = 70_000 << 30).await
    };
    "CreateVolume", "the name is that of a volume of another size" => |world| {
        ready(world).await;
        create(world, |r| {
            r.name = "there".to_owned();
            r.capacity_range.as_mut().unwrap().required_bytes = 5 << 30;
        }).await
    };
    "CreateVolume", "the name is that of such a volume" => |world| {
        ready(world).await;
        create(world, |r| r.name = "there".to_owned()).await
    };
    "CreateVolume", "there is no such snapshot" => |world| restored(world, NO_SNAPSHOT).await;
    "CreateVolume", "the snapshot is pending" => |world| {
        world.cloud.delays(&json!({"snapshot_ms": 600_000})).await.unwrap();
        let id = taken(world).await;
        restored(world, &id).await
    };
    "CreateVolume", "a KMS key that may not be used" => |world| {
        world.cloud.delays(&json!({"denied_keys": ["locked"], "create_ms": 3_000})).await.unwrap();
        create(world, |r| drop(r.parameters.insert("kmsKeyId".to_owned(), "locked".to_owned()))).await
    };
    "CreateVolume", "the Outpost does not offer the type" => |world| {
        create(world, |r| {
            r.accessibility_requirements = outposts::request(world, "", &[outposts::outpost()]).accessibility_requirements;
        }).await
    };
    "CreateVolume", "an Outpost keeps the snapshot, and another place is asked for" => |world| {
        let id = kept_on_outpost(world).await;
        restored(world, &id).await
    };
    "CreateVolume", "EC2 accepts the volume and gives it up" => |world| {
        let rule = json!({"action": "CreateVolume", "kind": "create-failure"});
        world.cloud.fault(&rule).await.unwrap();
        create(world, |_| {}).await
    };
    "CreateVolume", "several nodes are to write what one node at a time can have" => |world| {
        create(world, |r| r.volume_capabilities = vec![used(Use::Block, 5)]).await
    };
    "CreateVolume", "readers alone of a volume without content" => |world| {
        create(world, |r| r.volume_capabilities = vec![used(Use::Ext4, 3)]).await
    };
    "CreateVolume", "another call for the name is running" => |world| {
        world.cloud.delays(&json!({"create_ms": 3_000})).await.unwrap();
        let (first, second) = futures::join!(create(world, |_| {}), create(world, |_| {}));
        first.and(second)
    };
    "DeleteVolume", "there is no such volume" => |world| delete(world, NO_VOLUME).await;
    "DeleteVolume", "no volume can have the id" => |world| delete(world, "data").await;
    "DeleteVolume", "the volume is attached" => |world| {
        let volume = ready(world).await.id;
        publish(world, &volume, &node(world, 0), |_| {}).await.unwrap();
        delete(world, &volume).await
    };
}

situations! { ATTACHMENTS:
    "ControllerPublishVolume", "there is no such volume" => |world| {
        publish(world, NO_VOLUME, &node(world, 0), |_| {}).await
    };
    "ControllerPublishVolume", "there is no such node" => |world| {
        publish(world, &ready(world).await.id, NO_NODE, |_| {}).await
    };
    "ControllerPublishVolume", "the capability is missing" => |world| {
        publish(world, NO_VOLUME, &node(world, 0), |r| r.volume_capability = None).await
    };
    "ControllerPublishVolume", "attached there already" => |world| {
        let volume = ready(world).await.id;
        publish(world, &volume, &node(world, 0), |_| {}).await.unwrap();
        publish(world, &volume, &node(world, 0), |_| {}).await
    };
    "ControllerPublishVolume", "the class says blockAttachUntilInitialized, and blocks are missing" => |world| {
        let id = taken(world).await;
        world.cloud.delays(&json!({"initialize_ms": 600_000})).await.unwrap();
        let order = world.order("pvc-1").from_snapshot(&id);
        let claim = world.controller.create(&order).await.unwrap();
        let context = [("blockattachuntilinitialized".to_owned(), "true".to_owned())];
        publish(world, &claim.id, &node(world, 0), |r| r.volume_context = context.into()).await
    };
    "ControllerPublishVolume", "attached to another node" => |world| {
        let volume = ready(world).await.id;
        publish(world, &volume, &node(world, 0), |_| {}).await.unwrap();
        publish(world, &volume, &node(world, 2), |_| {}).await
    };
    "ControllerPublishVolume", "on another node by Multi-Attach, and one node alone may have it" => |world| {
        let shared = |r: &mut CreateVolumeRequest| {
            r.volume_capabilities = vec![used(Use::Block, 5)];
            r.parameters = [("type", "io2"), ("iops", "100")].map(|(k, v)| (k.into(), v.into())).into();
        };
        create(world, shared).await.unwrap();
        let volume = world.cloud.volumes().await.unwrap()[0].id.clone();
        publish(world, &volume, &node(world, 0), |_| {}).await.unwrap();
        publish(world, &volume, &node(world, 2), |_| {}).await
    };
    "ControllerPublishVolume", "published there for readers, and to be written now" => |world| {
        let volume = ready(world).await.id;
        publish(world, &volume, &node(world, 0), |r| r.readonly = true).await.unwrap();
        publish(world, &volume, &node(world, 0), |_| {}).await
    };
    "ControllerPublishVolume", "the node is in another zone" => |world| {
        publish(world, &ready(world).await.id, &node(world, 1), |_| {}).await
    };
    "ControllerPublishVolume", "the volume is on an Outpost, and the node is not" => |world| {
        let claim = outposts::made(world, "there", outposts::outpost()).await;
        publish(world, &claim.id, &node(world, 0), |_| {}).await
    };
    "ControllerUnpublishVolume", "there is no such volume" => |world| {
        unpublish(world, NO_VOLUME, &node(world, 0)).await
    };
    "ControllerUnpublishVolume", "there is no such node" => |world| {
        unpublish(world, &ready(world).await.id, NO_NODE).await
    };
    "ControllerUnpublishVolume", "it is not attached" => |world| {
        unpublish(world, &ready(world).await.id, &node(world, 0)).await
    };
    "ValidateVolumeCapabilities", "there is no such volume" => |world| {
        validate(world, NO_VOLUME, |_| {}).await
    };
    "ValidateVolumeCapabilities", "the capabilities are missing" => |world| {
        validate(world, NO_VOLUME, |r| r.volume_capabilities.clear()).await
    };
    "ValidateVolumeCapabilities", "they cannot be had: the message says why" => |world| {
        validate(world, &ready(world).await.id, |r| {
            r.volume_capabilities = vec![used(Use::Ext4, 5)];
        }).await
    };
}

situations! { CHANGES:
    "ControllerExpandVolume", "there is no such volume" => |world| expand(world, NO_VOLUME, 2, 0).await;
    "ControllerExpandVolume", "it is as large already" => |world| {
        expand(world, &ready(world).await.id, 1, 0).await
    };
    "ControllerExpandVolume", "the size is beyond the type's largest" => |world| {
        expand(world, &ready(world).await.id, 70_000, 0).await
    };
    "ControllerExpandVolume", "the limit is below the present size" => |world| {
        expand(world, &grown(world).await, 1, 1).await
    };
    "ControllerModifyVolume", "there is no such volume" => |world| {
        modify(world, NO_VOLUME, "throughput", "250").await
    };
    "ControllerModifyVolume", "a parameter is not known, or asks for what no volume has" => |world| {
        modify(world, &ready(world).await.id, "iops", "1").await
    };
    "ControllerModifyVolume", "it is like that already" => |world| {
        modify(world, &ready(world).await.id, "type", "gp3").await
    };
    "ControllerModifyVolume", "the last modification is not completed" => |world| {
        world.cloud.delays(&json!({"optimize_ms": 600_000})).await.unwrap();
        modify(world, &grown(world).await, "throughput", "250").await
    };
}

situations! { SNAPSHOTS:
    "CreateSnapshot", "the name or the volume is missing" => |world| snapshot(world, NO_VOLUME, "").await;
    "CreateSnapshot", "there is no such volume" => |world| snapshot(world, NO_VOLUME, "snapshot-1").await;
    "CreateSnapshot", "the name is that of another volume's snapshot" => |world| {
        taken(world).await;
        let other = world.controller.create(&world.order("other")).await.unwrap();
        snapshot(world, &other.id, "taken").await
    };
    "CreateSnapshot", "the name is that of such a snapshot" => |world| {
        taken(world).await;
        snapshot(world, &ready(world).await.id, "taken").await
    };
    "CreateSnapshot", "the class names an Outpost that the volume is not on" => |world| {
        let claim = ready(world).await;
        take(world, &claim, "snapshot-1", &[("outpostArn", outposts::ARN)]).await.map(drop)
    };
    "DeleteSnapshot", "there is no such snapshot" => |world| delete_snapshot(world, NO_SNAPSHOT).await;
    "DeleteSnapshot", "no snapshot can have the id" => |world| delete_snapshot(world, "nightly").await;
    "GetSnapshot", "there is no such snapshot" => |world| get_snapshot(world, NO_SNAPSHOT).await;
    "ListSnapshots", "there is no snapshot of the id: an empty page" => |world| {
        list_snapshots(world, |r| r.snapshot_id = NO_SNAPSHOT.to_owned()).await
    };
    "ListSnapshots", "the token names no place" => |world| {
        list_snapshots(world, |r| r.starting_token = "somewhere".to_owned()).await
    };
}

situations! { LOOKS:
    "ListVolumes", "the token names no place" => |world| list_volumes(world, "somewhere").await;
    "ControllerGetVolume", "there is no such volume" => |world| get_volume(world, NO_VOLUME).await;
    "ControllerGetVolumeHealth", "there is no such volume" => |world| health(world, NO_VOLUME).await;
    "GetCapacity", "always" => |world| {
        let request = csi::v1::GetCapacityRequest::default();
        world.controller.client().get_capacity(request).await.map(drop)
    };
}

/// A snapshot named `taken` of the volume `there`.
async fn taken(world: &World) -> String {
    let volume = ready(world).await.id;
    snapshot(world, &volume, "taken").await.unwrap();
    world.cloud.snapshots().await.unwrap().remove(0).id
}

/// A snapshot that the Outpost keeps, of a volume that is gone.
async fn kept_on_outpost(world: &World) -> String {
    let at_once = json!({"snapshot_ms": 0});
    world.cloud.delays(&at_once).await.unwrap();
    let claim = outposts::made(world, "there", outposts::outpost()).await;
    let taken = take(world, &claim, "taken", &[("outpostArn", outposts::ARN)]).await;
    world.controller.delete(&claim).await.unwrap();
    taken.unwrap().snapshot_id
}

async fn restored(world: &World, id: &str) -> Answer {
    create(world, |request| {
        *request = world.order("pvc-1").from_snapshot(id).request();
    })
    .await
}

/// A volume that was 1 GiB and has 2.
async fn grown(world: &World) -> String {
    let volume = ready(world).await.id;
    expand(world, &volume, 2, 0).await.unwrap();
    volume
}
