//! `ebs-csi move-zone`: a volume's data in another zone.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use ebs_types::{FsType, SnapshotId, VolumeId, Zone};
use ec2::{Cloud, CloudSettings, Ec2};
use host::Duty;
use tracing::Level;

use super::ec2::Ec2Args;
use super::metadata::MetadataArgs;
use super::wire::{self, Surroundings};
use super::{duration, runtime};
use crate::config::{self, Log, LogFormat};
use crate::kubernetes::{Claim, is_name};
use crate::move_zone::{self, Data, Flags, Objects, Order, Subject, parse_claim};
use crate::telemetry::Metrics;

/// Flags of `ebs-csi move-zone`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The claim whose volume is moved; with --no-kubernetes the one that the manifests are for.
    #[arg(long, value_name = "NAMESPACE/NAME", value_parser = parse_claim)]
    claim: Option<Claim>,

    /// The PersistentVolume whose volume is moved.
    #[arg(long, value_name = "NAME", value_parser = object_name, conflicts_with = "claim")]
    pv: Option<String>,

    /// The volume that is moved, by EC2's id.
    #[arg(long, value_name = "vol-…", value_parser = VolumeId::from_handle, conflicts_with = "pv")]
    volume_id: Option<VolumeId>,

    /// The zone to move to, e.g. eu-central-1b.
    #[arg(long, value_name = "ZONE")]
    to_zone: Zone,

    /// Take this snapshot, in place of a new one.
    #[arg(long, value_name = "snap-…")]
    snapshot: Option<SnapshotId>,

    /// Take the newest completed snapshot of the volume, in place of a new one: what is done anyway where EC2 says that the zone is out.
    #[arg(long, conflicts_with = "snapshot")]
    newest_snapshot: bool,

    /// Try to take a new snapshot although EC2 says that the volume's zone is out.
    #[arg(long, conflicts_with_all = ["snapshot", "newest_snapshot"])]
    new_snapshot: bool,

    /// Take a new snapshot although an instance has the volume: later writes are not moved.
    #[arg(long)]
    while_attached: bool,

    /// Name of the new PersistentVolume, and of the move: the same name goes on with the same move, another begins another
    /// [default: moved-VOLUME-ZONE].
    #[arg(long, value_name = "NAME", value_parser = object_name)]
    name: Option<String>,

    /// Do it. Without it the steps are told, and nothing is changed.
    #[arg(long)]
    yes: bool,

    /// Give the claim the new volume, in the cluster: its PersistentVolume is set to Retain and kept, the claim is deleted and made
    /// anew. Refused while a pod on a node uses the claim.
    #[arg(long, conflicts_with_all = ["manifests", "no_kubernetes"])]
    rebind: bool,

    /// Where the new manifests go, in YAML [default: standard output].
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Read PersistentVolume and claim here in place of the cluster: what `kubectl get pv,pvc -o json` has written.
    #[arg(long, value_name = "FILE", conflicts_with = "no_kubernetes")]
    manifests: Option<PathBuf>,

    /// Ask no Kubernetes: the manifests are made of --volume-id and of the flags below.
    #[arg(long, requires = "volume_id")]
    no_kubernetes: bool,

    #[command(flatten)]
    described: Described,

    /// How long to wait for the snapshot, and for Kubernetes. A move that takes longer is gone on with by repeating the command.
    #[arg(long, value_name = "DURATION", default_value = "2h", value_parser = duration::parse)]
    timeout: Duration,

    #[command(flatten)]
    ec2: Ec2Args,

    #[command(flatten)]
    metadata: MetadataArgs,
}

/// What manifests say that neither a cluster nor a file describes.
#[derive(Debug, clap::Args)]
struct Described {
    /// With --no-kubernetes: the StorageClass of the manifests; without it none.
    #[arg(long, value_name = "NAME", value_parser = object_name, requires = "no_kubernetes")]
    storage_class: Option<String>,

    /// With --no-kubernetes: the file system on the volume.
    #[arg(
        long,
        value_name = "ext2|ext3|ext4|xfs|btrfs",
        default_value = "ext4",
        requires = "no_kubernetes"
    )]
    fs_type: FsType,

    /// With --no-kubernetes: the volume is a raw block device.
    #[arg(long, requires = "no_kubernetes", conflicts_with = "fs_type")]
    block: bool,

    /// With --no-kubernetes: what becomes of the new volume when its claim goes.
    #[arg(
        long,
        value_enum,
        value_name = "POLICY",
        default_value = "Retain",
        requires = "no_kubernetes"
    )]
    reclaim_policy: ReclaimPolicy,

    /// With --no-kubernetes: who may use it.
    #[arg(
        long,
        value_enum,
        value_name = "MODE",
        default_value = "ReadWriteOnce",
        requires = "no_kubernetes"
    )]
    access_mode: AccessMode,
}

