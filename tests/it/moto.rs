//! The driver and an EC2 that nobody of this project wrote: moto's. `EBS_CSI_MOTO` names its server, which `make test` installs.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lab::cloud::Cloud;
use lab::kubelet::Node;
use lab::orchestrator::{Claim, Controller, Order, Use, exactly_gib, gib_or_more};
use lab::process::Process;
use lab::program::Program;
use tempfile::TempDir;
use tokio::time::Instant;
use tonic::Code;

use crate::world::code;

/// How long moto may take to begin: it is a large program in Python.
const PATIENCE: Duration = Duration::from_secs(60);

const REGION: &str = "eu-central-1";
const ZONE: &str = "eu-central-1b";

/// An EC2 and a controller.
struct Moto {
    cloud: Cloud,
    controller: Controller,
    node: Node,
    _server: Process,
    _driver: Program,
    _dir: TempDir,
}

#[tokio::test]
async fn a_life_in_an_ec2_of_other_people() {
    let Some(server) = std::env::var_os("EBS_CSI_MOTO") else {
        println!("skipped: EBS_CSI_MOTO does not name moto's server");
        return;
    };
    let world = Moto::start(Path::new(&server)).await;
    let (cloud, controller, node) = (&world.cloud, &world.controller, &world.node);

    let order = Order::new("pvc-moto", 2, Use::Ext4, ZONE);
    // Once only: moto 5.2 knows nothing of client tokens, by which EC2 recognises a repetition.
    let claim = controller.create(&order).await.unwrap();
    let seen = cloud.volume(&claim.id).await.unwrap().unwrap();
    assert_eq!((seen.gib, seen.kind.as_str()), (2, "gp3"));
    assert_eq!(seen.zone, ZONE);
    assert_eq!(seen.tags["CSIVolumeName"], "pvc-moto");

    for _ in 0..2 {
        controller.attach(&claim, node).await.unwrap();
        let seen = cloud.volume(&claim.id).await.unwrap().unwrap();
        assert_eq!(seen.attachments.len(), 1);
        assert_eq!(seen.attachments[0].instance, node.instance);
    }
    let (bytes, _) = controller.expand(&claim, gib_or_more(3)).await.unwrap();
    assert_eq!(bytes, 3 << 30);
    takes_a_group(&world, &claim).await;
    for _ in 0..2 {
        controller.detach(&claim, node).await.unwrap();
        let seen = cloud.volume(&claim.id).await.unwrap().unwrap();
        assert_eq!((seen.state.as_str(), seen.gib), ("available", 3));
    }

    let snapshot = controller.snapshot(&claim, "snapshot-moto").await.unwrap();
    let restored = Order::new("pvc-restored", 4, Use::Ext4, ZONE).from_snapshot(&snapshot);
    let restored = controller.create(&restored).await.unwrap();
    let seen = cloud.volume(&restored.id).await.unwrap().unwrap();
    assert_eq!((seen.gib, seen.snapshot.as_ref()), (4, Some(&snapshot)));
    for _ in 0..2 {
        controller.delete_snapshot(&snapshot).await.unwrap();
        controller.delete(&restored).await.unwrap();
        controller.delete(&claim).await.unwrap();
    }
    assert!(cloud.volume(&claim.id).await.unwrap().is_none());
    assert!(cloud.volume(&restored.id).await.unwrap().is_none());
    let mine = |tags: &BTreeMap<String, String>| {
        tags.get("CSIVolumeSnapshotName")
            .is_some_and(|name| name == "snapshot-moto")
    };
    let snapshots = cloud.snapshots().await.unwrap();
    assert!(snapshots.iter().all(|snapshot| !mine(&snapshot.tags)));

    let gone = controller.expand(&claim, exactly_gib(5)).await;
    assert_eq!(code(&gone), Code::NotFound);
}

/// A group of the volume and another one. moto 5.2 does not read which volumes to leave out, and takes the third one too: its snapshot
/// is taken for that of a volume that came just then, and deleted again.
async fn takes_a_group(world: &Moto, claim: &Claim) {
    let (cloud, controller, node) = (&world.cloud, &world.controller, &world.node);
    let mut others = Vec::new();
    for name in ["pvc-log", "pvc-other"] {
        let order = Order::new(name, 1, Use::Ext4, ZONE);
        let other = controller.create(&order).await.unwrap();
        controller.attach(&other, node).await.unwrap();
        others.push(other);
    }
    let of = [claim.clone(), others[0].clone()];
    let mut members = Vec::new();
    for _ in 0..2 {
        members = controller.group_snapshot(&of, "group-moto").await.unwrap();
        assert_eq!(in_group(cloud).await, 2);
    }
    for _ in 0..2 {
        let deleted = controller.delete_group_snapshot("group-moto", &members);
        deleted.await.unwrap();
    }
    assert_eq!(in_group(cloud).await, 0);
    for other in others {
        controller.detach(&other, node).await.unwrap();
        controller.delete(&other).await.unwrap();
    }
}

/// How many snapshots are of the group.
async fn in_group(cloud: &Cloud) -> usize {
    let snapshots = cloud.snapshots().await.unwrap().into_iter();
    let of = |tags: &BTreeMap<String, String>| {
        let name = tags.get("CSIVolumeGroupSnapshotName");
        name.is_some_and(|name| name == "group-moto")
    };
    snapshots.filter(|snapshot| of(&snapshot.tags)).count()
}

impl Moto {
    async fn start(server: &Path) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let port = free_port();
        let arguments = ["-H", "127.0.0.1", "-p", &port.to_string()].map(Into::into);
        let mut server = Process::start(server, &arguments, &[], &at("moto.log")).unwrap();
        let url = format!("http://127.0.0.1:{port}");
        let cloud = Cloud::of_others(&url, REGION);
        let begin = Instant::now();
        // One machine, like those that a cluster's nodes are.
        let instance = loop {
            match cloud.run_instance("m5.large", ZONE).await {
                Ok(instance) => break instance,
                Err(error) => {
                    let late = begin.elapsed() > PATIENCE || server.end().is_some();
                    let said = std::fs::read_to_string(at("moto.log")).unwrap_or_default();
                    assert!(!late, "moto does not serve: {error:#}\n{said}");
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        let socket = at("controller.sock");
        let driver = start_driver(&socket, at("driver.log"), &url).await;
        let node = Node::at("node", &instance, ZONE, &at("node.sock"), at("kubelet")).unwrap();
        Self {
            cloud,
            controller: Controller::at(&socket).unwrap(),
            node,
            _server: server,
            _driver: driver,
            _dir: dir,
        }
    }
}

/// A port that nobody listens at.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

async fn start_driver(socket: &Path, log: PathBuf, ec2: &str) -> Program {
    let driver = Path::new(env!("CARGO_BIN_EXE_ebs-csi"));
    let mut driver = Program::driver("controller", driver, "controller", socket, log);
    driver
        .option("--region", REGION)
        .option("--ec2-endpoint", ec2)
        .option("--consistency-window", "100ms")
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("NO_PROXY", "127.0.0.1");
    driver.start().await.unwrap();
    driver
}
