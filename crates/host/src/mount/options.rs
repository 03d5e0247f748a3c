//! The user's mount options, split into what belongs to the mount and what the file system is told.
//!
//! Answers for: refusing what would break the node or mount something other than the volume. Doesn't answer for: options that a
//! file system does not know: the kernel refuses those.

use ebs_types::FsType;
use rustix::mount::MountAttrFlags;

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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MountOptions {
    read_only: bool,
    /// Of the mount, which are empty for the kernel's defaults.
    attributes: Attributes,
    /// For the file system, in the order given.
    data: Vec<Parameter>,
}

/// [`MountAttrFlags`], which has no default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Attributes(MountAttrFlags);

impl Default for Attributes {
    fn default() -> Self {
        Self(MountAttrFlags::empty())
    }
}

/// What a file system is told: a word, or a name with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parameter {
    pub(crate) key: String,
    pub(crate) value: Option<String>,
}

impl Parameter {
    fn word(key: &str) -> Self {
        Self {
            key: key.to_owned(),
            value: None,
        }
    }

    /// Reads `key` or `key=value`.
    pub(super) fn parse(option: &str) -> Self {
        match option.split_once('=') {
            None => Self::word(option),
            Some((key, value)) => Self {
                key: key.to_owned(),
                // Quotes keep commas together in a list; here nothing is a list any more.
                value: Some(unquoted(value).to_owned()),
            },
        }
    }

    /// Whether it is a SELinux context, which only a kernel with SELinux knows.
    fn is_context(&self) -> bool {
        CONTEXTS.contains(&self.key.as_str())
    }
}

/// The mount options of SELinux (mount(8)).
const CONTEXTS: [&str; 4] = ["context", "fscontext", "defcontext", "rootcontext"];

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
        self.read_only = true;
        self
    }

    /// Whether nothing can be written.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// What the mount is given.
    pub(super) fn attributes(&self) -> MountAttrFlags {
        let mut attributes = self.attributes.0;
        attributes.set(MountAttrFlags::MOUNT_ATTR_RDONLY, self.read_only);
        attributes
    }

    /// What a file system of the type is told: the user's options and what this driver sees to itself. Where the kernel has no
    /// SELinux, contexts are left out.
    pub(super) fn parameters(&self, fs: FsType, selinux: bool) -> Vec<Parameter> {
        let (kept, dropped): (Vec<_>, Vec<_>) = self
            .data
            .iter()
            .cloned()
            .partition(|one| selinux || !one.is_context());
        for one in dropped {
            tracing::info!(option = %one.key, context = one.value, "this kernel has no SELinux: the mount option is left out");
        }
        let mut all = kept;
        let mut add = |option| {
            let wanted = Parameter::parse(option);
            if !all.contains(&wanted) {
                all.push(wanted);
            }
        };
        if self.read_only {
            add("ro");
            // Replaying a journal writes, and a reader may be one of several, or have a device that takes no writes.
            add(match fs {
                FsType::Ext3 | FsType::Ext4 => "noload",
                FsType::Xfs => "norecovery",
                FsType::Btrfs => "rescue=nologreplay",
            });
        }
        // A clone or a restored snapshot has its origin's UUID, by which xfs refuses to be mounted beside it (xfs(5)).
        if fs == FsType::Xfs {
            add("nouuid");
        }
        all
    }

    /// Whether the user gave an option of this name.
    pub(super) fn has(&self, key: &str) -> bool {
        self.data.iter().any(|one| one.key == key)
    }

    fn add(&mut self, option: &str) -> Result<(), InvalidMountOption> {
        let option = option.trim();
        if let Some(why) = refusal(option) {
            return Err(InvalidMountOption {
                option: option.to_owned(),
                why,
            });
        }
        match option {
            "ro" => self.read_only = true,
            "rw" => self.read_only = false,
            _ if is_for_programs(option) => {}
            _ => match attribute(option) {
                Some((cleared, set)) => {
                    self.attributes.0.remove(cleared);
                    self.attributes.0.insert(set);
                }
                None => self.data.push(Parameter::parse(option)),
            },
        }
        Ok(())
    }
}

fn unquoted(value: &str) -> &str {
    value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'))
        .unwrap_or(value)
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
    if option.chars().any(char::is_control) {
        return Some("it holds a control character");
    }
    if option.starts_with('=') {
        return Some("it has no name");
    }
    let (key, value) = option.split_once('=').unwrap_or((option, ""));
    match key {
        "bind" | "rbind" | "move" | "remount" | "source" => {
            Some("it would do something other than mount the volume")
        }
        "shared" | "rshared" | "slave" | "rslave" | "private" | "rprivate" | "unbindable"
        | "runbindable" => Some("the kubelet decides on mount propagation"),
        "loop" | "offset" | "sizelimit" => {
            Some("it would mount a part of the volume through a loop device")
        }
        "logdev" | "rtdev" | "journal_dev" | "journal_path" | "device" => {
            Some("it would use a second device")
        }
        "degraded" => Some("a volume is a whole file system: with a device missing it is another"),
        "helper" | "uhelper" => Some("it would run a program"),
        "user" | "users" | "owner" | "group" | "nouser" => Some("it is meant for /etc/fstab"),
        "errors" | "fatal_errors" if unquoted(value) == "panic" => {
            Some("an error on the volume would take down the whole node")
        }
        "abort" => Some("it would make the file system fail at once"),
        _ => None,
    }
}

