//! How many EBS volumes an instance type takes: EC2's DescribeInstanceTypes as a table, parsed once.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::InstanceType;

const TABLE: &str = include_str!("../../../data/instance-limits.csv");

/// What virtualises an instance; it decides how its volumes appear to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hypervisor {
    /// Volumes are NVMe controllers.
    Nitro,
    /// Volumes are Xen block devices named as at attach.
    Xen,
}

/// The attachment limit of an instance type (DescribeInstanceTypes, `EbsInfo`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttachmentLimit {
    /// What virtualises it.
    pub hypervisor: Hypervisor,
    /// The most EBS volumes, root included; what else counts depends on `shared`.
    pub volumes: u32,
    /// Whether network interfaces and instance store disks count against the limit too.
    pub shared: bool,
    /// EBS cards; more than one spreads attachments.
    pub ebs_cards: u32,
}

/// The limit of most Nitro types (EC2 user guide, "Amazon EBS volume limits"); taken for types the table lacks.
const COMMON_NITRO: AttachmentLimit = AttachmentLimit {
    hypervisor: Hypervisor::Nitro,
    volumes: 27,
    shared: true,
    ebs_cards: 1,
};

static LIMITS: LazyLock<HashMap<&'static str, AttachmentLimit>> =
    LazyLock::new(|| TABLE.lines().skip(1).filter_map(parse).collect());

/// The limit of an instance type; for a type newer than the table the common Nitro limit of 27, shared.
#[must_use]
pub fn attachment_limit(instance_type: &InstanceType) -> AttachmentLimit {
    LIMITS
        .get(instance_type.as_str())
        .copied()
        .unwrap_or(COMMON_NITRO)
}

/// Every instance type of the table with its limit, in no particular order.
pub fn listed_limits() -> impl Iterator<Item = (&'static str, AttachmentLimit)> {
    LIMITS.iter().map(|(name, limit)| (*name, *limit))
}

fn parse(line: &'static str) -> Option<(&'static str, AttachmentLimit)> {
    let mut fields = line.split(',');
    let name = fields.next()?;
    let hypervisor = match fields.next()? {
        "nitro" => Hypervisor::Nitro,
        "xen" => Hypervisor::Xen,
        _ => return None,
    };
    let volumes = fields.next()?.parse().ok()?;
    let shared = match fields.next()? {
        "shared" => true,
        "dedicated" => false,
        _ => return None,
    };
    let ebs_cards = fields.next()?.parse().ok()?;
    Some((
        name,
        AttachmentLimit {
            hypervisor,
            volumes,
            shared,
            ebs_cards,
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_read() {
        assert_eq!(LIMITS.len(), TABLE.lines().count() - 1);
    }

    #[test]
    fn known_and_unknown_types() {
        let limit = |name: &str| attachment_limit(&name.parse().unwrap());
        assert_eq!(limit("c4.large").hypervisor, Hypervisor::Xen);
        assert_eq!(limit("a1.metal").volumes, 31);
        assert_eq!(limit("zz99.large"), COMMON_NITRO);
    }
}
