//! The page of the emulated cloud: what it is told over HTTP, and what somebody sees who clicks through it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

mod browser;
mod clicks;
mod cloud;
mod http;
mod many;
