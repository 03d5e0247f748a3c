//! Calls that are given up and processes that end while mkfs is at work, which is never killed and never runs twice; and a mount that
//! was taken away from beneath a pod.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use lab::orchestrator::{Claim, Use};
use lab::proof;
use lab::socket::Patience;
use rstest::rstest;
use tempfile::TempDir;
use tonic::Code;

use crate::world::{Lab, lab, lab_with, mount_at, refusal};

/// A `mkfs.ext4` that begins its work only when it is let go.
struct SlowMkfs(TempDir);

impl SlowMkfs {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let script = "#!/bin/sh\nhere=$(dirname \"$0\")\necho >>\"$here/begun\"\n\
             while [ ! -e \"$here/go\" ]; do sleep 0.01; done\n\
             exec \"$(PATH=/usr/sbin:/sbin command -v mkfs.ext4)\" \"$@\"\n";
        let program = dir.path().join("mkfs.ext4");
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        Self(dir)
    }

    /// A world whose node plugin finds it before the machine's, and an attached blank volume.
    async fn lab(&self) -> Option<(Lab, Claim, HashMap<String, String>)> {
        let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", self.0.path().display());
        let lab = lab_with(|program| {
            program.env("PATH", path);
        })
        .await?;
        let (claim, context) = lab.attached("pvc-1", Use::Ext4).await;
        Some((lab, claim, context))
    }

    async fn begun(&self) {
        until(&self.0.path().join("begun")).await;
    }

    fn runs(&self) -> usize {
        let begun = fs::read_to_string(self.0.path().join("begun")).unwrap();
        begun.lines().count()
    }

    fn let_go(&self) {
        fs::write(self.0.path().join("go"), "").unwrap();
    }
}

async fn until(path: &Path) {
    while !path.exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Calls NodeStageVolume and gives it up once mkfs is at work.
async fn stage_and_leave(
    lab: &Lab,
    mkfs: &SlowMkfs,
    claim: &Claim,
    context: &HashMap<String, String>,
) {
    tokio::select! {
        answer = lab.node.stage(claim, context) => panic!("{answer:?}"),
        () = mkfs.begun() => {}
    }
}

#[tokio::test]
async fn a_call_that_was_given_up_is_joined_by_the_next() {
    let mkfs = SlowMkfs::new();
    let Some((lab, claim, context)) = mkfs.lab().await else {
        return;
    };
    stage_and_leave(&lab, &mkfs, &claim, &context).await;
    let once = lab.node.with(Patience::ONCE);
    let (code, words) = refusal(once.stage(&claim, &context).await);
    assert_eq!(code, Code::Aborted, "{words}");
    let (code, words) = refusal(once.unstage(&claim).await);
    assert_eq!(code, Code::Aborted, "{words}");
    mkfs.let_go();
    lab.node.stage(&claim, &context).await.unwrap();
    assert_eq!(mkfs.runs(), 1);
    lab.node.unstage(&claim).await.unwrap();
    assert!(lab.mounts().is_empty());
}

#[tokio::test]
async fn a_node_plugin_that_is_killed_leaves_mkfs_to_its_successor() {
    let mkfs = SlowMkfs::new();
    let Some((mut lab, claim, context)) = mkfs.lab().await else {
        return;
    };
    stage_and_leave(&lab, &mkfs, &claim, &context).await;
    lab.world.kill_node(&lab.node).await.unwrap();
    lab.world.start_node_again(&lab.node).await.unwrap();
    let once = lab.node.with(Patience::ONCE);
    let (code, words) = refusal(once.stage(&claim, &context).await);
    assert_eq!(code, Code::Aborted, "{words}");
    assert!(words.contains("in use"), "{words}");
    assert_eq!(mkfs.runs(), 1, "no second mkfs beside the first");
    mkfs.let_go();
    lab.node.stage(&claim, &context).await.unwrap();
    assert_eq!(
        mkfs.runs(),
        2,
        "nobody has seen the first one's work to the disk"
    );
    assert!(mount_at(&lab.node.staging_path(&claim)).is_some());
}

#[tokio::test]
async fn a_node_plugin_that_is_asked_to_end_lets_mkfs_end_first() {
    let mkfs = SlowMkfs::new();
    let Some((mut lab, claim, context)) = mkfs.lab().await else {
        return;
    };
    stage_and_leave(&lab, &mkfs, &claim, &context).await;
    let ending = lab.world.stop_node(&lab.node, Duration::from_secs(20));
    tokio::pin!(ending);
    tokio::select! {
        ended = &mut ending => panic!("it ended before mkfs: {ended:?}"),
        () = tokio::time::sleep(Duration::from_millis(300)) => {}
    }
    mkfs.let_go();
    ending.await.unwrap();
    let staged = mount_at(&lab.node.staging_path(&claim));
    assert!(staged.is_some(), "the work that had begun is done");
}

/// A staging mount that somebody took away while a pod still uses the volume.
#[rstest]
#[tokio::test]
async fn a_volume_in_use_is_staged_again(#[values(Use::Ext4, Use::Xfs)] usage: Use) {
    let Some(lab) = lab().await else { return };
    let (claim, target) = lab.in_use("pvc-1", usage).await;
    let written = proof::write_files(&target, "kept").unwrap();
    lab.node.unstage(&claim).await.unwrap();
    let context = lab.attach(&claim).await;
    lab.once().stage(&claim, &context).await.unwrap();
    assert_eq!(
        proof::read_files(&lab.node.staging_path(&claim)).unwrap(),
        written
    );
    lab.put_away(&claim).await;
    assert!(lab.mounts().is_empty());
}
