//! Instances and the zones they run in.

use ebs_types::{
    Gibibytes, InstanceId, InstanceState, InstanceType, Outpost, Tags, VolumeId, VolumeType, Zone,
};
use serde::{Deserialize, Serialize};

use crate::model::Timestamp;

/// An availability zone of a region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AvailabilityZone {
    pub(crate) name: Zone,
    /// The same zone in every account, e.g. `euc1-az1`.
    pub(crate) id: String,
    /// Whether it takes requests; states saved before this was kept don't say.
    #[serde(default)]
    pub(crate) state: ZoneState,
    /// How much all of its volumes together can be; no limit where `None`.
    #[serde(default)]
    pub(crate) capacity: Option<Gibibytes>,
}

/// The state of a zone (EC2 API reference, "AvailabilityZone").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ZoneState {
    #[default]
    Available,
    Constrained,
    Impaired,
    Unavailable,
}

impl ZoneState {
    /// EC2's word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Constrained => "constrained",
            Self::Impaired => "impaired",
            Self::Unavailable => "unavailable",
        }
    }
}

/// An Outpost: racks of AWS at a customer's place, which belong to a zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OutpostRack {
    pub(crate) arn: Outpost,
    pub(crate) zone: Zone,
    /// The types of volumes that it offers.
    pub(crate) volume_types: Vec<VolumeType>,
}

/// A security group, as an instance names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SecurityGroup {
    pub(crate) id: String,
    pub(crate) name: String,
}

/// An instance. Its root volume is an entry of its block device mapping alone: it counts against the attachment limit
/// and owns its device name, but DescribeVolumes doesn't list it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Instance {
    pub(crate) id: InstanceId,
    pub(crate) zone: Zone,
    /// The Outpost that it is on; states saved before this was kept have none.
    #[serde(default)]
    pub(crate) outpost: Option<Outpost>,
    pub(crate) instance_type: InstanceType,
    pub(crate) state: InstanceState,
    pub(crate) image: String,
    pub(crate) groups: Vec<SecurityGroup>,
    pub(crate) tags: Tags,
    pub(crate) root: VolumeId,
    pub(crate) private_ip: String,
    pub(crate) launched: Timestamp,
    /// Counts up over all instances ever started; they are listed in its order.
    pub(crate) number: u64,
}

/// The device name of every root volume.
pub(crate) const ROOT_DEVICE: &str = "/dev/xvda";

/// The name of the region that a zone is in: a zone's name is its region's and a letter.
pub(crate) fn region_of(zone: &Zone) -> &str {
    zone.as_str()
        .trim_end_matches(|c: char| c.is_ascii_lowercase())
}

/// The host name that EC2 makes of an instance's address (EC2 user guide, "Amazon EC2 instance hostname types"): the oldest
/// region has a domain of its own.
pub(crate) fn private_dns_name(ip: &str, zone: &Zone) -> String {
    let host = ip.replace('.', "-");
    match region_of(zone) {
        "us-east-1" => format!("ip-{host}.ec2.internal"),
        region => format!("ip-{host}.{region}.compute.internal"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_are_those_of_ec2() {
        for (zone, name) in [
            ("us-east-1f", "ip-10-0-0-1.ec2.internal"),
            ("eu-central-1a", "ip-10-0-0-1.eu-central-1.compute.internal"),
        ] {
            assert_eq!(private_dns_name("10.0.0.1", &zone.parse().unwrap()), name);
        }
    }
}
