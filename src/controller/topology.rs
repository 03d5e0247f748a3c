//! Zones and Outposts in CSI's topology messages.
//!
//! Answers for: which of them a request allows and prefers, and how a volume's is answered.
//! Doesn't answer for: which zones exist (`zones`), how an Outpost is named (`site`).

use std::collections::HashMap;

use csi::v1::{Topology, TopologyRequirement};
use ebs_types::topology::{
    EBS_ZONE_KEY, OS_KEY, OUTPOST_ACCOUNT_KEY, OUTPOST_PARTITION_KEY, OUTPOST_REGION_KEY,
    ZONE_ID_KEY, ZONE_KEY,
};
use ebs_types::{Outpost, Zone};
use ec2::{AvailabilityZone, Snapshot};

use super::error::Error;
use super::site::{self, Site};
use super::zones;
use crate::status::InvalidRequest;

/// The request's field.
pub(super) const FIELD: &str = "accessibility_requirements";

/// The places that a request names, some zones perhaps by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SiteWishes {
    requisite: Vec<Wish>,
    preferred: Vec<Wish>,
}

/// One topology, as far as volumes are concerned; without a zone anywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Wish {
    zone: Option<Zone>,
    /// The zone's id, the same in all accounts.
    id: Option<String>,
    /// Of that zone.
    outpost: Option<Outpost>,
}

/// The places that a volume may be made in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SiteChoice {
    /// In the order to try; empty for "any".
    pub(super) order: Vec<Site>,
    /// Whether one of `order` is required.
    binding: bool,
}

impl SiteWishes {
    /// Reads the requirement.
    ///
    /// # Errors
    /// [`InvalidRequest`] where one topology names two zones, what it names can be no zone or Outpost, or nothing of what it says
    /// is known here: a volume could be made anywhere then, and be of no use where it is wanted.
    pub(super) fn parse(requirement: Option<&TopologyRequirement>) -> Result<Self, InvalidRequest> {
        let Some(requirement) = requirement else {
            return Ok(Self::default());
        };
        Ok(Self {
            requisite: wishes(&requirement.requisite)?,
            preferred: wishes(&requirement.preferred)?,
        })
    }

    /// Whether the region's zones must be known to tell which ones are meant.
    pub(super) fn name_ids(&self) -> bool {
        let mut all = self.requisite.iter().chain(&self.preferred);
        all.any(|wish| wish.id.is_some())
    }

    /// Preferred places first, then requisite ones, where ids mean what `zones` says.
    ///
    /// # Errors
    /// [`Error::NoSuchZone`] for an id that no zone of the region has, or another one than that which is named beside it.
    pub(super) fn choice(&self, zones: &[AvailabilityZone]) -> Result<SiteChoice, Error> {
        let requisite = named(&self.requisite, zones)?;
        // One requisite topology without a zone allows all.
        let binding = !requisite.is_empty() && requisite.len() == self.requisite.len();
        let mut order = Vec::new();
        for site in named(&self.preferred, zones)?
            .into_iter()
            .chain(requisite.clone())
        {
            // Preferred ones must be among the requisite ones, where there are any.
            if !order.contains(&site) && (!binding || requisite.contains(&site)) {
                order.push(site);
            }
        }
        Ok(SiteChoice { order, binding })
    }
}

impl SiteChoice {
    /// No place will do.
    pub(super) fn nowhere() -> Self {
        Self {
            order: Vec::new(),
            binding: true,
        }
    }

    /// Whether a volume that is there satisfies the requirement.
    pub(super) fn allows(&self, site: &Site) -> bool {
        !self.binding || self.order.contains(site)
    }
}

fn wishes(topologies: &[Topology]) -> Result<Vec<Wish>, InvalidRequest> {
    let wishes = topologies.iter().map(|topology| wish(&topology.segments));
    wishes.collect()
}

fn named(wishes: &[Wish], zones: &[AvailabilityZone]) -> Result<Vec<Site>, Error> {
    let mut named = Vec::new();
    for wish in wishes {
        if let Some(zone) = wish.named(zones)? {
            let outpost = wish.outpost.clone();
            named.push(Site { zone, outpost });
        }
    }
    Ok(named)
}

impl Wish {
    /// The zone's name; `None` for "anywhere".
    fn named(&self, all: &[AvailabilityZone]) -> Result<Option<Zone>, Error> {
        let Some(id) = &self.id else {
            return Ok(self.zone.clone());
        };
        let found = all.iter().find(|zone| zone.id == *id);
        match (found, &self.zone) {
            (Some(found), None) => Ok(Some(found.name.clone())),
            (Some(found), Some(zone)) if found.name == *zone => Ok(Some(zone.clone())),
            (_, zone) => Err(Error::NoSuchZone {
                zone: match zone {
                    Some(zone) => format!("{zone} with id {id}"),
                    None => format!("with id {id}"),
                },
                there: zones::there(all),
            }),
        }
    }
}

