//! A strict reader of what a scrape gives: it fails on whatever Prometheus' own parsers would refuse or misread.

use std::collections::{BTreeMap, BTreeSet};

/// One sample: its name and its labels.
type Series = (String, BTreeMap<String, String>);

/// A scrape that was found to be well formed.
#[derive(Debug)]
pub(crate) struct Exposition {
    samples: BTreeMap<Series, f64>,
}

impl Exposition {
    /// Reads OpenMetrics 1.0: families in one piece, a type before the samples, the right suffixes, `# EOF` at the end.
    pub(crate) fn open_metrics(text: &str) -> Self {
        let body = text.strip_suffix("# EOF\n").expect("it ends with # EOF");
        Self::read(body, |kind| match kind {
            "counter" => &["_total"],
            "gauge" => &[""],
            "info" => &["_info"],
            "histogram" => &["_bucket", "_sum", "_count"],
            other => panic!("type {other}"),
        })
    }

    /// Reads the text form 0.0.4.
    pub(crate) fn plain(text: &str) -> Self {
        Self::read(text, |kind| match kind {
            "counter" | "gauge" => &[""],
            "histogram" => &["_bucket", "_sum", "_count"],
            other => panic!("type {other}"),
        })
    }

    /// The value of a sample with these labels, and perhaps more.
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let fits = |found: &BTreeMap<String, String>| {
            let has = |(key, value): &(&str, &str)| found.get(*key).is_some_and(|v| v == value);
            labels.iter().all(has)
        };
        let mut found = self.samples.iter();
        let (_, value) = found.find(|((found, labels), _)| found == name && fits(labels))?;
        Some(*value)
    }

    fn read(text: &str, suffixes: fn(&str) -> &'static [&'static str]) -> Self {
        let mut samples = BTreeMap::new();
        let mut families = BTreeSet::new();
        let mut family: Option<(String, &[&str])> = None;
        for line in text.lines() {
            assert!(!line.is_empty(), "an empty line");
            if let Some(about) = line.strip_prefix("# ") {
                let (what, rest) = about.split_once(' ').unwrap();
                let (name, words) = rest.split_once(' ').unwrap();
                if what == "TYPE" {
                    assert!(families.insert(name.to_owned()), "{name} comes twice");
                    family = Some((name.to_owned(), suffixes(words)));
                } else {
                    assert!(what == "HELP" || what == "UNIT", "{line}");
                    assert!(what != "UNIT" || name.ends_with(words), "{line}");
                }
                continue;
            }
            let (series, value) = sample(line);
            let (name, suffixes) = family.as_ref().unwrap();
            let suffix = series.0.strip_prefix(name.as_str());
            let suffix = suffix.unwrap_or_else(|| panic!("{line} in the family {name}"));
            assert!(suffixes.contains(&suffix), "{line} in the family {name}");
            assert!(
                samples.insert(series, value).is_none(),
                "{line} comes twice"
            );
        }
        let read = Self { samples };
        read.check_histograms();
        read
    }

    /// Buckets grow with their bounds, the last one is infinite and has as many as the count says.
    fn check_histograms(&self) {
        let mut buckets: BTreeMap<Series, Vec<(f64, f64)>> = BTreeMap::new();
        for ((name, labels), value) in &self.samples {
            let Some(base) = name.strip_suffix("_bucket") else {
                continue;
            };
            let mut labels = labels.clone();
            let bound = number(&labels.remove("le").expect("a bucket has le"));
            let series = (base.to_owned(), labels);
            buckets.entry(series).or_default().push((bound, *value));
        }
        for ((base, labels), mut found) in buckets {
            found.sort_by(|a, b| a.0.total_cmp(&b.0));
            assert!(found.is_sorted_by(|a, b| a.1 <= b.1), "{base}: {found:?}");
            let (bound, all) = found.last().unwrap();
            assert!(bound.is_infinite(), "{base}");
            let count = self.samples.get(&(format!("{base}_count"), labels.clone()));
            assert_eq!(count, Some(all), "{base}");
            let sum = self.samples.get(&(format!("{base}_sum"), labels));
            assert!(sum.is_some_and(|sum| *sum >= 0.0), "{base}");
        }
    }
}

fn sample(line: &str) -> (Series, f64) {
    let (series, value) = line.rsplit_once(' ').unwrap();
    let (name, labels) = match series.split_once('{') {
        Some((name, labels)) => (name, read_labels(labels)),
        None => (series, BTreeMap::new()),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    assert!(!name.is_empty() && name.chars().all(plain), "{line}");
    ((name.to_owned(), labels), number(value))
}

/// What follows the brace: `a="b",c="d\"e"}`.
fn read_labels(text: &str) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once("=\"") {
        let mut value = String::new();
        let mut chars = after.char_indices();
        let end = loop {
            match chars.next().expect("a label's value ends") {
                (at, '"') => break at,
                (_, '\\') => match chars.next().unwrap().1 {
                    'n' => value.push('\n'),
                    other => {
                        assert!(other == '"' || other == '\\', "{text}");
                        value.push(other);
                    }
                },
                (_, other) => value.push(other),
            }
        };
        assert!(labels.insert(name.to_owned(), value).is_none(), "{text}");
        rest = after[end + 1..].trim_start_matches(',');
    }
    assert_eq!(rest, "}", "{text}");
    labels
}

fn number(text: &str) -> f64 {
    match text {
        "+Inf" => f64::INFINITY,
        text => text
            .parse()
            .unwrap_or_else(|_| panic!("{text} is no number")),
    }
}
