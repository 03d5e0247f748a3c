//! Why a move cannot be made, and what to do.

use std::path::PathBuf;

use ebs_types::{
    InvalidHandle, InvalidTag, SnapshotId, SnapshotState, VolumeId, VolumeState, Zone,
};
use ec2::Ec2Error;

use crate::kubernetes::KubernetesError;

/// Why a move cannot be made, or not further.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// EC2's refusal of a look.
    #[error(transparent)]
    Ec2(#[from] Ec2Error),
    /// Kubernetes' refusal.
    #[error(transparent)]
    Kubernetes(#[from] KubernetesError),
    /// Nothing can be said of the volume's objects.
    #[error(
        "no Kubernetes API is known: run the command in the controller's pod (kubectl exec), or give --kubernetes-api with the URL of \
         a kubectl proxy; or leave Kubernetes out: --volume-id with --no-kubernetes, or with --manifests FILE"
    )]
    NoCluster,
    /// An object that is not there.
    #[error("the cluster has no {what}: check the name, or name the volume by --volume-id")]
    NoObject {
        /// Its kind and name.
        what: String,
    },
    /// A claim without a volume.
    #[error("claim {claim} has no volume yet: there is nothing to move")]
    Unbound {
        /// Which.
        claim: String,
    },
    /// Another driver's, or not a volume of EC2.
    #[error(
        "PersistentVolume {pv} is not of this driver: its spec has neither csi.driver ebs.csi.aws.com nor awsElasticBlockStore"
    )]
    NotOurs {
        /// Which.
        pv: String,
    },
    /// A handle that names no volume of EC2.
    #[error("PersistentVolume {pv} names no volume of EC2: {error}")]
    Handle {
        /// Which.
        pv: String,
        /// What is wrong with its handle.
        error: InvalidHandle,
    },
    /// A handle of another sort.
    #[error(
        "PersistentVolume {pv} is node-local ({handle}): each node has a volume of its own there, and none follows a pod"
    )]
    NodeLocal {
        /// Which.
        pv: String,
        /// What it says.
        handle: String,
    },
    /// The file of manifests.
    #[error("--manifests {}: {reason}; it takes what `kubectl get pv/PV pvc/CLAIM -o json` prints", .file.display())]
    Manifests {
        /// Which.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The zone to go to.
    #[error("--to-zone {zone}: {reason}; zones that take volumes now: {there}")]
    Zone {
        /// Which.
        zone: Zone,
        /// What is wrong with it.
        reason: &'static str,
        /// Others.
        there: String,
    },
    /// It is there.
    #[error("volume {volume} is in {zone} already: there is nothing to move")]
    AlreadyThere {
        /// Which.
        volume: VolumeId,
        /// Where.
        zone: Zone,
    },
    /// On an Outpost.
    #[error(
        "volume {volume} is on an Outpost, whose snapshots may have to stay there: move its data by hand"
    )]
    OnOutpost {
        /// Which.
        volume: VolumeId,
    },
    /// It cannot be read any more.
    #[error(
        "volume {volume} is {state}, and a snapshot is taken of one that is available or in-use: give --snapshot or --newest-snapshot to take one of before, or wait"
    )]
    VolumeState {
        /// Which.
        volume: VolumeId,
        /// How it is.
        state: VolumeState,
    },
    /// Somebody may write to it.
    #[error(
        "volume {volume} is attached to {instances}: what is written after the snapshot would not be moved. Stop its pods (scale the \
         workload to 0) until EC2 says that it is available; or give --while-attached to move what is on it at that moment"
    )]
    Attached {
        /// Which.
        volume: VolumeId,
        /// To which.
        instances: String,
    },
    /// There is nothing to make a volume of.
    #[error(
        "{volume} has no completed snapshot in this account{why}: give --new-snapshot to try to take one nevertheless, or \
         --snapshot with one that is not known to be of it (a copy)"
    )]
    NoSnapshot {
        /// Of which.
        volume: VolumeId,
        /// Why none is taken.
        why: String,
    },
    /// A snapshot that is something else's.
    #[error(
        "--snapshot {snapshot} is of {of}, not of {volume}: choose one of `aws ec2 describe-snapshots --filters Name=volume-id,Values={volume}`"
    )]
    OtherSnapshot {
        /// Which.
        snapshot: SnapshotId,
        /// Of what it is.
        of: VolumeId,
        /// Of what it is to be.
        volume: VolumeId,
    },
    /// A snapshot that cannot be restored.
    #[error(
        "snapshot {snapshot} is in state {state} and no volume can be made of it: choose another one with --snapshot, or another move with --name"
    )]
    SnapshotState {
        /// Which.
        snapshot: SnapshotId,
        /// How it is.
        state: SnapshotState,
    },
    /// An earlier run has taken another snapshot.
    #[error(
        "the move {name} has volume {volume} already, made of {made_of}, not of {wanted}: leave --snapshot out to go on with it, or begin \
         another move with --name"
    )]
    MadeOfAnother {
        /// The move.
        name: String,
        /// What there is.
        volume: VolumeId,
        /// Of what.
        made_of: String,
        /// What was asked for.
        wanted: SnapshotId,
    },
    /// An earlier run is long ago.
    #[error(
        "the move {name} was begun {age} ago with snapshot {snapshot}, and {volume} may have been written to since. Give --snapshot \
         {snapshot} to go on with the data of then, or --name NEW for a new snapshot of now (nothing of the old move is deleted)"
    )]
    Stale {
        /// The move.
        name: String,
        /// Whose data.
        volume: VolumeId,
        /// Of when.
        snapshot: SnapshotId,
        /// In words.
        age: String,
    },
    /// The old volume's tags leave no room.
    #[error(
        "the tags of {volume} cannot all be given to the new volume with those of the move: {error}. Remove some from it"
    )]
    Tags {
        /// Whose.
        volume: VolumeId,
        /// What is wrong.
        error: InvalidTag,
    },
    /// EC2 refused to make something.
    #[error("{what} could not be made: {message}")]
    Make {
        /// What.
        what: String,
        /// The driver's words.
        message: String,
    },
    /// Nothing happened for long enough.
    #[error(
        "{what} within {seconds} s (--timeout): {seen}. Repeat the command: it goes on from here"
    )]
    TooLong {
        /// What did not happen.
        what: String,
        /// What was waited for.
        seconds: u64,
        /// What there was instead.
        seen: String,
    },
    /// What is written cannot be written.
    #[error("--output {}: {error}", .file.display())]
    Output {
        /// Where to.
        file: PathBuf,
        /// What is wrong.
        error: std::io::Error,
    },
    /// Standard output is closed.
    #[error("the manifests could not be written to standard output: {0}")]
    Stdout(std::io::Error),
    /// Rebinding, and there is no claim.
    #[error("--rebind: {reason}")]
    NothingToRebind {
        /// Why.
        reason: String,
    },
    /// Rebinding, and the claim is used.
    #[error(
        "claim {claim} is used by {pods}: Kubernetes keeps a claim as long as such a pod is there. Scale the workload to 0 or delete the \
         pod; one of a node that is gone for good goes with `kubectl delete pod --force` or with its Node object. Then repeat the command"
    )]
    InUse {
        /// Which.
        claim: String,
        /// Their names, nodes and phases.
        pods: String,
    },
    /// Somebody else's object of that name.
    #[error(
        "there is a PersistentVolume {name} already that is not of this move ({difference}): give another --name"
    )]
    NameTaken {
        /// Which.
        name: String,
        /// What tells it apart.
        difference: String,
    },
    /// The claim went elsewhere.
    #[error(
        "claim {claim} is bound to PersistentVolume {bound}, not to {wanted}: nothing more is done. Delete that claim by hand if its volume is empty, and repeat the command"
    )]
    BoundElsewhere {
        /// Which.
        claim: String,
        /// To what.
        bound: String,
        /// To what it should be.
        wanted: String,
    },
    /// Another move of the same claim.
    #[error(
        "claim {claim} is in the middle of a move to {zone} (PersistentVolume {pv}): finish it with --to-zone {zone} first"
    )]
    UnderWay {
        /// Which.
        claim: String,
        /// Where to.
        zone: String,
        /// Its new volume.
        pv: String,
    },
    /// An object that lacks what it must have.
    #[error("{what} cannot be read: {reason}")]
    Object {
        /// Which.
        what: String,
        /// What is wrong.
        reason: String,
    },
}
