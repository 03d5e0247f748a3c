//! The zones of the region: which take volumes, which one a volume gets that nobody chose one for, and what is wrong with one that EC2
//! refuses.
//!
//! Doesn't answer for: what a request says of zones (`topology`), nor when another zone is tried (`create_volume`).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ebs_types::Zone;
use ec2::{AvailabilityZone, Cloud, Ec2Error};
use tokio::time::Instant;

use super::error::Error;

/// How long a description counts. Zones come and go in years; their states change within minutes, and EC2 has the last word anyway.
const FRESH: Duration = Duration::from_mins(10);

/// What EC2 last said of the region's zones.
#[derive(Debug, Default)]
pub(super) struct Zones {
    read: Mutex<Option<(Instant, Arc<[AvailabilityZone]>)>>,
}

impl Zones {
    /// The zones as EC2 described them within the last minutes. Many who want to know at once ask once.
    ///
    /// # Errors
    /// [`Ec2Error`] where EC2 has never described them to this process.
    pub(super) async fn read(&self, cloud: &Cloud) -> Result<Arc<[AvailabilityZone]>, Ec2Error> {
        let known = self.lock().clone();
        if let Some((since, zones)) = &known
            && since.elapsed() < FRESH
        {
            return Ok(Arc::clone(zones));
        }
        match (cloud.zones().await, known) {
            (Ok(zones), _) => {
                *self.lock() = Some((Instant::now(), Arc::clone(&zones)));
                Ok(zones)
            }
            // What was true some minutes ago is better than nothing.
            (Err(error), Some((_, zones))) => {
                tracing::warn!(%error, "the region's zones could not be read again");
                Ok(zones)
            }
            (Err(error), None) => Err(error),
        }
    }

    /// It is replaced as a whole, so a panic elsewhere while it was locked does not matter.
    fn lock(&self) -> MutexGuard<'_, Option<(Instant, Arc<[AvailabilityZone]>)>> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The zones to try for a volume that may be anywhere: the ordinary ones that take volumes, in an order that the volume's name decides.
/// So a repetition tries the same one first, many volumes are spread evenly, and a zone that comes or goes moves only what it must.
pub(super) fn anywhere(zones: &[AvailabilityZone], name: &str) -> Vec<Zone> {
    let usable = zones.iter().filter(|zone| zone.available && zone.ordinary);
    let mut order: Vec<&Zone> = usable.map(|zone| &zone.name).collect();
    order.sort_by_key(|zone| (weight(name, zone), *zone));
    order.into_iter().cloned().collect()
}

/// A number that a name and a zone have together (FNV-1a, then the finalizer of MurmurHash3, without which similar names stay similar).
fn weight(name: &str, zone: &Zone) -> u64 {
    let bytes = name.bytes().chain([0]).chain(zone.as_str().bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}

/// What is wrong with a zone in which EC2 makes no volume; `None` if it is not the zone.
pub(super) fn objection(zones: &[AvailabilityZone], wanted: &Zone) -> Option<Error> {
    match zones.iter().find(|zone| zone.name == *wanted) {
        None => Some(Error::NoSuchZone {
            zone: wanted.to_string(),
            there: there(zones),
        }),
        Some(zone) if !zone.available => Some(Error::ZoneUnavailable {
            zone: wanted.clone(),
            there: there(zones),
        }),
        Some(_) => None,
    }
}

/// The zones that take volumes, for a message.
pub(super) fn there(zones: &[AvailabilityZone]) -> String {
    let available = zones.iter().filter(|zone| zone.available);
    let mut names: Vec<String> = available
        .map(|zone| format!("{} ({})", zone.name, zone.id))
        .collect();
    names.sort();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn zone(name: &str, available: bool, ordinary: bool) -> AvailabilityZone {
        AvailabilityZone {
            name: name.parse().unwrap(),
            id: format!("id-{name}"),
            available,
            ordinary,
        }
    }

    fn three() -> Vec<AvailabilityZone> {
        ["a", "b", "c"]
            .map(|name| zone(name, true, true))
            .into_iter()
            .collect()
    }

    #[test]
    fn volumes_are_spread_evenly_over_zones_that_take_them() {
        let mut zones = three();
        zones.push(zone("d", false, true));
        zones.push(zone("e", true, false));
        let mut counts: BTreeMap<Zone, u32> = BTreeMap::new();
        for n in 0..300 {
            let order = anywhere(&zones, &format!("pvc-{n}"));
            assert_eq!(order.len(), 3);
            *counts.entry(order[0].clone()).or_default() += 1;
        }
        assert!(
            counts.values().all(|count| (70..=130).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn a_zone_that_goes_moves_only_its_own_volumes() {
        let all = three();
        let rest = all[1..].to_vec();
        for n in 0..100 {
            let name = format!("pvc-{n}");
            let mut before = anywhere(&all, &name);
            before.retain(|zone| zone.as_str() != "a");
            assert_eq!(anywhere(&rest, &name), before);
        }
    }

    #[test]
    fn an_unknown_zone_and_one_that_is_out_are_told_with_those_that_are_there() {
        let mut zones = three();
        zones[2].available = false;
        let words = |name: &str| {
            let wanted = name.parse().unwrap();
            objection(&zones, &wanted).map(|error| error.to_string())
        };
        assert_eq!(words("a"), None);
        for name in ["c", "z"] {
            let words = words(name).unwrap();
            assert!(words.contains("a (id-a), b (id-b)"), "{words}");
        }
    }
}
