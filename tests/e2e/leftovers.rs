//! The last look, when all scenarios are over. Each of them looks for what is left of itself; this one for whatever nobody feels
//! responsible for.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use e2e::{Cluster, Left};

#[test]
fn nothing_is_left() {
    let cluster = Cluster::of_environment().unwrap();
    let left = Left::of_all(&cluster).unwrap();
    assert!(left.is_empty(), "{left}");
}
