//! Keys of CSI topology segments, the same as the Go driver's: nodes report them, volumes ask for them.

/// Kubernetes' own key of a zone. Volumes are answered with it alone.
pub const ZONE_KEY: &str = "topology.kubernetes.io/zone";

/// The older key of a zone, which volumes made by older drivers carry and nodes therefore still report.
pub const EBS_ZONE_KEY: &str = "topology.ebs.csi.aws.com/zone";

/// AWS's key of a zone's id, `euc1-az1`, which is the same in all accounts. Volumes can ask for it; nodes don't report it.
pub const ZONE_ID_KEY: &str = "topology.k8s.aws/zone-id";

/// The Outpost that a node is on, `op-…`, and whose it is: region, account and AWS's partition. Nodes elsewhere have none of them.
pub const OUTPOST_KEY: &str = "topology.ebs.csi.aws.com/outpost-id";
/// See [`OUTPOST_KEY`].
pub const OUTPOST_REGION_KEY: &str = "topology.ebs.csi.aws.com/region";
/// See [`OUTPOST_KEY`].
pub const OUTPOST_ACCOUNT_KEY: &str = "topology.ebs.csi.aws.com/account-id";
/// See [`OUTPOST_KEY`].
pub const OUTPOST_PARTITION_KEY: &str = "topology.ebs.csi.aws.com/partition";

/// Kubernetes' key of the operating system.
pub const OS_KEY: &str = "kubernetes.io/os";
