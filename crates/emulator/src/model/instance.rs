//! Instances and the zones they run in.

use ebs_types::{InstanceId, InstanceState, InstanceType, Tags, VolumeId, Zone};
use serde::{Deserialize, Serialize};

use crate::model::Timestamp;

/// An availability zone of a region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AvailabilityZone {
    pub(crate) name: Zone,
    /// The same zone in every account, e.g. `euc1-az1`.
    pub(crate) id: String,
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
