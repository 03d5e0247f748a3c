//! EC2 grants hardly any calls: everything takes longer, nothing comes to harm.

use e2e::Scenario;
use serde_json::{Value, json};

use crate::conditions::{Calls, Limits};
use crate::crowd;

const PODS: usize = 16;

/// A fifth to a tenth of what EC2 grants an account, and no stock of it.
fn hardly_any() -> Value {
    let some = json!({"capacity": 2, "per_second": 0.5});
    // The looks of this scenario ask for everything; the driver's name what they are for.
    let all = json!({"capacity": 1000, "per_second": 1000});
    json!({
        "CreateVolume": some, "AttachVolume": some, "DetachVolume": some, "DeleteVolume": some,
        "DescribeInstances": some,
        "DescribeVolumes": {"capacity": 2, "per_second": 1, "unfiltered": all},
    })
}

#[test]
#[ignore = "make e2e-full"]
fn all_get_there_though_ec2_throttles() {
    let s = Scenario::alone("throttled");
    let limits = Limits::new(&s, &hardly_any());
    let calls = Calls::count(&s);
    s.apply_text(&crowd::manifests(crowd::names(PODS), ""));
    let pods = s.all_ready(PODS);
    let running = s.elapsed().as_secs();
    let volumes = crowd::none_lost_none_doubled(&s, PODS);
    crowd::all_work(&s, &pods, &volumes);
    crowd::deleted(&s);
    let gone = s.elapsed().as_secs();
    println!("\n{PODS} pods with a volume each; EC2 grants a call of each kind every 2 s");
    println!("  all running after {running} s, all deleted after {gone} s");
    println!("{}", calls.table());
    drop(limits);
}
