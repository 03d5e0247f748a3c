//! What a node shows of the volumes that are in use on it. Loop devices count nothing: that they are found is what is seen.

use lab::metrics::{Exposition, address, scrape};
use lab::orchestrator::Use;

use crate::world::{Lab, lab_with};

async fn shown(lab: &Lab) -> Exposition {
    let address = address(&lab.world.dir().join("node-0.log")).unwrap();
    scrape(address).await.unwrap()
}

fn figure(page: &Exposition, lab: &Lab, name: &str) -> f64 {
    let instance = [("instance_id", lab.node.instance.as_str())];
    page.value(&format!("aws_ebs_csi_nvme_collector_{name}"), &instance)
        .unwrap_or_else(|| panic!("no {name} of {instance:?} in {page:?}"))
}

#[tokio::test]
async fn volumes_are_asked_while_they_are_in_use_after_a_restart_too() {
    let shows = |program: &mut lab::program::Program| {
        program.option("--http-endpoint", "127.0.0.1:0");
    };
    let Some(mut lab) = lab_with(shows).await else {
        return;
    };
    lab.node.info().await.unwrap();
    assert_eq!(figure(&shown(&lab).await, &lab, "unsupported_volumes"), 0.0);

    let (files, _) = lab.in_use("pvc-files", Use::Ext4).await;
    let (raw, _) = lab.in_use("pvc-raw", Use::Block).await;
    let node = lab.node.clone();
    lab.world.kill_node(&node).await.unwrap();
    lab.world.start_node_again(&node).await.unwrap();
    lab.node.info().await.unwrap();
    let page = shown(&lab).await;
    assert_eq!(figure(&page, &lab, "unsupported_volumes"), 2.0);
    assert_eq!(figure(&page, &lab, "errors_total"), 0.0);
    assert_eq!(figure(&page, &lab, "scrapes_total"), 1.0);

    for claim in [&files, &raw] {
        lab.node.unpublish(claim, "pod").await.unwrap();
        lab.node.unstage(claim).await.unwrap();
    }
    lab.world.kill_node(&node).await.unwrap();
    lab.world.start_node_again(&node).await.unwrap();
    lab.node.info().await.unwrap();
    assert_eq!(figure(&shown(&lab).await, &lab, "unsupported_volumes"), 0.0);
}
