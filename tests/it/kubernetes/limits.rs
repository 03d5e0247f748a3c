//! How many volumes a node takes: who counts, what is counted anew, and that a guess is told.

use std::convert::Infallible;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use lab::program::Program;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use super::api_server::{ApiServer, NODE, Trouble, until};
use super::{NOBODY, Plugin};
use lab::metrics::scrape;

const GUESSED: &str = "AttachLimitGuessed";

/// Instance metadata of the instance that the Node object names, on an Outpost, with three interfaces and one volume beside the
/// root.
struct Imds {
    url: String,
    up: Arc<AtomicBool>,
    server: AbortHandle,
}

impl Drop for Imds {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Imds {
    async fn start(up: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let up = Arc::new(AtomicBool::new(up));
        let is_up = Arc::clone(&up);
        let server = tokio::spawn(async move {
            loop {
                let (socket, _peer) = listener.accept().await.unwrap();
                let is_up = Arc::clone(&is_up);
                let service = service_fn(move |request: Request<Incoming>| {
                    let answer = answer(request.uri().path(), is_up.load(Ordering::SeqCst));
                    async move { Ok::<_, Infallible>(answer) }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
            }
        });
        Self {
            url,
            up,
            server: server.abort_handle(),
        }
    }
}

fn answer(path: &str, up: bool) -> Response<Full<Bytes>> {
    let text = match path.strip_prefix("/latest/") {
        Some("api/token") => "a token",
        Some("dynamic/instance-identity/document") => {
            r#"{"instanceId": "i-0123456789abcdef0", "instanceType": "m5.large", "availabilityZone": "eu-central-1b",
                "region": "eu-central-1"}"#
        }
        Some("meta-data/network/interfaces/macs/") => {
            "02:00:00:00:00:01/\n02:00:00:00:00:02/\n02:00:00:00:00:03/"
        }
        Some("meta-data/block-device-mapping/") => "ami\nebs1\nroot",
        Some("meta-data/outpost-arn") => {
            "arn:aws:outposts:eu-central-1:123456789012:outpost/op-0123456789abcdef0"
        }
        _ => "",
    };
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    if !up {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    } else if text.is_empty() {
        *response.status_mut() = StatusCode::NOT_FOUND;
    }
    response
}

impl Plugin {
    async fn max_volumes(&self) -> i64 {
        self.node.info().await.unwrap().max_volumes_per_node
    }

    /// The limit with these labels, and whether it is a guess, as metrics.
    async fn shown(&mut self, labels: &[(&str, &str)]) -> (f64, f64) {
        let log = &self.log;
        let address = *self
            .address
            .get_or_insert_with(|| lab::metrics::address(log).unwrap());
        let page = scrape(address).await.unwrap();
        let value = |name, labels| page.value(name, labels).unwrap();
        (
            value("aws_ebs_csi_attach_limit", labels),
            value("aws_ebs_csi_attach_limit_guessed", &[]),
        )
    }

