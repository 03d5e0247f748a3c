//! How much memory a program may take.
//!
//! Answers for: the bound on a program that is running, and how large it is where nobody says. Doesn't answer for: what the program
//! does when it meets it.
//!
//! Only fsck is bounded. What it takes grows with the file system, and with the damage: measured, it is under 32 MiB for an empty ext4
//! of 1 TiB and under 128 MiB for one of 8 TiB, and some bytes more for every file and every fragment. Without a bound, a check that
//! needs more than the node has is not what the kernel ends first, but what runs beside it.

use std::fs;
use std::path::Path;

use ebs_types::Bytes;
use rustix::process::{Pid, Resource, Rlimit, prlimit};

const MIB: u64 = 1 << 20;

/// Enough for sound file systems of several TiB, in bytes.
const LEAST: u64 = 256 * MIB;
/// Enough for the largest volumes, in bytes.
const MOST: u64 = 4096 * MIB;

/// A quarter of what this machine, or the container, has, within reason.
pub(super) fn default_bound() -> Bytes {
    bound_of(available(Path::new("/")))
}

fn bound_of(available: Option<u64>) -> Bytes {
    Bytes(available.map_or(LEAST, |all| (all / 4).clamp(LEAST, MOST)))
}

/// The machine's memory, or the container's limit where that is less, in bytes.
fn available(root: &Path) -> Option<u64> {
    let text = fs::read_to_string(root.join("proc/meminfo")).unwrap_or_default();
    let total = text.lines().find_map(|line| {
        let rest = line.strip_prefix("MemTotal:")?.trim();
        rest.strip_suffix("kB")?.trim().parse::<u64>().ok()
    });
    // The container's own group, as it is seen from inside (cgroup v2, then v1). "max" is no number.
    let limits = [
        "sys/fs/cgroup/memory.max",
        "sys/fs/cgroup/memory/memory.limit_in_bytes",
    ];
    let limits = limits.iter().filter_map(|file| {
        fs::read_to_string(root.join(file))
            .ok()?
            .trim()
            .parse()
            .ok()
    });
    total
        .map(|kib| kib.saturating_mul(1024))
        .into_iter()
        .chain(limits)
        .min()
}

/// Bounds what a program that has just been started can allocate: its heap and its private mappings (RLIMIT_DATA). It has done no more
/// than load its libraries by then.
pub(super) fn bound(process: Option<u32>, bytes: Bytes) {
    let process = process.and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    let limit = Rlimit {
        current: Some(bytes.0),
        maximum: Some(bytes.0),
    };
    let bounded = process.map(|process| prlimit(Some(process), Resource::Data, limit));
    match bounded {
        // One that has ended needs no bound.
        Some(Ok(_) | Err(rustix::io::Errno::SRCH)) | None => {}
        Some(Err(error)) => tracing::warn!(%error, "a program's memory is not bounded"),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(None, LEAST)]
    #[case(Some(512 * MIB), LEAST)]
    #[case(Some(8192 * MIB), 2048 * MIB)]
    #[case(Some(1 << 40), MOST)]
    fn the_bound_is_a_quarter_within_reason(#[case] available: Option<u64>, #[case] bound: u64) {
        assert_eq!(bound_of(available), Bytes(bound));
    }

    #[test]
    fn a_containers_limit_counts_where_it_is_less() {
        let root = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        assert_eq!(available(root.path()), None);
        put("proc/meminfo", "MemTotal:        2048 kB\nMemFree: 1 kB\n");
        assert_eq!(available(root.path()), Some(2 * MIB));
        put("sys/fs/cgroup/memory.max", "max\n");
        assert_eq!(available(root.path()), Some(2 * MIB));
        put("sys/fs/cgroup/memory.max", "1048576\n");
        assert_eq!(available(root.path()), Some(MIB));
    }
}
