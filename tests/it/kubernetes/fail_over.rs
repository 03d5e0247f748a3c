//! Nodes that are not ready: those whose instance is terminated, or stopped on request, are put out of service; all others are not.

use std::time::Duration;

use lab::metrics::{address, scrape};
use lab::program::Program;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::api_server::{NODE, Trouble, until};
use super::bed::{Bed, log};

const KEY: &str = "node.kubernetes.io/out-of-service";
const MARK: &str = "ebs.csi.aws.com/out-of-service";
const WHEN_STOPPED: &str = "ebs.csi.aws.com/fail-over-when-stopped";
/// What a look begins with.
const LOOKS: &str = "aws_ebs_csi_fail_over_looks_total";

impl Bed {
    /// A controller that looks every second.
    async fn guard(&self, name: &str, change: impl FnOnce(&mut Program)) -> Program {
        self.start_for(name, "15s", |program| {
            program
                .option("--fail-over-interval", "1s")
                .option("--consistency-window", "200ms")
                .option("--http-endpoint", "127.0.0.1:0");
            change(program);
        })
        .await
    }

    /// A new instance, and a Node of this name on it.
    async fn node_on_instance(&self, name: &str) -> String {
        let id = self
            .cloud()
            .run_instance("m5.large", "eu-central-1a")
            .await
            .unwrap();
        self.api.add_node(name, "m5.large");
        self.names(name, &id);
        id
    }

    /// The Node is another one of this name from here on, on that instance.
    fn names(&self, node: &str, instance: &str) {
        let provider_id = format!("aws:///eu-central-1a/{instance}");
        self.api
            .change(node, |node| node["spec"]["providerID"] = json!(provider_id));
    }

    /// Waits until this controller has looked at all nodes, from the beginning on, since now.
    async fn looked_at(&self, name: &str) {
        let looks = async || self.figure(name, LOOKS, &[]).await.unwrap_or_default();
        let before = looks().await;
        patiently("no look ends", async || looks().await >= before + 2.0).await;
    }

    /// Waits until so many nodes are not ready whose instances run.
    async fn running(&self, name: &str, count: f64) {
        let running = [("instance_state", "running")];
        let shown = async || {
            self.figure(name, "aws_ebs_csi_nodes_not_ready", &running)
                .await
        };
        patiently("the nodes are others", async || {
            shown().await == Some(count)
        })
        .await;
    }

    async fn figure(&self, name: &str, metric: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let address = address(&self.dir().join(format!("{name}.log"))).unwrap();
        scrape(address).await.unwrap().value(metric, labels)
    }

    async fn asked_ec2(&self) -> u64 {
        let calls = self.cloud().calls().await.unwrap();
        calls.get("DescribeInstances").copied().unwrap_or_default()
    }

    /// The taint, if the node has it.
    fn taint(&self, node: &str) -> Option<Value> {
        let node = self.api.node(node);
        let taints = node["spec"]["taints"].as_array()?;
        taints.iter().find(|taint| taint["key"] == KEY).cloned()
    }

    async fn out_of_service(&self, node: &str, instance: &str) {
        until(&format!("{node} is out of service"), || {
            self.taint(node).is_some()
        })
        .await;
        let taint = json!({"key": KEY, "value": "nodeshutdown", "effect": "NoExecute"});
        assert_eq!(self.taint(node), Some(taint));
        assert_eq!(self.api.annotation(node, MARK).as_deref(), Some(instance));
    }

    /// Reasons of the Events about a node, once there are as many as expected.
    async fn told(&self, node: &str, expected: &[&str]) {
        let reasons = || -> Vec<String> {
            let events = self.api.events();
            let about = events
                .iter()
                .filter(|event| event["regarding"]["name"] == node);
            about
                .map(|event| event["reason"].as_str().unwrap().to_owned())
                .collect()
        };
        until(&format!("{node} has the Events {expected:?}"), || {
            reasons().len() >= expected.len()
        })
        .await;
        assert_eq!(reasons(), expected);
    }
}