    /// Asks until the answer is this one.
    async fn must_take(&self, volumes: i64) {
        for _ in 0..1_000 {
            if self.max_volumes().await == volumes {
                return;
            }
            sleep(std::time::Duration::from_millis(20)).await;
        }
        assert_eq!(self.max_volumes().await, volumes);
    }
}

fn reasons(api: &ApiServer) -> Vec<String> {
    let events = api.events();
    events
        .iter()
        .map(|event| event["reason"].as_str().unwrap().to_owned())
        .collect()
}

fn label(node: &mut Value, name: &str, value: &str) {
    node["metadata"]["labels"][name] = json!(value);
}

#[tokio::test]
async fn a_poorer_source_is_told_and_corrected_once_the_better_one_answers() {
    let api = ApiServer::start(&[]).await;
    let imds = Imds::start(false).await;
    let mut plugin = Plugin::start(&api, &imds.url, |program| {
        program.option("--http-endpoint", "127.0.0.1:0");
    })
    .await;
    plugin.must_know_the_node().await;
    assert_eq!(
        plugin
            .shown(&[("figure", "table"), ("counted", "assumed")])
            .await,
        (26.0, 1.0)
    );
    until("an Event tells", || !api.events().is_empty()).await;
    let event = api.events().remove(0);
    assert_eq!(event["reason"], GUESSED);
    assert_eq!(event["type"], "Warning");
    assert_eq!(
        event["regarding"]["uid"],
        "5f2d3c1e-0000-4000-8000-000000000001"
    );
    let note = event["note"].as_str().unwrap();
    assert!(
        note.contains("--volume-attach-limit") && note.contains("26"),
        "{note}"
    );

    imds.up.store(true, Ordering::SeqCst);
    // 27, less the root volume, another one, and two interfaces more.
    plugin.must_take(23).await;
    assert_eq!(reasons(&api), [GUESSED]);
    assert_eq!(
        plugin
            .shown(&[("figure", "table"), ("counted", "imds")])
            .await,
        (23.0, 0.0)
    );

    // What it has said counts while it is silent again.
    imds.up.store(false, Ordering::SeqCst);
    assert_eq!(plugin.max_volumes().await, 23);
}

#[tokio::test]
async fn a_node_on_an_outpost_says_so() {
    let api = ApiServer::start(&[]).await;
    let imds = Imds::start(true).await;
    let plugin = Plugin::start(&api, &imds.url, |_| {}).await;
    let info = plugin.node.info().await.unwrap();
    let segments = info.accessible_topology.unwrap().segments;
    let outpost = &segments["topology.ebs.csi.aws.com/outpost-id"];
    assert_eq!(outpost, "op-0123456789abcdef0");
    assert_eq!(
        segments["topology.ebs.csi.aws.com/account-id"],
        "123456789012"
    );
    assert_eq!(info.max_volumes_per_node, 23);
    assert_eq!(
        api.asked().iter().filter(|one| *one == "GET nodes").count(),
        0
    );
}

#[tokio::test]
async fn labels_count_where_instance_metadata_is_out_of_reach() {
    let api = ApiServer::start(&[]).await;
    api.change_node(|node| {
        label(node, "ebs.csi.aws.com/non-csi-ebs-volumes-count", "2");
        label(node, "ebs.csi.aws.com/enis-count", "3");
    });
    let mut plugin = Plugin::start(&api, NOBODY, |_| {}).await;
    assert_eq!(plugin.max_volumes().await, 22);
    let log = plugin.log();
    assert!(
        log.contains("counted=labels") && !log.contains("is a guess"),
        "{log}"
    );
    assert_eq!(reasons(&api), Vec::<String>::new());
}

/// Writes a device into a tree like sysfs.
fn device(sys: &Path, dir: &str, attributes: &[(&str, &str)]) {
    let dir = sys.join(dir);
    fs::create_dir_all(&dir).unwrap();
    for (name, value) in attributes {
        fs::write(dir.join(name), format!("{value}\n")).unwrap();
    }
}

fn volume(sys: &Path, number: u32) {
    let attributes = [
        ("model", "Amazon Elastic Block Store"),
        ("serial", &format!("vol{number:017x}")),
    ];
    device(sys, &format!("class/nvme/nvme{number}"), &attributes);
}

fn interface(sys: &Path, number: u32) {
    let dir = format!("bus/pci/devices/0000:00:{number:02x}.0");
    let attributes = [
        ("vendor", "0x1d0f"),
        ("device", "0xec20"),
        ("class", "0x020000"),
    ];
    device(sys, &dir, &attributes);
}

/// A plugin that asks both, and shows metrics.
fn watched(program: &mut Program, api: &ApiServer, imds: &Imds) {
    api.let_in(program);
    program
        .option("--imds-endpoint", imds.url.as_str())
        .option("--http-endpoint", "127.0.0.1:0")
        .env("CSI_NODE_NAME", NODE)
        .env("DISABLE_TAINT_WATCHER", "true");
}

#[tokio::test]
async fn the_machine_is_looked_at_at_each_call() {
    let api = ApiServer::start(&[]).await;
    // The root, one for container images, and one of CSI's.
    api.change_node(|node| {
        node["status"]["volumesAttached"] =
            json!([{"name": "kubernetes.io/csi/ebs.csi.aws.com^vol-00000000000000002", "devicePath": ""}]);
    });
    let dir = tempfile::tempdir().unwrap();
    let sys = dir.path();
    (0..3).for_each(|number| volume(sys, number));
    interface(sys, 5);
    let mut plugin = Plugin::start_on(sys, |program| {
        api.let_in(program);
        program
            .option("--imds-endpoint", NOBODY)
            .env("CSI_NODE_NAME", NODE)
            .env("DISABLE_TAINT_WATCHER", "true");
    })
    .await;
    assert_eq!(plugin.max_volumes().await, 25);
    interface(sys, 6);
    interface(sys, 7);
    assert_eq!(plugin.max_volumes().await, 23);
    // A volume that has just come may be CSI's.
    volume(sys, 3);
    assert_eq!(plugin.max_volumes().await, 23);
    let log = plugin.log();
    assert!(
        log.contains("counted=machine") && !log.contains("is a guess"),
        "{log}"
    );
}

#[tokio::test]
async fn without_a_labeler_the_machine_counts_for_the_labels() {
    let api = ApiServer::start(&[]).await;
    let dir = tempfile::tempdir().unwrap();
    let sys = dir.path();
    // The root and one for container images.
    (0..2).for_each(|number| volume(sys, number));
    interface(sys, 5);
    interface(sys, 6);
    let plugin = Plugin::start_on(sys, |program| {
        api.let_in(program);
        program
            .option("--metadata-sources", "metadata-labeler")
            .env("CSI_NODE_NAME", NODE)
            .env("DISABLE_TAINT_WATCHER", "true");
    })
    .await;
    // 27, less two volumes and one interface more than the primary one.
    assert_eq!(plugin.max_volumes().await, 24);
    assert_eq!(reasons(&api), Vec::<String>::new());
}

#[tokio::test]
async fn csi_volumes_of_an_instance_that_was_stopped_with_them_are_known() {
    let api = ApiServer::start(&[]).await;
    let imds = Imds::start(true).await;
    let dir = tempfile::tempdir().unwrap();
    let sys = dir.path();
    // The root volume, and the other one that instance metadata lists.
    (0..2).for_each(|number| volume(sys, number));
    let on = |program: &mut Program| watched(program, &api, &imds);
    let plugin = Plugin::start_on(sys, on).await;
    assert_eq!(plugin.max_volumes().await, 23);
    api.change_node(|node| {
        node["status"]["volumesInUse"] =
            json!(["kubernetes.io/csi/ebs.csi.aws.com^vol-00000000000000001"]);
    });
    let plugin = Plugin::start_on(sys, on).await;
    assert_eq!(plugin.max_volumes().await, 24);
    // Another one comes in its place: no more than instance metadata lists, and still CSI's.
    fs::remove_dir_all(sys.join("class/nvme/nvme1")).unwrap();
    volume(sys, 2);
    api.change_node(|node| {
        node["status"]["volumesInUse"] =
            json!(["kubernetes.io/csi/ebs.csi.aws.com^vol-00000000000000002"]);
    });
    assert_eq!(plugin.max_volumes().await, 24);
}

#[tokio::test]
async fn volumes_that_cannot_be_told_apart_are_no_silent_guess() {
    let api = ApiServer::start(&[]).await;
    api.trouble(Trouble::Forbids("GET"));
    let imds = Imds::start(true).await;
    let dir = tempfile::tempdir().unwrap();
    let sys = dir.path();
    // The root volume, the other one that instance metadata lists, and two that came later: one is CSI's.
    (0..4).for_each(|number| volume(sys, number));
    api.change_node(|node| {
        node["status"]["volumesInUse"] =
            json!(["kubernetes.io/csi/ebs.csi.aws.com^vol-00000000000000003"]);
    });
    let mut plugin = Plugin::start_on(sys, |program| watched(program, &api, &imds)).await;
    assert_eq!(plugin.max_volumes().await, 23);
    let start = [("figure", "table"), ("counted", "start")];
    assert_eq!(plugin.shown(&start).await, (23.0, 1.0));
    let log = plugin.log();
    let rule = r#"resources ["nodes"], verbs ["get"]"#;
    assert!(log.contains(rule) && log.contains("is a guess"), "{log}");
    until("an Event tells", || !api.events().is_empty()).await;
    let event = api.events().remove(0);
    assert_eq!(event["reason"], GUESSED);
    assert_eq!(event["regarding"]["name"], NODE);
    // As the kubelet calls a Node whose uid it does not know.
    assert_eq!(event["regarding"]["uid"], NODE);
    let note = event["note"].as_str().unwrap();
    assert!(note.contains("Let the node plugin get its Node"), "{note}");

    api.trouble(None);
    plugin.must_take(22).await;
    let imds = [("figure", "table"), ("counted", "imds")];
    assert_eq!(plugin.shown(&imds).await, (22.0, 0.0));
    let log = fs::read_to_string(&plugin.log).unwrap();
    assert_eq!(log.matches(rule).count(), 1, "{log}");
    assert_eq!(reasons(&api), [GUESSED]);
}

#[tokio::test]
async fn a_machine_that_cannot_be_looked_at_is_no_silent_guess() {
    let api = ApiServer::start(&[]).await;
    let imds = Imds::start(true).await;
    let dir = tempfile::tempdir().unwrap();
    let sys = dir.path();
    fs::create_dir(sys.join("class")).unwrap();
    // No directory, and so it cannot be listed.
    fs::write(sys.join("class/nvme"), "").unwrap();
    let mut plugin = Plugin::start_on(sys, |program| watched(program, &api, &imds)).await;
    assert_eq!(plugin.max_volumes().await, 23);
    let start = [("figure", "table"), ("counted", "start")];
    assert_eq!(plugin.shown(&start).await, (23.0, 1.0));
    let log = plugin.log();
    assert!(log.contains("sysfs does not show"), "{log}");
    until("an Event tells", || !api.events().is_empty()).await;

    fs::remove_file(sys.join("class/nvme")).unwrap();
    (0..2).for_each(|number| volume(sys, number));
    assert_eq!(plugin.max_volumes().await, 23);
    let imds = [("figure", "table"), ("counted", "imds")];
    assert_eq!(plugin.shown(&imds).await, (23.0, 0.0));
    assert_eq!(reasons(&api), [GUESSED]);
}

#[tokio::test]
async fn a_new_instance_type_is_guessed_until_its_node_is_annotated() {
    let api = ApiServer::start(&[]).await;
    api.change_node(|node| label(node, "node.kubernetes.io/instance-type", "zz9.large"));
    let imds = Imds::start(false).await;
    let mut plugin = Plugin::start(&api, &imds.url, |_| {}).await;
    assert_eq!(plugin.max_volumes().await, 26);
    until("an Event tells", || !api.events().is_empty()).await;
    let note = api.events()[0]["note"].as_str().unwrap().to_owned();
    assert!(
        note.contains("zz9.large") && note.contains("ec2:DescribeInstanceTypes"),
        "{note}"
    );

    api.change_node(|node| {
        node["metadata"]["annotations"]["ebs.csi.aws.com/attach-limit"] =
            json!("zz9.large,nitro,40,dedicated,1");
    });
    plugin.must_take(39).await;
    let log = plugin.log();
    assert!(log.contains("figure=ec2"), "{log}");
}

#[tokio::test]
async fn a_limit_that_is_set_needs_nobody() {
    let api = ApiServer::start(&[]).await;
    let mut plugin = Plugin::start(&api, NOBODY, |program| {
        program.option("--volume-attach-limit", "7");
    })
    .await;
    assert_eq!(plugin.max_volumes().await, 7);
    let log = plugin.log();
    assert!(
        log.contains("figure=set") && !log.contains("is a guess"),
        "{log}"
    );
    assert_eq!(reasons(&api), Vec::<String>::new());
}
