//! The figures: what each is called, what it may be, and what it is with the Go driver.
//!
//! The Go driver's are those of aws-ebs-csi-driver v1.64.0, measured on a machine of two cores against an emulated EC2,
//! volumes on loop devices.

use std::fmt;
use std::time::Duration;

/// Bytes of a MiB.
pub(super) const MIB: u64 = 1 << 20;

/// Something that is measured.
#[derive(Debug)]
pub(super) struct Figure {
    name: &'static str,
    unit: &'static str,
    limit: Option<f64>,
    go_driver: Option<f64>,
}

pub(super) const BINARY: Figure = Figure {
    name: "program, static and stripped",
    unit: "MiB",
    limit: Some(15.0),
    go_driver: Some(98.1),
};
pub(super) const CONTROLLER_START: Figure = Figure {
    name: "controller, start to first Probe",
    unit: "ms",
    limit: Some(10.0),
    go_driver: Some(24.0),
};
pub(super) const CONTROLLER_MEMORY: Figure = Figure {
    name: "controller, idle resident memory",
    unit: "MiB",
    limit: Some(12.0),
    go_driver: Some(52.3),
};
pub(super) const NODE_START: Figure = Figure {
    name: "node, start to first Probe",
    unit: "ms",
    limit: Some(10.0),
    go_driver: Some(27.0),
};
pub(super) const NODE_MEMORY: Figure = Figure {
    name: "node, idle resident memory",
    unit: "MiB",
    limit: Some(8.0),
    go_driver: Some(53.7),
};
/// A call that does nothing, which the others' way there and back is known by.
pub(super) const NOTHING: Figure = Figure {
    name: "NodeGetCapabilities, which does nothing",
    unit: "ms",
    limit: None,
    go_driver: None,
};
pub(super) const AT_ONCE_BLANK: Figure = Figure {
    name: "100 blank volumes staged at once",
    unit: "ms",
    limit: None,
    go_driver: None,
};
pub(super) const ONE_BY_ONE: Figure = Figure {
    name: "100 formatted ones, one after the other",
    unit: "ms",
    limit: None,
    go_driver: None,
};
/// Its limit is what one after the other takes; it is measured right before.
pub(super) const AT_ONCE: Figure = Figure {
    name: "100 formatted ones, at once",
    unit: "ms",
    limit: None,
    go_driver: None,
};
pub(super) const MEMORY_AFTER: Figure = Figure {
    name: "node, idle memory after all that",
    unit: "MiB",
    limit: Some(8.0),
    go_driver: None,
};
pub(super) const IDLE_CPU: Figure = Figure {
    name: "node, processor time when idle",
    unit: "%",
    limit: Some(0.05),
    go_driver: None,
};

/// A line of the table.
#[derive(Debug)]
struct Row {
    name: String,
    unit: &'static str,
    value: f64,
    limit: Option<f64>,
    go_driver: Option<f64>,
}

/// What was measured, in the order in which it was.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: Vec<Row>,
    notes: Vec<String>,
}

impl Table {
    pub(super) fn add(&mut self, figure: &Figure, value: f64) {
        self.add_within(figure, value, figure.limit);
    }

    /// The same with a limit that was measured too.
    pub(super) fn add_within(&mut self, figure: &Figure, value: f64, limit: Option<f64>) {
        self.rows.push(Row {
            name: figure.name.to_owned(),
            unit: figure.unit,
            value,
            limit,
            go_driver: figure.go_driver,
        });
    }

    /// Milliseconds under a name that is put together.
    pub(super) fn add_time(
        &mut self,
        name: String,
        time: Duration,
        limit: Option<f64>,
        go_driver: Option<f64>,
    ) {
        self.rows.push(Row {
            name,
            unit: "ms",
            value: millis(time),
            limit,
            go_driver,
        });
    }

    pub(super) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:40} {:>12} {:>12} {:>12}",
            "", "here", "at most", "Go driver"
        )?;
        for row in &self.rows {
            let over = row.limit.is_some_and(|limit| row.value > limit);
            writeln!(
                f,
                "{:40} {:>12} {:>12} {:>12}{}",
                row.name,
                shown(Some(row.value), row.unit),
                shown(row.limit, row.unit),
                shown(row.go_driver, row.unit),
                if over { "  OVER" } else { "" }
            )?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "{note}"))
    }
}

fn shown(value: Option<f64>, unit: &str) -> String {
    // What is small is told more exactly.
    value.map_or_else(
        || "–".to_owned(),
        |value| match value < 1.0 {
            true => format!("{value:.2} {unit}"),
            false => format!("{value:.1} {unit}"),
        },
    )
}

/// The middle one of some durations; zero of none.
pub(super) fn median(mut durations: Vec<Duration>) -> Duration {
    durations.sort_unstable();
    durations
        .get(durations.len() / 2)
        .copied()
        .unwrap_or_default()
}

/// Milliseconds.
pub(super) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// `bytes` counted in `unit`s. Both are far below what a float holds exactly.
#[expect(clippy::cast_precision_loss, reason = "for display with one digit")]
pub(super) fn ratio(bytes: u64, unit: u64) -> f64 {
    bytes as f64 / unit as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_beyond_its_limit_is_marked() {
        let mut table = Table::default();
        table.add(&BINARY, 14.9);
        table.add(&NODE_START, 10.1);
        let shown = table.to_string();
        let lines: Vec<&str> = shown.lines().collect();
        assert!(
            lines[1].contains("14.9 MiB") && !lines[1].contains("OVER"),
            "{shown}"
        );
        assert!(
            lines[2].contains("27.0 ms") && lines[2].ends_with("OVER"),
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
