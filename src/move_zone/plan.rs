//! What is to be done, decided of what was seen.
//!
//! Answers for: whether a move can be made, with which data, and in which words it is told. Doesn't answer for: looking and doing.

use std::time::{Duration, SystemTime};

use ebs_types::{SnapshotId, SnapshotState, Zone, utc};
use ec2::{AvailabilityZone, Snapshot, Volume};

use super::error::Error;
use super::order::{Data, Order};

/// After so long the data of an unfinished move are told to be old, where newer ones could be had.
const FRESH: Duration = Duration::from_hours(1);

/// What EC2 shows.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// The volume.
    pub(super) volume: Volume,
    /// All zones.
    pub(super) zones: Vec<AvailabilityZone>,
    /// What an earlier run of the move has made.
    pub(super) made: Option<Volume>,
    /// The snapshot that an earlier run of the move has taken, or that its volume was made of.
    pub(super) taken: Option<Snapshot>,
    /// The snapshot that the order names.
    pub(super) given: Option<Snapshot>,
    /// All snapshots of the volume, oldest first.
    pub(super) snapshots: Vec<Snapshot>,
    /// Now.
    pub(super) now: SystemTime,
    /// Whether the cluster has begun with the move.
    pub(super) rebinding: bool,
}

/// What the new volume begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Begin {
    /// It is there.
    Volume(Box<Volume>),
    /// This snapshot.
    Snapshot(Box<Snapshot>),
    /// A snapshot that is still to be taken.
    New,
}

/// What the move begins with, if it can be made.
pub(super) fn begin(order: &Order, name: &str, seen: &Seen) -> Result<Begin, Error> {
    check_places(order, seen)?;
    if let Some(made) = &seen.made {
        check_made(order, name, made)?;
        check_age(order, name, seen)?;
        return Ok(Begin::Volume(Box::new(made.clone())));
    }
    if let Some(given) = &seen.given {
        return usable(of_volume(given, &seen.volume)?);
    }
    if let Some(taken) = &seen.taken {
        check_age(order, name, seen)?;
        return usable(taken);
    }
    match (&order.data, is_out(seen)) {
        (Data::Newest, _) | (Data::Latest, true) => newest(seen),
        (Data::New | Data::Latest | Data::Of(_), _) => {
            check_quiet(order, seen)?;
            Ok(Begin::New)
        }
    }
}

/// Whether EC2 says that the volume's zone does not take requests.
pub(super) fn is_out(seen: &Seen) -> bool {
    let zone = seen.zones.iter().find(|zone| zone.name == seen.volume.zone);
    !zone.is_some_and(|zone| zone.available)
}

fn check_places(order: &Order, seen: &Seen) -> Result<(), Error> {
    let Volume { id, zone, .. } = &seen.volume;
    let refuse = |reason| Error::Zone {
        zone: order.to.clone(),
        reason,
        there: there(&seen.zones, zone),
    };
    if seen.volume.outpost.is_some() {
        return Err(Error::OnOutpost { volume: id.clone() });
    }
    if *zone == order.to {
        return Err(Error::AlreadyThere {
            volume: id.clone(),
            zone: zone.clone(),
        });
    }
    match seen.zones.iter().find(|zone| zone.name == order.to) {
        None => Err(refuse("the region has no such zone")),
        Some(to) if !to.available => Err(refuse("EC2 says that it does not take requests now")),
        Some(_) => Ok(()),
    }
}

/// The zones that take volumes now, but for this one.
fn there(zones: &[AvailabilityZone], but: &Zone) -> String {
    let usable = zones
        .iter()
        .filter(|zone| zone.available && zone.name != *but);
    let names: Vec<&str> = usable.map(|zone| zone.name.as_str()).collect();
    match names.is_empty() {
        true => "none".to_owned(),
        false => names.join(", "),
    }
}

