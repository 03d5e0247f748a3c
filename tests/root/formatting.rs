//! Blank devices are formatted, and nothing else ever is.

use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use host::Programs;
use host::exec::Program;
use lab::orchestrator::Use;
use lab::proof;
use rstest::rstest;
use tempfile::TempDir;
use tonic::Code;

use crate::world::{Lab, lab, lab_with, mount_at, refusal};

#[rstest]
#[tokio::test]
async fn a_blank_device_gets_the_file_system_that_is_asked_for(
    #[values(Use::Ext3, Use::Ext4, Use::Xfs, Use::Btrfs)] usage: Use,
) {
    let Some(lab) = lab().await else { return };
    let (claim, target) = lab.in_use("pvc-1", usage).await;
    let mount = mount_at(&lab.node.staging_path(&claim)).unwrap();
    assert_eq!(mount.fs, usage.to_string());
    let size = proof::filesystem_size(&target).unwrap();
    assert!(size > 900 << 20, "{size} bytes of 1 GiB");
    lab.put_away(&claim).await;
    assert!(lab.mounts().is_empty());
}

/// What a StorageClass says of the file system is what its superblock says.
#[rstest]
#[case(Use::Ext3, &[("blockSize", "1024"), ("inodeSize", "128"), ("numberOfInodes", "4096")], &["Block size: 1024", "Inode size: 128", "Inode count: 4096"])]
#[case(Use::Ext4, &[("blockSize", "2048"), ("inodeSize", "1024"), ("bytesPerInode", "65536")], &["Block size: 2048", "Inode size: 1024", "Inode count: 16384"])]
#[case(Use::Ext4, &[("ext4BigAlloc", "true"), ("ext4ClusterSize", "65536")], &["bigalloc", "Cluster size: 65536"])]
#[case(Use::Ext4, &[("ext4EncryptionSupport", "true")], &["encrypt"])]
#[case(Use::Xfs, &[("blockSize", "1024"), ("inodeSize", "512")], &["bsize=1024", "isize=512"])]
#[tokio::test]
async fn the_class_says_how_a_file_system_is_made(
    #[case] usage: Use,
    #[case] parameters: &[(&'static str, &'static str)],
    #[case] shown: &[&str],
) {
    let Some(lab) = lab().await else { return };
    let mut order = lab.world.order("pvc-1");
    (order.usage, order.parameters) = (usage, parameters.to_vec());
    let claim = lab.world.controller.create(&order).await.unwrap();
    lab.put_to_use(&claim).await;
    let mount = mount_at(&lab.node.staging_path(&claim)).unwrap();
    let point = mount.point.display().to_string();
    let (name, arguments) = match usage {
        Use::Xfs => ("xfs_info", vec![point.as_str()]),
        _ => ("dumpe2fs", vec!["-h", mount.source.as_str()]),
    };
    let program = Program {
        name,
        package: "xfsprogs or e2fsprogs",
    };
    let nothing = fs::File::open("/dev/null").unwrap();
    let output = Programs::default()
        .read(program, &arguments, &nothing, Duration::from_secs(60))
        .await
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = output.stdout;
    let words: Vec<_> = text.split_whitespace().collect();
    let text = words.join(" ");
    for part in shown {
        assert!(text.contains(part), "{part}: {text}");
    }
    lab.put_away(&claim).await;
}

/// Data that no file system tool would recognize is data all the same, wherever it lies.
#[rstest]
#[case("at the beginning", 0)]
#[case("beside every signature", 700 << 10)]
#[case("at the end", (1 << 30) - 4096)]
#[tokio::test]
async fn data_that_is_no_file_system_is_left_alone(#[case] place: &str, #[case] offset: u64) {
    let Some(lab) = lab().await else { return };
    let (claim, device) = lab.in_use("pvc-1", Use::Block).await;
    let mut file = fs::OpenOptions::new().write(true).open(&device).unwrap();
    file.seek(SeekFrom::Start(offset)).unwrap();
    file.write_all(&[0xA5; 4096]).unwrap();
    file.sync_all().unwrap();
    drop(file);
    lab.put_away(&claim).await;

    let context = lab.attach(&claim).await;
    let answer = lab.once().stage_as(&claim, Use::Ext4, &context).await;
    let (code, words) = refusal(answer);
    assert_eq!(code, Code::FailedPrecondition, "data {place}: {words}");
    assert!(lab.mounts().is_empty());
}

