//! examples/mysql-static: a database on a volume that was made by hand, and what becomes of the volume when its claim goes.

use e2e::{NewVolume, Pod, Scenario, Volume};

const ZONE: &str = "eu-central-1a";

/// The name of both the PV and the claim.
const DATA: &str = "mysql-data";

/// In this order: a claim stays until its pod is gone.
const FILES: [&str; 2] = [
    "examples/mysql-static/mysql.yaml",
    "examples/mysql-static/pvc.yaml",
];

#[test]
fn mysql_keeps_its_rows_on_a_volume_made_by_hand() {
    let s = Scenario::start("mysql-static");
    let id = made(&s);
    let (volume, pod) = started(&s, &id);
    let kept = "select name from wizards order by name";
    sql(&s, "create table wizards (name text)");
    sql(&s, "insert into wizards values ('Merlin'), ('Morgana')");

    s.kubectl(&["delete", "pod", "--selector", "app=mysql"]);
    let again = s.ready_of("mysql");
    assert_ne!(again.uid, pod.uid);
    assert_eq!(s.cluster.node(&again.node).zone, ZONE);
    s.mounted(&volume, &again, "ext4");
    assert_eq!(sql(&s, kept), "Merlin\nMorgana");

    retained(&s, &volume);
    given_again(&s, &volume);
    assert_eq!(sql(&s, kept), "Merlin\nMorgana");

    s.delete(&FILES);
    s.kubectl(&["delete", "pv", DATA]);
    let seen = s.detached(&volume);
    assert_eq!(seen.gib, 10, "{seen}");
    s.ec2(async |cloud| cloud.delete_volume(&id).await);
    s.deleted(&volume);
}

#[test]
fn a_volume_made_by_hand_goes_with_its_claim_if_its_pv_says_so() {
    let s = Scenario::start("mysql-policies");
    let volume = idle(&s, "reclaimed", "Delete");
    s.kubectl(&["delete", "pvc", &volume.claim]);
    s.deleted(&volume);

    let volume = idle(&s, "recycled", "Recycle");
    s.kubectl(&["delete", "pvc", &volume.claim]);
    s.pv_is("Failed", &volume.pv);
    assert_eq!(s.seen(&volume).state, "available");
    s.kubectl(&["delete", "pv", &volume.pv]);
}

/// `aws ec2 create-volume`, as the README has it.
fn made(s: &Scenario) -> String {
    s.volume_by_hand(NewVolume {
        zone: ZONE,
        gib: 10,
        kind: "gp2",
        snapshot: None,
        tags: &[("KubernetesCluster", "mine")],
    })
}

/// The example's PV with the volume's id and zone filled in.
fn manifest(volume: &str) -> String {
    let manifest = include_str!("../../../examples/mysql-static/pv.yaml");
    manifest.replace("VOLUME", volume).replace("ZONE", ZONE)
}

/// The PV is free, then the claim's; the database runs on it, on a file system that the driver has made.
fn started(s: &Scenario, id: &str) -> (Volume, Pod) {
    s.apply_text(&manifest(id));
    s.pv_is("Available", DATA);
    s.apply(FILES[1]);
    let volume = s.bound(DATA);
    assert_eq!((&*volume.id, &*volume.pv), (id, DATA));
    assert_eq!(s.zones_of_pv(&volume), [ZONE]);
    s.apply(FILES[0]);
    let pod = s.ready_of("mysql");
    assert_eq!(s.cluster.node(&pod.node).zone, ZONE);
    let seen = s.attached(&volume, &pod.node);
    assert_eq!((&*seen.kind, seen.gib), ("gp2", 10), "{seen}");
    assert_eq!(seen.tags["KubernetesCluster"], "mine", "{seen:?}");
    assert_eq!(seen.tags.len(), 1, "nobody adds tags: {seen:?}");
    s.mounted(&volume, &pod, "ext4");
    (volume, pod)
}

/// The claim goes; the PV and the volume stay.
fn retained(s: &Scenario, volume: &Volume) {
    s.delete(&FILES);
    s.pv_is("Released", DATA);
    s.detached(volume);
}

/// The PV may be claimed again; then the next database is on the same volume.
fn given_again(s: &Scenario, volume: &Volume) {
    let forget = r#"[{"op": "remove", "path": "/spec/claimRef"}]"#;
    s.kubectl(&["patch", "pv", DATA, "--type=json", "--patch", forget]);
    s.pv_is("Available", DATA);
    s.apply_all(&FILES);
    assert_eq!(s.bound(DATA), *volume);
    let pod = s.ready_of("mysql");
    s.mounted(volume, &pod, "ext4");
}

/// The example's PV and claim under another name and policy, bound and not used.
fn idle(s: &Scenario, name: &str, policy: &str) -> Volume {
    let named = |manifest: &str| manifest.replace(DATA, name);
    let reclaimed = format!("persistentVolumeReclaimPolicy: {policy}");
    let pv = manifest(&made(s)).replace("persistentVolumeReclaimPolicy: Retain", &reclaimed);
    s.apply_text(&named(&pv));
    s.apply_text(&named(include_str!(
        "../../../examples/mysql-static/pvc.yaml"
    )));
    let volume = s.bound(name);
    let object = s.pv(name);
    assert_eq!(
        object.text("/spec/persistentVolumeReclaimPolicy"),
        policy,
        "{object}"
    );
    volume
}

/// Runs a statement in the database, wherever it is.
fn sql(s: &Scenario, statement: &str) -> String {
    let client = r#"mysql -uroot -p"$MYSQL_ROOT_PASSWORD" -N hollowdb -e "$0""#;
    s.exec("deployment/mysql", &["sh", "-c", client, statement])
}
