//! A table of what was measured: each figure beside its limit and the Go driver's.
//!
//! Answers for: rows, units, and marking what is beyond its limit. Doesn't answer for: which figures there are.

use std::fmt;
use std::time::Duration;

/// Bytes of a MiB.
pub(crate) const MIB: u64 = 1 << 20;

/// What a figure should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

impl Limit {
    fn allows(self, value: f64) -> bool {
        match self {
            Self::AtMost(limit) => value <= limit,
            Self::AtLeast(limit) => value >= limit,
        }
    }

    fn shown(self, unit: &str) -> String {
        let (sign, value) = match self {
            Self::AtMost(limit) => ('≤', limit),
            Self::AtLeast(limit) => ('≥', limit),
        };
        format!("{sign} {}", shown(value, unit))
    }
}

/// Something that is measured.
#[derive(Debug)]
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) limit: Option<Limit>,
    pub(crate) go_driver: Option<f64>,
}

/// A line of the table.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    /// None where it could not be measured.
    pub(crate) value: Option<f64>,
    pub(crate) limit: Option<Limit>,
    pub(crate) go_driver: Option<f64>,
}

/// What was measured, in the order in which it was.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
    notes: Vec<String>,
}

impl Table {
    pub(crate) fn add(&mut self, figure: &Figure, value: f64) {
        self.add_within(figure, value, figure.limit);
    }

    /// The same with a limit that was measured too.
    pub(crate) fn add_within(&mut self, figure: &Figure, value: f64, limit: Option<Limit>) {
        self.row(Row {
            name: figure.name.to_owned(),
            unit: figure.unit,
            value: Some(value),
            limit,
            go_driver: figure.go_driver,
        });
    }

    /// Milliseconds under a name that is put together.
    pub(crate) fn add_time(
        &mut self,
        name: String,
        time: Duration,
        at_most: Option<f64>,
        go_driver: Option<f64>,
    ) {
        self.row(Row {
            name,
            unit: "ms",
            value: Some(millis(time)),
            limit: at_most.map(Limit::AtMost),
            go_driver,
        });
    }

    pub(crate) fn row(&mut self, row: Row) {
        self.rows.push(row);
    }

    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of =
            |value: Option<f64>, unit| value.map_or("–".to_owned(), |value| shown(value, unit));
        writeln!(
            f,
            "{:40} {:>12} {:>14} {:>12}",
            "", "here", "limit", "Go driver"
        )?;
        for row in &self.rows {
            let (Row { limit, unit, .. }, value) = (row, row.value);
            let over = limit
                .zip(value)
                .is_some_and(|(limit, value)| !limit.allows(value));
            writeln!(
                f,
                "{:40} {:>12} {:>14} {:>12}{}",
                row.name,
                of(value, unit),
                limit.map_or("–".to_owned(), |limit| limit.shown(unit)),
                of(row.go_driver, unit),
                if over { "  OVER" } else { "" }
            )?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "{note}"))
    }
}

/// A value with its unit; what is small is told more exactly.
pub(crate) fn shown(value: f64, unit: &str) -> String {
    let digits = match value.abs() {
        ..1.0 => 3,
        1.0..10.0 => 2,
        10.0..1_000.0 => 1,
        _ => 0,
    };
    format!("{value:.digits$} {unit}").trim_end().to_owned()
}

/// The middle one of some durations; zero of none.
pub(crate) fn median(mut durations: Vec<Duration>) -> Duration {
    durations.sort_unstable();
    durations
        .get(durations.len() / 2)
        .copied()
        .unwrap_or_default()
}

/// Milliseconds.
pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// A count. It is far below what a float holds exactly.
#[expect(clippy::cast_precision_loss, reason = "for display with few digits")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

/// `bytes` counted in `unit`s.
pub(crate) fn ratio(bytes: u64, unit: u64) -> f64 {
    float(bytes) / float(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_beyond_its_limit_is_marked() {
        let mut table = Table::default();
        let figure = |limit| Figure {
            name: "start",
            unit: "ms",
            limit: Some(limit),
            go_driver: Some(27.0),
        };
        table.add(&figure(Limit::AtMost(15.0)), 14.9);
        table.add(&figure(Limit::AtMost(10.0)), 10.1);
        table.add(&figure(Limit::AtLeast(1_500.0)), 1_500.0);
        table.add(&figure(Limit::AtLeast(1_500.0)), 1_499.0);
        let shown = table.to_string();
        let lines: Vec<&str> = shown.lines().collect();
        assert!(
            lines[1].contains("14.9 ms") && !lines[1].contains("OVER"),
            "{shown}"
        );
        assert!(
            lines[2].contains("27.0 ms") && lines[2].ends_with("OVER"),
            "{shown}"
        );
        assert!(!lines[3].contains("OVER"), "{shown}");
        assert!(
            lines[4].contains("≥ 1500 ms") && lines[4].ends_with("OVER"),
            "{shown}"
        );
    }

    #[test]
    fn the_median_is_the_middle_one() {
        let ms = Duration::from_millis;
        assert_eq!(median(vec![ms(9), ms(1), ms(5)]), ms(5));
        assert_eq!(median(vec![]), Duration::ZERO);
    }
}
