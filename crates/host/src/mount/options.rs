//! The user's mount options, split into what mount(2) takes as flags and what the file system takes as text.
//!
//! Answers for: refusing what would break the node or mount something other than the volume. Doesn't answer for: options that a
//! file system does not know: the kernel refuses those.

use nix::mount::MsFlags;

/// A mount option that this driver does not pass on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("mount option {option:?} is refused: {why}; remove it")]
pub struct InvalidMountOption {
    /// The option.
    pub option: String,
    /// Why.
    pub why: &'static str,
}

/// Mount options that may be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountOptions {
    flags: MsFlags,
    data: Vec<String>,
}

impl Default for MountOptions {
    /// Writable, and the kernel's defaults.
    fn default() -> Self {
        Self {
            flags: MsFlags::empty(),
            data: Vec::new(),
        }
    }
}

impl MountOptions {
    /// Reads options, of which each entry may hold several separated by commas. Later ones win over earlier ones.
    ///
    /// # Errors
    /// [`InvalidMountOption`] with the first one that is refused.
    pub fn parse<S: AsRef<str>>(options: &[S]) -> Result<Self, InvalidMountOption> {
        let mut parsed = Self::default();
        for option in options.iter().flat_map(|entry| split(entry.as_ref())) {
            parsed.add(option)?;
        }
        Ok(parsed)
    }

    /// The same options, but read-only.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.flags |= MsFlags::MS_RDONLY;
        self
    }

    /// Whether nothing can be written.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.flags.contains(MsFlags::MS_RDONLY)
    }

    pub(crate) fn flags(&self) -> MsFlags {
        self.flags
    }

    pub(crate) fn data(&self) -> &[String] {
        &self.data
    }

    fn add(&mut self, option: &str) -> Result<(), InvalidMountOption> {
        let option = option.trim();
        if let Some(why) = refusal(option) {
            return Err(InvalidMountOption {
                option: option.to_owned(),
                why,
            });
        }
        match flag(option) {
            Some((flag, true)) => self.flags |= flag,
            Some((flag, false)) => self.flags &= !flag,
            None if is_for_programs(option) => {}
            None => self.data.push(option.to_owned()),
        }
        Ok(())
    }
}

/// Splits at commas outside of double quotes, which SELinux contexts need.
fn split(entry: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    entry
        .split(move |c| {
            quoted ^= c == '"';
            c == ',' && !quoted
        })
        .filter(|option| !option.trim().is_empty())
}

fn refusal(option: &str) -> Option<&'static str> {
    if option.chars().any(|c| c.is_control()) {
        return Some("it holds a control character");
    }
    match option.split_once('=').map_or(option, |(key, _)| key) {
        "bind" | "rbind" | "move" | "remount" => {
            Some("it would do something other than mount the volume")
        }
        "shared" | "rshared" | "slave" | "rslave" | "private" | "rprivate" | "unbindable"
        | "runbindable" => Some("the kubelet decides on mount propagation"),
        "loop" | "offset" | "sizelimit" => {
            Some("it would mount a part of the volume through a loop device")
        }
        "logdev" | "rtdev" | "journal_dev" | "journal_path" => Some("it would use a second device"),
        "helper" | "uhelper" => Some("it would run a program"),
        "user" | "users" | "owner" | "group" | "nouser" => Some("it is meant for /etc/fstab"),
        "errors" if option == "errors=panic" => {
            Some("an error on the volume would take down the whole node")
        }
        _ => None,
    }
}

/// Options for mount(8) and for what reads /etc/fstab, which the kernel would not know.
fn is_for_programs(option: &str) -> bool {
    matches!(
        option,
        "defaults" | "auto" | "noauto" | "nofail" | "_netdev"
    ) || option.starts_with("x-")
        || option.starts_with("X-")
        || option.starts_with("comment=")
}

