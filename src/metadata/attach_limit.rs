//! How many CSI volumes a node takes.

use ebs_types::{AttachmentLimit, InstanceType};

use super::InUse;
use crate::config::AttachLimit;

/// The number to report to the scheduler, at least 1 (0 would mean "no limit" in CSI).
///
/// EC2's figure for an instance type (DescribeInstanceTypes, `MaximumEbsAttachments`) has the primary network interface and
/// the instance store disks of a `shared` type taken off already, but neither the root volume nor further interfaces.
/// Instance metadata lists volumes as of the instance's start, so volumes attached since then are not counted twice.
/// What is in use is not known everywhere; then it is what every instance has.
pub(super) fn max_volumes(
    instance_type: &InstanceType,
    limit: AttachLimit,
    in_use: Option<InUse>,
) -> u32 {
    let in_use = in_use.unwrap_or(InUse::LEAST);
    let offered = AttachmentLimit::listed(instance_type).unwrap_or(AttachmentLimit::COMMON_NITRO);
    let root = 1;
    let volumes = match limit {
        AttachLimit::Fixed(count) => return count.max(1),
        AttachLimit::Reserved(reserved) => reserved,
        AttachLimit::Counted => in_use.volumes.saturating_add(root),
    };
    let interfaces = if offered.shared {
        in_use.interfaces.saturating_sub(1)
    } else {
        0
    };
    offered
        .volumes
        .saturating_sub(volumes)
        .saturating_sub(interfaces)
        .max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn max(instance_type: &str, limit: AttachLimit, volumes: u32, interfaces: u32) -> u32 {
        let in_use = InUse {
            volumes,
            interfaces,
        };
        max_volumes(&instance_type.parse().unwrap(), limit, Some(in_use))
    }

    #[rstest]
    #[case("m5.large", 0, 1, 26)]
    #[case("m5.large", 2, 3, 22)]
    #[case("c5d.large", 0, 1, 25)]
    #[case("c4.large", 1, 8, 37)]
    #[case("m5.large", 40, 1, 1)]
    fn what_is_in_use_is_taken_off(
        #[case] instance_type: &str,
        #[case] volumes: u32,
        #[case] interfaces: u32,
        #[case] expected: u32,
    ) {
        assert_eq!(
            max(instance_type, AttachLimit::Counted, volumes, interfaces),
            expected
        );
    }

    #[test]
    fn settings_replace_the_count() {
        assert_eq!(max("m5.large", AttachLimit::Fixed(5), 3, 3), 5);
        assert_eq!(max("m5.large", AttachLimit::Reserved(7), 3, 1), 20);
    }

    #[test]
    fn what_is_not_known_is_not_taken_off() {
        let instance_type = "m5.large".parse().unwrap();
        let max = |limit| max_volumes(&instance_type, limit, None);
        // 27, less the root volume.
        assert_eq!(max(AttachLimit::Counted), 26);
        assert_eq!(max(AttachLimit::Reserved(3)), 24);
        assert_eq!(max(AttachLimit::Fixed(5)), 5);
    }

    proptest! {
        #[test]
        fn there_is_always_room_for_one(volumes: u32, interfaces: u32, reserved: u32) {
            prop_assert!(max("m5.large", AttachLimit::Counted, volumes, interfaces) >= 1);
            prop_assert!(max("m5.large", AttachLimit::Reserved(reserved), volumes, interfaces) >= 1);
        }
    }
}
