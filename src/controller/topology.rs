//! Zones in CSI's topology messages.
//!
//! Answers for: which zones a request allows and prefers, and how a volume's zone is answered.
//! Doesn't answer for: which zones exist.

use std::collections::HashMap;

use csi::v1::{Topology, TopologyRequirement};
use ebs_types::Zone;
use ebs_types::topology::{EBS_ZONE_KEY, ZONE_KEY};

use crate::status::InvalidRequest;

/// The zones that a volume may be made in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ZoneChoice {
    /// In the order to try; empty for "any".
    pub(super) order: Vec<Zone>,
    /// Whether one of `order` is required.
    binding: bool,
}

impl ZoneChoice {
    /// Reads the requirement: preferred zones first, then requisite ones. Segments other than the zone don't concern a volume.
    ///
    /// # Errors
    /// [`InvalidRequest`] where one topology names two zones, or what it names can be no zone.
    pub(super) fn parse(requirement: Option<&TopologyRequirement>) -> Result<Self, InvalidRequest> {
        let Some(requirement) = requirement else {
            return Ok(Self::default());
        };
        let requisite = zones(&requirement.requisite)?;
        let mut order = Vec::new();
        for zone in zones(&requirement.preferred)?
            .into_iter()
            .chain(requisite.clone())
        {
            // Preferred ones must be among the requisite ones, where there are any.
            if !order.contains(&zone) && (requisite.is_empty() || requisite.contains(&zone)) {
                order.push(zone);
            }
        }
        Ok(Self {
            order,
            binding: !requisite.is_empty(),
        })
    }

    /// Whether a volume in `zone` satisfies the requirement.
    pub(super) fn allows(&self, zone: &Zone) -> bool {
        !self.binding || self.order.contains(zone)
    }
}

fn zones(topologies: &[Topology]) -> Result<Vec<Zone>, InvalidRequest> {
    topologies
        .iter()
        .filter_map(|topology| zone(&topology.segments).transpose())
        .collect()
}

fn zone(segments: &HashMap<String, String>) -> Result<Option<Zone>, InvalidRequest> {
    let value = match (segments.get(ZONE_KEY), segments.get(EBS_ZONE_KEY)) {
        (Some(one), Some(other)) if one != other => {
            return Err(InvalidRequest::value(
                "accessibility_requirements",
                format!("{ZONE_KEY}={one}, {EBS_ZONE_KEY}={other}"),
                "the two keys name different zones; name one zone, or leave one key out",
            ));
        }
        (Some(value), _) | (None, Some(value)) => value,
        (None, None) => return Ok(None),
    };
    value
        .parse()
        .map(Some)
        .map_err(|error| InvalidRequest::value("accessibility_requirements", value.as_str(), error))
}

/// Where a volume of this zone is accessible from.
pub(super) fn accessible_from(zone: &Zone) -> Vec<Topology> {
    vec![Topology {
        segments: HashMap::from([(ZONE_KEY.to_owned(), zone.to_string())]),
    }]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn topology(segments: &[(&str, &str)]) -> Topology {
        Topology {
            segments: segments
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
        }
    }

    fn parse(requisite: &[Topology], preferred: &[Topology]) -> Result<ZoneChoice, InvalidRequest> {
        ZoneChoice::parse(Some(&TopologyRequirement {
            requisite: requisite.to_vec(),
            preferred: preferred.to_vec(),
        }))
    }

    fn names(choice: &ZoneChoice) -> Vec<&str> {
        choice.order.iter().map(Zone::as_str).collect()
    }

    #[test]
    fn preferred_zones_come_first_and_each_once() {
        let [a, b, c] = ["z-a", "z-b", "z-c"].map(|zone| topology(&[(ZONE_KEY, zone)]));
        let choice = parse(&[a.clone(), b.clone(), c], &[b, a]).unwrap();
        assert_eq!(names(&choice), ["z-b", "z-a", "z-c"]);
        assert!(!choice.allows(&"z-d".parse().unwrap()));
    }

    #[test]
    fn either_key_names_the_zone_and_others_are_ignored() {
        let node = topology(&[
            (ZONE_KEY, "z-a"),
            (EBS_ZONE_KEY, "z-a"),
            ("kubernetes.io/os", "linux"),
        ]);
        let old = topology(&[(EBS_ZONE_KEY, "z-b")]);
        assert_eq!(names(&parse(&[node, old], &[]).unwrap()), ["z-a", "z-b"]);
        let any = parse(&[topology(&[("kubernetes.io/os", "linux")])], &[]).unwrap();
        assert!(any.order.is_empty() && any.allows(&"z-x".parse().unwrap()));
    }

    #[test]
    fn two_zones_in_one_topology_are_refused() {
        let words = parse(
            &[topology(&[(ZONE_KEY, "z-a"), (EBS_ZONE_KEY, "z-b")])],
            &[],
        )
        .unwrap_err()
        .to_string();
        assert!(words.contains("z-a") && words.contains("z-b"), "{words}");
        assert!(parse(&[topology(&[(ZONE_KEY, "Z A")])], &[]).is_err());
    }

    proptest! {
        #[test]
        fn no_topology_panics(a in ".*", b in ".*", key in ".*") {
            let _ = parse(&[topology(&[(ZONE_KEY, &a), (&key, &b)])], &[topology(&[(EBS_ZONE_KEY, &b)])]);
        }
    }
}
