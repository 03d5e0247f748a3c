//! Why a controller RPC did not do as asked. The code of each is `status`'.

use std::time::Duration;

use ebs_types::{
    AttachmentState, Gibibytes, InstanceId, InstanceState, InstanceType, InvalidId, InvalidKind,
    InvalidTag, OutOfRange, Outpost, SnapshotId, SnapshotState, VolumeHandle, VolumeId, Zone,
};
use ec2::Ec2Error;

use super::site::Site;
use crate::inflight::Busy;
use crate::status::InvalidRequest;

/// An error of a controller RPC, in words for whoever looks after the cluster.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Invalid(#[from] InvalidRequest),
    #[error("parameters: {0}")]
    Kind(#[from] InvalidKind),
    #[error("name or tags: {0}")]
    Tag(#[from] InvalidTag),
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
    #[error(transparent)]
    Busy(#[from] Busy),
    /// An id that cannot exist: whatever it names is not there.
    #[error("no such {kind}: {0}", kind = .0.kind)]
    NoSuchId(#[from] InvalidId),
    #[error(
        "volume {handle} is node-local: each node has a volume of its own, attached without Kubernetes, which is neither expanded, \
         modified, cloned, deleted nor put in snapshots by this driver; do that in EC2, and give its PersistentVolume the reclaim policy Retain"
    )]
    NodeLocal { handle: String },
    /// EC2's own refusal, or its silence.
    #[error(transparent)]
    Ec2(#[from] Ec2Error),
    /// A look that a final answer would have rested on failed.
    #[error("whether {what} exists could not be found out: {error}")]
    InDoubt { what: String, error: Box<Ec2Error> },
    /// EC2 refused because of something that it shows differently now.
    #[error("{error}; EC2 shows it differently now, try again")]
    TryAgain { error: Box<Ec2Error> },
    /// Something of that name exists and is not what was asked for.
    #[error(
        "{name:?} is already the name of {id}, which is not what was asked for: {difference}; use another name"
    )]
    Incompatible {
        name: String,
        id: String,
        difference: String,
    },
    #[error(
        "EC2 accepted volume {volume} for {name:?} and then gave it up ({how}); nothing of it is left, the next try makes another one. \
         EC2 tells the cause in its EventBridge event createVolume alone"
    )]
    CreationFailed {
        name: String,
        volume: VolumeId,
        how: &'static str,
    },
    /// EC2 looks whether a key can be used after it has accepted the volume, and says nothing of what it finds.
    #[error(
        "EC2 accepted volume {volume} for {name:?}, to be encrypted with {key}, and then gave it up ({how}), as it does when the key may \
         not be used; nothing of it is left, the next try makes another one. Let the driver's role use the key (kms:CreateGrant, \
         kms:GenerateDataKeyWithoutPlaintext, kms:Decrypt, kms:DescribeKey, kms:ReEncrypt*: docs/IAM.md), in the key's policy too, \
         and see that it is enabled and in this region; CloudTrail has the refused call"
    )]
    KeyRefused {
        name: String,
        volume: VolumeId,
        key: String,
        how: &'static str,
    },
    /// More burnt tokens than one request tries; the next one goes on where this one stopped.
    #[error(
        "every client token tried for volume {name:?} belongs to a volume that is gone, as after many deletions under the name, or where an \
         encryption key may not be used; the next try goes on with further ones"
    )]
    TokensBurnt { name: String },
    #[error("volume {volume} named {name:?} went away while it was being looked at: try again")]
    CameAndWent { name: String, volume: VolumeId },
    #[error(
        "snapshot {snapshot} is {state} and can be restored once it is completed: try again later"
    )]
    SnapshotNotReady {
        snapshot: SnapshotId,
        state: SnapshotState,
    },
    #[error(
        "snapshot {snapshot} of {name:?} is in state {state} and will never be ready: delete it and take another"
    )]
    SnapshotFailed {
        name: String,
        snapshot: SnapshotId,
        state: SnapshotState,
    },
    #[error(
        "volume {volume} is not attached yet, since its class says blockAttachUntilInitialized: {how_far}; try again later"
    )]
    Initializing { volume: VolumeId, how_far: String },
    #[error(
        "snapshot {snapshot} of {name:?} is there, but {what} could not be had yet: {error}. The snapshot is kept; what it lacks is asked \
         for again with the next try"
    )]
    SnapshotIncomplete {
        name: String,
        snapshot: SnapshotId,
        what: String,
        error: Box<Ec2Error>,
    },
    #[error(
        "{what} of snapshot {name:?} could not be had, so that the snapshot was deleted again: {error}"
    )]
    SnapshotTakenBack {
        name: String,
        what: String,
        error: Box<Ec2Error>,
    },
    #[error("snapshot {snapshot} cannot be deleted: {lock}. EC2 said: {error}")]
    SnapshotLocked {
        snapshot: SnapshotId,
        lock: String,
        error: Box<Ec2Error>,
    },
    #[error(
        "snapshots of these volumes cannot be taken at one moment, which EC2 does for volumes that are attached to one instance: {why}"
    )]
    NotTogether { why: String },
    #[error(
        "volume {volume} is on its way to or from instance {instance} ({attachment}): snapshots of a group are taken while its volumes are \
         attached, try again"
    )]
    OnTheMove {
        volume: VolumeId,
        attachment: AttachmentState,
        instance: InstanceId,
    },
    #[error(
        "volumes of group snapshot {name:?} were detached while it was taken; nothing of it is left, try again"
    )]
    GroupParted { name: String },
    #[error(
        "group snapshot {name:?} lacks the snapshots of {lacking}: they were deleted, or those volumes were detached while the group was taken \
         and the driver ended before it took the rest back. {left} are left. Delete the group snapshot, or these snapshots where nothing else \
         names them, and take another one"
    )]
    GroupIncomplete {
        name: String,
        /// Volumes.
        lacking: String,
        /// Snapshots.
        left: String,
    },
    #[error(
        "snapshot {snapshot} of group snapshot {name:?} is in state error, so that the group will never be ready: delete the group snapshot \
         and take another one"
    )]
    GroupFailed { name: String, snapshot: SnapshotId },
    #[error("no such group snapshot: {id}")]
    NoSuchGroup { id: String },
    #[error(
        "snapshot_ids: {snapshots} are no members of group snapshot {group:?}; nothing was deleted, leave them out"
    )]
    NotMembers { group: String, snapshots: String },
    #[error(
        "snapshot_ids: group snapshot {group:?} does not consist of {snapshots}; what is there of it is {there}"
    )]
    OtherMembers {
        group: String,
        snapshots: String,
        there: String,
    },
    #[error(
        "volume {volume} is in {site}, and EBS copies a volume where it is, which accessibility_requirements does not allow: \
         run the pod in {site}, or restore a snapshot of the volume where the pod is to run"
    )]
    SourceElsewhere { volume: VolumeId, site: Site },
    #[error(
        "Outpost {outpost} keeps snapshot {snapshot}, and EBS restores it there alone, which accessibility_requirements does not allow: \
         run the pod on a node of that Outpost, or name its nodes' topology in the class' allowedTopologies"
    )]
    SnapshotElsewhere {
        snapshot: SnapshotId,
        outpost: Outpost,
    },
    /// EC2 refused what an Outpost does not have, or its rules forbid.
    #[error("{why}. EC2 said: {error}")]
    OutpostRefuses { why: String, error: Box<Ec2Error> },
    #[error("volume {volume} is in state error and holds nothing to clone: name another one")]
    SourceFailed { volume: VolumeId },
    #[error("volume {volume} is being deleted: nothing can be done with it any more")]
    VolumeGone { volume: VolumeId },
    #[error(
        "accessibility_requirements: this region has no zone {zone}; the zones that take volumes are {there}"
    )]
    NoSuchZone {
        /// Its name, or what else tells which one was meant.
        zone: String,
        there: String,
    },
    #[error("zone {zone} takes no volumes at present; the zones that do are {there}")]
    ZoneUnavailable { zone: Zone, there: String },
    #[error(
        "EC2 shows no zone of this region that takes volumes: name one in accessibility_requirements"
    )]
    NoZone,
    #[error(
        "volume {volume} is {attachment} to instance {instance}{state}{alone}: detach it there first (delete the VolumeAttachment, or stop the pod that uses it)"
    )]
    AttachedTo {
        volume: VolumeId,
        instance: InstanceId,
        attachment: AttachmentState,
        /// What the instance does, as the end of a sentence; empty where that is not known.
        state: String,
        /// Why it is not on two nodes, as the end of a sentence; empty where nobody asked for that.
        alone: String,
    },
    #[error(
        "volume {volume} is published to {instance} {is}, and {wanted} is asked for: unpublish it there first"
    )]
    PublishedOtherwise {
        volume: VolumeHandle,
        instance: InstanceId,
        is: &'static str,
        wanted: &'static str,
    },
    #[error("volume {volume} is still detaching from instance {instance}: try again")]
    StillDetaching {
        volume: VolumeId,
        instance: InstanceId,
    },
    #[error(
        "volume {volume} is in use on instance {instance}, so EC2 waits with the detach: unmount it there or stop the instance; it is looked at again with the next try"
    )]
    BusyOn {
        volume: VolumeId,
        instance: InstanceId,
    },
    #[error(
        "volume {volume} is in {volume_site} and node {instance} in {instance_site}: \
         run the pod in {volume_site}, or restore a snapshot of the volume in {instance_site}"
    )]
    Apart {
        volume: VolumeId,
        volume_site: Box<Site>,
        instance: InstanceId,
        instance_site: Box<Site>,
    },
    #[error("node {instance} is {state} in EC2: no volume can be attached to it again")]
    InstanceGone {
        instance: InstanceId,
        state: InstanceState,
    },
    #[error(
        "node {instance} ({instance_type}) has {used} EBS volumes attached, its root among them, and takes at most {maximum}{interfaces}: \
         run the pod on another node, or detach a volume there. If the scheduler sends more volumes than fit, let the driver count what \
         else is attached (docs/SEMANTICS.md, attachment limits). EC2 said: {error}"
    )]
    InstanceFull {
        instance: InstanceId,
        instance_type: InstanceType,
        used: usize,
        maximum: u32,
        /// What else counts, as the end of a clause.
        interfaces: &'static str,
        error: Box<Ec2Error>,
    },
    #[error(
        "node {instance} has {used} EBS volumes attached and no device name left for another one: run the pod on another node, or detach a volume there"
    )]
    NoDeviceName { instance: InstanceId, used: usize },
    #[error(
        "volume {volume} was not attached to {instance} after {} s; the attachment is undone, the next try begins anew",
        .after.as_secs()
    )]
    AttachStuck {
        volume: VolumeId,
        instance: InstanceId,
        after: Duration,
    },
    #[error(
        "the attachment of volume {volume} to {instance} did not last: EC2 shows it on its way out; try again"
    )]
    AttachUndone {
        volume: VolumeId,
        instance: InstanceId,
    },
    #[error(
        "volume {volume} has {size}, which is more than capacity_range.limit_bytes allows: an EBS volume never shrinks"
    )]
    WouldShrink { volume: VolumeId, size: Gibibytes },
    #[error(
        "the last modification of volume {volume} is still {state}: wait until it is done ({detail})"
    )]
    ModificationUnderWay {
        volume: VolumeId,
        state: &'static str,
        detail: String,
    },
    #[error("volume {volume} cannot be modified yet: {wait}. EC2 said: {error}")]
    TooSoon {
        volume: VolumeId,
        wait: String,
        error: Box<Ec2Error>,
    },
    #[error("EC2 did not modify volume {volume}: {why}")]
    ModificationFailed { volume: VolumeId, why: String },
    #[error(
        "starting_token {token:?} does not name a place in the list: begin again without a token"
    )]
    BadToken { token: String },
}
