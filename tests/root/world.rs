//! The world of a root test, and short ways to say what these tests say often.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use csi::v1::NodeStageVolumeRequest;
use emulator::{BackingKind, Config};
use lab::kubelet::Node;
use lab::machine::{self, Mount};
use lab::orchestrator::{Claim, Order, Use};
use lab::program::Program;
use lab::socket::Patience;
use lab::world::World;
use tokio::sync::{Mutex, MutexGuard};
use tonic::{Code, Status};

/// A world with a node plugin on instance 0. One at a time: loop devices and mounts are the whole machine's.
pub(crate) struct Lab {
    pub(crate) world: World,
    pub(crate) node: Node,
    _alone: MutexGuard<'static, ()>,
}

/// The lab, or nothing where this process may not mount; the reason is printed.
pub(crate) async fn lab() -> Option<Lab> {
    lab_with(|_| {}).await
}

/// The same with something changed about the node plugin.
pub(crate) async fn lab_with(change: impl FnOnce(&mut Program)) -> Option<Lab> {
    static ALONE: OnceLock<Mutex<()>> = OnceLock::new();
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: not root, so there are no loop devices and no mounts");
        return None;
    }
    let alone = ALONE.get_or_init(Mutex::default).lock().await;
    let config = Config {
        zones: 1,
        instances: 2,
        backing: BackingKind::Loop,
        ..Config::default()
    };
    let driver = Path::new(env!("CARGO_BIN_EXE_ebs-csi"));
    let mut world = World::start(driver, config, &[("--consistency-window", "200ms")])
        .await
        .unwrap();
    let node = world.start_node(0, change).await.unwrap();
    Some(Lab {
        world,
        node,
        _alone: alone,
    })
}

impl Lab {
    /// A new volume of 1 GiB, attached to instance 0: with what the node must be told.
    pub(crate) async fn attached(
        &self,
        name: &str,
        usage: Use,
    ) -> (Claim, HashMap<String, String>) {
        let mut order = self.world.order(name);
        order.usage = usage;
        let claim = self.world.controller.create(&order).await.unwrap();
        let context = self.attach(&claim).await;
        (claim, context)
    }

    /// The same, staged and published to pod `pod`: with where that sees it.
    pub(crate) async fn in_use(&self, name: &str, usage: Use) -> (Claim, PathBuf) {
        let (claim, context) = self.attached(name, usage).await;
        let target = use_attached(&self.node, &claim, &context).await;
        (claim, target)
    }

    /// A new volume restored from a snapshot of `source` as it is now, ordered for the same use unless `change` says otherwise.
    pub(crate) async fn copy_of(&self, source: &Claim, change: impl FnOnce(&mut Order)) -> Claim {
        let controller = &self.world.controller;
        let snapshot = controller.snapshot(source, "snap-1").await.unwrap();
        let mut order = self.world.order("pvc-2").from_snapshot(&snapshot);
        order.usage = source.usage;
        change(&mut order);
        controller.create(&order).await.unwrap()
    }

    /// Attaches a volume to instance 0: what the node must be told.
    pub(crate) async fn attach(&self, claim: &Claim) -> HashMap<String, String> {
        let controller = &self.world.controller;
        controller.attach(claim, &self.node).await.unwrap()
    }

    /// Attaches a volume, stages it and publishes it to pod `pod`: where that sees it.
    pub(crate) async fn put_to_use(&self, claim: &Claim) -> PathBuf {
        self.put_to_use_on(&self.node, claim).await
    }

    /// The same on another node.
    pub(crate) async fn put_to_use_on(&self, node: &Node, claim: &Claim) -> PathBuf {
        let controller = &self.world.controller;
        let context = controller.attach(claim, node).await.unwrap();
        use_attached(node, claim, &context).await
    }

    /// Takes a volume away from pod `pod` and off the node, and detaches it.
    pub(crate) async fn put_away(&self, claim: &Claim) {
        self.put_away_from(&self.node, claim).await;
    }

    /// The same on another node.
    pub(crate) async fn put_away_from(&self, node: &Node, claim: &Claim) {
        node.unpublish(claim, "pod").await.unwrap();
        node.unstage(claim).await.unwrap();
        let controller = &self.world.controller;
        controller.detach(claim, node).await.unwrap();
    }

    /// The node, answering with the first answer.
    pub(crate) fn once(&self) -> Node {
        self.node.with(Patience::ONCE)
    }

    /// All mounts of the world.
    pub(crate) fn mounts(&self) -> Vec<Mount> {
        machine::mounts_below(self.world.dir()).unwrap()
    }
}

/// Stages an attached volume and publishes it to pod `pod`: where that sees it.
async fn use_attached(node: &Node, claim: &Claim, context: &HashMap<String, String>) -> PathBuf {
    node.stage(claim, context).await.unwrap();
    node.publish(claim, "pod", context, false).await.unwrap()
}

/// The request to stage a volume at a path of the test's choice.
pub(crate) fn stage_at(
    path: &Path,
    claim: &Claim,
    context: HashMap<String, String>,
) -> NodeStageVolumeRequest {
    NodeStageVolumeRequest {
        volume_id: claim.id.clone(),
        publish_context: context,
        staging_target_path: path.display().to_string(),
        volume_capability: Some(claim.usage.capability()),
        ..NodeStageVolumeRequest::default()
    }
}

/// What is mounted there.
pub(crate) fn mount_at(path: &Path) -> Option<Mount> {
    machine::mount_at(path).unwrap()
}

/// The code and message of a refusal.
pub(crate) fn refusal<T>(answer: anyhow::Result<T>) -> (Code, String) {
    let error = answer.err().expect("it must be refused");
    match error.downcast_ref::<Status>() {
        Some(status) => (status.code(), status.message().to_owned()),
        None => panic!("not an answer of the driver: {error:#}"),
    }
}

/// The programs that have a device of the world as their standard input, as the node plugin hands it over: their process ids
/// and names.
pub(crate) fn programs_at_work(dir: &Path) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap();
    let at_work = processes.filter_map(|process| {
        let process = process.ok()?.path();
        // One that ends while it is looked at is at work no more.
        let input = fs::read_link(process.join("fd/0")).ok()?;
        let name = fs::read_to_string(process.join("comm")).ok()?;
        input
            .starts_with(dir)
            .then(|| format!("{} {}", process.display(), name.trim()))
    });
    at_work.collect()
}
