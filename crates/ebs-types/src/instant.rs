//! Points in time as RFC 3339 writes them.

use std::time::{Duration, SystemTime};

/// A text that is no point in time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is no point in time: write it as in 2027-01-31T00:00:00Z")]
pub struct InvalidInstant {
    /// What was given.
    pub value: String,
}

/// Reads a point in time of the years 1970 to 9999, with `Z` or an offset from UTC (RFC 3339, section 5.6). Fractions of a second
/// below a nanosecond are dropped; a leap second counts as the one before it.
///
/// # Errors
/// [`InvalidInstant`] for everything else.
pub fn parse_instant(text: &str) -> Result<SystemTime, InvalidInstant> {
    read(text.trim()).ok_or_else(|| InvalidInstant {
        value: text.to_owned(),
    })
}

fn read(text: &str) -> Option<SystemTime> {
    let (date, rest) = text.split_once(['T', 't', ' '])?;
    let mut date = date.split('-');
    let year = digits(date.next()?, 4)?;
    let month = digits(date.next()?, 2).filter(|month| (1..=12).contains(month))?;
    let day = digits(date.next()?, 2)?;
    if date.next().is_some() || !(1..=length(year, month)).contains(&day) || year < 1970 {
        return None;
    }
    let (clock, offset) = split_offset(rest)?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let second = days_since_1970(year, month, day) * 86_400 + seconds(clock)?;
    // East of Greenwich it is later already.
    let second = u64::try_from(second - offset).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(second) + nanoseconds(fraction)?)
}

/// A number of exactly so many digits.
fn digits(text: &str, count: usize) -> Option<i64> {
    let plain = text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// The clock and the seconds by which it is ahead of UTC.
fn split_offset(text: &str) -> Option<(&str, i64)> {
    if let Some(clock) = text.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let at = text.rfind(['+', '-'])?;
    let (clock, offset) = text.split_at_checked(at)?;
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let hours = digits(hours, 2).filter(|hours| *hours < 24)?;
    let minutes = digits(minutes, 2).filter(|minutes| *minutes < 60)?;
    Some((clock, sign * (hours * 3_600 + minutes * 60)))
}

fn seconds(clock: &str) -> Option<i64> {
    let mut parts = clock.split(':');
    let hour = digits(parts.next()?, 2).filter(|hour| *hour < 24)?;
    let minute = digits(parts.next()?, 2).filter(|minute| *minute < 60)?;
    let second = digits(parts.next()?, 2).filter(|second| *second <= 60)?;
    parts
        .next()
        .is_none()
        .then(|| hour * 3_600 + minute * 60 + second.min(59))
}

fn nanoseconds(fraction: &str) -> Option<Duration> {
    if fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let nine: String = fraction
        .chars()
        .chain("000000000".chars())
        .take(9)
        .collect();
    nine.parse().ok().map(Duration::from_nanos)
}

fn length(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar. Years are counted from March, so that the leap day comes last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month > 2 { year } else { year - 1 };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("1970-01-01T00:00:00Z", 0, 0)]
    #[case("2000-02-29T12:00:00Z", 951_825_600, 0)]
    #[case("2026-11-21T15:31:16.5Z", 1_795_275_076, 500_000_000)]
    #[case(" 2026-11-21t17:01:16.5+01:30 ", 1_795_275_076, 500_000_000)]
    #[case("2026-11-21 14:31:16-01:00", 1_795_275_076, 0)]
    #[case("2100-03-01T00:00:00.000Z", 4_107_542_400, 0)]
    #[case("1998-12-31T23:59:60Z", 915_148_799, 0)]
    fn times_are_read(#[case] text: &str, #[case] seconds: u64, #[case] nanos: u32) {
        let at = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos);
        assert_eq!(parse_instant(text), Ok(at));
    }

    #[rstest]
    fn what_is_no_time_is_refused(
        #[values(
            "",
            "tomorrow",
            "2027-01-31",
            "2027-02-29T00:00:00Z",
            "2027-13-01T00:00:00Z",
            "2027-01-31T24:00:00Z",
            "2027-01-31T00:00:00",
            "2027-1-31T00:00:00Z",
            "2027-01-31T00:00:00.Z",
            "2027-01-31T00:00Z",
            "2027-01-31T00:00:00+1:00",
            "1969-12-31T00:00:00Z",
            "1970-01-01T00:00:00+00:01",
            "+027-01-31T00:00:00Z"
        )]
        text: &str,
    ) {
        let words = parse_instant(text).unwrap_err().to_string();
        assert!(words.contains("2027-01-31T00:00:00Z"), "{words}");
    }
}
