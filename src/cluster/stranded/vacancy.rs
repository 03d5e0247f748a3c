//! Why no node can take a pod where its volumes are, in words.

use std::collections::BTreeSet;
use std::fmt;

/// A volume of a pod, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// EC2's id of it, or its handle.
    pub(super) volume: String,
    /// Its claim's name.
    pub(super) claim: String,
    /// Nodes in any of these can have it.
    pub(super) zones: BTreeSet<String>,
}

/// What matters of a Node.
#[derive(Clone, Debug)]
pub(super) struct ZoneNode {
    pub(super) zone: String,
    pub(super) ready: bool,
    pub(super) cordoned: bool,
}

/// Why no node can take a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Vacancy {
    /// There is none in the zone of this volume.
    Empty(Place),
    /// There are, and none takes pods.
    Closed(Place),
    /// Two of its volumes can never be on one node.
    Apart(Place, Place),
}

impl Vacancy {
    /// What keeps a pod with these volumes from every node; `None` where a node could have them all, as far as zones go.
    pub(super) fn of(places: &[Place], nodes: &[ZoneNode]) -> Option<Self> {
        for (at, place) in places.iter().enumerate() {
            let mut others = places.iter().skip(at + 1);
            if let Some(other) = others.find(|other| place.zones.is_disjoint(&other.zones)) {
                return Some(Self::Apart(place.clone(), other.clone()));
            }
        }
        places.iter().find_map(|place| {
            let here = || nodes.iter().filter(|node| place.zones.contains(&node.zone));
            if here().next().is_none() {
                Some(Self::Empty(place.clone()))
            } else if here().all(|node| node.cordoned || !node.ready) {
                Some(Self::Closed(place.clone()))
            } else {
                None
            }
        })
    }

    /// The Event's reason.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Empty(_) | Self::Closed(_) => "NoNodeInVolumeZone",
            Self::Apart(..) => "VolumesInDifferentZones",
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let zones: Vec<&str> = self.zones.iter().map(String::as_str).collect();
        write!(
            f,
            "volume {} of claim {} is in {}",
            self.volume,
            self.claim,
            zones.join(" or ")
        )
    }
}

/// A sentence, and the way out.
impl fmt::Display for Vacancy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const WAY_OUT: &str = "or bring the data to another zone by a snapshot";
        match self {
            Self::Empty(place) => write!(
                f,
                "The {place}, where no Node of this cluster is, and EBS volumes can be attached in their own zone only: add a node \
                 there, {WAY_OUT}"
            ),
            Self::Closed(place) => write!(
                f,
                "The {place}, where every Node is cordoned or not ready, and EBS volumes can be attached in their own zone only: see to \
                 a node there, {WAY_OUT}"
            ),
            Self::Apart(one, other) => write!(
                f,
                "The {one}, and {other}: EBS volumes can be attached in their own zone only, so that no node can have both. Use one of \
                 them, {WAY_OUT}"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(volume: &str, zones: &[&str]) -> Place {
        Place {
            volume: volume.to_owned(),
            claim: "data".to_owned(),
            zones: zones.iter().map(|zone| (*zone).to_owned()).collect(),
        }
    }

    fn node(zone: &str, ready: bool, cordoned: bool) -> ZoneNode {
        ZoneNode {
            zone: zone.to_owned(),
            ready,
            cordoned,
        }
    }

    #[test]
    fn a_zone_is_vacant_without_a_node_that_takes_pods() {
        let volume = [place("vol-1", &["a"])];
        let vacancy = |nodes: &[ZoneNode]| Vacancy::of(&volume, nodes);
        let [one] = &volume;
        assert_eq!(
            vacancy(&[node("b", true, false)]),
            Some(Vacancy::Empty(one.clone()))
        );
        let closed = [node("a", false, false), node("a", true, true)];
        assert_eq!(vacancy(&closed), Some(Vacancy::Closed(one.clone())));
        assert_eq!(
            vacancy(&[&closed[..], &[node("a", true, false)]].concat()),
            None
        );
    }

    #[test]
    fn any_zone_of_several_will_do() {
        let volume = [place("vol-1", &["a", "b"])];
        assert_eq!(Vacancy::of(&volume, &[node("b", true, false)]), None);
    }

    #[test]
    fn volumes_in_different_zones_are_told_whatever_nodes_there_are() {
        let volumes = [place("vol-1", &["a"]), place("vol-2", &["b"])];
        let nodes = [node("a", true, false), node("b", true, false)];
        let vacancy = Vacancy::of(&volumes, &nodes).unwrap();
        assert_eq!(vacancy.reason(), "VolumesInDifferentZones");
        let words = vacancy.to_string();
        for part in ["vol-1", "vol-2", " is in a", " is in b"] {
            assert!(words.contains(part), "{words}");
        }
    }
}
