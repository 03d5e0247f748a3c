//! `ebs-csi move-zone` as a process, over the emulated EC2 and a cluster behind a `kubectl proxy`; killed anywhere, and repeated.

mod cluster;
mod crashes;

use std::ffi::OsString;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use emulator::{Config, Delays, Emulator, Running};
use lab::cloud::{Cloud, NewVolume, SeenVolume};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use self::cluster::Cluster;

const FROM: &str = "eu-central-1a";
const TO: &str = "eu-central-1b";
const TAGS: [(&str, &str); 3] = [
    ("KubernetesCluster", "mine"),
    ("CSIVolumeName", "manual"),
    ("team", "shop"),
];

/// A cluster, an EC2, and a volume in zone a that the claim `shop/data` has.
struct Bed {
    cluster: Cluster,
    ec2: Running,
    cloud: Cloud,
    dir: TempDir,
    old: String,
}

impl Bed {
    async fn make() -> Self {
        Self::with(Config::default()).await
    }

    async fn with(config: Config) -> Self {
        let ec2 = Emulator::start(config).await.unwrap();
        let cloud = Cloud::new(&ec2.ec2_url(), &ec2.control_url());
        let new = NewVolume {
            zone: FROM,
            gib: 10,
            kind: "gp3",
            snapshot: None,
            tags: &TAGS,
        };
        let old = cloud.create_volume(new).await.unwrap();
        available(&cloud, &old).await;
        let cluster = Cluster::start().await;
        cluster.put("persistentvolumes/manual", volume(&old));
        cluster.put("namespaces/shop/persistentvolumeclaims/data", claim());
        Self {
            cluster,
            ec2,
            cloud,
            dir: tempfile::tempdir().unwrap(),
            old,
        }
    }

    /// The command, with what it needs to find both.
    fn command(&self, args: &[&str]) -> Command {
        let kubernetes = ["--kubernetes-api", self.cluster.url()];
        self.command_without_cluster(&[args, &kubernetes].concat())
    }

    fn command_without_cluster(&self, args: &[&str]) -> Command {
        #[expect(
            clippy::disallowed_methods,
            reason = "whole programs are started here, not a node's tools"
        )]
        let mut command = Command::new(env!("CARGO_BIN_EXE_ebs-csi"));
        let url: OsString = self.ec2.ec2_url().into();
        command.arg("move-zone");
        if !args.contains(&"--to-zone") {
            command.args(["--to-zone", TO]);
        }
        command
            .args(["--region", "eu-central-1"])
            .args(["--consistency-window", "300ms", "--timeout", "30s"])
            .arg("--ec2-endpoint")
            .arg(url)
            .args(args)
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("NO_PROXY", "127.0.0.1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    fn spawn(&self, args: &[&str]) -> Child {
        self.command(args).spawn().unwrap()
    }

    /// What it told, and the manifests; it must succeed.
    async fn done(&self, args: &[&str]) -> (String, String) {
        let output = self.command(args).output().await.unwrap();
        let (told, written) = texts(&output);
        assert!(output.status.success(), "{told}");
        (told, written)
    }

    /// What it told; it must fail, in one line at the end.
    async fn refused(&self, args: &[&str]) -> String {
        let output = self.command(args).output().await.unwrap();
        let (told, written) = texts(&output);
        assert_eq!(output.status.code(), Some(1), "{told}{written}");
        let last = told.lines().last().unwrap();
        assert!(last.starts_with("ebs-csi: "), "{told}");
        last.to_owned()
    }

    /// The one volume besides the old one, which is as it was.
    async fn new_volume(&self) -> SeenVolume {
        let mut volumes = self.cloud.volumes().await.unwrap();
        let at = volumes.iter().position(|volume| volume.id == self.old);
        let old = volumes.remove(at.expect("the old volume is kept"));
        assert_eq!((&*old.zone, old.tags.len()), (FROM, TAGS.len()), "{old:?}");
        assert_eq!(volumes.len(), 1, "{volumes:?}");
        volumes.remove(0)
    }

    async fn counts(&self) -> (usize, usize) {
        let volumes = self.cloud.volumes().await.unwrap().len();
        let snapshots = self.cloud.snapshots().await.unwrap().len();
        (volumes, snapshots)
    }

    /// Claim and both PersistentVolumes are as a whole move leaves them.
    async fn is_moved(&self, policy: &str) {
        let new = self.new_volume().await;
        let claim = self
            .cluster
            .get("namespaces/shop/persistentvolumeclaims/data")
            .expect("the claim is there");
        let name = claim["spec"]["volumeName"].as_str().unwrap();
        assert_eq!(claim["status"]["phase"], "Bound", "{claim}");
        assert_eq!(claim["metadata"]["labels"]["app"], "shop", "{claim}");
        assert_ne!(claim["metadata"]["uid"], "old-claim", "{claim}");
        let pv = self
            .cluster
            .get(&format!("persistentvolumes/{name}"))
            .unwrap();
        assert_eq!(pv["spec"]["csi"]["volumeHandle"], json!(new.id), "{pv}");
        assert_eq!(pv["spec"]["persistentVolumeReclaimPolicy"], policy, "{pv}");
        let old = self.cluster.get("persistentvolumes/manual").unwrap();
        assert_eq!(
            old["spec"]["persistentVolumeReclaimPolicy"], "Retain",
            "{old}"
        );
        assert_eq!(old["spec"]["csi"]["volumeHandle"], json!(self.old), "{old}");
    }
}

