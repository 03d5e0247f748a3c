//! Fifty claims are on their way when the controller is killed, and when another one begins to lead.

use e2e::Scenario;
use serde_json::json;

use super::driver;
use crate::conditions::{Calls, Limits, Slow};
use crate::{crowd, workload};

const CLAIMS: usize = 50;

#[test]
#[ignore = "make e2e-full"]
fn fifty_claims_outlive_two_controllers() {
    let s = Scenario::alone("fifty");
    // So that there is a middle: EC2 takes two of them a second, and some seconds for each.
    let create = json!({"CreateVolume": {"capacity": 5, "per_second": 2}});
    let limits = Limits::new(&s, &create);
    let slow = Slow::new(&s, "create_ms", 3_000);
    let calls = Calls::count(&s);
    s.apply_text(&workload::class("at-once", "volumeBindingMode: Immediate"));
    s.apply_text(&claims());
    begun(&s, 10);
    let first = driver::leader(&s);
    let node = s.cluster.node(first.text("/spec/nodeName"));
    driver::kill_driver(&s, node, "controller");

    begun(&s, 25);
    let second = driver::leader(&s);
    driver::delete_pod(&s, &second);
    let third = driver::leader(&s);
    assert_ne!(third.name(), second.name(), "another one leads");

    crowd::none_lost_none_doubled(&s, CLAIMS);
    let took = s.elapsed().as_secs();
    println!("\n{CLAIMS} claims, controller killed, leader changed: all bound after {took} s");
    println!("{}", calls.table());
    drop((slow, limits));
    crowd::deleted(&s);
}

fn claims() -> String {
    let each = crowd::names(CLAIMS).map(|name| workload::claim(&name, "at-once"));
    each.collect::<Vec<_>>().join("---")
}

/// EC2 has been asked for so many of them, and not for all.
fn begun(s: &Scenario, least: usize) {
    s.until(
        &format!("EC2 makes {least} volumes or more"),
        || match workload::made(s).len() {
            made if made >= least => Ok(()),
            made => Err(format!("{made}")),
        },
    );
}
