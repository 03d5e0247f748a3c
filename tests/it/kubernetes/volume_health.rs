//! Volumes that are not well: who owns their claims reads it, once, and so does who watches the metrics.

use std::time::Duration;

use lab::cloud::NewVolume;
use lab::metrics::{address, scrape};
use lab::program::Program;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::api_server::{ApiServer, Trouble, until};
use super::bed::{Bed, log};

const UNWELL: &str = "aws_ebs_csi_volume_unwell";
/// What a look begins each of its pages with.
const LIST: &str = "LIST persistentvolumes";

impl Bed {
    /// A controller that looks every second.
    async fn watch(&self, name: &str) -> Program {
        self.start_with(name, |program| {
            program
                .option("--volume-health-interval", "1s")
                .option("--consistency-window", "200ms")
                .option("--http-endpoint", "127.0.0.1:0");
        })
        .await
    }

    /// A volume, and a PersistentVolume `pv-N` that is bound to the claim `data-N`.
    async fn claimed(&self, number: u8) -> String {
        let new = NewVolume {
            zone: "eu-central-1a",
            gib: 1,
            kind: "gp3",
            snapshot: None,
            tags: &[],
        };
        let id = self.cloud().create_volume(new).await.unwrap();
        self.put(number, &persistent_volume(number, &id));
        id
    }

    /// Five volumes of claims, the last of a PersistentVolume from before CSI, and PersistentVolumes that are none of this driver's.
    async fn five_and_others(&self) -> Vec<String> {
        let mut ids = Vec::new();
        for number in 1..=5 {
            ids.push(self.claimed(number).await);
        }
        let mut old = persistent_volume(5, "");
        old["spec"].as_object_mut().unwrap().remove("csi");
        let id = format!("aws://eu-central-1a/{}", ids[4]);
        old["spec"]["awsElasticBlockStore"] = json!({"volumeID": id});
        self.put(5, &old);
        let mut other = persistent_volume(6, &ids[0]);
        other["spec"]["csi"]["driver"] = json!("efs.csi.aws.com");
        self.put(6, &other);
        self.put(7, &persistent_volume(7, "local-ebs://dev/xvdbz"));
        ids
    }

    fn put(&self, number: u8, volume: &Value) {
        self.api.put_volume(&format!("pv-{number}"), volume.clone());
    }

    async fn found(&self, id: &str, what: &str) {
        self.cloud()
            .volume_status(&json!({ id: what }))
            .await
            .unwrap();
    }

    /// Waits until all volumes have been looked at, from the beginning on, since now.
    async fn looked(&self, name: &str) {
        let looks = async || {
            self.value(name, "aws_ebs_csi_volume_health_looks_total", &[])
                .await
        };
        let before = looks().await.unwrap();
        self.until("volumes are looked at", async || {
            looks().await.unwrap() >= before + 2.0
        })
        .await;
    }

    /// A metric of this controller.
    async fn value(&self, name: &str, metric: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let address = address(&self.dir().join(format!("{name}.log"))).unwrap();
        scrape(address).await.unwrap().value(metric, labels)
    }

    async fn until(&self, what: &str, is_so: impl AsyncFn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !is_so().await {
            assert!(Instant::now() < deadline, "in vain: {what}");
            sleep(Duration::from_millis(20)).await;
        }
    }
}

fn persistent_volume(number: u8, id: &str) -> Value {
    json!({
        "metadata": {"name": format!("pv-{number}")},
        "spec": {
            "csi": {"driver": "ebs.csi.aws.com", "volumeHandle": id},
            "persistentVolumeReclaimPolicy": "Delete",
            "claimRef": {
                "kind": "PersistentVolumeClaim",
                "namespace": "shop",
                "name": format!("data-{number}"),
                "uid": format!("uid-{number}"),
            },
        },
        "status": {"phase": "Bound"},
    })
}

