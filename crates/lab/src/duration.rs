//! Durations as people write them on a command line: `250ms`, `1.5s`, `2m`, `1h`.
//!
//! Answers for: refusing a number without a unit, which could be taken for another one. Doesn't answer for: weeks.

use std::time::Duration;

/// The longest that makes sense.
const MOST: Duration = Duration::from_hours(30 * 24);

/// Reads a duration.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let refused = || {
        format!(
            "{text:?} is not a duration: give a number with ms, s, m or h, as in 250ms or 1.5s, up to 720h"
        )
    };
    let unit_at = text
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let unit = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        // Zero is the same in every unit.
        "" if number == "0" => 1.0,
        _ => return Err(refused()),
    };
    let plain = number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let value: f64 = number.parse().ok().filter(|_| plain).ok_or_else(refused)?;
    Duration::try_from_secs_f64(value * unit)
        .ok()
        .filter(|duration| *duration <= MOST)
        .ok_or_else(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        for (text, ms) in [
            ("0", 0),
            ("0s", 0),
            ("250ms", 250),
            ("1.5s", 1_500),
            ("2m", 120_000),
            ("24h", 86_400_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(ms)), "{text}");
        }
    }

    #[test]
    fn other_strings_are_refused() {
        for bad in [
            "", "5", "s", "-1s", "1 s", "1d", "1e3s", "721h", "infs", "1.2.3s",
        ] {
            let refusal = parse(bad).unwrap_err();
            assert!(refusal.contains("250ms"), "{bad}");
        }
    }
}
