//! A region as it is at first: its zones and the instances that run there.

use std::fmt;
use std::time::Duration;

use ebs_types::{InstanceState, InstanceType, Outpost, Region, Tags, Zone, keys};
use serde::{Deserialize, Serialize};

use super::instances::Launch;
use super::{RegionState, World, outposts};
use crate::config::OutpostConfig;
use crate::model::{AvailabilityZone, Effect, OutpostRack, Timestamp, ZoneState};

/// A region that is to exist. It is written as the flags that ask for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SetUp {
    pub(crate) region: Region,
    pub(crate) zones: usize,
    pub(crate) instances: usize,
    pub(crate) instance_type: InstanceType,
    pub(crate) cluster: String,
    /// States saved before there were any have none.
    #[serde(default)]
    pub(crate) outposts: Vec<OutpostConfig>,
}

impl fmt::Display for SetUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "--zones {} --instances {} --instance-type {} --cluster {}",
            self.zones, self.instances, self.instance_type, self.cluster
        )?;
        let mut outposts = self.outposts.iter();
        outposts.try_for_each(|outpost| write!(f, " --outpost {outpost}"))
    }
}

/// The type of instances that nobody chose a type for: a current Nitro one with a limit of its own for volumes.
pub(crate) fn default_instance_type() -> InstanceType {
    #[expect(clippy::expect_used, reason = "a constant, read by the tests")]
    "m7i.large".parse().expect("a well-formed instance type")
}

impl World {
    /// Whether the region exists.
    pub(crate) fn has_region(&self, region: &Region) -> bool {
        self.regions.contains_key(region)
    }

    /// As what the region was made, if it exists and was made otherwise than asked for now: it stays so.
    pub(crate) fn made_otherwise(&self, asked: &SetUp) -> Option<&SetUp> {
        let made = self.regions.get(&asked.region)?.made_as.as_ref()?;
        (made != asked).then_some(made)
    }

    pub(super) fn set_up(&mut self, setup: &SetUp, effects: &mut Vec<Effect>) {
        if self.has_region(&setup.region) {
            return;
        }
        let state = RegionState {
            zones: zones(&setup.region, setup.zones),
            outposts: racks(setup),
            made_as: Some(setup.clone()),
            ..RegionState::default()
        };
        self.regions.insert(setup.region.clone(), state);
        let now = self.now;
        // An hour ago: they are not new, so no consistency window hides them.
        let launched = Timestamp(now.0.saturating_sub(hour_ms()));
        let Some((state, mut ctx)) = self.region_at(&setup.region, now, effects) else {
            return;
        };
        let groups = [format!("nodes.{}", setup.cluster)];
        for (number, (zone, outpost)) in places(setup, state).iter().enumerate() {
            state.launch(
                &mut ctx,
                Launch {
                    zone,
                    outpost: outpost.as_ref(),
                    instance_type: &setup.instance_type,
                    image: "ami-00000000000000000",
                    groups: &groups,
                    tags: tags(&setup.cluster, number),
                    state: InstanceState::Running,
                    launched,
                },
            );
        }
    }
}

/// Where each instance is: those of the zones in turn, then those of the Outposts.
fn places(setup: &SetUp, state: &RegionState) -> Vec<(Zone, Option<Outpost>)> {
    let zones = state.zones.iter().map(|zone| (zone.name.clone(), None));
    let there = setup.outposts.iter().zip(&state.outposts);
    let on_racks = there.flat_map(|(config, rack)| {
        let place = (rack.zone.clone(), Some(rack.arn.clone()));
        std::iter::repeat_n(place, config.instances)
    });
    zones
        .cycle()
        .take(setup.instances)
        .chain(on_racks)
        .collect()
}

/// The Outposts of a region, numbered from 1.
fn racks(setup: &SetUp) -> Vec<OutpostRack> {
    let numbered = (1..).zip(&setup.outposts);
    numbered
        .filter_map(|(number, config)| outposts::rack(number, setup.region.as_str(), config))
        .collect()
}

fn hour_ms() -> u64 {
    u64::try_from(Duration::from_hours(1).as_millis()).unwrap_or(u64::MAX)
}

fn tags(cluster: &str, number: usize) -> Tags {
    let mut tags = Tags::new();
    let name = format!("nodes.{cluster}-{number}");
    for (key, value) in [(keys::KUBERNETES_CLUSTER, cluster), (keys::NAME, &name)] {
        // A cluster name too long for a tag is left untagged.
        let _ = tags.set(key, value);
    }
    tags
}

/// The zones `a`, `b`, … of a region.
pub(crate) fn zones(region: &Region, count: usize) -> Vec<AvailabilityZone> {
    ('a'..='z')
        .take(count)
        .zip(1..)
        .filter_map(|(letter, number)| {
            Some(AvailabilityZone {
                name: format!("{region}{letter}").parse().ok()?,
                id: format!("{}-az{number}", short_name(region.as_str())),
                state: ZoneState::Available,
                capacity: None,
            })
        })
        .collect()
}

/// A region's short name as in zone ids: `eu-central-1` → `euc1`, `ap-northeast-1` → `apne1`.
fn short_name(region: &str) -> String {
    let mut parts = region.split('-');
    let mut short = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let initials = match part {
            "northeast" => "ne",
            "northwest" => "nw",
            "southeast" => "se",
            "southwest" => "sw",
            other if other.bytes().all(|b| b.is_ascii_digit()) => other,
            other => other.get(..1).unwrap_or_default(),
        };
        short.push_str(initials);
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zone_ids_are_short() {
        assert_eq!(short_name("eu-central-1"), "euc1");
        assert_eq!(short_name("ap-northeast-1"), "apne1");
        assert_eq!(short_name("us-gov-west-1"), "usgw1");
    }

    #[test]
    fn the_default_type_is_a_nitro_one() {
        let limit = ebs_types::AttachmentLimit::listed(&default_instance_type()).unwrap();
        assert_eq!(limit.hypervisor, ebs_types::Hypervisor::Nitro);
    }
}