/// Claim, type and reason of each Event, in their order.
fn told(api: &ApiServer) -> Vec<[String; 3]> {
    let events = api.events();
    let text = |event: &Value, at: &str| event.pointer(at).unwrap().as_str().unwrap().to_owned();
    let of = |event: &Value| {
        assert_eq!(event["regarding"]["kind"], "PersistentVolumeClaim");
        assert_eq!(event["regarding"]["namespace"], "shop");
        assert_eq!(event["metadata"]["namespace"], "shop");
        assert_eq!(event["reportingController"], "ebs.csi.aws.com");
        ["/regarding/name", "/type", "/reason"].map(|at| text(event, at))
    };
    events.iter().map(of).collect()
}

async fn tells(api: &ApiServer, expected: &[[&str; 3]]) {
    until(&format!("{expected:?} is told"), || {
        told(api).len() >= expected.len()
    })
    .await;
    assert_eq!(told(api), expected);
}

#[tokio::test]
async fn a_claim_is_told_once_that_its_volume_is_unwell_and_once_that_it_is_well() {
    let bed = Bed::make().await;
    let ids = bed.five_and_others().await;
    let mut program = bed.watch("controller").await;
    bed.api.was_asked(LIST, 1).await;
    assert_eq!(told(&bed.api), Vec::<[String; 3]>::new());
    bed.found(&ids[0], "stalled").await;
    let stalled = ["data-1", "Warning", "IoStalled"];
    tells(&bed.api, &[stalled]).await;
    let note = bed.api.events()[0]["note"].as_str().unwrap().to_owned();
    for words in [ids[0].as_str(), "pv-1", "EC2: ", "restore a snapshot"] {
        assert!(note.contains(words), "{note}");
    }
    let labels = [
        ("volume_id", ids[0].as_str()),
        ("persistentvolume", "pv-1"),
        ("persistentvolumeclaim", "data-1"),
        ("namespace", "shop"),
        ("condition", "IoStalled"),
    ];
    assert_eq!(bed.value("controller", UNWELL, &labels).await, Some(1.0));
    bed.looked("controller").await;
    tells(&bed.api, &[stalled]).await;

    // Another trouble of the same volume is news; so is one of a volume on a later page.
    bed.found(&ids[0], "io-disabled").await;
    let disabled = ["data-1", "Warning", "IoDisabled"];
    tells(&bed.api, &[stalled, disabled]).await;
    bed.looked("controller").await;
    assert_eq!(bed.value("controller", UNWELL, &labels).await, None);
    bed.found(&ids[4], "degraded").await;
    let degraded = ["data-5", "Warning", "IoDegraded"];
    tells(&bed.api, &[stalled, disabled, degraded]).await;

    bed.found(&ids[0], "ok").await;
    let well = ["data-1", "Normal", "VolumeWell"];
    tells(&bed.api, &[stalled, disabled, degraded, well]).await;
    // What is gone with its PersistentVolume is told to nobody.
    bed.api.remove_volume("pv-5");
    bed.until("nothing is shown", async || {
        bed.value("controller", UNWELL, &[]).await.is_none()
    })
    .await;
    tells(&bed.api, &[stalled, disabled, degraded, well]).await;
    assert!(!log(&mut program).contains("is not known"));
    bed.end([program]).await;
}

