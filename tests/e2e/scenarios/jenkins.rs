//! examples/jenkins-static and jenkins-dynamic: a server with one directory, on a volume made by hand and on one that its claim has
//! made.

use e2e::{Kind, NewVolume, Pod, Scenario, Volume};

/// The zones of the example's three volumes.
const ZONES: [&str; 3] = ["eu-central-1a", "eu-central-1a", "eu-central-1b"];

const JENKINS: &str = "examples/jenkins-static/jenkins.yaml";
const CLAIM: &str = "examples/jenkins-static/pvc.yaml";
const JOB: &str = "<project/>";

#[test]
fn jenkins_keeps_its_home_on_one_of_three_volumes_made_by_hand() {
    let s = Scenario::start("jenkins-static");
    let volumes = given(&s);
    let volume = claimed(&s, &volumes);
    s.apply(JENKINS);
    let pod = runs(&s, &volume);
    new_job(&s);

    process_killed(&s, &pod);
    has_job(&s);
    let pod = deleted(&s, &volume, &pod);
    has_job(&s);
    closed(&s, &volume, &pod);
    has_job(&s);

    s.delete(&[JENKINS, CLAIM]);
    s.pv_is("Released", &volume.pv);
    s.detached(&volume);
    claimed_again(&s, &volume);
    has_job(&s);

    s.delete(&[JENKINS, CLAIM]);
    s.pv_is("Released", &volume.pv);
    s.detached(&volume);
    s.kubectl(&["delete", "pv", &volume.pv]);
    for id in volumes {
        s.ec2(async |cloud| cloud.delete_volume(&id).await);
    }
    s.deleted(&volume);
}

#[test]
#[ignore = "make e2e-full"]
fn jenkins_gets_a_gp2_volume_by_its_claim() {
    dynamic("jenkins-gp2", "gp2");
}

#[test]
fn jenkins_gets_a_gp3_volume_by_its_claim() {
    dynamic("jenkins-gp3", "gp3");
}

/// The example's PVs over three new volumes: Available, all of them.
fn given(s: &Scenario) -> [String; 3] {
    let made = ZONES.map(|zone| {
        s.volume_by_hand(NewVolume {
            zone,
            gib: 10,
            kind: "gp2",
            snapshot: None,
            tags: &[("KubernetesCluster", "mine")],
        })
    });
    let mut manifest = include_str!("../../../examples/jenkins-static/volumes.yaml").to_owned();
    for (id, number) in made.iter().zip(1..) {
        manifest = manifest.replace(&format!("VOLUME-0{number}"), id);
    }
    s.apply_text(&manifest);
    for number in 1..=made.len() {
        s.pv_is("Available", &format!("manual-ebs-0{number}"));
    }
    made
}

/// One of the PVs is the claim's now, the others are free, also for a claim that none of them fits.
fn claimed(s: &Scenario, volumes: &[String]) -> Volume {
    s.apply(CLAIM);
    let volume = s.bound("jenkins");
    s.pv_is("Bound", &volume.pv);
    assert!(volumes.contains(&volume.id), "{volume:?}");

    let large = "examples/jenkins-static/too-large.yaml";
    s.apply(large);
    s.event("jenkins-large", &["ProvisioningFailed", "manual-ebs"]);
    let claim = s.get(Kind::CLAIM, "jenkins-large").unwrap();
    assert_eq!(claim.text("/status/phase"), "Pending", "{claim}");
    s.delete(&[large]);
    let free = (1..=volumes.len()).map(|number| format!("manual-ebs-0{number}"));
    for pv in free.filter(|pv| *pv != volume.pv) {
        s.pv_is("Available", &pv);
    }
    volume
}

/// It runs in the volume's zone, and as the user that it is, with the volume for its home.
fn runs(s: &Scenario, volume: &Volume) -> Pod {
    let pod = s.ready_of("jenkins");
    let seen = s.attached(volume, &pod.node);
    assert_eq!(seen.zone, s.cluster.node(&pod.node).zone, "{seen}");
    assert_eq!(s.zones_of_pv(volume), [seen.zone]);
    s.mounted(volume, &pod, "ext4");
    pod
}

