//! The instance by which EC2 takes snapshots of several volumes at one moment: it knows them by nothing else.

use std::collections::BTreeSet;

use ebs_types::{AttachmentState, InstanceId, VolumeId};
use ec2::{CreateSnapshots, Instance, Volume};
use futures::future::try_join_all;

use crate::controller::ControllerService;
use crate::controller::error::Error;

/// An instance that has all of them, and what else it has.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) instance: InstanceId,
    pub(super) exclude_root: bool,
    /// The other volumes but the root, in their order.
    pub(super) excluded: Vec<VolumeId>,
}

/// Looks where these volumes are attached.
///
/// # Errors
/// [`Error::NotTogether`] where no instance has them all, and how they could be; [`Error::OnTheMove`] where one is on its way.
pub(super) async fn of(
    service: &ControllerService,
    wanted: &BTreeSet<&VolumeId>,
) -> Result<Host, Error> {
    let looks = wanted.iter().map(|id| service.cloud.volume(id));
    let volumes = try_join_all(looks).await?;
    let id = common(&volumes)?;
    let instance = match service.cloud.instance(&id).await {
        Err(error) if error.is_not_found() => return Err(gone(&id, "not there any more")),
        found => found?,
    };
    if instance.state.is_gone() {
        return Err(gone(&id, &instance.state.to_string()));
    }
    beside(&instance, wanted)
}

/// The first instance that has all of them.
fn common(volumes: &[Volume]) -> Result<InstanceId, Error> {
    let mut shared: Option<BTreeSet<&InstanceId>> = None;
    for volume in volumes {
        let attached = volume.attachments.iter();
        let attached = attached.filter(|a| a.state == AttachmentState::Attached);
        let instances: BTreeSet<_> = attached.map(|a| &a.instance).collect();
        if instances.is_empty() {
            return Err(nowhere(volume));
        }
        shared = Some(match shared {
            None => instances,
            Some(before) => before.intersection(&instances).copied().collect(),
        });
    }
    let first = shared.and_then(|shared| shared.first().copied().cloned());
    first.ok_or_else(|| apart(volumes))
}

fn nowhere(volume: &Volume) -> Error {
    let id = volume.id.clone();
    match volume.attachments.first() {
        Some(attachment) => Error::OnTheMove {
            volume: id,
            attachment: attachment.state,
            instance: attachment.instance.clone(),
        },
        None => Error::NotTogether {
            why: format!(
                "volume {id} is attached to no instance: run the pods that use these volumes on one node, or take a VolumeSnapshot of it, \
                 to which nothing is written while it is detached"
            ),
        },
    }
}

fn apart(volumes: &[Volume]) -> Error {
    let places = volumes.iter().map(|volume| {
        let on: Vec<_> = volume
            .attachments
            .iter()
            .map(|a| a.instance.as_str())
            .collect();
        format!("{} on {}", volume.id, on.join(" and "))
    });
    Error::NotTogether {
        why: format!(
            "no instance has all of these volumes ({}): run the pods that use them on one node, by pod affinity for example, or take a \
             group snapshot for each node",
            places.collect::<Vec<_>>().join(", ")
        ),
    }
}

fn gone(instance: &InstanceId, how: &str) -> Error {
    Error::NotTogether {
        why: format!(
            "these volumes are attached to instance {instance}, which is {how}: once their pods run on another node, try again"
        ),
    }
}

fn beside(instance: &Instance, wanted: &BTreeSet<&VolumeId>) -> Result<Host, Error> {
    let root = instance.root_volume();
    let others = instance.block_devices.iter().map(|device| &device.volume);
    let others = others.filter(|id| Some(*id) != root && !wanted.contains(id));
    let excluded: BTreeSet<_> = others.cloned().collect();
    let most = CreateSnapshots::MOST_EXCLUDED;
    if excluded.len() > most {
        return Err(Error::NotTogether {
            why: format!(
                "instance {} has {} other volumes attached, and EC2 leaves out at most {most}: add volumes to the group, or run the pods \
                 on a node with fewer volumes",
                instance.id,
                excluded.len()
            ),
        });
    }
    Ok(Host {
        instance: instance.id.clone(),
        exclude_root: root.is_none_or(|root| !wanted.contains(root)),
        excluded: excluded.into_iter().collect(),
    })
}