async fn patiently(else_: &str, is_so: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so().await {
        assert!(Instant::now() < deadline, "{else_}");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_node_is_put_out_of_service_when_its_instance_is_terminated_and_not_before() {
    let bed = Bed::make().await;
    let program = bed.guard("controller", |_| {}).await;
    let gone = bed.node_on_instance("node-2").await;
    bed.node_on_instance("node-3").await;
    bed.looked_at("controller").await;
    assert_eq!(bed.asked_ec2().await, 0, "all nodes are ready");

    // Out of reach, but running.
    bed.api.set_ready("node-2", false);
    bed.api.set_ready("node-3", false);
    bed.running("controller", 2.0).await;
    bed.looked_at("controller").await;
    assert_eq!((bed.taint("node-2"), bed.taint("node-3")), (None, None));

    bed.cloud().terminate_instance(&gone).await.unwrap();
    bed.out_of_service("node-2", &gone).await;
    bed.told("node-2", &["OutOfService"]).await;
    bed.looked_at("controller").await;
    assert_eq!(bed.taint("node-3"), None);
    bed.running("controller", 1.0).await;
    let put = "aws_ebs_csi_nodes_put_out_of_service_total";
    let because = [("because", "terminated")];
    assert_eq!(bed.figure("controller", put, &because).await, Some(1.0));
    let event = &bed.api.events()[0];
    assert_eq!(event["type"], "Warning");
    assert!(event["note"].as_str().unwrap().contains(&gone), "{event}");

    // Ready again: nobody is asked about.
    bed.api.set_ready("node-3", true);
    bed.looked_at("controller").await;
    let before = bed.asked_ec2().await;
    bed.looked_at("controller").await;
    assert_eq!(bed.asked_ec2().await, before);
    bed.end([program]).await;
}

#[tokio::test]
async fn a_stopped_instance_fails_over_on_request_and_comes_back() {
    let bed = Bed::make().await;
    let mut program = bed.guard("controller", |_| {}).await;
    let id = bed.node_on_instance("node-2").await;
    bed.cloud().stop_instance(&id).await.unwrap();
    bed.api.set_ready("node-2", false);
    bed.told("node-2", &["InstanceStopped"]).await;
    bed.looked_at("controller").await;
    assert_eq!(bed.taint("node-2"), None);

    // Anything but "true" asks for nothing.
    let annotate = |value: &str| {
        bed.api.change("node-2", |node| {
            node["metadata"]["annotations"][WHEN_STOPPED] = json!(value);
        });
    };
    annotate("no");
    bed.looked_at("controller").await;
    assert_eq!(bed.taint("node-2"), None);
    annotate("true");
    bed.out_of_service("node-2", &id).await;
    bed.told("node-2", &["InstanceStopped", "OutOfService"])
        .await;

    // Another one leads when it is back.
    program.kill().await.unwrap();
    program = bed.guard("second", |_| {}).await;
    bed.cloud().start_instance(&id).await.unwrap();
    bed.looked_at("second").await;
    assert!(bed.taint("node-2").is_some(), "not ready yet");
    bed.api.set_ready("node-2", true);
    bed.told(
        "node-2",
        &["InstanceStopped", "OutOfService", "BackInService"],
    )
    .await;
    assert_eq!(bed.taint("node-2"), None);
    assert_eq!(bed.api.annotation("node-2", MARK), None);
    assert_eq!(
        bed.api.annotation("node-2", WHEN_STOPPED).as_deref(),
        Some("true")
    );
    bed.end([program]).await;
}

#[tokio::test]
async fn only_the_very_machine_that_is_terminated_is_put_out_of_service() {
    let bed = Bed::make().await;
    let mut program = bed.guard("controller", |_| {}).await;
    let gone = bed.node_on_instance("node-2").await;
    let runs = bed.node_on_instance("node-3").await;
    bed.cloud().terminate_instance(&gone).await.unwrap();

    // Not an EC2 instance, one that EC2 never knew, and one whose taint is somebody else's.
    bed.api.add_node("node-4", "m5.large");
    bed.api.change("node-4", |node| {
        node["spec"]["providerID"] = json!("aws:///eu-central-1a/fargate-10.0.0.1");
    });
    bed.api.add_node("node-5", "m5.large");
    bed.names("node-5", "i-0123456789abcdef0");
    bed.api.add_node("node-6", "m5.large");
    bed.names("node-6", &gone);
    let other = json!({"key": KEY, "effect": "NoExecute", "value": "by-hand"});
    bed.api
        .change("node-6", |node| node["spec"]["taints"] = json!([other]));
    // The Node is of another machine from now on, between EC2's answer and the change.
    bed.api
        .let_a_rival_rename("node-2", &format!("aws:///eu-central-1a/{runs}"));
    for node in ["node-2", "node-4", "node-5", "node-6"] {
        bed.api.set_ready(node, false);
    }
    until("a change is refused", || {
        bed.api.times_asked("PATCH nodes") > 0
    })
    .await;
    bed.looked_at("controller").await;
    bed.looked_at("controller").await;
    for node in ["node-2", "node-4", "node-5"] {
        assert_eq!(bed.taint(node), None, "{node}");
    }
    assert_eq!(bed.taint("node-6"), Some(other));
    assert_eq!(bed.api.times_asked("PATCH nodes"), 1);
    let words = "EC2 has never known its instance";
    assert_eq!(log(&mut program).matches(words).count(), 1);
    bed.end([program]).await;
}

#[tokio::test]
async fn a_taint_that_was_taken_away_by_hand_stays_away() {
    let bed = Bed::make().await;
    let program = bed.guard("controller", |_| {}).await;
    let gone = bed.node_on_instance("node-2").await;
    bed.cloud().terminate_instance(&gone).await.unwrap();
    bed.api.set_ready("node-2", false);
    bed.out_of_service("node-2", &gone).await;
    bed.api
        .change("node-2", |node| node["spec"]["taints"] = json!([]));
    program.stop(Duration::from_secs(5)).await;
    let second = bed.guard("second", |_| {}).await;
    bed.looked_at("second").await;
    bed.looked_at("second").await;
    assert_eq!(bed.taint("node-2"), None);
    // With the Node all is over.
    bed.api.remove_node("node-2");
    bed.looked_at("second").await;
    bed.end([second]).await;
}

#[tokio::test]
async fn an_answer_that_was_lost_is_told_as_one_that_came() {
    let bed = Bed::make().await;
    let program = bed.guard("controller", |_| {}).await;
    let gone = bed.node_on_instance("node-2").await;
    bed.cloud().terminate_instance(&gone).await.unwrap();
    bed.api.trouble(Trouble::LosesAnswersTo("PATCH"));
    bed.api.set_ready("node-2", false);
    bed.out_of_service("node-2", &gone).await;
    bed.api.trouble(None);
    bed.told("node-2", &["OutOfService"]).await;
    bed.api.set_ready("node-2", true);
    bed.told("node-2", &["OutOfService", "BackInService"]).await;
    bed.end([program]).await;
}

#[tokio::test]
async fn trouble_with_one_node_or_with_ec2_keeps_no_other_waiting() {
    let bed = Bed::make().await;
    let mut program = bed.guard("controller", |_| {}).await;
    let kept = bed.node_on_instance("node-2").await;
    let moves = bed.node_on_instance("node-3").await;
    for id in [&kept, &moves] {
        bed.cloud().terminate_instance(id).await.unwrap();
    }
    let denied = json!({"action": "DescribeInstances", "kind": "error", "code": "UnauthorizedOperation", "probability": 1.0});
    bed.cloud().fault(&denied).await.unwrap();
    bed.api.trouble(Trouble::Keeps("node-2"));
    bed.api.set_ready("node-2", false);
    bed.api.set_ready("node-3", false);
    until("it is told", || {
        log(&mut program).contains("UnauthorizedOperation")
    })
    .await;
    assert_eq!((bed.taint("node-2"), bed.taint("node-3")), (None, None));

    bed.cloud().heal().await.unwrap();
    bed.out_of_service("node-3", &moves).await;
    until("it is told", || log(&mut program).contains("node-2 stays")).await;
    assert_eq!(bed.taint("node-2"), None);
    bed.api.trouble(None);
    bed.out_of_service("node-2", &kept).await;
    bed.end([program]).await;
}

#[tokio::test]
async fn it_can_be_turned_off() {
    let bed = Bed::make().await;
    let program = bed
        .guard("controller", |program| {
            program.option("--fail-over", "false");
        })
        .await;
    let gone = bed.node_on_instance("node-2").await;
    bed.cloud().terminate_instance(&gone).await.unwrap();
    bed.api.set_ready("node-2", false);
    bed.api.add_node("node-3", "zz9.large");
    until("it leads", || {
        bed.api
            .annotation("node-3", "ebs.csi.aws.com/attach-limit")
            .is_some()
    })
    .await;
    assert_eq!(bed.figure("controller", LOOKS, &[]).await, Some(0.0));
    assert_eq!(bed.taint("node-2"), None);
    assert_eq!(bed.api.node(NODE)["spec"]["taints"], json!([]));
    bed.end([program]).await;
}