fn check_made(order: &Order, name: &str, made: &Volume) -> Result<(), Error> {
    match &order.data {
        Data::Of(wanted) if made.snapshot.as_ref() != Some(wanted) => Err(Error::MadeOfAnother {
            name: name.to_owned(),
            volume: made.id.clone(),
            made_of: made
                .snapshot
                .as_ref()
                .map_or_else(|| "no snapshot".to_owned(), SnapshotId::to_string),
            wanted: wanted.clone(),
        }),
        _ => Ok(()),
    }
}

/// Old data of an unfinished move are gone on with only where there are no newer ones, or where they are asked for.
fn check_age(order: &Order, name: &str, seen: &Seen) -> Result<(), Error> {
    let Some(taken) = &seen.taken else {
        return Ok(());
    };
    let age = age(taken, seen.now);
    let asked_for = matches!(order.data, Data::Of(_) | Data::Newest);
    if age < FRESH || asked_for || seen.rebinding || is_out(seen) {
        return Ok(());
    }
    Err(Error::Stale {
        name: name.to_owned(),
        volume: seen.volume.id.clone(),
        snapshot: taken.id.clone(),
        age: in_words(age),
    })
}

/// A new snapshot lacks what is written after it.
fn check_quiet(order: &Order, seen: &Seen) -> Result<(), Error> {
    let Volume {
        id,
        state,
        attachments,
        ..
    } = &seen.volume;
    if !matches!(
        state,
        ebs_types::VolumeState::Available | ebs_types::VolumeState::InUse
    ) {
        return Err(Error::VolumeState {
            volume: id.clone(),
            state: *state,
        });
    }
    if attachments.is_empty() || order.while_attached {
        return Ok(());
    }
    let instances = attachments.iter();
    let instances: Vec<String> = instances.map(|one| one.instance.to_string()).collect();
    Err(Error::Attached {
        volume: id.clone(),
        instances: instances.join(", "),
    })
}

fn of_volume<'a>(given: &'a Snapshot, volume: &Volume) -> Result<&'a Snapshot, Error> {
    match &given.volume {
        // EC2 does not say of which volume a copy of a snapshot is.
        None => Ok(given),
        Some(of) if *of == volume.id => Ok(given),
        Some(of) => Err(Error::OtherSnapshot {
            snapshot: given.id.clone(),
            of: of.clone(),
            volume: volume.id.clone(),
        }),
    }
}

fn usable(snapshot: &Snapshot) -> Result<Begin, Error> {
    match snapshot.state {
        SnapshotState::Pending | SnapshotState::Completed => {
            Ok(Begin::Snapshot(Box::new(snapshot.clone())))
        }
        state => Err(Error::SnapshotState {
            snapshot: snapshot.id.clone(),
            state,
        }),
    }
}

fn newest(seen: &Seen) -> Result<Begin, Error> {
    let completed = |snapshot: &&Snapshot| {
        snapshot.state == SnapshotState::Completed && snapshot.outpost.is_none()
    };
    match seen.snapshots.iter().rfind(completed) {
        Some(snapshot) => Ok(Begin::Snapshot(Box::new(snapshot.clone()))),
        None => Err(Error::NoSnapshot {
            volume: seen.volume.id.clone(),
            why: match is_out(seen) {
                true => format!(
                    ", and none is taken since EC2 says that {} is out",
                    seen.volume.zone
                ),
                false => String::new(),
            },
        }),
    }
}

/// How old a snapshot's data are.
pub(super) fn age(snapshot: &Snapshot, now: SystemTime) -> Duration {
    now.duration_since(snapshot.started).unwrap_or_default()
}

/// A duration as people say it: the two largest units.
pub(super) fn in_words(time: Duration) -> String {
    let minutes = time.as_secs() / 60;
    match (minutes / 1440, minutes / 60 % 24, minutes % 60) {
        (0, 0, 0) => format!("{} s", time.as_secs()),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

/// A snapshot with the moment that it holds.
pub(super) fn dated(snapshot: &Snapshot, now: SystemTime) -> String {
    format!(
        "{} of {}, {} ago",
        snapshot.id,
        utc::time(snapshot.started),
        in_words(age(snapshot, now))
    )
}

#[cfg(test)]
mod tests;
