//! CSI's `VolumeCapability` as this driver understands it: the same for controller and node.
//!
//! Answers for: which access types and modes can be had, and the words for those that cannot.
//! Doesn't answer for: enforcing a mode, which is the work of publish.

use std::fmt;

use csi::v1::volume_capability::access_mode::Mode;
use csi::v1::volume_capability::{AccessType, MountVolume};
use ebs_types::{Access, FsType, MountAccess};

use crate::status::InvalidRequest;

/// How many may use a volume at a time. An EBS volume is attached to one instance, unless it has Multi-Attach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum AccessMode {
    /// One node reads and writes (SINGLE_NODE_WRITER).
    Writer,
    /// One node only reads (SINGLE_NODE_READER_ONLY).
    Reader,
    /// One workload of one node reads and writes (SINGLE_NODE_SINGLE_WRITER).
    SingleWriter,
    /// Several workloads of one node read and write (SINGLE_NODE_MULTI_WRITER).
    MultiWriter,
    /// Several nodes only read (MULTI_NODE_READER_ONLY).
    Readers,
    /// Several nodes read and write (MULTI_NODE_MULTI_WRITER).
    Writers,
}

impl AccessMode {
    /// Whether nobody may write.
    pub(crate) fn is_read_only(self) -> bool {
        matches!(self, Self::Reader | Self::Readers)
    }

    /// Whether several nodes may have the volume at once.
    pub(crate) fn is_shared(self) -> bool {
        matches!(self, Self::Readers | Self::Writers)
    }
}

impl fmt::Display for AccessMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Writer => "SINGLE_NODE_WRITER",
            Self::Reader => "SINGLE_NODE_READER_ONLY",
            Self::SingleWriter => "SINGLE_NODE_SINGLE_WRITER",
            Self::MultiWriter => "SINGLE_NODE_MULTI_WRITER",
            Self::Readers => "MULTI_NODE_READER_ONLY",
            Self::Writers => "MULTI_NODE_MULTI_WRITER",
        })
    }
}

/// A way to use a volume that this driver offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Capability {
    /// Block device or file system. Where the request names no file system it is the default, ext4.
    pub(crate) access: Access,
    /// For how many.
    pub(crate) mode: AccessMode,
}

impl Capability {
    /// Reads one capability; `field` is its path in the request, for messages.
    ///
    /// # Errors
    /// [`InvalidRequest`] where it is missing, incomplete or asks for what an EBS volume cannot do.
    pub(crate) fn parse(
        field: &'static str,
        capability: Option<&csi::v1::VolumeCapability>,
    ) -> Result<Self, InvalidRequest> {
        let parsed = Self::parse_with(field, capability, mode)?;
        match (&parsed.access, parsed.mode) {
            (Access::Mount(_), AccessMode::Writers) => {
                Err(refuse(field, &parsed.mode.to_string(), ONE_WRITER_A_FS))
            }
            _ => Ok(parsed),
        }
    }

    /// The same for a node-local volume: many nodes may use one at once, because each has a volume of its own.
    ///
    /// # Errors
    /// [`InvalidRequest`] where it is missing or incomplete.
    pub(crate) fn parse_node_local(
        field: &'static str,
        capability: Option<&csi::v1::VolumeCapability>,
    ) -> Result<Self, InvalidRequest> {
        Self::parse_with(field, capability, |field, asked| {
            match asked.map(Mode::try_from) {
                Some(Ok(Mode::MultiNodeReaderOnly)) => Ok(AccessMode::Reader),
                Some(Ok(Mode::MultiNodeSingleWriter)) => Ok(AccessMode::Writer),
                Some(Ok(Mode::MultiNodeMultiWriter)) => Ok(AccessMode::MultiWriter),
                _ => mode(field, asked),
            }
        })
    }

