//! What the driver's processes may do, as the kernel tells it (docs/SECURITY.md has the list).

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use lab::program::Program;
use rstest::rstest;

/// DAC_READ_SEARCH, SYS_ADMIN and SYS_RESOURCE, by their numbers in linux/capability.h.
const OF_A_NODE: u64 = 1 << 2 | 1 << 21 | 1 << 24;

/// The fields of a task's status.
fn status(task: &Path) -> HashMap<String, String> {
    let text = fs::read_to_string(task.join("status")).unwrap();
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect()
}

fn mask(status: &HashMap<String, String>, name: &str) -> u64 {
    u64::from_str_radix(&status[name], 16).unwrap()
}

#[rstest]
#[case("node", OF_A_NODE)]
#[case("all", OF_A_NODE)]
#[case("controller", 0)]
#[tokio::test]
async fn every_thread_has_given_up_what_its_role_does_not_need(
    #[case] role: &str,
    #[case] needed: u64,
) {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("csi.sock");
    let driver = Path::new(env!("CARGO_BIN_EXE_ebs-csi"));
    let mut program = Program::driver(role, driver, role, &socket, dir.path().join("log"));
    if role != "node" {
        program.option("--region", "eu-central-1");
    }
    // Nobody answers there: who this process is does not matter.
    program.option("--imds-endpoint", "http://127.0.0.1:1");
    program.start().await.unwrap();

    let mode = fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "{mode:o}");
    let own = status(Path::new("/proc/self"));
    let pid = program.pid().unwrap();
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let tasks: Vec<_> = tasks.map(|task| status(&task.unwrap().path())).collect();
    assert!(!tasks.is_empty());
    for task in &tasks {
        let name = &task["Name"];
        for set in ["CapPrm", "CapEff"] {
            assert_eq!(
                mask(task, set),
                mask(&own, "CapPrm") & needed,
                "{set} of {name}"
            );
        }
        for set in ["CapInh", "CapAmb"] {
            assert_eq!(mask(task, set), 0, "{set} of {name}");
        }
        assert_eq!(task["NoNewPrivs"], "1", "{name}");
        // To take something out of the bounding set needs a capability of its own.
        if nix::unistd::geteuid().is_root() {
            let bound = mask(&own, "CapBnd") & needed;
            assert_eq!(mask(task, "CapBnd"), bound, "CapBnd of {name}");
        }
    }
    program.stop(Duration::from_secs(10)).await;
}
