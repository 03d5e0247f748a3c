//! How big EC2's buckets are for an account whose limits nobody has raised (EC2 developer guide, "Request throttling for the Amazon
//! EC2 API", tables of request token buckets and of resource token buckets; as of 2026-11).

use std::collections::BTreeMap;

use super::buckets::{Bucket, Limit};
use crate::wire::Action;

/// The looks that have a smaller bucket for those that ask for everything.
pub(super) const WITH_UNFILTERED: [Action; 3] = [
    Action::DescribeInstances,
    Action::DescribeSnapshots,
    Action::DescribeVolumes,
];

/// The actions that take a token for each instance besides.
pub(super) const WITH_RESOURCES: [Action; 4] = [
    Action::RunInstances,
    Action::StartInstances,
    Action::StopInstances,
    Action::TerminateInstances,
];

/// A limit for each action.
pub(super) fn ec2() -> BTreeMap<Action, Limit> {
    let limit = |action: &Action| (*action, limit(*action));
    Action::ALL.iter().map(limit).collect()
}

fn limit(action: Action) -> Limit {
    let (capacity, per_second) = calls(action);
    let unfiltered = Bucket {
        capacity: 50,
        per_second: 10.0,
    };
    Limit {
        capacity,
        per_second,
        unfiltered: WITH_UNFILTERED.contains(&action).then_some(unfiltered),
        resources: resources(action),
        others_per_second: 0.0,
    }
}

/// The bucket of an action's calls: how many at once, and how many more a second.
fn calls(action: Action) -> (u32, f64) {
    match action {
        // Non-mutating actions.
        Action::DescribeAvailabilityZones
        | Action::DescribeFastSnapshotRestores
        | Action::DescribeInstances
        | Action::DescribeInstanceTypes
        | Action::DescribeLockedSnapshots
        | Action::DescribeSnapshots
        | Action::DescribeTags
        | Action::DescribeVolumes
        | Action::DescribeVolumesModifications
        | Action::DescribeVolumeStatus => (100, 20.0),
        // Mutating actions.
        Action::AttachVolume
        | Action::CopyVolumes
        | Action::DetachVolume
        | Action::EnableFastSnapshotRestores
        | Action::LockSnapshot
        | Action::ModifyVolume
        | Action::StopInstances
        | Action::UnlockSnapshot => (50, 5.0),
        // Uncategorized actions: each has its own.
        Action::CreateSnapshot
        | Action::CreateSnapshots
        | Action::CreateVolume
        | Action::DeleteSnapshot
        | Action::DeleteVolume
        | Action::TerminateInstances => (100, 5.0),
        Action::CreateTags | Action::DeleteTags => (100, 10.0),
        Action::RunInstances | Action::StartInstances => (5, 2.0),
        // The EBS direct APIs have quotas of their own (AWS general reference, "Amazon EBS quotas").
        Action::ListChangedBlocks | Action::ListSnapshotBlocks => (50, 50.0),
    }
}

fn resources(action: Action) -> Option<Bucket> {
    let per_second = match action {
        Action::RunInstances | Action::StartInstances => 2.0,
        Action::StopInstances | Action::TerminateInstances => 20.0,
        _ => return None,
    };
    Some(Bucket {
        capacity: 1_000,
        per_second,
    })
}
