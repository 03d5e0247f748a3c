//! The startup taint goes once the kubelet has registered the driver, and no other taint with it.

use std::time::Duration;

use lab::program::Program;
use tokio::time::Instant;

use super::api_server::{ApiServer, Trouble, until};
use super::{NOBODY, Plugin};

const TAINT: &str = "ebs.csi.aws.com/agent-not-ready";
const OTHER: &str = "node.kubernetes.io/not-ready";
const RIVAL: &str = "node.kubernetes.io/unreachable";

#[tokio::test]
async fn it_stays_until_the_driver_is_registered() {
    let api = ApiServer::start(&[TAINT, OTHER, TAINT]).await;
    let mut plugin = Plugin::start(&api, NOBODY, |_| {}).await;
    plugin.must_know_the_node().await;
    api.was_asked("GET csinodes", 4).await;
    assert!(!api.asked().contains(&"PATCH nodes".to_owned()));

    api.register();
    api.has_taints(&[OTHER]).await;
    let words = "the startup taint is removed";
    until(words, || plugin.log().contains(words)).await;
}

#[tokio::test]
async fn a_taint_that_comes_in_between_is_kept() {
    let api = ApiServer::start(&[OTHER, TAINT]).await;
    api.register();
    api.let_a_rival_add(RIVAL);
    let _plugin = Plugin::start(&api, NOBODY, |_| {}).await;
    api.has_taints(&[RIVAL, OTHER]).await;
    let patches = api
        .asked()
        .iter()
        .filter(|one| *one == "PATCH nodes")
        .count();
    assert_eq!(patches, 2);
}

#[tokio::test]
async fn trouble_is_told_once_and_outlasted() {
    let api = ApiServer::start(&[TAINT]).await;
    api.register();
    api.trouble(Trouble::Forbids("PATCH"));
    let mut plugin = Plugin::start(&api, NOBODY, |_| {}).await;
    // From here on only who removes the taint asks.
    plugin.must_know_the_node().await;
    api.was_asked("PATCH nodes", 2).await;
    let asked = api.asked().len();
    api.trouble(Trouble::Failing);
    until("it is asked again", || api.asked().len() >= asked + 2).await;
    api.trouble(None);
    api.has_taints(&[]).await;
    let log = plugin.log();
    let times = |words: &str| log.matches(words).count();
    assert_eq!(times(r#"verbs ["patch"]"#), 1, "{log}");
    assert!(log.contains("unable to handle the request"), "{log}");
}

#[tokio::test]
async fn it_stays_where_that_is_wanted() {
    let api = ApiServer::start(&[TAINT]).await;
    api.register();
    let kept = |program: &mut Program| {
        program.env("DISABLE_TAINT_WATCHER", "true");
    };
    let plugin = Plugin::start(&api, NOBODY, kept).await;
    plugin.must_know_the_node().await;
    // Whoever removes taints asks for registrations at once; this one has had the time to be asked something after that.
    assert!(!api.asked().contains(&"GET csinodes".to_owned()));
    let _other = Plugin::start(&api, NOBODY, |_| {}).await;
    api.has_taints(&[]).await;
}

#[tokio::test]
async fn waiting_for_it_does_not_keep_the_plugin_from_ending() {
    let api = ApiServer::start(&[TAINT]).await;
    let plugin = Plugin::start(&api, NOBODY, |_| {}).await;
    api.was_asked("GET csinodes", 1).await;
    let patience = Duration::from_secs(20);
    let begin = Instant::now();
    plugin.program.stop(patience).await;
    assert!(begin.elapsed() < patience);
}