    fn parse_with(
        field: &'static str,
        capability: Option<&csi::v1::VolumeCapability>,
        mode: impl Fn(&str, Option<i32>) -> Result<AccessMode, InvalidRequest>,
    ) -> Result<Self, InvalidRequest> {
        let capability = capability.ok_or(InvalidRequest::Missing {
            field,
            hint: "say how the volume is to be used: access type block or mount, and an access mode",
        })?;
        Ok(Self {
            access: access(field, capability.access_type.as_ref())?,
            mode: mode(field, capability.access_mode.as_ref().map(|mode| mode.mode))?,
        })
    }
}

fn access(field: &str, access: Option<&AccessType>) -> Result<Access, InvalidRequest> {
    match access {
        Some(AccessType::Block(_)) => Ok(Access::Block),
        Some(AccessType::Mount(mount)) => mount_access(field, mount).map(Access::Mount),
        None => Err(InvalidRequest::value(
            format!("{field}.access_type"),
            "",
            "set block or mount",
        )),
    }
}

fn mount_access(field: &str, mount: &MountVolume) -> Result<MountAccess, InvalidRequest> {
    if !mount.volume_mount_group.is_empty() {
        return Err(InvalidRequest::value(
            format!("{field}.mount.volume_mount_group"),
            mount.volume_mount_group.as_str(),
            "this driver does not offer VOLUME_MOUNT_GROUP; leave it empty, Kubernetes' fsGroup works without it",
        ));
    }
    let fs = match mount.fs_type.as_str() {
        "" => FsType::default(),
        name => name
            .parse()
            .map_err(|_| InvalidRequest::value(format!("{field}.mount.fs_type"), name, FS_TYPES))?,
    };
    Ok(MountAccess {
        fs,
        flags: mount.mount_flags.clone(),
    })
}

/// Why a node-local volume's handle is refused, unless it is wanted.
pub(crate) const NODE_LOCAL_OFF: &str =
    "node-local volumes are off: start controller and nodes with --enable-node-local-volumes";

/// The file systems on offer, for messages.
pub(crate) const FS_TYPES: &str = "use ext3, ext4, xfs or btrfs";

fn mode(field: &str, mode: Option<i32>) -> Result<AccessMode, InvalidRequest> {
    let raw = mode.unwrap_or_default();
    match Mode::try_from(raw) {
        Ok(Mode::SingleNodeWriter) => Ok(AccessMode::Writer),
        Ok(Mode::SingleNodeReaderOnly) => Ok(AccessMode::Reader),
        Ok(Mode::SingleNodeSingleWriter) => Ok(AccessMode::SingleWriter),
        Ok(Mode::SingleNodeMultiWriter) => Ok(AccessMode::MultiWriter),
        Ok(Mode::MultiNodeReaderOnly) => Ok(AccessMode::Readers),
        Ok(Mode::MultiNodeMultiWriter) => Ok(AccessMode::Writers),
        Ok(refused @ Mode::MultiNodeSingleWriter) => {
            Err(refuse(field, refused.as_str_name(), NO_FIRST_WRITER))
        }
        Ok(refused @ Mode::Unknown) => Err(refuse(field, refused.as_str_name(), MODES)),
        Err(_) => Err(refuse(field, &raw.to_string(), MODES)),
    }
}

/// What can be had, for messages.
const MODES: &str = "use SINGLE_NODE_WRITER (ReadWriteOnce), SINGLE_NODE_SINGLE_WRITER (ReadWriteOncePod), SINGLE_NODE_MULTI_WRITER, \
     SINGLE_NODE_READER_ONLY, MULTI_NODE_READER_ONLY (ReadOnlyMany), or MULTI_NODE_MULTI_WRITER (ReadWriteMany) for raw block devices";

const ONE_WRITER_A_FS: &str = "ext3, ext4, xfs and btrfs are for one node at a time, several would destroy it: use SINGLE_NODE_WRITER \
     (ReadWriteOnce), MULTI_NODE_READER_ONLY (ReadOnlyMany) of a snapshot or a clone, or a raw block device (volumeMode Block) of type \
     io2 with software that is made for shared disks; for files that many nodes write, a network file system";

