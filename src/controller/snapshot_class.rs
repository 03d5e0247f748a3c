//! What a VolumeSnapshotClass asks for besides the snapshot: fast restores, a lock, an Outpost.
//!
//! Answers for: reading the parameters into values that EC2 can take.
//! Doesn't answer for: getting it done (`snapshot_extras`).

use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::SystemTime;

use ebs_types::{LockMode, LockTerm, Outpost, SnapshotLock, Zone, parse_instant, utc};

use super::params::Parameters;
use crate::status::InvalidRequest;

const ZONES: &str = "fastSnapshotRestoreAvailabilityZones";
/// The Go driver's documentation has had both names for each of these.
const MODE: [&str; 2] = ["lockMode", "snapshotLockMode"];
const DURATION: [&str; 2] = ["lockDuration", "snapshotLockDuration"];
const EXPIRATION: [&str; 2] = ["lockExpirationDate", "snapshotLockExpirationDate"];
const COOL_OFF: [&str; 2] = ["lockCoolOffPeriod", "snapshotLockCoolOffPeriod"];
const OUTPOST: &str = "outpostArn";

/// What a class asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SnapshotClass {
    /// Where volumes made from the snapshot begin with all their blocks; each once.
    pub(super) fast_restore_zones: Vec<Zone>,
    pub(super) lock: Option<SnapshotLock>,
    /// The parameter that gives the time when the lock ends.
    end_given_by: Option<&'static str>,
    /// The Outpost that keeps the snapshot.
    pub(super) outpost: Option<Outpost>,
}

impl SnapshotClass {
    /// Takes its parameters.
    ///
    /// # Errors
    /// [`InvalidRequest`] for what EC2 could not be asked for, and for fast restores on an Outpost, where EBS has none.
    pub(super) fn take(map: &mut Parameters) -> Result<Self, InvalidRequest> {
        let fast_restore_zones = zones(map)?;
        let (lock, end_given_by) = lock(map)?;
        let outpost = map.take_parsed::<Outpost>(
            OUTPOST,
            "write the ARN of an Outpost, arn:PARTITION:outposts:REGION:ACCOUNT:outpost/op-…",
        )?;
        if let Some(outpost) = &outpost
            && !fast_restore_zones.is_empty()
        {
            return Err(invalid(
                map,
                OUTPOST,
                &outpost.to_string(),
                "an Outpost has no fast snapshot restore; leave fastSnapshotRestoreAvailabilityZones out",
            ));
        }
        Ok(Self {
            fast_restore_zones,
            lock,
            end_given_by,
            outpost,
        })
    }

    /// Whether it can still be had for a snapshot that is not there yet.
    ///
    /// # Errors
    /// [`InvalidRequest`] where the lock would be over before it begins.
    pub(super) fn check_at(&self, now: SystemTime) -> Result<(), InvalidRequest> {
        match &self.lock {
            Some(lock) if lock.is_over(now) => Err(InvalidRequest::value(
                format!("parameters.{}", self.end_given_by.unwrap_or("lockDuration")),
                match lock.term {
                    LockTerm::Until(end) => utc::time(end),
                    LockTerm::Days(days) => days.to_string(),
                },
                "this is past: a snapshot can only be locked until a time to come",
            )),
            _ => Ok(()),
        }
    }
}

fn invalid(map: &Parameters, key: &str, value: &str, why: &str) -> InvalidRequest {
    InvalidRequest::value(format!("{}.{key}", map.field()), value, why)
}

fn zones(map: &mut Parameters) -> Result<Vec<Zone>, InvalidRequest> {
    let Some(list) = map.take(ZONES) else {
        return Ok(Vec::new());
    };
    let mut zones = Vec::new();
    for name in list.split(',') {
        let zone: Zone = name.trim().parse().map_err(|_| {
            invalid(
                map,
                ZONES,
                &list,
                "name availability zones, with commas between them, as in eu-central-1a, eu-central-1b",
            )
        })?;
        if !zones.contains(&zone) {
            zones.push(zone);
        }
    }
    Ok(zones)
}

