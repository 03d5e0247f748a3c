//! The API server is killed while volumes are made and attached; another one takes its place.

use e2e::Scenario;

use super::driver;
use crate::conditions::Slow;
use crate::{crowd, workload};

const PODS: usize = 9;

#[test]
#[ignore = "make e2e-full"]
fn a_restart_of_the_api_server_is_waited_for() {
    let s = Scenario::alone("api-server");
    s.apply_text(&workload::manifests("older", workload::DEFAULT_CLASS, ""));
    let older = s.ready("older");
    let restarts = driver::restarts(&s);

    let making = Slow::new(&s, "create_ms", 3_000);
    let attaching = Slow::new(&s, "attach_ms", 2_000);
    s.apply_text(&crowd::manifests(crowd::names(PODS), ""));
    s.until("EC2 makes volumes", || match workload::made(&s).len() {
        made if made > 2 => Ok(()),
        made => Err(format!("{made}")),
    });
    s.cluster
        .script("cluster/apiserver.sh", &["restart"])
        .unwrap();
    s.say("the API server was killed and is back");

    let pods = s.all_ready(1 + PODS);
    drop((making, attaching));
    let volumes = crowd::none_lost_none_doubled(&s, 1 + PODS);
    crowd::all_work(&s, &pods, &volumes);
    workload::never_restarted(&s, &older);
    assert_eq!(driver::restarts(&s), restarts, "the driver goes on");
    crowd::deleted(&s);
}