/// Waits until a volume can be used.
async fn available(cloud: &Cloud, id: &str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while cloud
        .volume(id)
        .await
        .unwrap()
        .is_none_or(|seen| seen.state != "available")
    {
        assert!(Instant::now() < deadline, "{id} does not become available");
        sleep(Duration::from_millis(5)).await;
    }
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stderr), text(&output.stdout))
}

fn volume(id: &str) -> Value {
    let term = json!({"key": "topology.kubernetes.io/zone", "operator": "In", "values": [FROM]});
    json!({
        "kind": "PersistentVolume", "apiVersion": "v1",
        "metadata": {"name": "manual", "uid": "old-volume", "labels": {"disk": "by-hand"}},
        "spec": {
            "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "5Gi"}, "storageClassName": "manual-ebs",
            "persistentVolumeReclaimPolicy": "Delete",
            "claimRef": {"namespace": "shop", "name": "data", "uid": "old-claim"},
            "csi": {"driver": "ebs.csi.aws.com", "volumeHandle": id, "fsType": "xfs"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [term]}]}},
        },
        "status": {"phase": "Bound"},
    })
}

fn claim() -> Value {
    json!({
        "kind": "PersistentVolumeClaim", "apiVersion": "v1",
        "metadata": {
            "name": "data", "namespace": "shop", "uid": "old-claim", "labels": {"app": "shop"},
            "annotations": {"pv.kubernetes.io/bind-completed": "yes"},
        },
        "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": "manual-ebs", "volumeName": "manual",
            "resources": {"requests": {"storage": "1Gi"}},
        },
        "status": {"phase": "Bound"},
    })
}

