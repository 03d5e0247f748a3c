//! The profiles: settings under which the Go driver was measured, too.
//!
//! Answers for: what a profile sets unless a flag says otherwise. Doesn't answer for: the figures; see [`super::known`].

use clap::ValueEnum;

use super::phase::Phase;

/// A profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Profile {
    /// 1000 volumes on 40 instances, 100 in flight, EC2 at once: rate and processor time
    Rate,
    /// 1000 volumes on 40 instances, all in flight, EC2 at once: memory and EC2 calls
    Burst,
    /// 10 volumes, one after the other, EC2 at once: EC2 calls of each
    Alone,
    /// 5 volumes, one after the other, EC2 with delays: latency above EC2's own time
    Latency,
    /// 250 volumes on 40 instances, 100 in flight, EC2 with delays and its published buckets (1000 in full)
    Throttled,
}

/// What a profile sets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Preset {
    pub(super) volumes: u32,
    pub(super) instances: u32,
    pub(super) in_flight: u32,
    pub(super) alone: bool,
    pub(super) phases: &'static [Phase],
    /// As `--delays` takes it.
    pub(super) delays: &'static str,
    /// As `--buckets` takes it.
    pub(super) buckets: &'static str,
}

/// What is gone through where nobody says more.
pub(super) const THERE_AND_BACK: &[Phase] = &[
    Phase::Create,
    Phase::Publish,
    Phase::Unpublish,
    Phase::Delete,
];

/// The delays that the Go driver's latencies were measured with.
const DELAYS: &str = "create=1s,attach=2s,detach=2s,modify=1s";

impl Profile {
    pub(super) fn preset(self) -> Preset {
        let rate = Preset {
            volumes: 1_000,
            instances: 40,
            in_flight: 100,
            alone: false,
            phases: THERE_AND_BACK,
            delays: "none",
            buckets: "none",
        };
        let alone = Preset {
            volumes: 10,
            // The first time on an instance is told apart by being the first.
            instances: 1,
            in_flight: 1,
            alone: true,
            phases: &Phase::ALL,
            ..rate
        };
        match self {
            Self::Rate => rate,
            Self::Burst => Preset {
                in_flight: 1_000,
                phases: &Phase::ALL,
                ..rate
            },
            Self::Alone => alone,
            Self::Latency => Preset {
                volumes: 5,
                delays: DELAYS,
                ..alone
            },
            Self::Throttled => Preset {
                volumes: 250,
                delays: DELAYS,
                buckets: "ec2",
                ..rate
            },
        }
    }
}
