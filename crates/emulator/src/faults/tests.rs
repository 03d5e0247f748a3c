//! Which call is befallen by which fault.

use std::collections::BTreeMap;
use std::time::Duration;

use rstest::rstest;

use super::*;
use crate::model::Timestamp;

fn spec(text: &str) -> FaultSpec {
    serde_json::from_str(text).unwrap()
}

fn faults(rules: &[&str]) -> Faults {
    let mut faults = Faults::default();
    for rule in rules {
        faults.add(spec(rule)).unwrap();
    }
    faults
}

#[test]
fn rules_befall_the_calls_they_are_for_and_are_used_up() {
    let mut faults = faults(&[
        r#"{"action":"AttachVolume","resource":"vol-1","kind":"reset","count":2,"skip":1}"#,
        r#"{"kind":"error","code":"InternalError"}"#,
    ]);
    let mut take = |subjects: &[&str]| faults.take(Action::AttachVolume, subjects, false);
    assert_eq!(take(&["vol-1", "i-1"]), None, "skipped");
    assert_eq!(take(&["vol-1", "i-1"]), Some(Fault::Reset));
    let Some(Fault::Error(error)) = take(&["vol-2"]) else {
        panic!("the rule for any call")
    };
    assert_eq!((error.code.as_str(), error.status), ("InternalError", 500));
    assert_eq!(take(&["vol-2"]), None);
    assert_eq!(take(&["vol-1"]), Some(Fault::Reset));
    assert_eq!(take(&["vol-1"]), None);
    assert!(faults.list().is_empty());
}

#[test]
fn dry_runs_are_spared_what_needs_an_effect() {
    let mut faults = faults(&[r#"{"kind":"lost-reply"}"#]);
    assert_eq!(faults.take(Action::CreateVolume, &[], true), None);
    assert_eq!(
        faults.take(Action::CreateVolume, &[], false),
        Some(Fault::LostReply)
    );
}

#[rstest]
#[case(r#"{"kind":"error"}"#, "code:")]
#[case(r#"{"kind":"error","code":"X","status":200}"#, "status:")]
#[case(r#"{"kind":"reset","code":"X"}"#, "code:")]
#[case(r#"{"kind":"delay"}"#, "delay_ms:")]
#[case(r#"{"kind":"reset","count":0}"#, "count:")]
#[case(r#"{"kind":"reset","action":"DescribeRegions"}"#, "action:")]
#[case(r#"{"kind":"stuck","outcome":"vanish"}"#, "outcome:")]
fn wrong_rules_name_the_field(#[case] text: &str, #[case] start: &str) {
    let error = Faults::default().add(spec(text)).unwrap_err();
    assert!(error.starts_with(start), "{error}");
}

#[test]
fn buckets_run_dry_and_fill_again() {
    let region: ebs_types::Region = "eu-central-1".parse().unwrap();
    let mut buckets = Buckets::default();
    let size = Bucket {
        capacity: 2,
        per_second: 0.5,
    };
    let sizes = BTreeMap::from([("DescribeVolumes".to_owned(), size)]);
    buckets.set(&sizes).unwrap();
    let start = Timestamp(1_000);
    let mut admit = |after: u64| {
        let now = start + Duration::from_secs(after);
        buckets.admit(now, &region, Action::DescribeVolumes)
    };
    let admitted = [
        admit(0),
        admit(0),
        admit(0),
        admit(1),
        admit(2),
        admit(2),
        admit(60),
        admit(60),
        admit(60),
    ];
    assert_eq!(
        admitted,
        [true, true, false, false, true, false, true, true, false]
    );
    assert!(buckets.admit(start, &region, Action::CreateVolume));
    let wrong = BTreeMap::from([("Colour".to_owned(), size)]);
    assert!(buckets.set(&wrong).unwrap_err().starts_with("Colour"));
}