fn wish(segments: &HashMap<String, String>) -> Result<Wish, InvalidRequest> {
    let outpost = site::outpost(FIELD, segments)?;
    let zone = match (segments.get(ZONE_KEY), segments.get(EBS_ZONE_KEY)) {
        (Some(one), Some(other)) if one != other => {
            return Err(InvalidRequest::value(
                FIELD,
                format!("{ZONE_KEY}={one}, {EBS_ZONE_KEY}={other}"),
                "the two keys name different zones; name one zone, or leave one key out",
            ));
        }
        (one, other) => one.or(other),
    };
    let id = segments.get(ZONE_ID_KEY);
    if zone.is_none() && id.is_none() {
        match &outpost {
            None => known(segments)?,
            Some(outpost) => return Err(without_zone(outpost)),
        }
    }
    // Ids are of the same letters as names. Spaces come with Kubernetes' translation of an in-tree class, which cuts `zones: a, b`
    // at the commas alone.
    let read = |text: &String| {
        let read = text.trim().parse::<Zone>();
        read.map_err(|error| InvalidRequest::value(FIELD, text.as_str(), error))
    };
    Ok(Wish {
        zone: zone.map(read).transpose()?,
        id: id.map(read).transpose()?.map(|id| id.to_string()),
        outpost,
    })
}

/// EC2 makes volumes in zones, those on an Outpost in its own, which its ARN does not tell.
fn without_zone(outpost: &Outpost) -> InvalidRequest {
    InvalidRequest::value(
        FIELD,
        outpost.to_string(),
        format!(
            "an Outpost belongs to a zone: name that, too, by {ZONE_KEY} among the class' allowedTopologies, or let the class wait for \
             the first consumer (volumeBindingMode)"
        ),
    )
}

/// Without a zone, a topology says nothing, or the operating system, which every volume is fit for. Anything else is a wish that is not
/// understood.
fn known(segments: &HashMap<String, String>) -> Result<(), InvalidRequest> {
    const OTHERS: [&str; 4] = [
        OS_KEY,
        OUTPOST_REGION_KEY,
        OUTPOST_ACCOUNT_KEY,
        OUTPOST_PARTITION_KEY,
    ];
    let unknown = segments
        .keys()
        .filter(|key| !OTHERS.contains(&key.as_str()));
    let mut unknown: Vec<&str> = unknown.map(String::as_str).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    unknown.sort_unstable();
    Err(InvalidRequest::value(
        FIELD,
        unknown.join(", "),
        format!(
            "no such topology is known: name a zone by {ZONE_KEY}, {EBS_ZONE_KEY} or {ZONE_ID_KEY}"
        ),
    ))
}

/// Where a volume that is there is accessible from.
pub(super) fn accessible_from(site: &Site) -> Vec<Topology> {
    vec![Topology {
        segments: site.segments(),
    }]
}

