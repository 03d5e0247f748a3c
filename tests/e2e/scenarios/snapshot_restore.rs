//! examples/snapshot-restore: what was on a volume at one moment is on another one later.

use e2e::{Kind, Object, Scenario, SeenSnapshot, Volume};

use crate::workload;

#[test]
fn a_snapshot_brings_back_what_was() {
    let s = Scenario::start("snapshot-restore");
    s.apply_all(&[
        "examples/snapshot-restore/class.yaml",
        "examples/snapshot-restore/app.yaml",
    ]);
    let volume = s.bound("data");
    s.ready("app");
    workload::note(&s, "app", "all is well");

    s.apply("examples/snapshot-restore/snapshot.yaml");
    let (content, snapshot) = ready_to_use(&s, &volume);
    workload::note(&s, "app", "oh no");

    let restored = restored(&s, &snapshot);
    assert_eq!(workload::read(&s, "restored"), "all is well");
    assert_eq!(workload::read(&s, "app"), "oh no");

    s.kubectl(&["delete", "volumesnapshot", "yesterday"]);
    snapshot_gone(&s, &content, &snapshot);
    assert_eq!(workload::read(&s, "restored"), "all is well");

    for file in ["restored", "app"] {
        let file = format!("examples/snapshot-restore/{file}.yaml");
        s.kubectl(&["delete", "--filename", &file]);
    }
    s.deleted(&restored);
    s.deleted(&volume);
}

/// Waits until the VolumeSnapshot can be used; returns its content, and the snapshot as EC2 has it.
fn ready_to_use(s: &Scenario, volume: &Volume) -> (Object, SeenSnapshot) {
    let object = s.until("VolumeSnapshot yesterday is ready to use", || {
        let object = s.get(Kind::SNAPSHOT, "yesterday").ok_or("it is gone")?;
        if object.at("/status/readyToUse") == true {
            return Ok(object);
        }
        Err(format!("{object}, events {:?}", s.events("yesterday")))
    });
    assert_eq!(object.text("/status/restoreSize"), "1Gi", "{object}");
    let content = object.text("/status/boundVolumeSnapshotContentName");
    let content = s.get(Kind::SNAPSHOT_CONTENT, content).unwrap();
    let handle = content.text("/status/snapshotHandle");
    let snapshots = s.ec2(async |cloud| cloud.snapshots().await);
    let of_volume = |seen: &SeenSnapshot| seen.volume == volume.id;
    let mut of_volume: Vec<_> = snapshots.into_iter().filter(of_volume).collect();
    let seen = of_volume.pop().unwrap();
    assert_eq!((&of_volume[..], &*seen.id), (&[][..], handle), "just one");
    assert_eq!((&*seen.state, seen.gib), ("completed", 1), "{seen:?}");
    let name = format!("snapshot-{}", object.text("/metadata/uid"));
    assert_eq!(seen.tags["CSIVolumeSnapshotName"], name, "{seen:?}");
    assert_eq!(seen.tags["ebs.csi.aws.com/cluster"], "true", "{seen:?}");
    (content, seen)
}

/// A new volume of the snapshot, larger than the old one; its file system is as large as the volume.
fn restored(s: &Scenario, snapshot: &SeenSnapshot) -> Volume {
    s.apply("examples/snapshot-restore/restored.yaml");
    let volume = s.bound("restored");
    let pod = s.ready("restored");
    s.attached(&volume, &pod.node);
    let seen = s.seen_with_its_tags(&volume);
    assert_eq!(seen.snapshot.as_ref(), Some(&snapshot.id), "{seen:?}");
    assert_eq!(seen.gib, 2, "{seen}");
    s.mounted(&volume, &pod, "ext4");
    let kib = workload::kib(s, "restored", "/data");
    assert!(kib > 3 << 19, "more than one and a half GiB: {kib} KiB");
    volume
}

fn snapshot_gone(s: &Scenario, content: &Object, snapshot: &SeenSnapshot) {
    s.gone(Kind::SNAPSHOT_CONTENT, content.name());
    let snapshots = s.ec2(async |cloud| cloud.snapshots().await);
    let left = snapshots.iter().find(|seen| seen.id == snapshot.id);
    assert_eq!(left, None);
}
