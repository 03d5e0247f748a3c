//! The values of the flags of `ebs-lab load`, as they are written: delays, buckets, timeouts, sockets.
//!
//! Answers for: refusing what cannot be, before anything is started. Doesn't answer for: which flag is for what.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use emulator::Delays;
use lab::cloud::Cloud;
use serde_json::{Value, json};

use super::phase::Phase;
use crate::duration;

/// The emulator's delays in milliseconds, by their names at the control endpoint.
pub(super) type Milliseconds = BTreeMap<String, u64>;

/// `none`, `realistic`, or `NAME=DURATION,…` with none of the others.
///
/// # Errors
/// A sentence with what is allowed.
pub(super) fn delays(text: &str) -> Result<Milliseconds, String> {
    let all = |delays: &Delays| {
        let map = serde_json::to_value(delays).and_then(serde_json::from_value::<Milliseconds>);
        map.map_err(|error| error.to_string())
    };
    match text {
        "none" => return all(&Delays::none()),
        "realistic" => return all(&Delays::realistic()),
        _ => {}
    }
    let mut found = all(&Delays::none())?;
    for part in text.split(',') {
        let (name, took) = part.split_once('=').ok_or_else(|| {
            format!("{part:?} is not NAME=DURATION; {text:?} is neither none nor realistic")
        })?;
        let names = found.keys().map(|name| name.trim_end_matches("_ms"));
        let names = names.collect::<Vec<_>>().join(", ");
        let slot = found.get_mut(&format!("{name}_ms"));
        let slot = slot.ok_or_else(|| format!("{name:?} is not one of {names}"))?;
        *slot = u64::try_from(duration::parse(took)?.as_millis()).unwrap_or(u64::MAX);
    }
    Ok(found)
}

/// What throttles.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Buckets {
    /// Those that the emulator knows by this name.
    Profile(&'static str),
    /// What `PUT /limits` takes: buckets by action.
    Table(Value),
}

impl Buckets {
    /// `none`, `ec2` or a file.
    ///
    /// # Errors
    /// A file that cannot be read, or is not JSON by action.
    pub(super) fn named(text: &str) -> Result<Self> {
        match text {
            "" => bail!("give none, ec2 or a file"),
            "none" => Ok(Self::Profile("none")),
            "ec2" => Ok(Self::Profile("ec2")),
            path => {
                let text = fs::read(path).with_context(|| path.to_owned())?;
                let read: serde_json::Result<BTreeMap<String, Value>> =
                    serde_json::from_slice(&text);
                let by_action = read.with_context(|| {
                    format!("{path}: give {{\"ACTION\": {{\"capacity\": COUNT, \"per_second\": RATE}}, …}}")
                })?;
                Ok(Self::Table(json!(by_action)))
            }
        }
    }

    /// Sets the emulator so.
    ///
    /// # Errors
    /// The control endpoint's.
    pub(super) async fn set(&self, cloud: &Cloud) -> Result<()> {
        match self {
            Self::Profile(name) => cloud.throttle_as(name).await,
            Self::Table(table) => cloud.throttle(table).await,
        }
    }
}

/// `PHASE=DURATION`.
pub(super) fn timeout(text: &str) -> Result<(Phase, Duration), String> {
    let (phase, long) = text
        .split_once('=')
        .ok_or_else(|| format!("{text:?} is not PHASE=DURATION, as in publish=6m"))?;
    Ok((Phase::named(phase)?, duration::parse(long)?))
}

/// `unix:///PATH`, or the bare path.
pub(super) fn socket(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text.strip_prefix("unix://").unwrap_or(text));
    match path.is_absolute() {
        true => Ok(path),
        false => Err(format!(
            "{text:?} is not a Unix socket: give unix:///PATH/OF/SOCKET"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_read_or_refused_with_what_there_is() {
        let some = delays("create=1s,attach=250ms").unwrap();
        assert_eq!((some["create_ms"], some["attach_ms"]), (1_000, 250));
        assert_eq!(some["detach_ms"], 0);
        assert_eq!(delays("none").unwrap()["create_ms"], 0);
        assert_eq!(delays("realistic").unwrap()["create_ms"], 1_500);
        for (wrong, words) in [
            ("creat=1s", "attach"),
            ("create", "NAME=DURATION"),
            ("create=1", "duration"),
            ("", "none"),
        ] {
            let refused = delays(wrong).unwrap_err();
            assert!(refused.contains(words), "{wrong}: {refused}");
        }
    }

    #[test]
    fn buckets_come_by_name_or_from_a_file() {
        assert_eq!(Buckets::named("none").unwrap(), Buckets::Profile("none"));
        assert_eq!(Buckets::named("ec2").unwrap(), Buckets::Profile("ec2"));
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("buckets.json");
        let table = r#"{"CreateVolume": {"capacity": 7, "per_second": 2.5}}"#;
        fs::write(&file, table).unwrap();
        let named = || Buckets::named(file.to_str().unwrap());
        let read = serde_json::from_str(table).unwrap();
        assert_eq!(named().unwrap(), Buckets::Table(read));
        fs::write(&file, "[7]").unwrap();
        let refused = format!("{:#}", named().unwrap_err());
        assert!(refused.contains("per_second"), "{refused}");
        assert!(Buckets::named("/nonexistent").is_err());
        assert!(Buckets::named("").is_err());
    }

    #[test]
    fn sockets_and_timeouts_are_read_or_refused() {
        assert_eq!(socket("unix:///run/a.sock"), Ok("/run/a.sock".into()));
        assert_eq!(socket("/run/a.sock"), Ok("/run/a.sock".into()));
        assert!(socket("tcp://127.0.0.1:1").is_err());
        assert_eq!(
            timeout("publish=6m"),
            Ok((Phase::Publish, Duration::from_mins(6)))
        );
        assert!(timeout("publish").is_err());
        assert!(timeout("attach=1s").is_err());
    }
}
