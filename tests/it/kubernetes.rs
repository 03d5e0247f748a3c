//! The Node object as a source of metadata, and the startup taint on it: the driver as a process beside a Kubernetes API server
//! that is made for the test.

mod api_server;
mod bed;
mod fail_over;
mod limits;
mod new_types;
mod pre_stop;
mod stranded;
mod taint;
mod volume_health;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use api_server::{ApiServer, NODE, Trouble};
use emulator::{Config, Emulator};
use lab::kubelet::Node;
use lab::orchestrator::{Controller, Order, Use};
use lab::program::Program;
use lab::socket::Patience;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tonic::Code;

use crate::world::{code, message, world};

/// An address where nobody listens.
const NOBODY: &str = "http://127.0.0.1:9";

/// The node plugin's process, and how it is called.
struct Plugin {
    program: Program,
    node: Node,
    log: PathBuf,
    /// Where it shows its metrics, once somebody has looked.
    address: Option<SocketAddr>,
    _dir: TempDir,
}

impl Plugin {
    /// Starts one that can ask `api`, and finds instance metadata at `imds`.
    async fn start(api: &ApiServer, imds: &str, change: impl FnOnce(&mut Program)) -> Self {
        Self::start_with(imds, |program| {
            api.let_in(program);
            program.env("CSI_NODE_NAME", NODE);
            change(program);
        })
        .await
    }

    /// Starts one that knows of no cluster.
    async fn start_with(imds: &str, change: impl FnOnce(&mut Program)) -> Self {
        let empty = tempfile::tempdir().unwrap();
        Self::start_on(empty.path(), |program| {
            program.option("--imds-endpoint", imds);
            change(program);
        })
        .await
    }

    /// Starts one on a machine that shows this directory as its sysfs.
    async fn start_on(sys: &Path, change: impl FnOnce(&mut Program)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut program = driver(dir.path(), "node");
        program
            .option("--dev-dir", dir.path())
            .option("--sys-dir", sys);
        change(&mut program);
        program.start().await.unwrap();
        let socket = dir.path().join("node.sock");
        let node = Node::at("node", "", "", &socket, dir.path().join("kubelet")).unwrap();
        Self {
            program,
            node: node.with(Patience::ONCE),
            log: dir.path().join("node.log"),
            address: None,
            _dir: dir,
        }
    }

    /// The last lines of its log.
    fn log(&mut self) -> String {
        self.program.last_words(100).join("\n")
    }

    /// What NodeGetInfo says of the node being unknown.
    async fn why_unknown(&self) -> String {
        let info = self.node.info().await;
        assert_eq!(code(&info), Code::Unavailable, "{info:?}");
        message(info)
    }

    async fn must_know_the_node(&self) {
        let info = self.node.info().await.unwrap();
        assert_eq!(info.node_id, "i-0123456789abcdef0");
        let segments = info.accessible_topology.unwrap().segments;
        assert_eq!(segments["topology.kubernetes.io/zone"], "eu-central-1b");
        // 27, less the root volume.
        assert_eq!(info.max_volumes_per_node, 26);
    }
}

fn driver(dir: &Path, role: &str) -> Program {
    let path = Path::new(env!("CARGO_BIN_EXE_ebs-csi"));
    let socket = dir.join(format!("{role}.sock"));
    let mut program = Program::driver(role, path, role, &socket, dir.join(format!("{role}.log")));
    program
        .env("NO_PROXY", "127.0.0.1")
        .env("CSI_NODE_NAME", "")
        .env("KUBERNETES_SERVICE_HOST", "")
        .env("DISABLE_TAINT_WATCHER", "");
    program
}

/// A controller's process that may ask `api` and calls the EC2 at `ec2`.
fn controller(dir: &Path, name: &str, api: &ApiServer, ec2: &str) -> Program {
    let path = Path::new(env!("CARGO_BIN_EXE_ebs-csi"));
    let socket = dir.join(format!("{name}.sock"));
    let log = dir.join(format!("{name}.log"));
    let mut program = Program::driver(name, path, "controller", &socket, log);
    api.let_in(&mut program);
    program
        .option("--imds-endpoint", NOBODY)
        .option("--ec2-endpoint", ec2)
        .env("AWS_REGION", "eu-central-1")
        .env("AWS_DEFAULT_REGION", "")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("NO_PROXY", "127.0.0.1")
        .env("CSI_NODE_NAME", "");
    program
}

/// An instance metadata service that takes connections and says nothing, as it does where its answers are dropped on the way.
async fn silent() -> (String, tokio::sync::mpsc::UnboundedReceiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (called, calls) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((socket, _peer)) = listener.accept().await {
            open.push(socket);
            if called.send(()).is_err() {
                return;
            }
        }
    });
    (url, calls)
}

#[tokio::test]
async fn a_node_without_instance_metadata_is_known_from_its_object() {
    let api = ApiServer::start(&[]).await;
    let mut plugin = Plugin::start(&api, NOBODY, |_| {}).await;
    plugin.must_know_the_node().await;
    let log = plugin.log();
    assert!(log.contains("Kubernetes is asked instead"), "{log}");
    assert!(log.contains("--reserved-volume-attachments"), "{log}");

    // What is known stays known.
    api.trouble(Trouble::Failing);
    plugin.must_know_the_node().await;
}

