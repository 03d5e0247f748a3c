//! What the node plugin and its programs may do is enough for their work, and no more.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};

use lab::orchestrator::{Use, gib_or_more};
use lab::proof;
use rstest::rstest;
use tempfile::TempDir;

use crate::world::{lab, lab_with};

/// A `mkfs` that tells what it was started with before it does its work.
struct Told(TempDir, &'static str);

impl Told {
    fn new(name: &'static str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let script = format!(
            "#!/bin/sh\nhere=$(dirname \"$0\")\ncat /proc/self/status >\"$here/status\"\n\
             ls -l /proc/$$/fd >\"$here/open\"; env >\"$here/env\"; pwd >\"$here/pwd\"\n\
             exec \"$(PATH=/usr/sbin:/sbin command -v {name})\" \"$@\"\n"
        );
        let program = dir.path().join(name);
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        Self(dir, name)
    }

    fn path(&self) -> String {
        format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", self.0.path().display())
    }

    fn file(&self, name: &str) -> String {
        fs::read_to_string(self.0.path().join(name)).unwrap()
    }

    fn capabilities(&self, set: &str) -> u64 {
        let status = self.file("status");
        let line = status.lines().find_map(|line| line.strip_prefix(set));
        u64::from_str_radix(line.unwrap().trim(), 16).unwrap()
    }
}

/// mkfs.xfs sets the device's block size, which the kernel lets only CAP_SYS_ADMIN (21) do.
#[rstest]
#[case(Use::Ext4, "mkfs.ext4", 0)]
#[case(Use::Xfs, "mkfs.xfs", 1 << 21)]
#[tokio::test]
async fn a_program_gets_what_it_needs_and_nothing_else(
    #[case] usage: Use,
    #[case] name: &'static str,
    #[case] capabilities: u64,
) {
    let told = Told::new(name);
    let lab = lab_with(|program| {
        program
            .env("PATH", told.path())
            .env("SECRET", "not for programs");
    });
    let Some(lab) = lab.await else { return };
    let (claim, context) = lab.attached("pvc-1", usage).await;
    lab.node.stage(&claim, &context).await.unwrap();

    for set in ["CapPrm:", "CapEff:", "CapInh:", "CapAmb:"] {
        assert_eq!(told.capabilities(set), capabilities, "{set} of {}", told.1);
    }
    let (open, env) = (told.file("open"), told.file("env"));
    for line in open.lines().filter_map(|line| line.split_once(" -> ")) {
        let (fd, to) = (line.0.rsplit(' ').next().unwrap(), line.1);
        // Above 9 the shell holds its script, and its streams while it redirects them.
        let fine = match fd {
            "0" => to.contains("/dev/nvme"),
            "1" | "2" => to.contains("memfd:output") || to.ends_with("/open"),
            _ => to.ends_with(told.1) || to.contains("memfd:output") || to == "/dev/null",
        };
        assert!(fine, "{open}");
    }
    let names = env.lines().filter_map(|line| Some(line.split_once('=')?.0));
    let mut names: Vec<&str> = names
        .filter(|name| !["PWD", "_", "OLDPWD", "SHLVL"].contains(name))
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["LC_ALL", "PATH"], "{env}");
    assert_eq!(told.file("pwd").trim(), "/");
}

/// A workload may keep everyone else out of its volume's root directory; CAP_DAC_READ_SEARCH is what the plugin opens it with.
#[tokio::test]
async fn a_volume_that_only_its_user_may_read_is_measured_grown_and_put_away() {
    let Some(lab) = lab().await else { return };
    let (claim, target) = lab.in_use("pvc-1", Use::Xfs).await;
    chown(&target, Some(1000), Some(1000)).unwrap();
    fs::set_permissions(&target, fs::Permissions::from_mode(0o700)).unwrap();
    let controller = &lab.world.controller;
    controller.expand(&claim, gib_or_more(2)).await.unwrap();
    lab.node.expand(&claim, "pod", 2).await.unwrap();
    assert!(proof::filesystem_size(&target).unwrap() > 1900 << 20);
    assert_eq!(lab.node.stats(&claim, "pod").await.unwrap().len(), 2);
    let context = Default::default();
    let second = lab.node.publish(&claim, "other", &context, true).await;
    // Whoever runs the test may have fewer rights than the plugin.
    assert!(second.unwrap().ends_with("mount"));
    lab.node.unpublish(&claim, "other").await.unwrap();
    lab.put_away(&claim).await;
    assert!(lab.mounts().is_empty());
}