/// A pod that uses the claim; on a node if one is named.
fn pod(node: Option<&str>, phase: &str) -> Value {
    let mut pod = json!({
        "metadata": {"name": "shop-0"}, "status": {"phase": phase},
        "spec": {"volumes": [{"name": "tmp"}, {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]},
    });
    if let Some(node) = node {
        pod["spec"]["nodeName"] = json!(node);
    }
    pod
}

const CLAIM: [&str; 2] = ["--claim", "shop/data"];
const REBIND: [&str; 4] = ["--claim", "shop/data", "--yes", "--rebind"];

#[tokio::test]
async fn a_dry_run_tells_the_steps_and_changes_nothing() {
    let bed = Bed::make().await;
    let before = bed.cluster.all();
    let (errors, told) = bed.done(&["--claim", "shop/data", "--rebind"]).await;
    let new = format!("moved-{}-{TO}", bed.old);
    for words in [
        &format!("volume {} (gp3, 10 GiB", bed.old),
        "of PersistentVolume manual, claim shop/data, is in eu-central-1a",
        "1. take a snapshot of",
        "2. make a volume of it in eu-central-1b",
        &format!(
            "3. write manifests of PersistentVolume {new} and claim shop/data to standard output"
        ),
        "5. set PersistentVolume manual from Delete to Retain",
        "6. delete claim shop/data, the one object that is deleted",
        "dry run",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    assert_eq!(errors, "");
    assert_eq!(bed.counts().await, (1, 0));
    assert_eq!(bed.cluster.all(), before);
    assert_eq!(bed.cluster.changes(), 0);
    bed.ec2.shutdown().await;
}

#[tokio::test]
async fn a_claim_is_moved_with_its_data() {
    let bed = Bed::make().await;
    let (told, written) = bed.done(&REBIND).await;
    bed.is_moved("Delete").await;
    let new = bed.new_volume().await;
    assert_eq!((&*new.zone, &*new.kind, new.gib), (TO, "gp3", 10));
    assert_eq!((new.iops, new.throughput), (Some(3000), Some(125)));
    let snapshots = bed.cloud.snapshots().await.unwrap();
    assert_eq!(snapshots.len(), 1, "{snapshots:?}");
    assert_eq!(new.snapshot.as_deref(), Some(&*snapshots[0].id));
    let name = format!("moved-{}-{TO}", bed.old);
    for (key, value) in [
        ("team", "shop"),
        ("KubernetesCluster", "mine"),
        ("CSIVolumeName", &name),
        ("ebs.csi.aws.com/moved-from", &bed.old),
        ("ebs.csi.aws.com/cluster", "true"),
    ] {
        assert_eq!(new.tags.get(key).map(String::as_str), Some(value), "{key}");
    }
    for words in [
        "kind: PersistentVolume\n",
        &format!("volumeHandle: {}", new.id),
        "fsType: xfs",
        "- eu-central-1b",
        "disk: by-hand",
        "---\napiVersion: v1\nkind: PersistentVolumeClaim\n",
        &format!("volumeName: {name}"),
    ] {
        assert!(written.contains(words), "{words}: {written}");
    }
    assert!(told.contains("are kept"), "{told}");

    // Once more: nothing is left to do, and nothing is done.
    let changes = bed.cluster.changes();
    let (_, again) = bed.done(&REBIND).await;
    assert_eq!(again, written);
    assert_eq!(bed.counts().await, (2, 1));
    bed.is_moved("Delete").await;
    assert!(bed.cluster.deletions() == 1 && bed.cluster.changes() >= changes);
    bed.ec2.shutdown().await;
}

#[tokio::test]
async fn a_pod_on_a_node_holds_its_claim_and_one_that_waits_does_not() {
    let bed = Bed::make().await;
    let place = "namespaces/shop/pods/shop-0";
    for phase in ["Running", "Pending", "Unknown"] {
        bed.cluster.put(place, pod(Some("node-1"), phase));
        for args in [&REBIND[..], &["--claim", "shop/data", "--rebind"]] {
            let refused = bed.refused(args).await;
            assert!(
                refused.contains(&format!("pod shop-0 on node node-1 ({phase})")),
                "{refused}"
            );
        }
    }
    assert_eq!((bed.counts().await, bed.cluster.changes()), ((1, 0), 0));
    bed.cluster.put(place, pod(None, "Pending"));
    bed.done(&REBIND).await;
    bed.is_moved("Delete").await;
    bed.ec2.shutdown().await;
}

#[tokio::test]
async fn of_a_zone_that_is_out_the_newest_snapshot_is_taken() {
    let bed = Bed::make().await;
    bed.cloud
        .zones(&json!({FROM: {"state": "unavailable"}}))
        .await
        .unwrap();
    let refused = bed.refused(&REBIND).await;
    assert!(refused.contains("no completed snapshot"), "{refused}");
    let taken = bed.cloud.create_snapshot(&bed.old).await.unwrap();
    let (_, told) = bed.done(&CLAIM).await;
    assert!(
        told.contains("does not take requests")
            && told.contains(&format!("take snapshot {taken} of ")),
        "{told}"
    );
    bed.done(&REBIND).await;
    bed.is_moved("Delete").await;
    assert_eq!(bed.new_volume().await.snapshot, Some(taken));
    assert_eq!(bed.counts().await, (2, 1));
    bed.ec2.shutdown().await;
}

#[tokio::test]
async fn a_volume_is_moved_without_kubernetes() {
    let bed = Bed::make().await;
    let file = bed.dir.path().join("moved.yaml");
    let args = [
        "--volume-id",
        &bed.old,
        "--no-kubernetes",
        "--claim",
        "shop/data",
        "--yes",
    ];
    let more = [
        "--storage-class",
        "gp3",
        "--fs-type",
        "xfs",
        "--output",
        path(&file),
    ];
    let output = bed
        .command_without_cluster(&[&args[..], &more].concat())
        .output()
        .await
        .unwrap();
    let (told, written) = texts(&output);
    assert!(
        output.status.success() && written.is_empty(),
        "{told}{written}"
    );
    let written = std::fs::read_to_string(&file).unwrap();
    let new = bed.new_volume().await;
    for words in [
        &*format!("volumeHandle: {}", new.id),
        "fsType: xfs",
        "storageClassName: gp3",
        "persistentVolumeReclaimPolicy: Retain",
        "storage: \"10Gi\"",
        "namespace: shop",
    ] {
        assert!(written.contains(words), "{words}: {written}");
    }
    assert_eq!(bed.cluster.changes(), 0);
    bed.ec2.shutdown().await;
}

#[tokio::test]
async fn manifests_come_from_a_file_as_well() {
    let bed = Bed::make().await;
    let file = bed.dir.path().join("objects.json");
    let objects = json!({"kind": "List", "items": [volume(&bed.old), claim()]});
    std::fs::write(&file, objects.to_string()).unwrap();
    let args = ["--pv", "manual", "--manifests", path(&file), "--yes"];
    let output = bed.command_without_cluster(&args).output().await.unwrap();
    let (told, written) = texts(&output);
    assert!(output.status.success(), "{told}");
    assert!(
        written.contains("storageClassName: manual-ebs"),
        "{written}"
    );
    assert!(told.contains("kubectl delete pvc -n shop data"), "{told}");
    assert_eq!(bed.counts().await, (2, 1));
    bed.ec2.shutdown().await;
}

#[tokio::test]
async fn what_cannot_be_is_told_with_what_can() {
    let bed = Bed::make().await;
    for (args, words) in [
        (
            &["--claim", "shop/none"][..],
            "the cluster has no claim shop/none",
        ),
        (&["--pv", "none"], "no PersistentVolume none"),
        (
            &["--volume-id", "vol-0123456789abcdef0"],
            "no PersistentVolume of vol-0123456789abcdef0",
        ),
        (
            &["--claim", "shop/data", "--to-zone", "eu-central-1z"],
            "zones that take volumes now: eu-central-1b",
        ),
        (
            &["--claim", "shop/data", "--to-zone", FROM],
            "is in eu-central-1a already",
        ),
        (
            &[
                "--claim",
                "shop/data",
                "--snapshot",
                "snap-0123456789abcdef0",
            ],
            "snap-0123456789abcdef0",
        ),
    ] {
        let refused = bed.refused(args).await;
        assert!(refused.contains(words), "{words}: {refused}");
    }
    assert_eq!((bed.counts().await, bed.cluster.changes()), ((1, 0), 0));
    bed.ec2.shutdown().await;
}

fn path(file: &Path) -> &str {
    file.to_str().unwrap()
}