#[tokio::test]
async fn a_metadata_service_that_is_silent_is_not_waited_for_long() {
    let api = ApiServer::start(&[]).await;
    let (imds, mut calls) = silent().await;
    let plugin = Plugin::start(&api, &imds, |_| {}).await;
    plugin.must_know_the_node().await;
    let mut called = 0;
    while calls.try_recv().is_ok() {
        called += 1;
    }
    // Four times where nobody else can be asked. Each takes a second.
    assert_eq!(called, 2);
}

#[tokio::test]
async fn instance_metadata_is_asked_first_unless_told_otherwise() {
    let mut world = world().await;
    let api = ApiServer::start(&[]).await;
    let kept = |program: &mut Program| {
        api.let_in(program);
        program
            .env("CSI_NODE_NAME", NODE)
            .env("DISABLE_TAINT_WATCHER", "true");
    };
    let node = world.start_node(0, kept).await.unwrap();
    assert_eq!(node.info().await.unwrap().node_id, node.instance);
    assert_eq!(api.asked(), Vec::<String>::new());

    let turned = |program: &mut Program| {
        kept(program);
        program.option("--metadata-sources", "Kubernetes,IMDS");
    };
    let node = world.start_node(1, turned).await.unwrap();
    let info = node.info().await.unwrap();
    assert_eq!(info.node_id, "i-0123456789abcdef0");
    // At the start, and again by a call that comes before that has been answered. An Event says what is weak about this source.
    let asked = api.asked();
    assert!(asked.iter().any(|call| call == "GET nodes"), "{asked:?}");
    let expected = ["GET nodes", "POST events"];
    let others = asked.iter().find(|call| !expected.contains(&call.as_str()));
    assert_eq!(others, None, "{asked:?}");
}

#[tokio::test]
async fn both_reasons_are_told_where_neither_knows() {
    let api = ApiServer::start(&[]).await;
    api.trouble(Trouble::Forbids("GET"));
    let plugin = Plugin::start(&api, NOBODY, |_| {}).await;
    let words = plugin.why_unknown().await;
    assert!(words.contains("hop limit"), "{words}");
    let rule = r#"apiGroups [""], resources ["nodes"], verbs ["get"]"#;
    assert!(words.contains(rule), "{words}");

    // A failure is not kept.
    api.trouble(None);
    plugin.must_know_the_node().await;
}

#[tokio::test]
async fn an_api_server_that_is_silent_is_told() {
    let api = ApiServer::start(&[]).await;
    api.trouble(Trouble::Silent);
    let plugin = Plugin::start(&api, NOBODY, |program| {
        program.option("--metadata-sources", "kubernetes");
    })
    .await;
    let words = plugin.why_unknown().await;
    assert!(words.contains("nothing came within 5s"), "{words}");
}

#[tokio::test]
async fn a_wrong_name_of_the_node_is_told() {
    let api = ApiServer::start(&[]).await;
    let plugin = Plugin::start_with(NOBODY, |program| {
        api.let_in(program);
        program.option("--node-name", "node-2");
    })
    .await;
    let words = plugin.why_unknown().await;
    assert!(words.contains("no nodes node-2"), "{words}");
    assert!(words.contains("CSI_NODE_NAME"), "{words}");
}

#[tokio::test]
async fn what_is_not_set_is_named() {
    let api = ApiServer::start(&[]).await;
    let mut nameless = Plugin::start_with(NOBODY, |program| api.let_in(program)).await;
    let words = nameless.why_unknown().await;
    assert!(words.contains("spec.nodeName"), "{words}");
    let log = nameless.log();
    assert!(
        log.contains("startup taint of this node would stay"),
        "{log}"
    );

    let outside = Plugin::start_with(NOBODY, |_| {}).await;
    let words = outside.why_unknown().await;
    assert!(words.contains("KUBERNETES_SERVICE_HOST"), "{words}");

    fs::remove_file(api.credentials().join("token")).unwrap();
    let words = Plugin::start(&api, NOBODY, |_| {})
        .await
        .why_unknown()
        .await;
    assert!(words.contains("automountServiceAccountToken"), "{words}");
}

#[tokio::test]
async fn an_api_server_that_another_authority_vouches_for_is_not_told_the_token() {
    let api = ApiServer::start(&[]).await;
    let other = include_str!("kubernetes/tls/server.crt");
    fs::write(api.credentials().join("ca.crt"), other).unwrap();
    let plugin = Plugin::start(&api, NOBODY, |_| {}).await;
    let words = plugin.why_unknown().await;
    assert!(words.contains("certificate"), "{words}");
    assert_eq!(api.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn a_controller_calls_the_region_of_its_node() {
    let emulator = Emulator::start(Config::default()).await.unwrap();
    let api = ApiServer::start(&[]).await;
    let dir = tempfile::tempdir().unwrap();
    let mut program = controller(dir.path(), "controller", &api, &emulator.ec2_url());
    program.option("--node-name", NODE).env("AWS_REGION", "");
    program.start().await.unwrap();
    assert_eq!(api.asked()[0], "GET nodes");
    let controller = Controller::at(&dir.path().join("controller.sock")).unwrap();
    let order = Order::new("pvc-1", 1, Use::Ext4, "eu-central-1a");
    controller.create(&order).await.unwrap();
    program.stop(Duration::from_secs(5)).await;
    emulator.shutdown().await;
}
