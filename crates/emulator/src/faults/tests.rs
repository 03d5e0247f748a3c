//! Which call is befallen by which fault.

use std::time::Duration;

use rstest::rstest;

use super::*;

const NOW: Timestamp = Timestamp(1_000_000);

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
    let mut take = |subjects: &[&str]| faults.choose(NOW, Action::AttachVolume, subjects, false);
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
    assert_eq!(faults.choose(NOW, Action::CreateVolume, &[], true), None);
    assert_eq!(
        faults.choose(NOW, Action::CreateVolume, &[], false),
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
#[case(r#"{"kind":"reset","probability":0}"#, "probability:")]
#[case(r#"{"kind":"reset","probability":1.5}"#, "probability:")]
#[case(r#"{"kind":"reset","per_second":0}"#, "per_second:")]
#[case(r#"{"kind":"reset","per_second":-1}"#, "per_second:")]
fn wrong_rules_name_the_field(#[case] text: &str, #[case] start: &str) {
    let error = Faults::default().add(spec(text)).unwrap_err();
    assert!(error.starts_with(start), "{error}");
}

/// Which of 1000 calls are befallen.
fn befallen(seed: u64, rules: &[&str]) -> Vec<usize> {
    let mut faults = Faults::new(seed, &[]).unwrap();
    for rule in rules {
        faults.add(spec(rule)).unwrap();
    }
    let befalls = |_: &usize| {
        faults
            .choose(NOW, Action::CreateVolume, &[], false)
            .is_some()
    };
    (0..1_000).filter(befalls).collect()
}

#[test]
fn a_share_of_the_calls_is_befallen_and_the_same_ones_again() {
    let rule = r#"{"kind":"error","code":"InternalError","probability":0.05}"#;
    let once = befallen(7, &[rule]);
    // 50 are expected; the draws are those of the seed, so this holds always or never.
    assert!((30..70).contains(&once.len()), "{}", once.len());
    assert_eq!(befallen(7, &[rule]), once);
    assert_ne!(befallen(8, &[rule]), once);
    let all = r#"{"kind":"reset","probability":1}"#;
    assert_eq!(befallen(7, &[all]).len(), 1_000);
    let ten = r#"{"kind":"reset","probability":0.5,"count":10}"#;
    assert_eq!(befallen(7, &[ten]).len(), 10);
}

#[test]
fn what_one_rate_lets_be_the_next_may_befall() {
    let half = r#"{"kind":"reset","probability":0.5}"#;
    let both = befallen(7, &[half, half]).len();
    assert!((650..850).contains(&both), "{both}");
}

#[test]
fn there_are_so_many_faults_a_second_and_no_more() {
    let mut faults = faults(&[r#"{"kind":"reset","per_second":2}"#]);
    let mut second = |after: u64| {
        let calls = (0..100_u64).map(|tenth| NOW + Duration::from_millis(after + tenth * 10));
        let mut befalls = |now| {
            faults
                .choose(now, Action::CreateVolume, &[], false)
                .is_some()
        };
        calls.filter(|now| befalls(*now)).count()
    };
    // Those of a second are there at first, and one more every half.
    assert_eq!([second(0), second(1_000), second(2_000)], [3, 2, 2]);
    let mut slow = self::faults(&[r#"{"kind":"reset","per_second":0.1}"#]);
    let mut at = |after| {
        let now = NOW + Duration::from_secs(after);
        slow.choose(now, Action::CreateVolume, &[], false).is_some()
    };
    assert_eq!([at(0), at(9), at(10)], [true, false, true]);
}