/// Options for mount(8) and for what reads /etc/fstab, or of times past, which the kernel's mount API does not know.
fn is_for_programs(option: &str) -> bool {
    matches!(
        option,
        "defaults"
            | "auto"
            | "noauto"
            | "nofail"
            | "_netdev"
            | "silent"
            | "loud"
            | "iversion"
            | "noiversion"
    ) || option.starts_with("x-")
        || option.starts_with("X-")
        || option.starts_with("comment=")
}

/// The mount's own attributes that an option clears, and those that it sets.
fn attribute(option: &str) -> Option<(MountAttrFlags, MountAttrFlags)> {
    type A = MountAttrFlags;
    let none = A::empty();
    // The three ways of keeping access times exclude each other; none of them is the kernel's default, relatime.
    let times = A::MOUNT_ATTR_NOATIME | A::MOUNT_ATTR_STRICTATIME;
    Some(match option {
        "nosuid" => (none, A::MOUNT_ATTR_NOSUID),
        "suid" => (A::MOUNT_ATTR_NOSUID, none),
        "nodev" => (none, A::MOUNT_ATTR_NODEV),
        "dev" => (A::MOUNT_ATTR_NODEV, none),
        "noexec" => (none, A::MOUNT_ATTR_NOEXEC),
        "exec" => (A::MOUNT_ATTR_NOEXEC, none),
        "nosymfollow" => (none, A::MOUNT_ATTR_NOSYMFOLLOW),
        "symfollow" => (A::MOUNT_ATTR_NOSYMFOLLOW, none),
        "nodiratime" => (none, A::MOUNT_ATTR_NODIRATIME),
        "diratime" => (A::MOUNT_ATTR_NODIRATIME, none),
        "noatime" => (times, A::MOUNT_ATTR_NOATIME),
        "strictatime" => (times, A::MOUNT_ATTR_STRICTATIME),
        "atime" | "relatime" | "norelatime" | "nostrictatime" => (times, none),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn words(parameters: &[Parameter]) -> Vec<String> {
        let word = |one: &Parameter| match &one.value {
            Some(value) => format!("{}={value}", one.key),
            None => one.key.clone(),
        };
        parameters.iter().map(word).collect()
    }

    fn told(options: &[&str], fs: FsType, selinux: bool) -> Vec<String> {
        words(
            &MountOptions::parse(options)
                .unwrap()
                .parameters(fs, selinux),
        )
    }

    #[test]
    fn options_become_attributes_and_parameters() {
        let options = [
            "noatime,nosuid",
            "discard",
            "commit=30",
            "defaults",
            "_netdev",
            "x-systemd.y",
        ];
        let parsed = MountOptions::parse(&options).unwrap();
        let attributes = MountAttrFlags::MOUNT_ATTR_NOATIME | MountAttrFlags::MOUNT_ATTR_NOSUID;
        assert_eq!(parsed.attributes(), attributes);
        assert_eq!(words(&parsed.data), ["discard", "commit=30"]);
        assert!(!parsed.is_read_only() && parsed.read_only().is_read_only());
    }

    #[test]
    fn the_last_of_contradicting_options_wins() {
        assert!(!MountOptions::parse(&["ro", "rw"]).unwrap().is_read_only());
        assert!(MountOptions::parse(&["rw,ro"]).unwrap().is_read_only());
        let times = MountOptions::parse(&["noatime,strictatime"]).unwrap();
        assert_eq!(times.attributes(), MountAttrFlags::MOUNT_ATTR_STRICTATIME);
    }

    #[test]
    fn a_context_stays_whole_and_is_only_for_kernels_that_know_it() {
        let options = [r#"noatime,context="system_u:object_r:container_file_t:s0:c1,c2",discard"#];
        let context = "context=system_u:object_r:container_file_t:s0:c1,c2";
        assert_eq!(told(&options, FsType::Ext4, true), [context, "discard"]);
        assert_eq!(told(&options, FsType::Ext4, false), ["discard"]);
    }

    #[test]
    fn a_reader_replays_no_journal_and_xfs_never_minds_its_twin() {
        assert_eq!(told(&["ro"], FsType::Ext4, false), ["ro", "noload"]);
        assert_eq!(told(&["ro"], FsType::Ext3, false), ["ro", "noload"]);
        let btrfs = told(&["ro"], FsType::Btrfs, false);
        assert_eq!(btrfs, ["ro", "rescue=nologreplay"]);
        let xfs = told(&["ro", "nouuid", "norecovery"], FsType::Xfs, false);
        assert_eq!(xfs, ["nouuid", "norecovery", "ro"]);
        assert_eq!(told(&[], FsType::Xfs, false), ["nouuid"]);
        assert!(told(&[], FsType::Ext4, false).is_empty());
    }

    #[rstest]
    #[case("bind")]
    #[case("noatime,remount")]
    #[case("move")]
    #[case("loop=/dev/loop0")]
    #[case("logdev=/dev/sda")]
    #[case("errors=panic")]
    #[case("errors=\"panic\"")]
    #[case("fatal_errors=panic")]
    #[case("device=/dev/sda")]
    #[case("degraded")]
    #[case("source=/dev/sda")]
    #[case("journal_path=/dev/sda")]
    #[case("abort")]
    #[case("=x")]
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
        fn no_text_panics_and_no_control_character_gets_through(options in proptest::collection::vec(".{0,30}", 0..5)) {
            if let Ok(parsed) = MountOptions::parse(&options) {
                for option in words(&parsed.data) {
                    prop_assert!(!option.chars().any(char::is_control));
                }
            }
        }
    }
}
