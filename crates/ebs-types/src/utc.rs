//! Points in time as text: RFC 3339 in UTC.

use std::time::{Duration, SystemTime};

/// As Kubernetes' objects hold it (type `MicroTime`), with microseconds; what is before 1970 is 1970.
#[must_use]
pub fn micro_time(time: SystemTime) -> String {
    let since = since_epoch(time);
    format!("{}.{:06}Z", to_the_second(since), since.subsec_micros())
}

/// As EC2 writes times, with milliseconds; what is before 1970 is 1970.
#[must_use]
pub fn milli_time(time: SystemTime) -> String {
    let since = since_epoch(time);
    format!("{}.{:03}Z", to_the_second(since), since.subsec_millis())
}

/// As people read it, to the second; what is before 1970 is 1970.
#[must_use]
pub fn time(time: SystemTime) -> String {
    to_the_second(since_epoch(time)) + "Z"
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
}

fn to_the_second(since: Duration) -> String {
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
}

/// The date so many days after 1970-01-01, by the proleptic Gregorian calendar. Counted in eras of 400 years that begin with
/// March, so that a leap day is the last day of its year.
fn date(days: u64) -> (u64, u64, u64) {
    // From 0000-03-01 on.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_kubernetes_reads_them() {
        let at = |seconds, micros| {
            let since = Duration::from_secs(seconds) + Duration::from_micros(micros);
            micro_time(SystemTime::UNIX_EPOCH + since)
        };
        let noon = SystemTime::UNIX_EPOCH + Duration::from_secs(951_825_600);
        assert_eq!(time(noon), "2000-02-29T12:00:00Z");
        assert_eq!(milli_time(noon), "2000-02-29T12:00:00.000Z");
        assert_eq!(at(0, 0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(at(951_782_399, 7), "2000-02-28T23:59:59.000007Z");
        assert_eq!(at(951_782_400, 0), "2000-02-29T00:00:00.000000Z");
        assert_eq!(at(951_868_800, 0), "2000-03-01T00:00:00.000000Z");
        assert_eq!(at(1_795_275_076, 500_000), "2026-11-21T15:31:16.500000Z");
        assert_eq!(at(4_107_542_399, 0), "2100-02-28T23:59:59.000000Z");
        assert_eq!(at(4_107_542_400, 0), "2100-03-01T00:00:00.000000Z");
    }
}