#[tokio::test]
async fn another_file_system_is_left_alone_and_named() {
    let Some(lab) = lab().await else { return };
    let (claim, target) = lab.in_use("pvc-1", Use::Xfs).await;
    let written = proof::write_files(&target, "kept").unwrap();
    lab.put_away(&claim).await;

    let context = lab.attach(&claim).await;
    let (code, words) = refusal(lab.once().stage_as(&claim, Use::Ext4, &context).await);
    assert_eq!(code, Code::FailedPrecondition, "{words}");
    assert!(words.contains("xfs") && words.contains("ext4"), "{words}");

    lab.node.stage(&claim, &context).await.unwrap();
    let target = lab
        .node
        .publish(&claim, "pod", &context, false)
        .await
        .unwrap();
    assert_eq!(proof::read_files(&target).unwrap(), written);
    lab.put_away(&claim).await;
}

/// The programs of this machine as one node plugin sees them: `mkfs.ext4` is whatever the test makes it.
struct Tools(TempDir);

impl Tools {
    /// All programs but `mkfs.ext4`.
    fn without_mkfs() -> Self {
        let tools = Self(tempfile::tempdir().unwrap());
        fs::create_dir(tools.real()).unwrap();
        fs::create_dir(tools.shown()).unwrap();
        for entry in fs::read_dir(sbin()).unwrap() {
            let name = entry.unwrap().file_name();
            if name != "mkfs.ext4" {
                symlink(tools.real().join(&name), tools.shown().join(&name)).unwrap();
            }
        }
        // In a mount namespace of its own, which ends with the process: the machine's programs stay as they are.
        let script = format!(
            "#!/bin/sh\nexec unshare --mount sh -c '\n\
             mount --bind {sbin} {real} && mount --bind {shown} {sbin} && exec \"$@\"' sh \"$@\"\n",
            sbin = sbin().display(),
            real = tools.real().display(),
            shown = tools.shown().display(),
        );
        write_program(&tools.wrapper(), &script);
        tools
    }

    /// A world whose node plugin sees these programs.
    async fn lab(&self) -> Option<Lab> {
        lab_with(|program| {
            program.through(&self.wrapper());
        })
        .await
    }

    fn break_mkfs(&self) {
        let script = "#!/bin/sh\necho 'the disk is made of cheese' >&2\nexit 1\n";
        write_program(&self.shown().join("mkfs.ext4"), script);
    }

    fn mend_mkfs(&self) {
        let mkfs = self.shown().join("mkfs.ext4");
        fs::remove_file(&mkfs).unwrap();
        symlink(self.real().join("mkfs.ext4"), mkfs).unwrap();
    }

    /// Where the plugin finds the real programs.
    fn real(&self) -> PathBuf {
        self.0.path().join("real")
    }

    /// What the plugin sees in their place.
    fn shown(&self) -> PathBuf {
        self.0.path().join("shown")
    }

    fn wrapper(&self) -> PathBuf {
        self.0.path().join("wrapper")
    }
}

/// The directory that holds `mkfs.ext4`.
fn sbin() -> PathBuf {
    let links = ["/usr/sbin", "/sbin"].map(Path::new);
    let dir = links
        .into_iter()
        .find(|dir| dir.join("mkfs.ext4").exists())
        .unwrap();
    dir.canonicalize().unwrap()
}

fn write_program(path: &Path, script: &str) {
    fs::write(path, script).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn a_missing_mkfs_is_named() {
    let tools = Tools::without_mkfs();
    let Some(lab) = tools.lab().await else { return };
    let (claim, context) = lab.attached("pvc-1", Use::Ext4).await;
    let (code, words) = refusal(lab.once().stage(&claim, &context).await);
    assert_eq!(code, Code::Internal, "{words}");
    assert!(words.contains("mkfs.ext4"), "{words}");
}

#[tokio::test]
async fn a_failing_mkfs_is_quoted_and_the_next_try_works() {
    let tools = Tools::without_mkfs();
    tools.break_mkfs();
    let Some(lab) = tools.lab().await else { return };
    let (claim, context) = lab.attached("pvc-1", Use::Ext4).await;
    let (code, words) = refusal(lab.once().stage(&claim, &context).await);
    assert_eq!(code, Code::Internal, "{words}");
    assert!(words.contains("the disk is made of cheese"), "{words}");

    tools.mend_mkfs();
    lab.node.stage(&claim, &context).await.unwrap();
}
