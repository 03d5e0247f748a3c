//! The attachment limit as metrics.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::Limit;

/// What NodeGetInfo has answered last. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct LimitMetrics {
    limit: Family<Sources, Gauge>,
    guessed: Gauge,
}

/// What the limit rests on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Sources {
    figure: &'static str,
    counted: &'static str,
}

impl LimitMetrics {
    /// Those of a node, which shows nothing until it is known.
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "attach_limit",
            "CSI volumes that this node takes, and what that rests on",
            self.limit.clone(),
        );
        registry.register(
            "attach_limit_guessed",
            "1 while the attachment limit rests on a guess",
            self.guessed.clone(),
        );
    }

    pub(super) fn set(&self, limit: Limit) {
        let sources = Sources {
            figure: limit.figure.as_str(),
            counted: limit.counted.as_str(),
        };
        // There is one limit, whatever it rested on before.
        self.limit.clear();
        let gauge = self.limit.get_or_create(&sources);
        gauge.set(limit.max_volumes.into());
        self.guessed.set(limit.is_weak().into());
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;
    use crate::metadata::attach_limit::{Counted, Figure};

    #[test]
    fn one_limit_is_shown_with_its_sources() {
        let metrics = LimitMetrics::default();
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        let shown = |figure, counted| {
            metrics.set(Limit {
                max_volumes: 26,
                figure,
                counted,
            });
            let mut text = String::new();
            encode(&mut text, &registry).unwrap();
            text
        };
        let guess = shown(Figure::Guess, Counted::Assumed);
        assert!(
            guess.contains(r#"attach_limit{figure="guess",counted="assumed"} 26"#),
            "{guess}"
        );
        assert!(guess.contains("attach_limit_guessed 1"), "{guess}");
        let known = shown(Figure::Ec2, Counted::Imds);
        assert!(
            known.contains(r#"attach_limit{figure="ec2",counted="imds"} 26"#),
            "{known}"
        );
        assert!(
            known.contains("attach_limit_guessed 0") && !known.contains("assumed"),
            "{known}"
        );
    }
}