fn new_job(s: &Scenario) {
    let jobs = "/var/jenkins_home/jobs";
    let write = format!("mkdir -p {jobs} && echo '{JOB}' >{jobs}/hello.xml && sync");
    s.exec("deployment/jenkins", &["sh", "-c", &write]);
    has_job(s);
}

/// The server serves it, by its Service's name.
fn has_job(s: &Scenario) {
    let ask = ["wget", "-qO-", "http://jenkins:8080/jobs/hello.xml"];
    let exec = ["exec", "deployment/jenkins", "--"];
    let job = s.until("jenkins:8080 answers", || {
        s.attempt(&[&exec[..], &ask].concat())
    });
    assert_eq!(job, JOB);
}

/// `pkill` in the container: it starts anew, in the same pod.
fn process_killed(s: &Scenario, pod: &Pod) {
    // What runs in a container ends with its first process: this answer may be lost.
    let _ = s.attempt(&["exec", &pod.name, "--", "pkill", "nginx"]);
    s.until("its container has started anew", || {
        let object = s.get(Kind::POD, &pod.name).ok_or("it is gone")?;
        let restarted = object.at("/status/containerStatuses/0/restartCount") == 1;
        match restarted && object.is("Ready") {
            true => Ok(()),
            false => Err(object.to_string()),
        }
    });
}

fn deleted(s: &Scenario, volume: &Volume, pod: &Pod) -> Pod {
    s.kubectl(&["delete", "pod", &pod.name]);
    let again = runs(s, volume);
    assert_ne!(again.uid, pod.uid);
    again
}

/// Its node takes no pods any more: the next pod goes to another node of the zone, or waits if there is none.
fn closed(s: &Scenario, volume: &Volume, pod: &Pod) {
    let zone = &s.cluster.node(&pod.node).zone;
    let cordoned = s.cordon(&pod.node);
    s.kubectl(&["delete", "pod", &pod.name]);
    if s.cluster.nodes_in(zone).count() > 1 {
        assert_ne!(s.scheduled_of("jenkins", pod), pod.node);
    } else {
        let waits = s.until("a new pod waits", || {
            let mut pods = s.list(Kind::POD);
            pods.retain(|new| new.label("app") == "jenkins" && !new.is_going());
            pods.pop().ok_or_else(|| "there is none".to_owned())
        });
        s.event(waits.name(), &["FailedScheduling", "node affinity"]);
    }
    drop(cordoned);
    runs(s, volume);
}

/// The PV may be claimed again, by this claim and no other PV by it.
fn claimed_again(s: &Scenario, volume: &Volume) {
    let forget = r#"[{"op": "remove", "path": "/spec/claimRef"}]"#;
    s.kubectl(&["patch", "pv", &volume.pv, "--type=json", "--patch", forget]);
    s.pv_is("Available", &volume.pv);
    let others = ["manual-ebs-01", "manual-ebs-02", "manual-ebs-03"];
    for other in others.into_iter().filter(|other| *other != volume.pv) {
        s.kubectl(&["delete", "pv", other]);
    }
    s.apply_all(&[CLAIM, JENKINS]);
    assert_eq!(s.bound("jenkins"), *volume);
    runs(s, volume);
}

fn dynamic(name: &str, kind: &str) {
    let s = Scenario::start(name);
    let claim = format!("examples/jenkins-dynamic/pvc-{kind}.yaml");
    s.apply_all(&["examples/jenkins-dynamic/classes.yaml", &claim]);
    s.event("jenkins", &["WaitForFirstConsumer"]);
    s.apply(JENKINS);
    let volume = s.bound("jenkins");
    let pod = runs(&s, &volume);
    let seen = s.seen_with_its_tags(&volume);
    assert_eq!((&*seen.kind, seen.gib), (kind, 10), "{seen}");
    new_job(&s);
    deleted(&s, &volume, &pod);
    has_job(&s);

    s.delete(&[JENKINS, &claim]);
    s.deleted(&volume);
}
