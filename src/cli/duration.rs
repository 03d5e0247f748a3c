//! Durations on the command line: a whole number and a unit.

use std::time::Duration;

/// A text that is no duration.
#[derive(Debug, thiserror::Error)]
#[error(
    "{value:?} is not a duration: write a whole number and a unit of ms, s, m or h, as in 10s or 500ms"
)]
pub(super) struct InvalidDuration {
    value: String,
}

/// Reads a duration such as `500ms`, `10s`, `2m` or `1h`; `0s` is one.
pub(super) fn parse(text: &str) -> Result<Duration, InvalidDuration> {
    read(text).ok_or_else(|| InvalidDuration {
        value: text.to_owned(),
    })
}

fn read(text: &str) -> Option<Duration> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(unit_at)?;
    let number: u64 = number.parse().ok()?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    Some(Duration::from_millis(number.checked_mul(millis)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whole_numbers_with_units_are_read(number in 0_u64..1_000_000) {
            for (unit, millis) in [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)] {
                let duration = parse(&format!("{number}{unit}")).unwrap();
                prop_assert_eq!(duration, Duration::from_millis(number * millis));
            }
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ = parse(&text);
        }
    }

    #[test]
    fn other_texts_are_refused_with_an_example() {
        for bad in [
            "",
            "10",
            "s",
            "1.5s",
            "-1s",
            "10 s",
            "10d",
            "99999999999999999999h",
            "18446744073709551615h",
        ] {
            let error = parse(bad).unwrap_err().to_string();
            assert!(error.contains("as in 10s"), "{bad}: {error}");
        }
    }
}
