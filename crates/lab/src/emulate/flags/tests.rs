//! The flags as a user gives them.

use clap::Parser as _;

use super::*;

#[derive(Debug, clap::Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

fn config(line: &str, root: bool) -> Result<Config> {
    let words = std::iter::once("emulate").chain(line.split_whitespace());
    Line::try_parse_from(words)?.args.config(root)
}

fn refusal(line: &str, root: bool) -> String {
    config(line, root).unwrap_err().to_string()
}

#[test]
fn without_flags_nothing_needs_root() {
    let config = config("", false).unwrap();
    assert_eq!(config.backing, BackingKind::None);
    assert_eq!((config.zones, config.instances), (3, 4));
    assert_eq!(config.delays, Delays::none());
    assert!(config.listen.ip().is_loopback());
}

#[test]
fn a_data_directory_brings_loop_devices() {
    assert_eq!(
        config("--data /d", true).unwrap().backing,
        BackingKind::Loop
    );
    assert_eq!(
        config("--data /d --backing none", false).unwrap().backing,
        BackingKind::None
    );
    assert!(refusal("--data /d", false).contains("--backing none"));
    assert!(refusal("--backing loop", true).contains("--data"));
}

#[test]
fn single_delays_override_a_set() {
    let delays = config("--delays realistic --attach-delay 3s", true)
        .unwrap()
        .delays;
    assert_eq!(delays.attach, Duration::from_secs(3));
    assert_eq!(delays.create, Delays::realistic().create);
}

#[test]
fn addresses_that_others_reach_are_refused() {
    for flag in ["--listen 0.0.0.0:80", "--control [::]:81"] {
        assert!(refusal(flag, true).contains("--insecure-bind"), "{flag}");
        assert!(config(&format!("{flag} --insecure-bind"), true).is_ok());
    }
}

#[test]
fn counts_out_of_range_are_refused() {
    for flag in [
        "--zones 0",
        "--zones 27",
        "--instances 10001",
        "--create-delay 5",
    ] {
        assert!(config(flag, true).is_err(), "{flag}");
    }
}

#[test]
fn ec2_throttles_unless_told_otherwise_and_faults_come_at_their_rate() {
    let plain = config("", false).unwrap();
    assert_eq!(plain.buckets, BucketProfile::Ec2);
    assert!(plain.fault_rates.is_empty() && plain.metadata);
    let line = "--buckets none --no-metadata --instances 10000 --call-latency 150ms \
                --fault-rate InternalError=0.05 --fault-rate CreateVolume:lost-reply=0.01";
    let config = config(line, false).unwrap();
    assert_eq!(config.buckets, BucketProfile::None);
    assert_eq!((config.instances, config.metadata), (10_000, false));
    assert_eq!(config.delays.call, Duration::from_millis(150));
    let rates = ["InternalError=0.05", "CreateVolume:lost-reply=0.01"];
    let rates: Vec<FaultRate> = rates.iter().map(|rate| rate.parse().unwrap()).collect();
    assert_eq!(config.fault_rates, rates);
    let refused = refusal("--fault-rate InternalError=5", false);
    assert!(refused.contains("probability: 5"), "{refused}");
    assert!(refusal("--instances 10001", false).contains("10000"));
}
