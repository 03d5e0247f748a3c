//! KMS keys with which volumes have been made lately.
//!
//! EC2 accepts a volume with a key that it may not use, and the volume vanishes within seconds. With a key that is not known to work the
//! volume is looked at right away, so that it is seen before that, and the caller is told what went wrong.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Keys remembered at most. Beyond it all are forgotten, which costs a look each.
const MAX_KEYS: usize = 256;

/// Keys that work.
#[derive(Debug, Default)]
pub(in crate::controller) struct Keys {
    known: Mutex<BTreeSet<String>>,
}

impl Keys {
    /// Whether a volume that is encrypted with this key, or with none, will be made, as far as is known.
    pub(super) fn is_trusted(&self, key: Option<&str>) -> bool {
        key.is_none_or(|key| self.lock().contains(key))
    }

    /// A volume with it has become usable.
    pub(super) fn worked(&self, key: Option<&str>) {
        if let Some(key) = key.filter(|key| !self.is_trusted(Some(key))) {
            let mut known = self.lock();
            if known.len() >= MAX_KEYS {
                known.clear();
            }
            known.insert(key.to_owned());
        }
    }

    /// A volume with it was never seen.
    pub(super) fn failed(&self, key: Option<&str>) {
        if let Some(key) = key {
            self.lock().remove(key);
        }
    }

    /// The set is whole after every statement, so a panic elsewhere while it was locked does not matter.
    fn lock(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_trusted_from_a_volume_that_was_made_to_one_that_was_not() {
        let keys = Keys::default();
        assert!(keys.is_trusted(None) && !keys.is_trusted(Some("a")));
        keys.worked(Some("a"));
        keys.worked(None);
        assert!(keys.is_trusted(Some("a")) && !keys.is_trusted(Some("b")));
        keys.failed(Some("a"));
        assert!(!keys.is_trusted(Some("a")));
    }

    #[test]
    fn memory_is_bounded() {
        let keys = Keys::default();
        for n in 0..=MAX_KEYS {
            keys.worked(Some(&n.to_string()));
        }
        assert_eq!(keys.lock().len(), 1);
    }
}
