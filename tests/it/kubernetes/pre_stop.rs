//! The preStop hook: what it waits for, and that nothing keeps the plugin from ending.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::api_server::{ApiServer, NODE, Trouble, until};

const OURS: &str = "ebs.csi.aws.com";
const CORDONED: &str = "node.kubernetes.io/unschedulable";
/// Longer than a test may take.
const LONG: &str = "5m";

/// The hook, as the kubelet starts it beside the plugin.
struct Hook {
    child: Child,
    log: PathBuf,
    _dir: TempDir,
}

impl Hook {
    fn start(api: &ApiServer, timeout: &str) -> Self {
        Self::start_with(&[&["--timeout", timeout], &api.arguments()[..]].concat())
    }

    fn start_with(arguments: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        #[expect(
            clippy::disallowed_methods,
            reason = "whole programs are started here, not a node's tools"
        )]
        let mut command = Command::new(env!("CARGO_BIN_EXE_ebs-csi"));
        let child = command
            .arg("pre-stop-hook")
            .args(arguments)
            .env("CSI_NODE_NAME", NODE)
            .env("KUBERNETES_SERVICE_HOST", "")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self {
            child,
            log,
            _dir: dir,
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until it has said something.
    async fn says(&self, words: &str) {
        until(words, || self.log().contains(words)).await;
    }

    fn goes_on(&mut self) {
        let ended = self.child.try_wait().unwrap();
        assert_eq!(ended, None, "{}", self.log());
    }

    /// Waits for its end, which is never a failure; returns what it said.
    async fn ends(mut self) -> String {
        until("the hook ends", || self.child.try_wait().unwrap().is_some()).await;
        let log = self.log();
        assert!(self.child.wait().await.unwrap().success(), "{log}");
        log
    }
}

/// A node that is drained, with these of the driver's volumes, and others that are not its or not there.
async fn drained(volumes: &[&str]) -> ApiServer {
    let api = ApiServer::start(&[CORDONED]).await;
    for volume in volumes {
        api.attach(volume, OURS, NODE);
    }
    api.attach("pv-of-files", "efs.csi.aws.com", NODE);
    api.attach("pv-elsewhere", OURS, "node-2");
    api
}

#[tokio::test]
async fn volumes_leave_a_drained_node_before_its_plugin() {
    let api = drained(&["pv-1", "pv-2"]).await;
    let mut hook = Hook::start(&api, LONG);
    hook.says("volumes=pv-1,pv-2").await;
    hook.goes_on();
    // Whichever it waits for first.
    api.detach("pv-2");
    api.was_asked("WATCH volumeattachments", 1).await;
    hook.goes_on();
    api.detach("pv-1");
    let log = hook.ends().await;
    assert!(log.contains("no volume is attached to this node"), "{log}");
    assert!(log.contains(CORDONED), "{log}");
    // A watch for each volume, and before and after them one list of two pages, then one: those that stay.
    assert_eq!(api.times_asked("WATCH volumeattachments"), 2);
    assert_eq!(api.times_asked("LIST volumeattachments"), 3);
}

#[tokio::test]
async fn a_node_that_stays_is_not_waited_for() {
    let api = ApiServer::start(&["node.kubernetes.io/not-ready"]).await;
    api.attach("pv-1", OURS, NODE);
    let log = Hook::start(&api, LONG).ends().await;
    assert!(log.contains("this node stays"), "{log}");
    assert_eq!(api.asked(), ["GET nodes"]);
}

#[tokio::test]
async fn every_mark_of_a_leaving_node_is_known() {
    let marks: [fn(&mut Value); 4] = [
        |node| node["spec"]["unschedulable"] = json!(true),
        |node| node["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z"),
        |node| {
            let message = "node is shutting down";
            node["status"]["conditions"] =
                json!([{"type": "Ready", "status": "False", "message": message}]);
        },
        |node| node["spec"]["taints"] = json!([{"key": "karpenter.sh/disrupted"}]),
    ];
    for mark in marks {
        let api = ApiServer::start(&[]).await;
        api.change_node(mark);
        let log = Hook::start(&api, LONG).ends().await;
        assert!(log.contains("no volume is attached to this node"), "{log}");
        assert_eq!(api.asked(), ["GET nodes", "LIST volumeattachments"]);
    }
}

