//! Pods that find no node in the zone of their volume: an Event names zone, volume and claim.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::api_server::{NODE, Trouble, until};
use super::bed::{Bed, log};

const AFFINITY: &str =
    "0/3 nodes are available: 3 node(s) didn't match PersistentVolume's node affinity.";
const CPU: &str = "0/3 nodes are available: 3 Insufficient cpu.";

/// The only Node's.
const HERE: &str = "eu-central-1b";
const ELSEWHERE: &str = "eu-central-1c";

impl Bed {
    /// A pod that waits, the scheduler says why, with a claim for each of these zones: none where there is no volume yet.
    fn waits(&self, name: &str, why: &str, zones: &[Option<&str>]) {
        let mut volumes = Vec::new();
        for (number, zone) in zones.iter().enumerate() {
            let claim = format!("{name}-{number}");
            let pv = zone.map_or_else(String::new, |_| format!("pv-{claim}"));
            self.api.put_claim(&claim, &pv);
            if let Some(zone) = zone {
                self.api
                    .put_volume(&pv, persistent_volume(&pv, "ebs.csi.aws.com", zone));
            }
            volumes.push(json!({"name": claim, "persistentVolumeClaim": {"claimName": claim}}));
        }
        let scheduled = json!({"type": "PodScheduled", "status": "False", "message": why});
        let pod = json!({
            "metadata": {"name": name, "namespace": "shop", "uid": format!("uid-{name}")},
            "spec": {"volumes": volumes},
            "status": {"phase": "Pending", "conditions": [scheduled]},
        });
        self.api.put_pod(name, pod);
    }

    /// The Events about pods, by the pod's name.
    fn pods_told(&self) -> BTreeMap<String, Value> {
        let events = self.api.events().into_iter();
        let of_pods = events.filter(|event| event["regarding"]["kind"] == "Pod");
        of_pods
            .map(|event| {
                let pod = event["regarding"]["name"].as_str().unwrap().to_owned();
                (pod, event)
            })
            .collect()
    }

    async fn claims_were_read(&self, times: usize) {
        self.api
            .was_asked("GET persistentvolumeclaims", times)
            .await;
    }
}

fn persistent_volume(name: &str, driver: &str, zone: &str) -> Value {
    let key = "topology.kubernetes.io/zone";
    let expression = json!({"key": key, "operator": "In", "values": [zone]});
    json!({
        "metadata": {"name": name},
        "spec": {
            "csi": {"driver": driver, "volumeHandle": "vol-0000000000000000a"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}},
        },
        "status": {"phase": "Bound"},
    })
}

#[tokio::test]
async fn a_pod_without_a_node_in_its_volumes_zone_is_told_which() {
    let bed = Bed::make().await;
    bed.waits("apart", AFFINITY, &[Some(HERE), Some(ELSEWHERE)]);
    bed.waits("busy", CPU, &[Some(ELSEWHERE)]);
    bed.waits("empty", AFFINITY, &[Some(ELSEWHERE)]);
    bed.waits("files", AFFINITY, &[Some(ELSEWHERE)]);
    let files = persistent_volume("pv-files-0", "efs.csi.aws.com", ELSEWHERE);
    bed.api.put_volume("pv-files-0", files);
    bed.waits("roomy", AFFINITY, &[Some(HERE)]);
    bed.waits("unbound", AFFINITY, &[None]);
    let program = bed.start_with("controller", |_| {}).await;
    // The last pod comes when all others are done with. The one whose trouble is another is not looked into.
    bed.claims_were_read(6).await;
    let told = bed.pods_told();
    let names: Vec<&str> = told.keys().map(String::as_str).collect();
    assert_eq!(names, ["apart", "empty"]);
    let [apart, empty] = [&told["apart"], &told["empty"]];
    assert_eq!(apart["reason"], "VolumesInDifferentZones");
    assert_eq!(empty["reason"], "NoNodeInVolumeZone");
    assert_eq!(empty["type"], "Warning");
    assert_eq!(empty["regarding"]["uid"], "uid-empty");
    assert_eq!(empty["metadata"]["namespace"], "shop");
    let note = empty["note"].as_str().unwrap();
    for words in [
        "vol-0000000000000000a",
        "claim empty-0",
        ELSEWHERE,
        "no Node",
    ] {
        assert!(note.contains(words), "{note}");
    }
    bed.end([program]).await;
}

#[tokio::test]
async fn a_zone_whose_nodes_take_no_pods_is_told() {
    let bed = Bed::make().await;
    bed.api
        .change(NODE, |node| node["spec"]["unschedulable"] = json!(true));
    bed.waits("closed", AFFINITY, &[Some(HERE)]);
    let program = bed.start_with("controller", |_| {}).await;
    until("the pod is told", || bed.pods_told().contains_key("closed")).await;
    let note = bed.pods_told()["closed"]["note"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(note.contains("cordoned or not ready"), "{note}");
    bed.end([program]).await;
}

#[tokio::test]
async fn a_right_that_is_missing_is_named_once_and_comes_in_time() {
    let bed = Bed::make().await;
    bed.waits("empty", AFFINITY, &[Some(ELSEWHERE)]);
    bed.api.trouble(Trouble::ForbidsOf("LIST pods"));
    let mut program = bed.start_with("controller", |_| {}).await;
    let rule = r#"resources ["pods"], verbs ["list"]"#;
    until("the rule is named", || log(&mut program).contains(rule)).await;
    bed.api.trouble(None);
    until("the pod is told", || bed.pods_told().contains_key("empty")).await;
    assert_eq!(log(&mut program).matches(rule).count(), 1);
    bed.end([program]).await;
}
