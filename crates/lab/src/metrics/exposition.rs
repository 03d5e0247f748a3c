//! A strict reader of what a scrape gives.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail, ensure};

/// One sample: its name and its labels.
type Series = (String, BTreeMap<String, String>);

/// The endings that samples of a family of each type may have.
type Suffixes = fn(&str) -> Option<&'static [&'static str]>;

/// A scrape that was found to be well formed.
#[derive(Clone, Debug)]
pub struct Exposition {
    samples: BTreeMap<Series, f64>,
}

impl Exposition {
    /// Reads OpenMetrics 1.0: families in one piece, a type before the samples, the right endings, `# EOF` at the end.
    pub fn open_metrics(text: &str) -> Result<Self> {
        let body = text.strip_suffix("# EOF\n");
        let body = body.context("it does not end with # EOF")?;
        Self::read(body, |kind| match kind {
            "counter" => Some(&["_total"]),
            "gauge" => Some(&[""]),
            "info" => Some(&["_info"]),
            "histogram" => Some(&["_bucket", "_sum", "_count"]),
            _ => None,
        })
    }

    /// Reads the text form 0.0.4.
    pub fn plain(text: &str) -> Result<Self> {
        Self::read(text, |kind| match kind {
            "counter" | "gauge" => Some(&[""]),
            "histogram" => Some(&["_bucket", "_sum", "_count"]),
            _ => None,
        })
    }

    /// The value of a sample with these labels, and perhaps more; the first if several.
    #[must_use]
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let fits = |found: &BTreeMap<String, String>| {
            let has = |(key, value): &(&str, &str)| found.get(*key).is_some_and(|v| v == value);
            labels.iter().all(has)
        };
        let mut found = self.samples.iter();
        let (_, value) = found.find(|((found, labels), _)| found == name && fits(labels))?;
        Some(*value)
    }

    fn read(text: &str, suffixes: Suffixes) -> Result<Self> {
        let mut samples = BTreeMap::new();
        let mut families = BTreeSet::new();
        let mut family: Option<(String, &[&str])> = None;
        for line in text.lines() {
            if let Some(about) = line.strip_prefix("# ") {
                let (what, rest) = about.split_once(' ').context("a comment")?;
                let (name, words) = rest.split_once(' ').context("nothing of a family")?;
                match what {
                    "TYPE" => {
                        ensure!(families.insert(name.to_owned()), "{name} comes twice");
                        let suffixes = suffixes(words).with_context(|| line.to_owned())?;
                        family = Some((name.to_owned(), suffixes));
                    }
                    "HELP" => {}
                    "UNIT" => ensure!(name.ends_with(words), "{line}"),
                    _ => bail!("{line}"),
                }
                continue;
            }
            let (series, value) = sample(line).with_context(|| line.to_owned())?;
            let (name, suffixes) = family.as_ref().context("a sample before any type")?;
            let suffix = series.0.strip_prefix(name.as_str());
            let fits = suffix.is_some_and(|suffix| suffixes.contains(&suffix));
            ensure!(fits, "{line} in the family {name}");
            ensure!(
                samples.insert(series, value).is_none(),
                "{line} comes twice"
            );
        }
        let read = Self { samples };
        read.check_histograms()?;
        Ok(read)
    }

    /// Buckets grow with their bounds, the last one is infinite and has as many as the count says.
    fn check_histograms(&self) -> Result<()> {
        let mut buckets: BTreeMap<Series, Vec<(f64, f64)>> = BTreeMap::new();
        for ((name, labels), value) in &self.samples {
            let Some(base) = name.strip_suffix("_bucket") else {
                continue;
            };
            let mut labels = labels.clone();
            let bound = labels.remove("le").context("a bucket without le")?;
            let series = (base.to_owned(), labels);
            let bucket = (number(&bound)?, *value);
            buckets.entry(series).or_default().push(bucket);
        }
        for ((base, labels), mut found) in buckets {
            found.sort_by(|a, b| a.0.total_cmp(&b.0));
            ensure!(found.is_sorted_by(|a, b| a.1 <= b.1), "{base}: {found:?}");
            let all = found.last().filter(|(bound, _)| bound.is_infinite());
            let count = self.samples.get(&(format!("{base}_count"), labels.clone()));
            ensure!(all.map(|(_, count)| count) == count, "{base}: {found:?}");
            let sum = self.samples.get(&(format!("{base}_sum"), labels));
            ensure!(sum.is_some_and(|sum| *sum >= 0.0), "{base}: sum {sum:?}");
        }
        Ok(())
    }
}

fn sample(line: &str) -> Result<(Series, f64)> {
    let (series, value) = line.rsplit_once(' ').context("no value")?;
    let (name, labels) = match series.split_once('{') {
        Some((name, labels)) => (name, read_labels(labels)?),
        None => (series, BTreeMap::new()),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    ensure!(!name.is_empty() && name.chars().all(plain), "its name");
    Ok(((name.to_owned(), labels), number(value)?))
}

/// What follows the brace: `a="b",c="d\"e"}`.
fn read_labels(text: &str) -> Result<BTreeMap<String, String>> {
    let mut labels = BTreeMap::new();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once("=\"") {
        let mut value = String::new();
        let mut chars = after.chars();
        loop {
            match chars.next().context("a label's value does not end")? {
                '"' => break,
                '\\' => match chars.next() {
                    Some('n') => value.push('\n'),
                    Some(escaped @ ('"' | '\\')) => value.push(escaped),
                    other => bail!("{other:?} after a backslash"),
                },
                other => value.push(other),
            }
        }
        ensure!(
            labels.insert(name.to_owned(), value).is_none(),
            "{name} twice"
        );
        rest = chars.as_str().trim_start_matches(',');
    }
    ensure!(rest == "}", "{rest:?} after the labels");
    Ok(labels)
}

fn number(text: &str) -> Result<f64> {
    match text {
        "+Inf" => Ok(f64::INFINITY),
        text => text
            .parse()
            .with_context(|| format!("{text:?} is no number")),
    }
}

#[cfg(test)]
mod tests {
    use super::Exposition;

    #[test]
    fn what_prometheus_would_refuse_is_refused() {
        let family = "# HELP x A thing.\n# TYPE x counter\n";
        let good = format!("{family}x_total{{a=\"b \\\"c\\\" \\\\\",d=\"\"}} 1\n# EOF\n");
        let read = Exposition::open_metrics(&good).unwrap();
        assert_eq!(read.value("x_total", &[("a", "b \"c\" \\")]), Some(1.0));
        for bad in [
            "x_total 1\n# EOF\n".to_owned(),
            format!("{family}x_total 1\n"),
            format!("{family}x 1\n# EOF\n"),
            format!("{family}y_total 1\n# EOF\n"),
            format!("{family}x_total 1\nx_total 2\n# EOF\n"),
            format!("{family}{family}x_total 1\n# EOF\n"),
            format!("{family}x_total{{a=\"b}} 1\n# EOF\n"),
            format!("{family}x_total one\n# EOF\n"),
            "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 1\nh_count 1\n# EOF\n".to_owned(),
            "# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 2\n# EOF\n".to_owned(),
        ] {
            assert!(Exposition::open_metrics(&bad).is_err(), "{bad}");
        }
    }
}
