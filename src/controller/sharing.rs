//! Which of the ways to use a volume can be had of it: by its type, its content, and whether it has Multi-Attach.
//!
//! Answers for: whether a new volume is made with Multi-Attach, and what to ask for instead of what cannot be. Doesn't answer for: ways
//! that no EBS volume offers (`capability`); who has the volume at the moment (`publish`).

use ebs_types::VolumeType;
use ec2::Volume;

use super::content_source::Origin;
use crate::capability::{AccessMode, Capability};
use crate::status::InvalidRequest;

const FIELD: &str = "volume_capabilities.access_mode";

/// Whether a new volume of this type is to be one that several instances can have.
///
/// A reader of a type without Multi-Attach is content with one node at a time: all pods there, or one after the other.
///
/// # Errors
/// [`InvalidRequest::Value`] for several writers of a type that cannot be shared, and for readers alone of a volume without content.
pub(super) fn wanted(
    capabilities: &[Capability],
    volume_type: VolumeType,
    origin: &Origin,
) -> Result<bool, InvalidRequest> {
    let modes = || capabilities.iter().map(|capability| capability.mode);
    let can_be = matches!(volume_type, VolumeType::Io1 | VolumeType::Io2);
    if !can_be && modes().any(|mode| mode == AccessMode::Writers) {
        return Err(InvalidRequest::value(
            FIELD,
            AccessMode::Writers.to_string(),
            format!(
                "a volume of type {volume_type} is attached to one node at a time: use type io2 (Multi-Attach), or SINGLE_NODE_WRITER \
                 (ReadWriteOnce)"
            ),
        ));
    }
    if *origin == Origin::Nothing
        && let Some(reader) = modes().next()
        && modes().all(AccessMode::is_read_only)
    {
        return Err(InvalidRequest::value(
            FIELD,
            reader.to_string(),
            "a new volume is blank, and nobody could ever write to this one: restore a snapshot or clone a volume \
             (volume_content_source; a PVC's dataSource), or use SINGLE_NODE_WRITER (ReadWriteOnce), which pods can mount with \
             readOnly",
        ));
    }
    Ok(can_be && modes().any(AccessMode::is_shared))
}

/// Why a volume that is there cannot be used like this.
pub(super) fn objection(capability: &Capability, volume: &Volume) -> Option<String> {
    let alone = capability.mode == AccessMode::Writers && !volume.multi_attach;
    alone.then(|| {
        format!(
            "volume {} is of type {} and has no Multi-Attach, so that it is attached to one node at a time: use SINGLE_NODE_WRITER \
             (ReadWriteOnce), or make it one of type io2 with Multi-Attach, which EC2 turns on while it is not attached \
             (aws ec2 modify-volume --multi-attach-enabled)",
            volume.id, volume.volume_type
        )
    })
}

#[cfg(test)]
mod tests {
    use ebs_types::Access;
    use rstest::rstest;

    use super::*;

    fn asked(modes: &[AccessMode]) -> Vec<Capability> {
        modes
            .iter()
            .map(|mode| Capability {
                access: Access::Block,
                mode: *mode,
            })
            .collect()
    }

    fn snapshot() -> Origin {
        Origin::Snapshot("snap-00000001".parse().unwrap())
    }

    #[rstest]
    #[case(&[AccessMode::Writers], VolumeType::Io2, Origin::Nothing, true)]
    #[case(&[AccessMode::Writers], VolumeType::Io1, Origin::Nothing, true)]
    #[case(&[AccessMode::Writer, AccessMode::Writers], VolumeType::Io2, Origin::Nothing, true)]
    #[case(&[AccessMode::Writer], VolumeType::Io2, Origin::Nothing, false)]
    #[case(&[AccessMode::Readers], VolumeType::Io2, snapshot(), true)]
    #[case(&[AccessMode::Readers], VolumeType::Gp3, snapshot(), false)]
    #[case(&[AccessMode::Reader], VolumeType::Io2, snapshot(), false)]
    #[case(&[AccessMode::Writer, AccessMode::Readers], VolumeType::Gp3, Origin::Nothing, false)]
    fn what_can_be_had(
        #[case] modes: &[AccessMode],
        #[case] volume_type: VolumeType,
        #[case] origin: Origin,
        #[case] shared: bool,
    ) {
        assert_eq!(wanted(&asked(modes), volume_type, &origin), Ok(shared));
    }

    #[rstest]
    #[case(&[AccessMode::Writers], VolumeType::Gp3, snapshot(), "use type io2")]
    #[case(&[AccessMode::Writer, AccessMode::Writers], VolumeType::Gp2, Origin::Nothing, "gp2 is attached to one node")]
    #[case(&[AccessMode::Readers], VolumeType::Io2, Origin::Nothing, "restore a snapshot")]
    #[case(&[AccessMode::Reader, AccessMode::Readers], VolumeType::Gp3, Origin::Nothing, "ReadWriteOnce")]
    fn what_cannot_be_had_is_refused_with_what_can(
        #[case] modes: &[AccessMode],
        #[case] volume_type: VolumeType,
        #[case] origin: Origin,
        #[case] words: &str,
    ) {
        let refusal = wanted(&asked(modes), volume_type, &origin).unwrap_err();
        assert!(refusal.to_string().contains(words), "{refusal}");
    }
}
