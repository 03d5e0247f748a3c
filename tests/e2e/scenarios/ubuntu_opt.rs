//! examples/ubuntu-opt: a file on a volume made by hand outlives pod, claim and PV, in whatever order they go.

use e2e::{Kind, NewVolume, Scenario, Volume};

const ZONE: &str = "eu-central-1a";

/// The name of both the PV and the claim.
const OPT: &str = "opt";

const CLAIM: &str = "examples/ubuntu-opt/pvc.yaml";
const FILE: &str = "/opt/test.txt";

#[test]
fn a_file_outlives_pod_claim_and_pv() {
    let s = Scenario::start("ubuntu-opt");
    let id = s.volume_by_hand(NewVolume {
        zone: ZONE,
        gib: 1,
        kind: "gp3",
        snapshot: None,
        tags: &[],
    });
    let volume = claimed(&s, &id);
    pod(&s, "ubuntu", &volume);
    s.exec("ubuntu", &["touch", FILE]);
    s.kubectl(&["delete", "pod", "ubuntu"]);
    pod(&s, "ubuntu-2", &volume);
    has_file(&s, "ubuntu-2");

    s.kubectl(&["delete", "pod", "ubuntu-2"]);
    s.kubectl(&["delete", "pvc", OPT]);
    s.pv_is("Released", OPT);
    s.kubectl(&["delete", "pv", OPT]);
    s.detached(&volume);

    assert_eq!(claimed(&s, &id), volume);
    pod(&s, "ubuntu", &volume);
    has_file(&s, "ubuntu");
    backwards(&s, "ubuntu");
    s.detached(&volume);

    assert_eq!(claimed(&s, &id), volume);
    pod(&s, "ubuntu-2", &volume);
    has_file(&s, "ubuntu-2");
    s.kubectl(&["delete", "pod/ubuntu-2", "pvc/opt", "pv/opt"]);
    s.detached(&volume);
    s.ec2(async |cloud| cloud.delete_volume(&id).await);
    s.deleted(&volume);
}

/// The example's PV, then the claim that names it.
fn claimed(s: &Scenario, id: &str) -> Volume {
    let pv = include_str!("../../../examples/ubuntu-opt/pv.yaml");
    s.apply_text(&pv.replace("VOLUME", id).replace("ZONE", ZONE));
    s.pv_is("Available", OPT);
    s.apply(CLAIM);
    let volume = s.bound(OPT);
    assert_eq!((&*volume.id, &*volume.pv), (id, OPT));
    s.pv_is("Bound", OPT);
    volume
}

fn pod(s: &Scenario, name: &str, volume: &Volume) {
    s.apply(&format!("examples/ubuntu-opt/{name}.yaml"));
    let pod = s.ready(name);
    s.attached(volume, &pod.node);
    s.mounted(volume, &pod, "ext4");
}

fn has_file(s: &Scenario, pod: &str) {
    assert_eq!(s.exec(pod, &["ls", FILE]), FILE);
}

/// The PV goes first: it and the claim wait for the pod.
fn backwards(s: &Scenario, pod: &str) {
    s.kubectl(&["delete", "pv", OPT, "--wait=false"]);
    s.kubectl(&["delete", "pvc", OPT, "--wait=false"]);
    for kind in [Kind::VOLUME, Kind::CLAIM] {
        let object = s.get(kind, OPT).unwrap();
        assert!(object.is_going(), "{object}");
    }
    has_file(s, pod);
    s.kubectl(&["delete", "pod", pod]);
    s.gone(Kind::CLAIM, OPT);
    s.gone(Kind::VOLUME, OPT);
}
