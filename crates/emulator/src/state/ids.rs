//! Resource ids, drawn from a seeded generator: the same calls give the same ids.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// SplitMix64 (Steele, Lea, Flood 2014): every one of its 2^64 outputs comes once a period, so ids don't repeat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ids {
    state: u64,
    serial: u64,
}

impl Ids {
    /// A generator.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            state: seed,
            serial: 0,
        }
    }

    /// A number that no other draw of this generator gave, counting up from 1.
    pub(crate) fn serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    /// An id of 17 digits after this prefix, which must be the type's own.
    pub(crate) fn draw<Id: FromStr>(&mut self, prefix: &str) -> Id {
        loop {
            // The first turn already parses: a prefix and 17 lowercase hexadecimal digits are an id's form.
            if let Ok(id) = self.text(prefix).parse() {
                return id;
            }
        }
    }

    /// The same as text, for ids that have no type of their own.
    pub(crate) fn text(&mut self, prefix: &str) -> String {
        format!("{prefix}0{:016x}", self.next())
    }

    fn next(&mut self) -> u64 {
        draw(&mut self.state)
    }
}

/// The generator's next number.
pub(crate) fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
