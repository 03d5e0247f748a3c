//! Choices that a seed repeats: numbers, faults and deadlines.

use std::time::Duration;

use serde_json::{Value, json};

/// Marsaglia's xorshift64.
pub(super) struct Chance(u64);

impl From<u64> for Chance {
    /// Neighbouring seeds must not begin alike, and zero would never become anything else.
    fn from(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }
}

impl Chance {
    /// A number from 0 to less than `bound`.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 33) % bound as u64).unwrap()
    }

    /// Less than so many milliseconds.
    pub(super) fn millis(&mut self, bound: usize) -> Duration {
        Duration::from_millis(self.below(bound) as u64)
    }

    /// A rule that befalls so many calls of an action, or none.
    pub(super) fn fault(&mut self, action: &str) -> Option<Value> {
        let creates = action == "CreateVolume";
        let mut rule = match self.below(7) {
            0 | 1 => json!({"kind": "lost-reply"}),
            2 => json!({"kind": "reset"}),
            3 => json!({"kind": "error", "code": "InternalError"}),
            4 => json!({"kind": "error", "code": "RequestLimitExceeded"}),
            5 if creates => json!({"kind": "error", "code": "VolumeLimitExceeded"}),
            6 if creates => json!({"kind": "create-failure"}),
            _ => return None,
        };
        rule["action"] = action.into();
        rule["count"] = [1, 2, 12][self.below(3)].into();
        Some(rule)
    }

    /// One that may cut a call, or one that hardly does.
    pub(super) fn deadline(&mut self) -> Duration {
        match self.below(2) {
            0 => self.millis(400),
            _ => Duration::from_secs(2),
        }
    }
}
