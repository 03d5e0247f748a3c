//! Instance types that the table of limits lacks: one controller asks EC2 and annotates the Nodes.

use std::time::Duration;

use lab::program::Program;

use super::api_server::{ApiServer, NODE, Trouble, until};
use super::bed::{Bed, log};

const ANNOTATION: &str = "ebs.csi.aws.com/attach-limit";

/// The emulator's word on a type that nobody knows.
fn line(instance_type: &str) -> String {
    format!("{instance_type},nitro,40,dedicated,1")
}

impl Bed {
    /// A controller that leads soon.
    async fn start(&self, name: &str) -> Program {
        self.start_with(name, |_| {}).await
    }

    async fn annotated(&self, node: &str, instance_type: &str) {
        let wanted = Some(line(instance_type));
        until(&format!("{node} is annotated"), || {
            self.api.annotation(node, ANNOTATION) == wanted
        })
        .await;
    }

    /// How often EC2 was asked for instance types.
    async fn calls(&self) -> u64 {
        let calls = self.cloud().calls().await.unwrap();
        calls
            .get("DescribeInstanceTypes")
            .copied()
            .unwrap_or_default()
    }
}

#[tokio::test]
async fn nodes_of_types_that_the_table_lacks_are_annotated() {
    let bed = Bed::make().await;
    for (name, instance_type) in [
        ("node-2", "zz9.large"),
        ("node-3", "m7i.large"),
        ("node-4", "zz9.large"),
        ("node-5", "ml.zz8.large"),
    ] {
        bed.api.add_node(name, instance_type);
    }
    let program = bed.start("controller").await;
    bed.annotated("node-2", "zz9.large").await;
    bed.annotated("node-4", "zz9.large").await;
    bed.annotated("node-5", "zz8.large").await;
    for listed in [NODE, "node-3"] {
        assert_eq!(bed.api.annotation(listed, ANNOTATION), None);
    }
    // Once for each type.
    assert_eq!(bed.calls().await, 2);
    // Whoever stops lets others lead at once.
    assert!(!bed.api.lease_holder().unwrap().is_empty());
    program.stop(Duration::from_secs(5)).await;
    assert_eq!(bed.api.lease_holder().unwrap(), "");
    bed.end([]).await;
}

#[tokio::test]
async fn one_leads_and_another_takes_over_when_it_is_gone() {
    let bed = Bed::make().await;
    bed.api.add_node("node-2", "zz9.large");
    let mut first = bed.start("first").await;
    bed.annotated("node-2", "zz9.large").await;
    let leader = bed.api.lease_holder().unwrap();
    let mut second = bed.start("second").await;
    // It has looked at the lease for longer than that lasts.
    let looked = |api: &ApiServer| {
        api.asked()
            .iter()
            .filter(|one| *one == "GET leases")
            .count()
    };
    let before = looked(&bed.api);
    until("both look at the lease", || looked(&bed.api) > before + 16).await;
    assert_eq!(bed.api.lease_holder().unwrap(), leader);
    assert_eq!(bed.calls().await, 1);
    assert!(!log(&mut second).contains("this process leads"));

    first.kill().await.unwrap();
    bed.api.add_node("node-3", "zz8.large");
    bed.annotated("node-3", "zz8.large").await;
    assert_ne!(bed.api.lease_holder().unwrap(), leader);
    assert!(log(&mut second).contains("this process leads"));
    bed.end([second]).await;
}

#[tokio::test]
async fn an_api_server_that_is_away_is_outlasted() {
    let bed = Bed::make().await;
    bed.api.add_node("node-2", "zz9.large");
    bed.api.trouble(Trouble::Failing);
    let mut program = bed.start("controller").await;
    until("it is told", || {
        log(&mut program).contains("it stays open who leads")
    })
    .await;
    bed.api.trouble(None);
    bed.annotated("node-2", "zz9.large").await;

    // Away for longer than the lease lasts: whoever led does not any more, until it can be sure again.
    bed.api.trouble(Trouble::Failing);
    let words = "this process does not lead any more";
    until(words, || log(&mut program).contains(words)).await;
    bed.api.trouble(None);
    bed.api.add_node("node-3", "zz8.large");
    bed.annotated("node-3", "zz8.large").await;
    bed.end([program]).await;
}

#[tokio::test]
async fn a_right_that_is_missing_is_named() {
    let bed = Bed::make().await;
    bed.api.add_node("node-2", "zz9.large");
    bed.api.trouble(Trouble::Forbids("PATCH"));
    let mut program = bed.start("controller").await;
    let rule = r#"resources ["nodes"], verbs ["patch"]"#;
    until("the rule is named", || log(&mut program).contains(rule)).await;
    bed.api.trouble(None);
    bed.annotated("node-2", "zz9.large").await;
    assert_eq!(log(&mut program).matches(rule).count(), 1);
    bed.end([program]).await;
}

#[tokio::test]
async fn a_node_that_may_not_be_changed_keeps_no_other_from_its_limit() {
    let bed = Bed::make().await;
    bed.api.add_node("node-2", "zz9.large");
    bed.api.add_node("node-3", "zz9.large");
    bed.api.trouble(Trouble::Keeps("node-2"));
    let mut program = bed.start("controller").await;
    bed.annotated("node-3", "zz9.large").await;
    let words = "node-2 stays";
    until("it is told", || log(&mut program).contains(words)).await;
    assert_eq!(bed.api.annotation("node-2", ANNOTATION), None);
    bed.api.trouble(None);
    bed.annotated("node-2", "zz9.large").await;
    assert_eq!(log(&mut program).matches(words).count(), 1);
    bed.end([program]).await;
}
