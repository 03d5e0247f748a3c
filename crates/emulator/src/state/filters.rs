//! Filters of the describe actions: which are refused, and when a value matches.
//! Which names each kind of resource has is said in `kinds`.

mod kinds;

use ebs_types::Tags;

use crate::model::{ApiError, Filter};

/// The most values that all filters of a call may have together (EC2 API reference, "Filter").
const MAX_VALUES: usize = 200;

/// A kind of resource that can be filtered.
pub(super) trait Filtered {
    /// The filter names it knows, those of tags aside.
    const NAMES: &'static [&'static str];

    /// What a filter of this name compares with; several where the resource has several of them.
    fn values(&self, name: &str) -> Vec<String>;

    /// Its tags; `None` where the kind has none and so no filters by tag.
    fn tags(&self) -> Option<&Tags>;
}

/// Refuses filters that the kind of resource doesn't know, and too many values.
pub(super) fn check<T: Filtered>(filters: &[Filter], tagged: bool) -> Result<(), ApiError> {
    for filter in filters {
        let name = filter.name.as_str();
        let by_tag = tagged && (name == "tag-key" || name.starts_with("tag:"));
        if !by_tag && !T::NAMES.contains(&name) {
            return Err(ApiError::value(format!("The filter '{name}' is invalid")));
        }
    }
    let values: usize = filters.iter().map(|filter| filter.values.len()).sum();
    if values > MAX_VALUES {
        return Err(ApiError::client(
            "FilterLimitExceeded",
            format!("The maximum number of filter values is {MAX_VALUES}; {values} were given."),
        ));
    }
    Ok(())
}

/// Whether every filter lets the resource through.
pub(super) fn passes<T: Filtered>(item: &T, filters: &[Filter]) -> bool {
    filters.iter().all(|filter| {
        let found = found(item, &filter.name);
        filter
            .values
            .iter()
            .any(|pattern| found.iter().any(|value| matches(pattern, value)))
    })
}

fn found<T: Filtered>(item: &T, name: &str) -> Vec<String> {
    match (item.tags(), name.strip_prefix("tag:")) {
        (Some(tags), Some(key)) => tags.get(key).map(str::to_owned).into_iter().collect(),
        (Some(tags), None) if name == "tag-key" => {
            tags.iter().map(|(key, _value)| key.to_owned()).collect()
        }
        _ => item.values(name),
    }
}

/// Whether a value fits a pattern: `*` stands for any characters, `?` for one, `\` takes the next one as it is.
fn matches(pattern: &str, value: &str) -> bool {
    let pattern = tokens(pattern);
    let value: Vec<char> = value.chars().collect();
    // reach[v]: whether the pattern so far fits the first v characters.
    let mut reach: Vec<bool> = std::iter::once(true)
        .chain(value.iter().map(|_| false))
        .collect();
    for token in pattern {
        let before = reach.clone();
        let mut any = false;
        for (v, slot) in reach.iter_mut().enumerate() {
            let here = before.get(v).copied().unwrap_or(false);
            let previous = v
                .checked_sub(1)
                .and_then(|v| Some((before.get(v)?, value.get(v)?)));
            any |= here;
            *slot = match (token, previous) {
                (Token::Any, _) => any,
                (Token::One, Some((&fits, _))) => fits,
                (Token::Exactly(c), Some((&fits, &v))) => fits && c == v,
                (_, None) => false,
            };
        }
    }
    reach.last().copied().unwrap_or(false)
}

#[derive(Clone, Copy)]
enum Token {
    Any,
    One,
    Exactly(char),
}

fn tokens(pattern: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut characters = pattern.chars();
    while let Some(c) = characters.next() {
        tokens.push(match c {
            '*' => Token::Any,
            '?' => Token::One,
            '\\' => Token::Exactly(characters.next().unwrap_or('\\')),
            other => Token::Exactly(other),
        });
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_ec2() {
        for (pattern, value, fits) in [
            ("pvc-1", "pvc-1", true),
            ("pvc-1", "pvc-12", false),
            ("pvc-*", "pvc-12", true),
            ("*", "", true),
            ("?", "", false),
            ("p?c*2", "pvc-12", true),
            (r"a\*b", "a*b", true),
            (r"a\*b", "axb", false),
            ("a*b*c", "a1b2b3c", true),
        ] {
            assert_eq!(matches(pattern, value), fits, "{pattern} {value}");
        }
    }
}