/// Where volumes made of the snapshot can be; nothing stands for everywhere.
pub(super) fn restorable_in(snapshot: &Snapshot) -> Vec<Topology> {
    let outpost = snapshot.outpost.iter();
    outpost
        .map(|outpost| Topology {
            segments: site::of_nodes_on(outpost).into(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use ebs_types::topology::OUTPOST_KEY;
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

    fn wishes(
        requisite: &[Topology],
        preferred: &[Topology],
    ) -> Result<SiteWishes, InvalidRequest> {
        SiteWishes::parse(Some(&TopologyRequirement {
            requisite: requisite.to_vec(),
            preferred: preferred.to_vec(),
        }))
    }

    fn choice(requisite: &[Topology], preferred: &[Topology]) -> Result<SiteChoice, Error> {
        let zones = ["a", "b", "c"].map(|letter| AvailabilityZone {
            name: format!("z-{letter}").parse().unwrap(),
            id: format!("id-{letter}"),
            available: true,
            ordinary: true,
        });
        wishes(requisite, preferred)?.choice(&zones)
    }

    fn zone(name: &str) -> Site {
        Site::in_region(name.parse().unwrap())
    }

    fn outpost() -> Site {
        Site {
            outpost: Some("arn:aws:outposts:r:1:outpost/op-1".parse().unwrap()),
            ..zone("z-a")
        }
    }

    fn names(choice: &SiteChoice) -> Vec<&str> {
        choice.order.iter().map(|site| site.zone.as_str()).collect()
    }

    #[test]
    fn preferred_zones_come_first_and_each_once() {
        let [a, b, c] = ["z-a", "z-b", "z-c"].map(|zone| topology(&[(ZONE_KEY, zone)]));
        let choice = choice(&[a.clone(), b.clone(), c], &[b, a]).unwrap();
        assert_eq!(names(&choice), ["z-b", "z-a", "z-c"]);
        assert!(!choice.allows(&zone("z-d")));
    }

    #[test]
    fn each_key_names_the_zone_and_what_does_not_concern_volumes_is_ignored() {
        let node = topology(&[
            (ZONE_KEY, "z-a"),
            (EBS_ZONE_KEY, "z-a"),
            (OS_KEY, "linux"),
            ("example.com/rack", "7"),
        ]);
        let old = topology(&[(EBS_ZONE_KEY, " z-b ")]);
        let by_id = topology(&[(ZONE_ID_KEY, " id-c")]);
        let named = choice(&[node, old, by_id.clone()], &[by_id]).unwrap();
        assert_eq!(names(&named), ["z-c", "z-a", "z-b"]);
        for anywhere in [topology(&[(OS_KEY, "linux")]), topology(&[])] {
            let any = choice(std::slice::from_ref(&anywhere), &[]).unwrap();
            assert!(any.order.is_empty() && any.allows(&zone("z-x")));
            let either = choice(&[anywhere, topology(&[(ZONE_KEY, "z-b")])], &[]).unwrap();
            assert_eq!(names(&either), ["z-b"]);
            assert!(either.allows(&zone("z-a")));
        }
    }

    #[test]
    fn ids_are_looked_up_only_where_they_are_named() {
        let name = topology(&[(ZONE_KEY, "z-a")]);
        assert!(!wishes(&[name], &[]).unwrap().name_ids());
        let both = topology(&[(ZONE_KEY, "z-a"), (ZONE_ID_KEY, "id-a")]);
        assert!(wishes(&[], std::slice::from_ref(&both)).unwrap().name_ids());
        assert_eq!(names(&choice(&[both], &[]).unwrap()), ["z-a"]);
        for wrong in [
            topology(&[(ZONE_ID_KEY, "id-x")]),
            topology(&[(ZONE_KEY, "z-a"), (ZONE_ID_KEY, "id-b")]),
        ] {
            let words = choice(&[wrong], &[]).unwrap_err().to_string();
            assert!(words.contains("z-a (id-a), z-b (id-b)"), "{words}");
        }
    }

    #[test]
    fn an_outpost_is_another_place_than_its_zone() {
        let [region, there] = [zone("z-a"), outpost()].map(|site| accessible_from(&site).remove(0));
        let both = choice(
            &[region.clone(), there.clone()],
            std::slice::from_ref(&there),
        )
        .unwrap();
        assert_eq!(both.order, [outpost(), zone("z-a")]);
        for (only, allowed, not) in [
            (region, zone("z-a"), outpost()),
            (there, outpost(), zone("z-a")),
        ] {
            let choice = choice(&[only], &[]).unwrap();
            assert!(
                choice.allows(&allowed) && !choice.allows(&not),
                "{choice:?}"
            );
        }
        let mut by_id = accessible_from(&outpost()).remove(0);
        by_id.segments.remove(ZONE_KEY);
        by_id
            .segments
            .insert(ZONE_ID_KEY.to_owned(), "id-a".to_owned());
        assert_eq!(choice(&[], &[by_id]).unwrap().order, [outpost()]);
    }

    #[test]
    fn topologies_that_are_not_understood_are_refused() {
        let rack = topology(&[("example.com/rack", "7"), (OS_KEY, "linux")]);
        let part = topology(&[(ZONE_KEY, "z-a"), (OUTPOST_KEY, "op-1")]);
        let mut no_zone = accessible_from(&outpost()).remove(0);
        no_zone.segments.remove(ZONE_KEY);
        let two = topology(&[(ZONE_KEY, "z-a"), (EBS_ZONE_KEY, "z-b")]);
        for (wrong, words) in [
            (rack, ["example.com/rack", ZONE_KEY]),
            (part, ["op-1", OUTPOST_PARTITION_KEY]),
            (no_zone, ["outpost/op-1", ZONE_KEY]),
            (two, ["z-a", "z-b"]),
        ] {
            let refusal = wishes(std::slice::from_ref(&wrong), &[])
                .unwrap_err()
                .to_string();
            assert!(words.iter().all(|word| refusal.contains(word)), "{refusal}");
            assert!(wishes(&[], &[wrong]).is_err());
        }
        assert!(wishes(&[topology(&[(ZONE_KEY, "Z A")])], &[]).is_err());
    }

    proptest! {
        #[test]
        fn no_topology_panics(a in ".*", b in ".*", key in ".*") {
            let _ = wishes(&[topology(&[(ZONE_KEY, &a), (&key, &b)])], &[topology(&[(EBS_ZONE_KEY, &b), (OUTPOST_KEY, &a)])]);
        }
    }
}