#[tokio::test]
async fn a_volume_that_was_deleted_is_told_unless_kubernetes_did_it() {
    let bed = Bed::make().await;
    let lost = bed.claimed(1).await;
    let released = bed.claimed(2).await;
    let retained = bed.claimed(3).await;
    let mut volume = persistent_volume(2, &released);
    volume["status"]["phase"] = json!("Released");
    bed.put(2, &volume);
    // Nobody's claim any more, but a PersistentVolume that somebody keeps.
    let mut volume = persistent_volume(3, &retained);
    volume["status"]["phase"] = json!("Released");
    volume["spec"]["persistentVolumeReclaimPolicy"] = json!("Retain");
    bed.put(3, &volume);
    let program = bed.watch("controller").await;
    bed.api.was_asked(LIST, 1).await;
    for id in [&lost, &released, &retained] {
        bed.cloud().delete_volume(id).await.unwrap();
    }
    let expected = [["data-1", "Warning", "VolumeDeleted"]];
    tells(&bed.api, &expected).await;
    bed.looked("controller").await;
    tells(&bed.api, &expected).await;
    let shown = async |id: &str| {
        let labels = [("volume_id", id), ("condition", "VolumeDeleted")];
        bed.value("controller", UNWELL, &labels).await
    };
    assert_eq!(shown(&lost).await, Some(1.0));
    assert_eq!(shown(&retained).await, Some(1.0));
    assert_eq!(shown(&released).await, None);
    bed.end([program]).await;
}

#[tokio::test]
async fn a_new_leader_tells_nothing_twice_and_takes_back_what_was_told() {
    let bed = Bed::make().await;
    let mut ids = Vec::new();
    for number in 1..=3 {
        ids.push(bed.claimed(number).await);
    }
    for id in &ids {
        bed.found(id, "stalled").await;
    }
    let mut first = bed.watch("first").await;
    let stalled = ["data-1", "data-2", "data-3"].map(|claim| [claim, "Warning", "IoStalled"]);
    tells(&bed.api, &stalled).await;
    first.kill().await.unwrap();
    bed.found(&ids[1], "ok").await;

    let second = bed.watch("second").await;
    let [one, two, three] = stalled;
    let expected = [one, two, three, ["data-2", "Normal", "VolumeWell"]];
    tells(&bed.api, &expected).await;
    bed.looked("second").await;
    tells(&bed.api, &expected).await;
    let labels = [("volume_id", ids[0].as_str())];
    assert_eq!(bed.value("second", UNWELL, &labels).await, Some(1.0));
    bed.end([second]).await;
}

#[tokio::test]
async fn rights_that_are_missing_are_named_once_and_keep_nothing_else() {
    let bed = Bed::make().await;
    let id = bed.claimed(1).await;
    bed.found(&id, "stalled").await;
    let named = async |program: &mut Program, rule: &str, after: &str| {
        until(&format!("{rule} is named"), || log(program).contains(rule)).await;
        let before = bed.api.times_asked(after);
        bed.api.was_asked(after, before + 2).await;
        assert_eq!(log(program).matches(rule).count(), 1, "{}", log(program));
    };
    bed.api
        .trouble(Trouble::ForbidsOf("LIST persistentvolumes"));
    let mut program = bed.watch("controller").await;
    let rule = r#"resources ["persistentvolumes"], verbs ["list"]"#;
    named(&mut program, rule, LIST).await;

    // The metric needs no right to tell Events.
    bed.api.trouble(Trouble::ForbidsOf("POST events"));
    let rule = r#"apiGroups ["events.k8s.io"], resources ["events"], verbs ["create"]"#;
    named(&mut program, rule, "POST events").await;
    let labels = [("volume_id", id.as_str())];
    assert_eq!(bed.value("controller", UNWELL, &labels).await, Some(1.0));
    assert_eq!(told(&bed.api), Vec::<[String; 3]>::new());
    bed.api.trouble(None);
    tells(&bed.api, &[["data-1", "Warning", "IoStalled"]]).await;

    // EC2's refusal is told likewise, and what was known stays shown.
    let fault =
        json!({"action": "DescribeVolumeStatus", "kind": "error", "code": "UnauthorizedOperation"});
    bed.cloud().fault(&fault).await.unwrap();
    until("EC2's refusal is told", || {
        log(&mut program).contains("UnauthorizedOperation")
    })
    .await;
    assert_eq!(bed.value("controller", UNWELL, &labels).await, Some(1.0));
    bed.end([program]).await;
}
