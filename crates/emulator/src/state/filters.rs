//! Filters of the describe actions: which are refused, and when a value matches.
//! Which names each kind of resource has is said in `kinds`.

mod kinds;

use std::borrow::Cow;
use std::collections::BTreeSet;

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

/// The filters of a call, read once to be held against many resources.
#[derive(Debug)]
pub(super) struct Sieve<'a>(Vec<(&'a str, Wanted<'a>)>);

/// The values of a filter.
#[derive(Debug, Default)]
struct Wanted<'a> {
    plain: BTreeSet<Cow<'a, str>>,
    patterns: Vec<Vec<Token>>,
}

impl<'a> Sieve<'a> {
    /// Reads the filters of a kind of resource, which may have filters by tag too.
    ///
    /// # Errors
    /// `InvalidParameterValue` for a filter that the kind doesn't have, `FilterLimitExceeded` for too many values.
    pub(super) fn new<T: Filtered>(filters: &'a [Filter], tagged: bool) -> Result<Self, ApiError> {
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
                format!(
                    "The maximum number of filter values is {MAX_VALUES}; {values} were given."
                ),
            ));
        }
        let read = |filter: &'a Filter| (filter.name.as_str(), Wanted::read(&filter.values));
        Ok(Self(filters.iter().map(read).collect()))
    }

    /// Whether every filter lets the resource through.
    pub(super) fn passes<T: Filtered>(&self, item: &T) -> bool {
        let mut filters = self.0.iter();
        filters.all(
            |(name, wanted)| match (item.tags(), name.strip_prefix("tag:")) {
                (Some(tags), Some(key)) => tags.get(key).is_some_and(|value| wanted.fits(value)),
                (Some(tags), None) if *name == "tag-key" => {
                    tags.iter().any(|(key, _value)| wanted.fits(key))
                }
                _ => item.values(name).iter().any(|value| wanted.fits(value)),
            },
        )
    }

    /// The filters whose values are all without wildcards, and these values in their order.
    pub(super) fn plain(&self) -> impl Iterator<Item = (&str, impl Iterator<Item = &str>)> {
        let plain = self.0.iter();
        let plain = plain.filter(|(_name, wanted)| wanted.patterns.is_empty());
        plain.map(|(name, wanted)| (*name, wanted.plain.iter().map(Cow::as_ref)))
    }
}

impl<'a> Wanted<'a> {
    fn read(values: &'a [String]) -> Self {
        let mut wanted = Self::default();
        for value in values {
            if !value.contains(['*', '?', '\\']) {
                wanted.plain.insert(Cow::Borrowed(value));
                continue;
            }
            let pattern = tokens(value);
            let plain = pattern.iter().map(|token| match token {
                Token::Exactly(c) => Some(*c),
                Token::Any | Token::One => None,
            });
            match plain.collect::<Option<String>>() {
                Some(plain) => {
                    wanted.plain.insert(Cow::Owned(plain));
                }
                None => wanted.patterns.push(pattern),
            }
        }
        wanted
    }

    fn fits(&self, value: &str) -> bool {
        let mut patterns = self.patterns.iter();
        self.plain.contains(value) || patterns.any(|pattern| matches(pattern, value))
    }
}

/// Whether a value fits a pattern: `*` stands for any characters, `?` for one, `\` takes the next one as it is.
fn matches(pattern: &[Token], value: &str) -> bool {
    let (mut at, mut rest) = (0, value.chars());
    // Where to go on when what follows the last `*` doesn't fit: with one character more for the `*`.
    let mut last_any = None;
    loop {
        let mut after = rest.clone();
        match (pattern.get(at), after.next()) {
            (Some(Token::Any), _) => {
                at += 1;
                last_any = Some((at, rest.clone()));
            }
            (Some(Token::One), Some(_)) => (at, rest) = (at + 1, after),
            (Some(Token::Exactly(wanted)), Some(c)) if *wanted == c => {
                (at, rest) = (at + 1, after);
            }
            (None, None) => return true,
            _ => {
                let Some((after_any, from)) = &mut last_any else {
                    return false;
                };
                if from.next().is_none() {
                    return false;
                }
                (at, rest) = (*after_any, from.clone());
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
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
            ("a*b*c", "a1b2b3cd", false),
            ("*ab", "aab", true),
            ("*?b", "b", false),
            ("**é?", "xéé", true),
            (r"a\", r"a\", true),
        ] {
            let values = [pattern.to_owned()];
            assert_eq!(Wanted::read(&values).fits(value), fits, "{pattern} {value}");
        }
    }
}
