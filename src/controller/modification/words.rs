//! When a volume can be modified next, for people.

use std::time::{Duration, SystemTime};

use ec2::Modification;

use super::desk::{DAY, PER_DAY};
use ebs_types::utc;

/// How far a modification is, and how long the rest takes if it goes on as before.
pub(super) fn progress(last: &Modification, now: SystemTime) -> String {
    let began = last.started;
    let since = began.map_or_else(String::new, |began| format!(" since {}", utc::time(began)));
    let elapsed = began.and_then(|began| now.duration_since(began).ok());
    let done = last.progress.filter(|percent| (1..100).contains(percent));
    let rest = match (done, elapsed) {
        (Some(percent), Some(elapsed)) => {
            let rest = elapsed * u32::from(100 - percent) / u32::from(percent);
            let end = utc::time(now + rest);
            format!(", {percent} % done, at this rate until {end}")
        }
        _ => String::new(),
    };
    format!(
        "to {}{since}{rest}; EBS takes the next one once it is completed",
        last.target_size
    )
}

/// When the next modification is possible. `oldest` is the first of as many as EBS grants in a day, if all of them are known.
pub(super) fn wait(last: &Modification, oldest: Option<SystemTime>, now: SystemTime) -> String {
    let rule = format!("EBS allows {PER_DAY} modifications of a volume in 24 h");
    let at = |began: SystemTime| {
        let free = began + DAY;
        let left = free.duration_since(now).unwrap_or(Duration::ZERO);
        format!(
            "{} (in {} min)",
            utc::time(free),
            left.as_secs().div_ceil(60)
        )
    };
    match (oldest, last.started) {
        (Some(oldest), _) => format!("{rule}, the next one is possible at {}", at(oldest)),
        (None, Some(began)) => format!(
            "{rule}, the last one began at {}, the next one is possible at {} at the latest",
            utc::time(began),
            at(began)
        ),
        (None, None) => format!("{rule}, and each only once the one before is completed"),
    }
}

#[cfg(test)]
mod tests {
    use ebs_types::{Gibibytes, ModificationState};

    use super::*;

    fn minute(minute: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(60 * minute)
    }

    fn modification() -> Modification {
        Modification {
            volume: "vol-00000001".parse().unwrap(),
            state: ModificationState::Optimizing,
            status: None,
            target_size: Gibibytes(200),
            target_type: None,
            target_iops: None,
            target_throughput: None,
            started: Some(minute(0)),
            progress: Some(25),
        }
    }

    #[test]
    fn what_is_known_of_the_end_is_said() {
        let words = progress(&modification(), minute(10));
        assert!(words.contains("since 1970-01-01T00:00:00Z"), "{words}");
        assert!(words.contains("25 %"), "{words}");
        assert!(words.contains("until 1970-01-01T00:40:00Z"), "{words}");
        let unknown = Modification {
            started: None,
            progress: None,
            ..modification()
        };
        assert!(progress(&unknown, minute(10)).starts_with("to 200 GiB; "));
    }

    #[test]
    fn the_time_of_the_next_one_is_said() {
        let words = wait(&modification(), None, minute(10));
        assert!(
            words.contains("1970-01-02T00:00:00Z (in 1430 min) at the latest"),
            "{words}"
        );
        let words = wait(&modification(), Some(minute(5)), minute(10));
        assert!(
            words.contains("possible at 1970-01-02T00:05:00Z (in 1435 min)"),
            "{words}"
        );
    }
}
