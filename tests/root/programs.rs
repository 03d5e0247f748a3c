//! The programs that the node runs fail in every way that programs have: the error says which and how, and the next call, with a
//! sound program, goes on as if nothing had been.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use lab::orchestrator::Use;
use lab::proof;
use rstest::rstest;
use tempfile::TempDir;
use tonic::Code;

use crate::world::{lab_with, programs_at_work, refusal};

/// A directory whose programs are found before the machine's.
struct Broken(TempDir);

impl Broken {
    fn none() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> String {
        format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", self.0.path().display())
    }

    /// Puts a script in a program's place.
    fn put(&self, program: &str, script: &str) {
        let path = self.0.path().join(program);
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn mend(&self, program: &str) {
        fs::remove_file(self.0.path().join(program)).unwrap();
    }
}

/// How a program fails, and a word about it that the error must have.
const WAYS: [(&str, &str); 6] = [
    (
        "#!/bin/sh\necho 'no cheese left' >&2\nexit 16\n",
        "no cheese left",
    ),
    ("#!/bin/sh\nexit 127\n", "127"),
    ("#!/bin/sh\nkill -KILL $$\n", "signal: 9"),
    ("#!/bin/sh\nkill -SEGV $$\n", "signal: 11"),
    // Much more than anybody wants to read or keep.
    (
        "#!/bin/sh\nhead -c 200000000 /dev/zero | tr '\\0' x\nexit 16\n",
        "16",
    ),
    ("#!/no/such/interpreter\n", "No such file"),
];

#[rstest]
#[case("blkid", Use::Ext4, true)]
#[case("mkfs.ext4", Use::Ext4, true)]
#[case("mkfs.xfs", Use::Xfs, true)]
#[case("mkfs.ext3", Use::Ext3, true)]
#[case("mkfs.btrfs", Use::Btrfs, true)]
#[case("fsck.ext4", Use::Ext4, false)]
#[tokio::test]
async fn a_program_that_fails(#[case] program: &str, #[case] usage: Use, #[case] blank: bool) {
    let broken = Broken::none();
    let path = broken.path();
    let Some(lab) = lab_with(|plugin| {
        plugin.env("PATH", path);
    })
    .await
    else {
        return;
    };
    let (claim, context) = lab.attached("pvc-1", usage).await;
    let mut written = None;
    if !blank {
        lab.node.stage(&claim, &context).await.unwrap();
        written = Some(proof::write_files(&lab.node.staging_path(&claim), "kept").unwrap());
        lab.node.unstage(&claim).await.unwrap();
    }
    for (script, word) in WAYS {
        broken.put(program, script);
        let (code, words) = refusal(lab.once().stage(&claim, &context).await);
        assert_eq!(code, Code::Internal, "{words}");
        assert!(words.contains(program) && words.contains(word), "{words}");
        assert!(words.len() < 4_000, "{} bytes of words", words.len());
        assert!(lab.mounts().is_empty());
        assert_eq!(programs_at_work(lab.world.dir()), [""; 0]);
        broken.mend(program);
    }
    lab.node.stage(&claim, &context).await.unwrap();
    let staged = lab.node.staging_path(&claim);
    if let Some(written) = written {
        assert_eq!(proof::read_files(&staged).unwrap(), written);
    }
    lab.node.unstage(&claim).await.unwrap();
    assert!(lab.mounts().is_empty());
}