/// A parameter that was given: its name and its value.
type Given<T> = (&'static str, T);

/// The lock, and which parameter gives the time when it ends.
fn lock(
    map: &mut Parameters,
) -> Result<(Option<SnapshotLock>, Option<&'static str>), InvalidRequest> {
    let mode = map.take_either(MODE)?;
    let days = number(
        map,
        DURATION,
        &SnapshotLock::DAYS,
        "a lock lasts 1 to 36500 days",
    )?;
    let end = map.take_either(EXPIRATION)?;
    let hours = SnapshotLock::COOL_OFF_HOURS;
    let cool_off = number(
        map,
        COOL_OFF,
        &hours,
        "a cooling-off period has 1 to 72 hours",
    )?;
    let end_given_by = end.as_ref().map(|(key, _)| *key);
    let Some(mode) = mode else {
        let days = days.map(|(key, _)| key);
        let others = [days, end_given_by, cool_off.map(|(key, _)| key)];
        return match others.into_iter().flatten().next() {
            None => Ok((None, None)),
            Some(key) => Err(invalid(
                map,
                "lockMode",
                "",
                &format!("with {key} say how to lock: governance or compliance"),
            )),
        };
    };
    let lock = SnapshotLock {
        mode: lock_mode(map, &mode, cool_off)?,
        term: lock_term(map, days.map(|(_, days)| days), end)?,
    };
    Ok((Some(lock), end_given_by))
}

fn lock_mode(
    map: &Parameters,
    (key, mode): &Given<String>,
    cool_off: Option<Given<u8>>,
) -> Result<LockMode, InvalidRequest> {
    match (mode.trim().to_lowercase().as_str(), cool_off) {
        ("compliance", cool_off) => Ok(LockMode::Compliance {
            cool_off: cool_off.map(|(_, hours)| hours),
        }),
        ("governance", None) => Ok(LockMode::Governance),
        ("governance", Some((cool_off, hours))) => Err(invalid(
            map,
            cool_off,
            &hours.to_string(),
            "a lock in governance mode can be undone at any time; leave this out, or use lockMode compliance",
        )),
        _ => Err(invalid(
            map,
            key,
            mode,
            "allowed are governance and compliance",
        )),
    }
}

fn lock_term(
    map: &Parameters,
    days: Option<u16>,
    end: Option<Given<String>>,
) -> Result<LockTerm, InvalidRequest> {
    match (days, end) {
        (Some(days), None) => Ok(LockTerm::Days(days)),
        (None, Some((key, end))) => parse_instant(&end)
            .map(LockTerm::Until)
            .map_err(|error| invalid(map, key, &end, &error.to_string())),
        (None, None) => Err(invalid(
            map,
            "lockDuration",
            "",
            "a lock needs an end: give lockDuration in days, or lockExpirationDate",
        )),
        (Some(_), Some((key, end))) => Err(invalid(
            map,
            key,
            &end,
            "a lock has one end: give lockDuration or lockExpirationDate, not both",
        )),
    }
}

fn number<T: FromStr + PartialOrd + Copy>(
    map: &mut Parameters,
    names: [&'static str; 2],
    range: &RangeInclusive<T>,
    allowed: &'static str,
) -> Result<Option<Given<T>>, InvalidRequest> {
    let Some((key, text)) = map.take_either(names)? else {
        return Ok(None);
    };
    let number = text.trim().parse().ok();
    let number = number.filter(|number| range.contains(number));
    number
        .map(|number| Some((key, number)))
        .ok_or_else(|| invalid(map, key, &text, allowed))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rstest::rstest;

    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<SnapshotClass, InvalidRequest> {
        let map = pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let mut map = Parameters::new("parameters", &map)?;
        let class = SnapshotClass::take(&mut map)?;
        map.finish()?;
        Ok(class)
    }

    #[test]
    fn everything_is_read_in_any_case() {
        let class = read(&[
            ("FASTSNAPSHOTRESTOREAVAILABILITYZONES", "z-a, z-b,z-a"),
            ("lockmode", "Compliance"),
            ("lockDuration", " 7 "),
            ("lockCoolOffPeriod", "72"),
        ])
        .unwrap();
        let zones: Vec<_> = class.fast_restore_zones.iter().map(Zone::as_str).collect();
        assert_eq!(zones, ["z-a", "z-b"]);
        let mode = LockMode::Compliance { cool_off: Some(72) };
        let term = LockTerm::Days(7);
        assert_eq!(class.lock, Some(SnapshotLock { mode, term }));
        assert_eq!(read(&[]).unwrap(), SnapshotClass::default());
        let arn = "arn:aws:outposts:us-west-2:123456789012:outpost/op-0123456789abcdef0";
        let class = read(&[("outpostarn", arn)]).unwrap();
        assert_eq!(class.outpost.unwrap().to_string(), arn);
    }

    #[test]
    fn a_lock_that_would_be_over_can_not_be_begun() {
        let class = read(&[
            ("lockMode", "governance"),
            ("lockExpirationDate", "2000-02-29T12:00:00Z"),
        ])
        .unwrap();
        let end = SystemTime::UNIX_EPOCH + Duration::from_secs(951_825_600);
        class.check_at(end - Duration::from_secs(1)).unwrap();
        let words = class.check_at(end).unwrap_err().to_string();
        assert!(
            words.contains("lockExpirationDate is \"2000-02-29T12:00:00Z\""),
            "{words}"
        );
    }

    #[rstest]
    #[case(&[("fastSnapshotRestoreAvailabilityZones", "")], "with commas")]
    #[case(&[("fastSnapshotRestoreAvailabilityZones", "z-a,,z-b")], "with commas")]
    #[case(&[("fastSnapshotRestoreAvailabilityZones", "Zone A")], "with commas")]
    #[case(&[("lockMode", "strict"), ("lockDuration", "1")], "governance and compliance")]
    #[case(&[("lockMode", "governance")], "needs an end")]
    #[case(&[("lockMode", "governance"), ("lockDuration", "0")], "1 to 36500 days")]
    #[case(&[("lockMode", "governance"), ("lockDuration", "36501")], "1 to 36500 days")]
    #[case(&[("lockMode", "governance"), ("lockDuration", "a week")], "1 to 36500 days")]
    #[case(&[("lockMode", "governance"), ("lockExpirationDate", "2030-01-01")], "2027-01-31T00:00:00Z")]
    #[case(&[("lockMode", "governance"), ("lockDuration", "1"), ("lockExpirationDate", "2030-01-01T00:00:00Z")], "not both")]
    #[case(&[("lockMode", "governance"), ("lockDuration", "1"), ("lockCoolOffPeriod", "2")], "governance mode")]
    #[case(&[("lockMode", "compliance"), ("lockDuration", "1"), ("lockCoolOffPeriod", "73")], "1 to 72 hours")]
    #[case(&[("lockDuration", "1")], "say how to lock")]
    #[case(&[("lockCoolOffPeriod", "1")], "say how to lock")]
    #[case(&[("outpostArn", "op-1")], "arn:PARTITION")]
    #[case(&[("outpostArn", "arn:aws:s3:r:1:outpost/op-1")], "arn:PARTITION")]
    #[case(&[("outpostArn", "arn:aws:outposts:r:1:outpost/op-1"), ("fastSnapshotRestoreAvailabilityZones", "z-a")], "no fast snapshot restore")]
    #[case(&[("lockDurations", "1")], "did you mean")]
    fn what_cannot_be_had_is_refused(#[case] pairs: &[(&str, &str)], #[case] part: &str) {
        let words = read(pairs).unwrap_err().to_string();
        assert!(
            words.starts_with("parameters") && words.contains(part),
            "{words}"
        );
    }
}
