//! EC2 is out of reach for a while: what is mounted goes on, what is asked for waits, says so, and happens afterwards.

use e2e::Scenario;

use crate::workload::{self, DEFAULT_CLASS};

const EMULATOR: &str = "cluster/emulator.sh";

/// An EC2 that does not answer, until this is dropped.
struct Outage<'a>(&'a Scenario);

impl<'a> Outage<'a> {
    fn begin(s: &'a Scenario) -> Self {
        s.cluster.script(EMULATOR, &["stop"]).unwrap();
        s.say("EC2 is out of reach");
        Self(s)
    }
}

impl Drop for Outage<'_> {
    fn drop(&mut self) {
        match self.0.cluster.script(EMULATOR, &["start"]) {
            Ok(()) => self.0.say("EC2 is back"),
            Err(error) => eprintln!("EC2 stays out of reach: {error:#}"),
        }
    }
}

#[test]
fn an_outage_of_ec2_is_waited_for() {
    let s = Scenario::alone("outage");
    let apply = |name| s.apply_text(&workload::manifests(name, DEFAULT_CLASS, ""));
    apply("stays");
    apply("leaves");
    let (stays, leaves) = (s.ready("stays"), s.bound("leaves"));
    s.ready("leaves");

    let outage = Outage::begin(&s);
    apply("comes");
    s.kubectl(&["delete", "pod/leaves", "pvc/leaves"]);
    let event = s.event("comes", &["Warning ProvisioningFailed", "Unavailable"]);
    assert!(event.contains("EC2"), "{event}");
    s.say(&event);
    workload::writes(&s, "stays");
    drop(outage);

    let (pod, comes) = (s.ready("comes"), s.bound("comes"));
    s.attached(&comes, &pod.node);
    s.mounted(&comes, &pod, "ext4");
    workload::writes(&s, "comes");
    s.deleted(&leaves);
    assert_eq!(workload::made(&s).len(), 2, "no doubles");

    workload::writes(&s, "stays");
    workload::never_restarted(&s, &stays);
}
