//! A parameter map (of a StorageClass or VolumeSnapshotClass) being read: keys without regard to case, each taken once,
//! and what nobody took is refused with the nearest known key.

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;

use crate::status::InvalidRequest;

/// Below this similarity (0 to 1) two keys have nothing to do with each other.
const ALIKE: f64 = 0.6;

/// The parameters that nobody has taken yet.
#[derive(Debug)]
pub(super) struct Parameters {
    field: &'static str,
    /// By folded key: the key as written, and the value.
    left: BTreeMap<String, (String, String)>,
    known: Vec<&'static str>,
}

impl Parameters {
    /// Begins reading `map`; `field` is its name in the request.
    ///
    /// # Errors
    /// [`InvalidRequest`] where two keys differ in case alone, so that it is not clear which counts.
    pub(super) fn new(
        field: &'static str,
        map: &HashMap<String, String>,
    ) -> Result<Self, InvalidRequest> {
        let mut left = BTreeMap::new();
        for (key, value) in map {
            let entry = (key.clone(), value.clone());
            if let Some((other, _)) = left.insert(key.to_lowercase(), entry) {
                // The map has no order: name the two in a fixed one.
                let (first, second) = if other < *key {
                    (&other, key)
                } else {
                    (key, &other)
                };
                return Err(InvalidRequest::value(
                    field,
                    format!("{first}, {second}"),
                    "these keys differ in case alone; keep one of them",
                ));
            }
        }
        Ok(Self {
            field,
            left,
            known: Vec::new(),
        })
    }

    /// Takes the value of `key`, if it is there.
    pub(super) fn take(&mut self, key: &'static str) -> Option<String> {
        self.known.push(key);
        self.left
            .remove(&key.to_lowercase())
            .map(|(_, value)| value)
    }

    /// Takes the value of a parameter that has two names, with the one that it was given under.
    ///
    /// # Errors
    /// [`InvalidRequest`] where both are there.
    pub(super) fn take_either(
        &mut self,
        names: [&'static str; 2],
    ) -> Result<Option<(&'static str, String)>, InvalidRequest> {
        let mut given = names.map(|name| self.take(name).map(|value| (name, value)));
        if given.iter().all(Option::is_some) {
            return Err(InvalidRequest::value(
                self.field,
                names.join(", "),
                "these are the same; keep one of them",
            ));
        }
        Ok(given.iter_mut().find_map(Option::take))
    }

    /// The map's name in the request.
    pub(super) fn field(&self) -> &'static str {
        self.field
    }

    /// Takes all whose keys begin with `prefix`, in the order of the keys: the field's path in the request, and the value.
    pub(super) fn take_all(&mut self, prefix: &'static str) -> Vec<(String, String)> {
        self.known.push(prefix);
        let folded = prefix.to_lowercase();
        let taken = self.left.extract_if(.., |key, _| key.starts_with(&folded));
        taken
            .map(|(_, (key, value))| (format!("{}.{key}", self.field), value))
            .collect()
    }

    /// Takes the value of `key`, if it is there, and reads it; `allowed` says what can be read.
    ///
    /// # Errors
    /// [`InvalidRequest`] where it cannot be read.
    pub(super) fn take_parsed<T: FromStr>(
        &mut self,
        key: &'static str,
        allowed: &'static str,
    ) -> Result<Option<T>, InvalidRequest> {
        self.take(key)
            .map(|value| {
                let parsed = value.trim().to_lowercase().parse();
                parsed.map_err(|_| {
                    InvalidRequest::value(format!("{}.{key}", self.field), value, allowed)
                })
            })
            .transpose()
    }

    /// Ends reading.
    ///
    /// # Errors
    /// [`InvalidRequest`] naming a parameter that nobody took, and the nearest known one.
    pub(super) fn finish(self) -> Result<(), InvalidRequest> {
        let Some((folded, (key, _))) = self.left.iter().next() else {
            return Ok(());
        };
        let nearest = self
            .known
            .iter()
            .map(|known| (strsim::jaro_winkler(folded, &known.to_lowercase()), *known))
            .filter(|(alike, _)| *alike >= ALIKE)
            .max_by(|(a, _), (b, _)| a.total_cmp(b));
        let hint = nearest.map(|(_, known)| format!(" did you mean {known:?}?"));
        Err(InvalidRequest::value(
            self.field,
            key.as_str(),
            format_args!(
                "this parameter is not known;{} Known are {}",
                hint.unwrap_or_default(),
                self.known.join(", ")
            ),
        ))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parameters(pairs: &[(&str, &str)]) -> Result<Parameters, InvalidRequest> {
        let map = pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        Parameters::new("parameters", &map)
    }

    #[test]
    fn keys_are_read_in_any_case() {
        let mut map = parameters(&[("KMSKeyID", "k"), ("Iops", " 4000 ")]).unwrap();
        assert_eq!(map.take("kmsKeyId").as_deref(), Some("k"));
        assert_eq!(map.take_parsed("iops", "a number").unwrap(), Some(4_000));
        assert_eq!(
            map.take_parsed::<u32>("throughput", "a number").unwrap(),
            None
        );
        map.finish().unwrap();
    }

    #[test]
    fn a_misspelt_key_is_refused_with_the_right_one() {
        let mut map = parameters(&[("troughput", "125")]).unwrap();
        for key in ["type", "iops", "throughput", "kmsKeyId"] {
            assert_eq!(map.take(key), None);
        }
        assert_eq!(
            map.finish().unwrap_err().to_string(),
            "parameters is \"troughput\": this parameter is not known; did you mean \"throughput\"? \
             Known are type, iops, throughput, kmsKeyId"
        );
    }

    #[test]
    fn a_key_like_none_gets_no_guess() {
        let mut map = parameters(&[("zzz", "")]).unwrap();
        map.take("iops");
        let words = map.finish().unwrap_err().to_string();
        assert!(!words.contains("did you mean"), "{words}");
    }

    #[test]
    fn keys_that_differ_in_case_alone_are_refused() {
        let words = parameters(&[("iops", "1"), ("IOPS", "2")])
            .unwrap_err()
            .to_string();
        assert!(words.contains("IOPS, iops"), "{words}");
    }

    #[test]
    fn a_value_that_cannot_be_read_is_named() {
        let mut map = parameters(&[("iops", "many")]).unwrap();
        assert_eq!(
            map.take_parsed::<u32>("iops", "a whole number")
                .unwrap_err()
                .to_string(),
            "parameters.iops is \"many\": a whole number"
        );
    }

    proptest! {
        #[test]
        fn no_map_panics_and_nothing_is_lost(map in proptest::collection::hash_map(".*", ".*", 0..5)) {
            if let Ok(mut read) = Parameters::new("parameters", &map) {
                let taken = usize::from(read.take("iops").is_some());
                prop_assert_eq!(read.finish().is_ok(), taken == map.len());
            }
        }
    }
}