const NO_FIRST_WRITER: &str = "EC2 makes no difference between the nodes that have a volume: use MULTI_NODE_MULTI_WRITER of a raw block \
     device of type io2, MULTI_NODE_READER_ONLY, or SINGLE_NODE_WRITER";

fn refuse(field: &str, mode: &str, instead: &'static str) -> InvalidRequest {
    InvalidRequest::value(format!("{field}.access_mode"), mode, instead)
}

#[cfg(test)]
mod tests {
    use csi::v1::VolumeCapability;
    use csi::v1::volume_capability::{AccessMode as ModeMessage, BlockVolume};
    use proptest::prelude::*;

    use super::*;

    fn parse(access_type: Option<AccessType>, mode: i32) -> Result<Capability, InvalidRequest> {
        Capability::parse(
            "volume_capability",
            Some(&VolumeCapability {
                access_type,
                access_mode: Some(ModeMessage { mode }),
            }),
        )
    }

    fn mount(fs_type: &str) -> AccessType {
        AccessType::Mount(MountVolume {
            fs_type: fs_type.to_owned(),
            ..MountVolume::default()
        })
    }

    #[test]
    fn what_ebs_can_do_is_read() {
        let block = parse(
            Some(AccessType::Block(BlockVolume {})),
            Mode::SingleNodeReaderOnly.into(),
        )
        .unwrap();
        assert_eq!(block.access, Access::Block);
        assert!(block.mode.is_read_only() && !block.mode.is_shared());
        let shared = parse(
            Some(AccessType::Block(BlockVolume {})),
            Mode::MultiNodeMultiWriter.into(),
        );
        assert_eq!(shared.unwrap().mode, AccessMode::Writers);
        let readers = parse(Some(mount("xfs")), Mode::MultiNodeReaderOnly.into()).unwrap();
        assert!(readers.mode.is_read_only() && readers.mode.is_shared());
        let mounted = parse(Some(mount("")), Mode::SingleNodeWriter.into()).unwrap();
        assert_eq!(
            mounted.access,
            Access::Mount(MountAccess {
                fs: FsType::Ext4,
                flags: vec![]
            })
        );
    }

    #[test]
    fn many_nodes_may_use_a_node_local_volume() {
        for (asked, mode) in [
            (Mode::MultiNodeMultiWriter, AccessMode::MultiWriter),
            (Mode::MultiNodeReaderOnly, AccessMode::Reader),
            (Mode::SingleNodeSingleWriter, AccessMode::SingleWriter),
        ] {
            let asked = VolumeCapability {
                access_type: Some(mount("")),
                access_mode: Some(ModeMessage { mode: asked.into() }),
            };
            let read = Capability::parse_node_local("volume_capability", Some(&asked)).unwrap();
            assert_eq!(read.mode, mode);
        }
    }

    #[test]
    fn what_it_cannot_do_is_refused_with_what_it_can() {
        let words = |result: Result<Capability, InvalidRequest>| result.unwrap_err().to_string();
        for (refused, instead) in [
            (Mode::MultiNodeMultiWriter, "volumeMode Block"),
            (Mode::MultiNodeSingleWriter, "MULTI_NODE_READER_ONLY"),
            (Mode::Unknown, "ReadWriteOncePod"),
        ] {
            let refusal = words(parse(Some(mount("")), refused.into()));
            assert!(
                refusal.contains(refused.as_str_name()) && refusal.contains(instead),
                "{refusal}"
            );
        }
        assert_eq!(
            words(parse(Some(mount("ntfs")), 1)),
            r#"volume_capability.mount.fs_type is "ntfs": use ext3, ext4, xfs or btrfs"#
        );
        assert!(words(parse(None, 1)).contains("block or mount"));
        assert!(words(Capability::parse("volume_capability", None)).contains("is missing"));
    }

    proptest! {
        #[test]
        fn no_mode_panics(mode in any::<i32>(), fs in ".*") {
            let _ = parse(Some(mount(&fs)), mode);
        }
    }
}