/// As Kubernetes spells them.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "PascalCase")]
enum ReclaimPolicy {
    Retain,
    Delete,
}

/// As Kubernetes spells them.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum AccessMode {
    #[value(name = "ReadWriteOnce")]
    OneNode,
    #[value(name = "ReadWriteOncePod")]
    OnePod,
    #[value(name = "ReadOnlyMany")]
    Readers,
    #[value(name = "ReadWriteMany")]
    Writers,
}

impl Args {
    /// The order, where EC2 is, and where Kubernetes is.
    pub(super) fn into_order(self) -> anyhow::Result<(Order, config::Ec2, config::Metadata)> {
        let claim = self.claim;
        let subject = match (&self.volume_id, self.pv, &claim) {
            (Some(id), _, None) => Subject::Id(id.clone()),
            (Some(id), _, Some(_)) if self.no_kubernetes => Subject::Id(id.clone()),
            (None, Some(pv), None) => Subject::Volume(pv),
            (None, None, Some(claim)) => Subject::Claim(claim.clone()),
            _ => anyhow::bail!(
                "which volume is moved? Give one of --claim NAMESPACE/NAME, --pv NAME and --volume-id vol-… (with --no-kubernetes \
                 --volume-id, and --claim for the manifests)"
            ),
        };
        let objects = match (self.manifests, self.no_kubernetes) {
            (Some(file), _) => Objects::File(file),
            (None, true) => Objects::Flags(self.described.into_flags(claim)),
            (None, false) => Objects::Cluster,
        };
        let data = match (self.snapshot, self.newest_snapshot, self.new_snapshot) {
            (Some(snapshot), _, _) => Data::Of(snapshot),
            (None, true, _) => Data::Newest,
            (None, false, true) => Data::New,
            (None, false, false) => Data::Latest,
        };
        let order = Order {
            subject,
            to: self.to_zone,
            data,
            objects,
            name: self.name,
            act: self.yes,
            rebind: self.rebind,
            while_attached: self.while_attached,
            output: self.output,
            patience: self.timeout,
        };
        Ok((order, self.ec2.into_ec2()?, self.metadata.into_metadata()?))
    }
}

impl Described {
    fn into_flags(self, claim: Option<Claim>) -> Flags {
        let spelled = |value: &dyn Fn() -> Option<clap::builder::PossibleValue>| {
            value().map(|value| value.get_name().to_owned())
        };
        Flags {
            claim,
            storage_class: self.storage_class.unwrap_or_default(),
            fs: (!self.block).then_some(self.fs_type),
            reclaim_policy: spelled(&|| self.reclaim_policy.to_possible_value())
                .unwrap_or_default(),
            access_mode: spelled(&|| self.access_mode.to_possible_value()).unwrap_or_default(),
        }
    }
}

/// Does the errand.
pub(super) fn run(args: Args) -> anyhow::Result<()> {
    crate::telemetry::init(Log {
        format: LogFormat::Text,
        level: Level::WARN,
    });
    let (order, ec2, metadata) = args.into_order()?;
    super::give_up_rights(Duty::Network)?;
    runtime(Duty::Network)?.block_on(async {
        let surroundings = Surroundings::new(metadata, false, Metrics::new())?;
        let client: Arc<dyn Ec2> = Arc::new(wire::client(&ec2, &surroundings).await?);
        let cloud = Cloud::new(
            client,
            CloudSettings {
                consistency_window: ec2.consistency_window,
                ..CloudSettings::default()
            },
        );
        // The steps are what a dry run puts out; what acts puts the manifests out.
        let act = order.act;
        let tell = move |line: &str| match act {
            true => eprintln!("{line}"),
            false => println!("{line}"),
        };
        move_zone::run(&order, &cloud, &surroundings.kubernetes, &tell).await?;
        Ok(())
    })
}

fn object_name(text: &str) -> anyhow::Result<String> {
    anyhow::ensure!(
        is_name(text),
        "{text:?} is not the name of an object: expected lowercase letters, digits, '-' and '.'"
    );
    Ok(text.to_owned())
}
