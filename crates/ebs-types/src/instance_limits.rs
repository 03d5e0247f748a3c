//! How many EBS volumes an instance type takes: EC2's DescribeInstanceTypes as a table, parsed once.
//!
//! Answers for: the table's figures, and the one spelling of such a figure, a line of the table. Doesn't answer for: what of a
//! figure is in use on an instance.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
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
    /// The most EBS volumes, root included, on all of its EBS cards; what else counts depends on `shared`.
    pub volumes: u32,
    /// Whether network interfaces count against the limit too. The primary one has been taken off `volumes` already, and so have
    /// instance store disks and accelerators, which an instance type always has.
    pub shared: bool,
    /// EBS cards, which share the limit evenly. The root volume is on the first one, and so is every volume whose AttachVolume names none
    /// (EC2 API, `EbsCardIndex`).
    pub ebs_cards: u32,
}

impl AttachmentLimit {
    /// The limit of most Nitro types (EC2 user guide, "Amazon EBS volume limits"), with the primary network interface taken off:
    /// a guess at the limit of a type that the table lacks.
    pub const COMMON_NITRO: Self = Self {
        hypervisor: Hypervisor::Nitro,
        volumes: 27,
        shared: true,
        ebs_cards: 1,
    };

    /// The limit of an instance type; `None` for one that the table lacks.
    #[must_use]
    pub fn listed(instance_type: &InstanceType) -> Option<Self> {
        LIMITS.get(instance_type.as_str()).copied()
    }
}

/// The limit of one instance type, as a line of the table: `m7i.large,nitro,32,dedicated,1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedLimit {
    /// The type.
    pub instance_type: InstanceType,
    /// Its limit.
    pub limit: AttachmentLimit,
}

/// A text that is no line of the table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{line:?} is not TYPE,nitro|xen,VOLUMES,shared|dedicated,CARDS, as in m7i.large,nitro,32,dedicated,1"
)]
pub struct InvalidLimit {
    line: String,
}

static LIMITS: LazyLock<HashMap<&'static str, AttachmentLimit>> =
    LazyLock::new(|| TABLE.lines().skip(1).filter_map(parse).collect());

/// Every instance type of the table with its limit, in no particular order.
pub fn listed_limits() -> impl Iterator<Item = (&'static str, AttachmentLimit)> {
    LIMITS.iter().map(|(name, limit)| (*name, *limit))
}

impl fmt::Display for ListedLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AttachmentLimit {
            hypervisor,
            volumes,
            shared,
            ebs_cards,
        } = self.limit;
        let hypervisor = match hypervisor {
            Hypervisor::Nitro => "nitro",
            Hypervisor::Xen => "xen",
        };
        let kind = if shared { "shared" } else { "dedicated" };
        let name = &self.instance_type;
        write!(f, "{name},{hypervisor},{volumes},{kind},{ebs_cards}")
    }
}

impl FromStr for ListedLimit {
    type Err = InvalidLimit;

    fn from_str(line: &str) -> Result<Self, InvalidLimit> {
        let read = || {
            let (name, limit) = parse(line)?;
            Some(Self {
                instance_type: name.parse().ok()?,
                limit,
            })
        };
        read().ok_or_else(|| InvalidLimit {
            line: line.to_owned(),
        })
    }
}

fn parse(line: &str) -> Option<(&str, AttachmentLimit)> {
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
    let limit = AttachmentLimit {
        hypervisor,
        volumes,
        shared,
        ebs_cards,
    };
    fields.next().is_none().then_some((name, limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_read() {
        assert_eq!(LIMITS.len(), TABLE.lines().count() - 1);
        for line in TABLE.lines().skip(1) {
            assert_eq!(line.parse::<ListedLimit>().unwrap().to_string(), line);
        }
    }

    #[test]
    fn known_and_unknown_types() {
        let listed = |name: &str| AttachmentLimit::listed(&name.parse().unwrap());
        assert_eq!(listed("c4.large").unwrap().hypervisor, Hypervisor::Xen);
        assert_eq!(listed("a1.metal").unwrap().volumes, 31);
        assert_eq!(listed("m5.large"), Some(AttachmentLimit::COMMON_NITRO));
        let two_cards = listed("m8gn.48xlarge").unwrap();
        assert_eq!((two_cards.ebs_cards, two_cards.volumes), (2, 128));
        assert_eq!(listed("zz99.large"), None);
    }

    #[test]
    fn lines_that_are_none_are_refused() {
        for bad in [
            "",
            "27",
            "m5.large,nitro,27,shared",
            "m5.large,nitro,27,shared,1,1",
            "m5.large,nitro,-1,shared,1",
            "M5.large,nitro,27,shared,1",
            "m5.large,kvm,27,shared,1",
        ] {
            let error = bad.parse::<ListedLimit>().unwrap_err();
            assert!(error.to_string().contains("m7i.large"), "{bad}");
        }
    }
}