/// The flag that an option sets (`true`) or clears.
fn flag(option: &str) -> Option<(MsFlags, bool)> {
    Some(match option {
        "ro" => (MsFlags::MS_RDONLY, true),
        "rw" => (MsFlags::MS_RDONLY, false),
        "nosuid" => (MsFlags::MS_NOSUID, true),
        "suid" => (MsFlags::MS_NOSUID, false),
        "nodev" => (MsFlags::MS_NODEV, true),
        "dev" => (MsFlags::MS_NODEV, false),
        "noexec" => (MsFlags::MS_NOEXEC, true),
        "exec" => (MsFlags::MS_NOEXEC, false),
        "sync" => (MsFlags::MS_SYNCHRONOUS, true),
        "async" => (MsFlags::MS_SYNCHRONOUS, false),
        "dirsync" => (MsFlags::MS_DIRSYNC, true),
        "noatime" => (MsFlags::MS_NOATIME, true),
        "atime" => (MsFlags::MS_NOATIME, false),
        "nodiratime" => (MsFlags::MS_NODIRATIME, true),
        "diratime" => (MsFlags::MS_NODIRATIME, false),
        "relatime" => (MsFlags::MS_RELATIME, true),
        "norelatime" => (MsFlags::MS_RELATIME, false),
        "strictatime" => (MsFlags::MS_STRICTATIME, true),
        "nostrictatime" => (MsFlags::MS_STRICTATIME, false),
        "lazytime" => (MsFlags::MS_LAZYTIME, true),
        "nolazytime" => (MsFlags::MS_LAZYTIME, false),
        "silent" => (MsFlags::MS_SILENT, true),
        "loud" => (MsFlags::MS_SILENT, false),
        "iversion" => (MsFlags::MS_I_VERSION, true),
        "noiversion" => (MsFlags::MS_I_VERSION, false),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[test]
    fn options_become_flags_and_text() {
        let options = [
            "noatime,nosuid",
            "discard",
            "commit=30",
            "defaults",
            "_netdev",
            "x-systemd.y",
        ];
        let parsed = MountOptions::parse(&options).unwrap();
        assert_eq!(parsed.flags(), MsFlags::MS_NOATIME | MsFlags::MS_NOSUID);
        assert_eq!(parsed.data(), ["discard", "commit=30"]);
        assert!(!parsed.is_read_only() && parsed.read_only().is_read_only());
    }

    #[test]
    fn the_last_of_contradicting_options_wins() {
        assert!(!MountOptions::parse(&["ro", "rw"]).unwrap().is_read_only());
        assert!(MountOptions::parse(&["rw,ro"]).unwrap().is_read_only());
    }

    #[test]
    fn a_quoted_context_stays_whole() {
        let context = r#"context="system_u:object_r:container_file_t:s0:c1,c2""#;
        let parsed = MountOptions::parse(&[format!("noatime,{context}")]).unwrap();
        assert_eq!(parsed.data(), [context]);
    }

    #[rstest]
    #[case("bind")]
    #[case("noatime,remount")]
    #[case("move")]
    #[case("loop=/dev/loop0")]
    #[case("logdev=/dev/sda")]
    #[case("errors=panic")]
    #[case("rshared")]
    #[case("a\nb")]
    fn what_would_break_the_node_is_refused_by_name(#[case] option: &str) {
        let error = MountOptions::parse(&[option]).unwrap_err();
        let last = option.rsplit(',').next().unwrap();
        assert_eq!(error.option, last);
        assert!(error.to_string().contains(&format!("{last:?}")), "{error}");
    }

    proptest! {
        #[test]
        fn no_text_panics_and_no_comma_or_control_character_gets_through(options in proptest::collection::vec(".{0,30}", 0..5)) {
            if let Ok(parsed) = MountOptions::parse(&options) {
                for option in parsed.data() {
                    prop_assert!(!option.contains(',') || option.contains('"'));
                    prop_assert!(!option.chars().any(char::is_control));
                }
            }
        }
    }
}
