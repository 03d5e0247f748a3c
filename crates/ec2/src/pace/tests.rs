//! The pace in paused time, against an account whose buckets are EC2's.

mod account;
mod adapting;
mod laws;
mod turns;
