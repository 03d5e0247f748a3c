//! Whether this kernel knows SELinux contexts.
//!
//! Answers for: this machine, asked once. The kubelet passes a context to every node of a cluster, also to those whose kernel would
//! refuse it. Doesn't answer for: contexts themselves; the kernel judges them.

use std::path::Path;
use std::sync::OnceLock;

/// Whether mount options with contexts are for this kernel.
pub(super) fn enabled() -> bool {
    static ENABLED: OnceLock<bool> = OnceLock::new();
    *ENABLED.get_or_init(|| {
        let enabled = enabled_in(Path::new("/proc"));
        tracing::debug!(selinux = enabled, "asked the kernel for SELinux");
        enabled
    })
}

/// The kernel lists SELinux's file system where it was not switched off, and a process has a context of its own once a policy is
/// loaded ("kernel" before). Neither needs that file system to be mounted, which it isn't in most containers.
fn enabled_in(proc: &Path) -> bool {
    let read = |name| std::fs::read_to_string(proc.join(name)).unwrap_or_default();
    let known = read("filesystems")
        .lines()
        .any(|line| line.split_whitespace().next_back() == Some("selinuxfs"));
    let own = read("self/attr/current");
    let own = own.trim_end_matches(['\0', '\n']);
    known && !own.is_empty() && own != "kernel"
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(
        "nodev\tselinuxfs\n\text4\n",
        "system_u:system_r:container_t:s0\0",
        true
    )]
    #[case("nodev\tselinuxfs\n", "kernel\0", false)]
    #[case("nodev\tsysfs\n\text4\n", "docker-default (enforce)\n", false)]
    #[case("nodev\tselinuxfs\n", "", false)]
    fn it_is_enabled_once_a_policy_is_loaded(
        #[case] filesystems: &str,
        #[case] own: &str,
        #[case] enabled: bool,
    ) {
        let proc = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(proc.path().join("self/attr")).unwrap();
        std::fs::write(proc.path().join("filesystems"), filesystems).unwrap();
        std::fs::write(proc.path().join("self/attr/current"), own).unwrap();
        assert_eq!(enabled_in(proc.path()), enabled);
    }
}