#[tokio::test]
async fn a_node_whose_object_is_gone_is_left_all_the_same() {
    let api = drained(&["pv-1"]).await;
    api.remove_node(NODE);
    let hook = Hook::start(&api, LONG);
    hook.says("there is no Node node-1").await;
    api.detach("pv-1");
    let log = hook.ends().await;
    assert!(log.contains("no volume is attached to this node"), "{log}");
}

#[tokio::test]
async fn a_drain_that_is_called_off_is_not_waited_for_any_longer() {
    let api = drained(&["pv-1"]).await;
    let hook = Hook::start(&api, LONG);
    api.was_asked("WATCH volumeattachments", 1).await;
    api.change_node(|node| node["spec"]["taints"] = json!([]));
    api.end_watches();
    let log = hook.ends().await;
    assert!(log.contains("this node stays"), "{log}");
}

#[tokio::test]
async fn an_api_server_that_fails_in_the_middle_is_outlasted() {
    let api = drained(&["pv-1", "pv-2"]).await;
    let hook = Hook::start(&api, LONG);
    api.was_asked("WATCH volumeattachments", 1).await;
    api.trouble(Trouble::Failing);
    api.end_watches();
    api.detach("pv-1");
    api.forget();
    hook.says("unable to handle the request").await;
    api.trouble(None);
    hook.says("volumes=pv-2").await;
    api.detach("pv-2");
    let log = hook.ends().await;
    assert!(log.contains("no volume is attached to this node"), "{log}");
    assert_eq!(log.matches("unable to handle").count(), 1, "{log}");
}

#[tokio::test]
async fn a_version_that_is_forgotten_in_a_watch_is_no_end_of_the_waiting() {
    let api = drained(&["pv-1", "pv-2"]).await;
    let mut hook = Hook::start(&api, LONG);
    api.was_asked("WATCH volumeattachments", 1).await;
    // The other one goes unseen.
    api.detach("pv-2");
    api.forget();
    hook.says("volumes=pv-1\n").await;
    hook.goes_on();
    api.detach("pv-1");
    hook.ends().await;
}

#[tokio::test]
async fn an_api_server_in_trouble_is_outlasted() {
    let api = drained(&[]).await;
    api.trouble(Trouble::Failing);
    let mut hook = Hook::start(&api, LONG);
    api.was_asked("GET nodes", 3).await;
    hook.goes_on();
    api.trouble(None);
    let log = hook.ends().await;
    assert!(log.contains("no volume is attached to this node"), "{log}");
    assert_eq!(log.matches("unable to handle").count(), 1, "{log}");
}

#[tokio::test]
async fn volumes_that_stay_are_told_on_the_node() {
    let api = drained(&["pv-1", "pv-2"]).await;
    let log = Hook::start(&api, "2s").ends().await;
    assert!(log.contains("the time is over"), "{log}");
    let event = api.events().remove(0);
    assert_eq!(event["reason"], "VolumesStillAttached");
    assert_eq!(event["type"], "Warning");
    assert_eq!(event["regarding"]["name"], NODE);
    let note = event["note"].as_str().unwrap();
    assert!(note.contains("pv-1, pv-2"), "{note}");
}

#[tokio::test]
async fn an_api_server_that_is_silent_does_not_keep_the_plugin_from_ending() {
    let api = drained(&["pv-1"]).await;
    api.trouble(Trouble::Silent);
    let log = Hook::start(&api, "500ms").ends().await;
    assert!(log.contains("it is not known"), "{log}");
}

#[tokio::test]
async fn a_right_that_is_missing_is_named_and_no_reason_to_wait() {
    for (asked, rule) in [
        ("GET nodes", r#"resources ["nodes"], verbs ["get"]"#),
        (
            "LIST volumeattachments",
            r#"apiGroups ["storage.k8s.io"], resources ["volumeattachments"], verbs ["list"]"#,
        ),
        (
            "WATCH volumeattachments",
            r#"apiGroups ["storage.k8s.io"], resources ["volumeattachments"], verbs ["watch"]"#,
        ),
    ] {
        let api = drained(&["pv-1"]).await;
        api.trouble(Trouble::ForbidsOf(asked));
        let log = Hook::start(&api, LONG).ends().await;
        assert!(log.contains(rule), "{log}");
    }
}

#[tokio::test]
async fn without_a_cluster_there_is_nothing_to_wait_for() {
    let log = Hook::start_with(&[]).ends().await;
    assert!(log.contains("KUBERNETES_SERVICE_HOST"), "{log}");
}
