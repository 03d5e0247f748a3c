//! A volume that goes through the operations of a node, while something happens to the plugin.

use std::collections::HashMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::Command;

use lab::kubelet::Node;
use lab::machine;
use lab::orchestrator::{Claim, Use, gib_or_more};
use lab::proof::{self, Checksum};

use crate::trace::Tracer;
use crate::world::{Lab, programs_at_work};

/// Whether every step is to be gone through, not only those that differ.
pub(crate) fn every_point() -> bool {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test has no command line of its own"
    )]
    let points = std::env::var("EBS_CSI_CRASH_POINTS");
    points.is_ok_and(|points| points == "all")
}

/// What a step belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Stage,
    Publish,
    Expand,
    Unpublish,
    Unstage,
}

impl Operation {
    /// What comes before it, of an attached volume.
    pub(crate) fn before(self) -> &'static [Self] {
        match self {
            Self::Stage => &[],
            Self::Publish => &[Self::Stage],
            Self::Expand | Self::Unpublish => &[Self::Stage, Self::Publish],
            Self::Unstage => &[Self::Stage, Self::Publish, Self::Unpublish],
        }
    }

    /// What is to be done after it for a pod to see the volume.
    pub(crate) fn to_use(self) -> &'static [Self] {
        match self {
            Self::Stage | Self::Unpublish => &[Self::Publish],
            Self::Publish | Self::Expand => &[],
            Self::Unstage => &[Self::Stage, Self::Publish],
        }
    }
}

/// A volume on its way through the operations.
pub(crate) struct Walk {
    pub(crate) lab: Lab,
    pub(crate) claim: Claim,
    context: HashMap<String, String>,
    written: Option<Checksum>,
}

impl Walk {
    /// A new volume, attached.
    pub(crate) async fn begin(lab: Lab, usage: Use) -> Self {
        let (claim, context) = lab.attached("pvc-0", usage).await;
        Self {
            lab,
            claim,
            context,
            written: None,
        }
    }

    /// Another new one in its place.
    pub(crate) async fn renew(&mut self, number: usize) {
        let controller = &self.lab.world.controller;
        controller
            .detach(&self.claim, &self.lab.node)
            .await
            .unwrap();
        controller.delete(&self.claim).await.unwrap();
        let name = format!("pvc-{number}");
        (self.claim, self.context) = self.lab.attached(&name, self.claim.usage).await;
        self.written = None;
    }

    /// Makes the volume 2 GiB large; its file system still has to follow.
    pub(crate) async fn enlarge(&self) {
        let controller = &self.lab.world.controller;
        let size = gib_or_more(2);
        controller.expand(&self.claim, size).await.unwrap();
    }

    /// Of a published volume that was made larger.
    pub(crate) fn has_grown(&self, step: &impl Display) {
        let size = proof::filesystem_size(&self.target()).unwrap();
        assert!(size > 1900 << 20, "{size} bytes of 2 GiB after {step}");
    }

    /// Makes the volume blank again. It has to be off the node.
    pub(crate) fn blank(&mut self) {
        self.run("blkdiscard", "--force", &[0]);
        self.written = None;
    }

    /// What the message of a file system that can't be checked asks a person to do.
    pub(crate) fn repair_by_hand(&self) {
        self.run("fsck.ext4", "-fy", &[0, 1]);
    }

    /// Runs a program on the volume; one of `fine` is how it may end.
    fn run(&self, program: &str, option: &str, fine: &[i32]) {
        for device in machine::loops_below(self.lab.world.dir()).unwrap() {
            #[expect(clippy::disallowed_methods, reason = "a test may run a program")]
            let ended = Command::new(program)
                .arg(option)
                .arg(Path::new("/dev").join(device.name()))
                .output()
                .unwrap();
            let code = ended.status.code().unwrap();
            assert!(fine.contains(&code), "{program}: {ended:?}");
        }
    }

    /// Follows the plugin's process.
    pub(crate) fn trace(&mut self) -> Tracer {
        Tracer::attach(self.lab.world.node_pid(&self.lab.node).unwrap())
    }

    /// The operation, once.
    pub(crate) async fn perform(&self, operation: Operation, node: &Node) -> anyhow::Result<()> {
        let (claim, context) = (&self.claim, &self.context);
        match operation {
            Operation::Stage => node.stage(claim, context).await,
            Operation::Publish => node.publish(claim, "pod", context, false).await.map(drop),
            Operation::Expand => node.expand(claim, "pod", 2).await.map(drop),
            Operation::Unpublish => node.unpublish(claim, "pod").await,
            Operation::Unstage => node.unstage(claim).await,
        }
    }

    /// The operations, one after the other, each until it is done.
    pub(crate) async fn all(&self, operations: &[Operation]) {
        for operation in operations {
            self.perform(*operation, &self.lab.node).await.unwrap();
        }
    }

    /// Where the pod sees the volume.
    pub(crate) fn target(&self) -> PathBuf {
        self.lab.node.target_path(&self.claim, "pod")
    }

    /// Of a published volume: holds what was written to it, or is written to for the first time.
    pub(crate) fn proves_its_data(&mut self) {
        let block = self.claim.usage == Use::Block;
        let target = self.target();
        match &self.written {
            None if block => self.written = Some(proof::write_device(&target, "kept").unwrap()),
            None => self.written = Some(proof::write_files(&target, "kept").unwrap()),
            Some(written) if block => assert_eq!(&proof::read_device(&target).unwrap(), written),
            Some(written) => assert_eq!(&proof::read_files(&target).unwrap(), written),
        }
    }

    /// Of a volume that was taken off the node.
    pub(crate) fn nothing_is_left(&self, step: &impl Display) {
        let mounts = self.lab.mounts();
        assert!(mounts.is_empty(), "left after {step}: {mounts:?}");
        assert!(!self.target().exists(), "left after {step}: the target");
        let programs = programs_at_work(self.lab.world.dir());
        assert!(programs.is_empty(), "left after {step}: {programs:?}");
    }

    /// The mounts that a staged and published volume has, and no more.
    pub(crate) fn is_mounted_once(&self, step: &impl Display) {
        let mounts = self.lab.mounts();
        let expected = if self.claim.usage == Use::Block { 1 } else { 2 };
        assert_eq!(mounts.len(), expected, "after {step}: {mounts:?}");
    }
}
