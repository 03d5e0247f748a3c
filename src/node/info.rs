//! What the scheduler learns of this node.

use csi::v1::{NodeGetInfoResponse, Topology};
use ebs_types::Outpost;
use ebs_types::topology::{
    EBS_ZONE_KEY, OS_KEY, OUTPOST_ACCOUNT_KEY, OUTPOST_KEY, OUTPOST_PARTITION_KEY,
    OUTPOST_REGION_KEY, ZONE_KEY,
};

use crate::metadata::NodeIdentity;

/// The answer to NodeGetInfo.
pub(super) fn response(identity: &NodeIdentity) -> NodeGetInfoResponse {
    let zone = identity.zone.as_str();
    let mut segments = vec![(ZONE_KEY, zone), (EBS_ZONE_KEY, zone), (OS_KEY, "linux")];
    if let Some(outpost) = &identity.outpost {
        segments.extend(of_outpost(outpost));
    }
    NodeGetInfoResponse {
        node_id: identity.instance.to_string(),
        max_volumes_per_node: identity.max_volumes.into(),
        accessible_topology: Some(Topology {
            segments: segments
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
        }),
    }
}

fn of_outpost(outpost: &Outpost) -> [(&'static str, &str); 4] {
    [
        (OUTPOST_KEY, outpost.id()),
        (OUTPOST_REGION_KEY, outpost.region()),
        (OUTPOST_ACCOUNT_KEY, outpost.account()),
        (OUTPOST_PARTITION_KEY, outpost.partition()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_on_an_outpost_says_so() {
        let arn = "arn:aws:outposts:us-west-2:123456789012:outpost/op-0123456789abcdef0";
        let mut identity = NodeIdentity {
            instance: "i-0123456789abcdef0".parse().unwrap(),
            zone: "us-west-2a".parse().unwrap(),
            outpost: Some(arn.parse().unwrap()),
            max_volumes: 26,
        };
        let segments =
            |identity: &NodeIdentity| response(identity).accessible_topology.unwrap().segments;
        let there = segments(&identity);
        let expected = [
            ("outpost-id", "op-0123456789abcdef0"),
            ("region", "us-west-2"),
            ("account-id", "123456789012"),
            ("partition", "aws"),
            ("zone", "us-west-2a"),
        ];
        for (key, value) in expected {
            assert_eq!(there[&format!("topology.ebs.csi.aws.com/{key}")], value);
        }
        identity.outpost = None;
        assert_eq!(segments(&identity).len(), 3);
    }
}
