//! `/metrics` and `/healthz` of a running driver.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use csi::v1::node_client::NodeClient;
use csi::v1::{NodeGetCapabilitiesRequest, NodeStageVolumeRequest};
use lab::kubelet::Node;
use lab::metrics::{Exposition, Page, address, scrape};
use lab::program::Program;
use tokio::net::TcpStream;

use crate::world::{World, world};

async fn ask(address: SocketAddr, request: &str, headers: &str) -> Page {
    lab::metrics::ask(address, request, headers).await.unwrap()
}

/// Starts a node that shows its metrics, at a port that the kernel chooses and the log tells.
async fn start(world: &mut World) -> (Node, SocketAddr) {
    let shown = |program: &mut Program| {
        program.option("--http-endpoint", "127.0.0.1:0");
    };
    let node = world.start_node(0, shown).await.unwrap();
    let address = address(&world.dir().join("node-0.log")).unwrap();
    (node, address)
}

#[tokio::test]
async fn scrapes_while_calls_run_parse_and_count_them() {
    let mut world = world().await;
    let (node, address) = start(&mut world).await;
    let before = scrape(address).await.unwrap();
    let calls = 200;
    let calling = async {
        let mut client: NodeClient<_> = node.client();
        for _ in 0..calls {
            let request = NodeGetCapabilitiesRequest {};
            client.node_get_capabilities(request).await.unwrap();
            let wrong = NodeStageVolumeRequest::default();
            client.node_stage_volume(wrong).await.unwrap_err();
        }
    };
    let scraping = async {
        for _ in 0..20 {
            let plain = ask(address, "GET /metrics", "").await;
            Exposition::plain(&plain.body).unwrap();
            scrape(address).await.unwrap();
        }
    };
    tokio::join!(calling, scraping);
    let after = scrape(address).await.unwrap();
    for (method, code) in [
        ("NodeGetCapabilities", "OK"),
        ("NodeStageVolume", "INVALID_ARGUMENT"),
    ] {
        let labels = [("method", method), ("code", code)];
        let count = |page: &Exposition| page.value("aws_ebs_csi_rpcs_total", &labels);
        let counted = count(&after).unwrap() - count(&before).unwrap_or_default();
        assert_eq!(counted, f64::from(calls), "{method}");
        let timed = after.value("aws_ebs_csi_rpc_duration_seconds_count", &labels[..1]);
        assert!(timed.unwrap() >= f64::from(calls), "{method}");
    }
}

#[tokio::test]
async fn health_is_that_of_the_socket() {
    let mut world = world().await;
    let (node, address) = start(&mut world).await;
    let page = ask(address, "GET /healthz", "").await;
    assert_eq!((page.status, page.body.as_str()), (200, "ok\n"));

    let socket = world.dir().join("node-0.sock");
    let hidden = world.dir().join("hidden.sock");
    fs::rename(&socket, &hidden).unwrap();
    let page = ask(address, "GET /healthz", "").await;
    assert_eq!(page.status, 503, "{page:?}");
    assert!(page.body.contains("node-0.sock"), "{page:?}");
    fs::rename(&hidden, &socket).unwrap();
    assert_eq!(ask(address, "GET /healthz", "").await.status, 200);

    world
        .stop_node(&node, Duration::from_secs(20))
        .await
        .unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn other_pages_and_methods_are_refused() {
    let mut world = world().await;
    let (_node, address) = start(&mut world).await;
    assert_eq!(ask(address, "GET /", "").await.status, 404);
    assert_eq!(ask(address, "GET /metrics/", "").await.status, 404);
    let page = ask(address, "POST /metrics", "Content-Length: 0\r\n").await;
    assert_eq!(page.status, 405, "{page:?}");
    assert!(
        page.head.to_lowercase().contains("allow: get, head"),
        "{page:?}"
    );
}

#[tokio::test]
async fn an_address_that_cannot_be_had_ends_the_start_in_words() {
    let mut world = world().await;
    let (_node, address) = start(&mut world).await;
    for (taken, words) in [
        (address.to_string(), "Address already in use"),
        (
            "192.0.2.1:3302".to_owned(),
            "Cannot assign requested address",
        ),
    ] {
        let started = world
            .start_node(1, |program| {
                program.option("--http-endpoint", taken.as_str());
            })
            .await;
        let error = format!("{:#}", started.err().unwrap());
        assert!(error.contains(&taken) && error.contains(words), "{error}");
    }
    let started = world
        .start_node(1, |program| {
            program.option("--http-endpoint", "metrics");
        })
        .await;
    let error = format!("{:#}", started.err().unwrap());
    assert!(error.contains("IP:PORT"), "{error}");
}
