use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

const FAKE: Program = Program {
    name: "fake-program",
    package: "fake-package",
};

/// A directory with `fake-program`, a shell script.
fn programs(script: &str) -> (tempfile::TempDir, Programs) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FAKE.name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let path =
        std::env::join_paths([dir.path(), Path::new("/usr/bin"), Path::new("/bin")]).unwrap();
    (dir, Programs::from_path(&path))
}

fn null() -> File {
    File::open("/dev/null").unwrap()
}

#[tokio::test]
async fn a_missing_program_is_named_with_its_package_and_where_it_was_looked_for() {
    let programs = Programs::from_path(OsStr::new("/nonexistent:relative"));
    let error = programs
        .write(FAKE, &[], &null())
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("fake-program") && error.contains("fake-package"),
        "{error}"
    );
    assert!(
        error.contains("/nonexistent") && !error.contains("relative"),
        "{error}"
    );
}

#[tokio::test]
async fn output_exit_code_and_environment_are_as_promised() {
    let (_dir, programs) = programs("echo out $1; echo LC_ALL=$LC_ALL HOME=$HOME >&2; exit 3");
    let output = programs.write(FAKE, &["x"], &null()).await.unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(output.stdout, "out x\n");
    let error = output.failure(FAKE).to_string();
    assert!(
        error.contains("fake-program failed (exit status: 3): LC_ALL=C HOME="),
        "{error}"
    );
}

#[tokio::test]
async fn the_device_is_standard_input() {
    let (dir, programs) = programs("cat /proc/self/fd/0");
    let path = dir.path().join("device");
    fs::write(&path, "contents").unwrap();
    let output = programs
        .read(
            FAKE,
            &[],
            &File::open(&path).unwrap(),
            Duration::from_secs(60),
        )
        .await
        .unwrap();
    assert_eq!(output.stdout, "contents");
}

#[tokio::test]
async fn a_program_gets_its_three_streams_and_no_other_descriptor() {
    let (dir, programs) = programs("echo /proc/$$/fd/*");
    let _open = File::open(dir.path()).unwrap();
    let output = programs.write(FAKE, &[], &null()).await.unwrap();
    let mut open: Vec<&str> = output
        .stdout
        .split_whitespace()
        .filter_map(|path| path.rsplit('/').next())
        .collect();
    // The shell holds its script above 9, and looks at the directory with another one.
    open.retain(|fd| fd.parse::<u32>().is_ok_and(|fd| fd < 10));
    open.sort_unstable();
    assert!(
        open == ["0", "1", "2"] || open == ["0", "1", "2", "3"],
        "{open:?}"
    );
}

#[tokio::test]
async fn a_reader_that_hangs_is_killed() {
    let (dir, programs) = programs("echo $$ > pid; exec sleep 1000");
    let script = fs::read_to_string(dir.path().join(FAKE.name)).unwrap();
    let pid_file = dir.path().join("pid");
    let script = script.replace("> pid", &format!("> {}", pid_file.display()));
    fs::write(dir.path().join(FAKE.name), script).unwrap();
    let error = programs
        .read(FAKE, &[], &null(), Duration::from_millis(300))
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("did not end within 300ms"), "{error}");
    let Ok(pid) = fs::read_to_string(&pid_file) else {
        return; // Killed before it could say who it is.
    };
    while Path::new("/proc").join(pid.trim()).join("exe").exists() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn endless_output_is_bounded_and_a_message_has_its_end() {
    let (_dir, programs) = programs(
        "i=0; while [ $i -lt 3000 ]; do echo 0123456789012345678901234567890 $i; i=$((i+1)); done 2>/dev/null; echo the end >&2",
    );
    let output = programs.write(FAKE, &[], &null()).await.unwrap();
    assert!(output.stdout.len() < 64 * 1024);
    assert_eq!(output.said(), "the end");
}
