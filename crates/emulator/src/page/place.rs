//! Which place of the page is asked for: the part of its address behind `#/`, and of the requests for what is there behind `/lab/`.

use std::collections::BTreeMap;
use std::fmt;

use ebs_types::{InstanceId, SnapshotId, VolumeId, Zone};

use crate::wire::urlencoded::pairs;

/// The longest text that lists are narrowed down to, in bytes.
const TEXT_MAX: usize = 300;

/// A place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Overview,
    Zone(Zone),
    Instances,
    Instance(InstanceId),
    Volumes,
    Volume(VolumeId),
    Attachments,
    Snapshots,
    Snapshot(SnapshotId),
    Calls,
    Call(u64),
    Errors,
}

/// A place, and how much of its lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) place: Place,
    /// Only what contains this, in small letters.
    pub(super) text: String,
    /// The pages that are asked for, from 1 on, by the lists' names.
    pages: BTreeMap<String, usize>,
}

impl Place {
    fn read(path: &str) -> Option<Self> {
        Some(match path.split_once('/') {
            None => match path {
                "overview" => Self::Overview,
                "instances" => Self::Instances,
                "volumes" => Self::Volumes,
                "attachments" => Self::Attachments,
                "snapshots" => Self::Snapshots,
                "calls" => Self::Calls,
                "errors" => Self::Errors,
                _ => return None,
            },
            Some(("zones", zone)) => Self::Zone(zone.parse().ok()?),
            Some(("instances", id)) => Self::Instance(id.parse().ok()?),
            Some(("volumes", id)) => Self::Volume(id.parse().ok()?),
            Some(("snapshots", id)) => Self::Snapshot(id.parse().ok()?),
            Some(("calls", number)) => Self::Call(number.parse().ok()?),
            Some(_) => return None,
        })
    }

    /// The place of what has this id.
    pub(super) fn of_id(id: &str) -> Option<Self> {
        let volume = id.parse().map(Self::Volume).ok();
        let snapshot = || id.parse().map(Self::Snapshot).ok();
        let instance = || id.parse().map(Self::Instance).ok();
        volume.or_else(snapshot).or_else(instance)
    }

    /// Whether it changes with every call.
    pub(super) fn shows_calls(&self) -> bool {
        match self {
            Self::Overview
            | Self::Instance(_)
            | Self::Volume(_)
            | Self::Snapshot(_)
            | Self::Calls
            | Self::Call(_)
            | Self::Errors => true,
            Self::Zone(_)
            | Self::Instances
            | Self::Volumes
            | Self::Attachments
            | Self::Snapshots => false,
        }
    }
}

impl fmt::Display for Place {
    /// As it is behind `#/`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overview => f.write_str("overview"),
            Self::Zone(zone) => write!(f, "zones/{zone}"),
            Self::Instances => f.write_str("instances"),
            Self::Instance(id) => write!(f, "instances/{id}"),
            Self::Volumes => f.write_str("volumes"),
            Self::Volume(id) => write!(f, "volumes/{id}"),
            Self::Attachments => f.write_str("attachments"),
            Self::Snapshots => f.write_str("snapshots"),
            Self::Snapshot(id) => write!(f, "snapshots/{id}"),
            Self::Calls => f.write_str("calls"),
            Self::Call(number) => write!(f, "calls/{number}"),
            Self::Errors => f.write_str("errors"),
        }
    }
}

impl Asked {
    /// Reads a path and a query string.
    ///
    /// # Errors
    /// What is wrong with them, for whoever typed the address.
    pub(super) fn read(path: &str, query: &str) -> Result<Self, String> {
        let place = Place::read(path).ok_or_else(|| {
            format!(
                "{path}: no such place; there are overview, zones/NAME, instances, instances/ID, volumes, volumes/ID, attachments, \
                 snapshots, snapshots/ID, calls, calls/NUMBER and errors"
            )
        })?;
        let mut asked = Self {
            place,
            text: String::new(),
            pages: BTreeMap::new(),
        };
        let pairs = pairs(query.as_bytes()).map_err(|error| error.to_string())?;
        for (name, value) in pairs {
            if name == "text" {
                if value.len() > TEXT_MAX {
                    return Err(format!("text: longer than {TEXT_MAX} bytes"));
                }
                asked.text = value.to_ascii_lowercase();
            } else {
                let page = value.parse().ok().filter(|page| *page > 0);
                let page = page.ok_or_else(|| {
                    format!("{name}: {value:?} is not the number of a page, from 1 on")
                })?;
                asked.pages.insert(name, page);
            }
        }
        Ok(asked)
    }

    /// The page of a list that is asked for, from 1 on.
    pub(super) fn page(&self, list: &str) -> usize {
        self.pages.get(list).copied().unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_they_are_written() {
        for path in [
            "overview",
            "zones/eu-central-1a",
            "instances",
            "instances/i-0123456789abcdef0",
            "volumes",
            "volumes/vol-0123456789abcdef0",
            "attachments",
            "snapshots",
            "snapshots/snap-0123456789abcdef0",
            "calls",
            "calls/17",
            "errors",
        ] {
            let asked = Asked::read(path, "").unwrap();
            assert_eq!(asked.place.to_string(), path);
        }
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        for (path, query, named) in [
            ("", "", "no such place"),
            ("volumes/", "", "volumes/: no such place"),
            ("volumes/vol-1/x", "", "no such place"),
            ("calls/-1", "", "no such place"),
            ("../state", "", "no such place"),
            ("volumes", "volumes=0", "volumes: \"0\""),
            ("volumes", "volumes=x", "volumes: \"x\""),
            ("volumes", "text=%", "hexadecimal"),
        ] {
            let error = Asked::read(path, query).unwrap_err();
            assert!(error.contains(named), "{path}?{query}: {error}");
        }
        let long = format!("text={}", "x".repeat(TEXT_MAX + 1));
        assert!(Asked::read("volumes", &long).is_err());
    }

    #[test]
    fn a_text_and_pages_are_read() {
        let asked = Asked::read("zones/eu-central-1a", "text=My%20PVC&volumes=3").unwrap();
        assert_eq!(asked.text, "my pvc");
        assert_eq!((asked.page("volumes"), asked.page("instances")), (3, 1));
    }
}
