//! Unwell volumes as metrics.

use std::collections::BTreeSet;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// What was found, and how the looking goes. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct HealthMetrics {
    unwell: Family<Unwell, Gauge>,
    looks: Counter,
    errors: Counter,
}

/// One volume that is not well, as one PersistentVolume names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
pub(super) struct Unwell {
    pub(super) volume_id: String,
    pub(super) persistentvolume: String,
    pub(super) persistentvolumeclaim: String,
    pub(super) namespace: String,
    pub(super) condition: String,
}

impl HealthMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "volume_unwell",
            "1 for each volume that EC2 finds something wrong with",
            self.unwell.clone(),
        );
        registry.register(
            "volume_health_looks",
            "How often this process has looked at the health of all volumes",
            self.looks.clone(),
        );
        registry.register(
            "volume_health_errors",
            "How often it could not be looked at, or told",
            self.errors.clone(),
        );
    }

    /// A look has ended.
    pub(super) fn looked(&self, well: bool) {
        self.looks.inc();
        if !well {
            self.errors.inc();
        }
    }

    /// Begins to show what is found from now on.
    pub(super) fn begin(&self) -> Shown {
        Shown {
            family: self.unwell.clone(),
            now: BTreeSet::new(),
        }
    }
}

/// What is shown, until this is dropped: who does not lead any more knows nothing.
#[derive(Debug)]
pub(super) struct Shown {
    family: Family<Unwell, Gauge>,
    now: BTreeSet<Unwell>,
}

impl Shown {
    /// Shows a volume.
    pub(super) fn add(&mut self, unwell: &Unwell) {
        if self.now.insert(unwell.clone()) {
            self.family.get_or_create(unwell).set(1);
        }
    }

    /// Shows these alone.
    pub(super) fn keep(&mut self, unwell: &BTreeSet<Unwell>) {
        for well in self.now.extract_if(.., |shown| !unwell.contains(shown)) {
            self.family.remove(&well);
        }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.keep(&BTreeSet::new());
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    #[test]
    fn what_is_shown_goes_with_the_trouble_and_with_who_leads() {
        let metrics = HealthMetrics::default();
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        let count = || {
            let mut text = String::new();
            encode(&mut text, &registry).unwrap();
            text.matches("volume_unwell{").count()
        };
        let unwell = |condition: &str| Unwell {
            volume_id: "vol-0000000a".to_owned(),
            persistentvolume: "pv".to_owned(),
            persistentvolumeclaim: "data".to_owned(),
            namespace: "shop".to_owned(),
            condition: condition.to_owned(),
        };
        let mut shown = metrics.begin();
        shown.add(&unwell("IoStalled"));
        shown.add(&unwell("IoStalled"));
        shown.add(&unwell("Impaired"));
        assert_eq!(count(), 2);
        shown.keep(&BTreeSet::from([unwell("Impaired")]));
        assert_eq!(count(), 1);
        drop(shown);
        assert_eq!(count(), 0);
    }
}
