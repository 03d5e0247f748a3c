//! Which call is let through when.

use std::time::Duration;

use rstest::rstest;

use super::*;
use crate::model::{Filter, Paging, Selection};

const START: Timestamp = Timestamp(1_000);

/// Buckets, and calls at a time of their own.
struct Account {
    buckets: Buckets,
    now: Timestamp,
}

impl Account {
    fn new(limits: &str) -> Self {
        let mut buckets = Buckets::default();
        buckets.set(&serde_json::from_str(limits).unwrap()).unwrap();
        Self {
            buckets,
            now: START,
        }
    }

    fn of(profile: BucketProfile) -> Self {
        Self {
            buckets: Buckets::of(profile),
            now: START,
        }
    }

    fn call(&mut self, action: Action, request: &Request) -> bool {
        let region: Region = "eu-central-1".parse().unwrap();
        self.buckets.admit(self.now, &region, action, request)
    }

    /// How many of so many calls are let through.
    fn calls(&mut self, count: usize, action: Action, request: &Request) -> usize {
        let admitted = (0..count).filter(|_| self.call(action, request));
        admitted.count()
    }

    fn pass(&mut self, seconds: u64) {
        self.now = self.now + Duration::from_secs(seconds);
    }
}

fn volumes(filters: &[&str], paging: Option<Paging>) -> Request {
    let filter = |name: &&str| Filter {
        name: (*name).to_owned(),
        values: vec!["x".to_owned()],
    };
    Request::Look(Query::Volumes(Selection {
        ids: Vec::new(),
        filters: filters.iter().map(filter).collect(),
        paging,
    }))
}

fn delete() -> Request {
    let id = "vol-0123456789abcdef0".parse().unwrap();
    Request::Change(Command::DeleteVolume(id))
}

fn terminate(count: usize) -> Request {
    let id = "i-0123456789abcdef0".parse().unwrap();
    Request::Change(Command::TerminateInstances(vec![id; count]))
}

#[test]
fn buckets_run_dry_and_fill_again() {
    let limits = r#"{"DescribeVolumes": {"capacity": 2, "per_second": 0.5}}"#;
    let mut account = Account::new(limits);
    let look = volumes(&["status"], None);
    assert_eq!(account.calls(3, Action::DescribeVolumes, &look), 2);
    account.pass(1);
    assert_eq!(account.calls(1, Action::DescribeVolumes, &look), 0);
    account.pass(1);
    assert_eq!(account.calls(2, Action::DescribeVolumes, &look), 1);
    account.pass(60);
    assert_eq!(account.calls(9, Action::DescribeVolumes, &look), 2);
    assert_eq!(account.calls(9, Action::DeleteVolume, &delete()), 9);
}

#[test]
fn ec2_has_a_bucket_for_every_action_and_a_smaller_one_for_looks_at_everything() {
    let mut account = Account::of(BucketProfile::Ec2);
    let page = Paging {
        max: 500,
        token: None,
    };
    let everything = volumes(&[], None);
    assert_eq!(account.calls(200, Action::DescribeVolumes, &everything), 50);
    let filtered = volumes(&["status"], None);
    assert_eq!(account.calls(60, Action::DescribeVolumes, &filtered), 60);
    let paged = volumes(&[], Some(page));
    assert_eq!(account.calls(60, Action::DescribeVolumes, &paged), 40);
    assert_eq!(account.calls(200, Action::DeleteVolume, &delete()), 100);
    account.pass(2);
    assert_eq!(account.calls(200, Action::DescribeVolumes, &everything), 20);
    assert_eq!(account.calls(200, Action::DescribeVolumes, &filtered), 40);
    assert_eq!(account.calls(200, Action::DeleteVolume, &delete()), 10);
    let limits = account.buckets.list();
    assert_eq!(limits.len(), Action::ALL.len());
    // What is shown can be set.
    Buckets::default().set(&limits).unwrap();
}

#[test]
fn instances_take_tokens_of_their_own_and_a_refused_call_takes_none() {
    let mut account = Account::of(BucketProfile::Ec2);
    let terminate_all = terminate(999);
    assert!(account.call(Action::TerminateInstances, &terminate_all));
    let two = terminate(2);
    assert_eq!(account.calls(200, Action::TerminateInstances, &two), 0);
    let one = terminate(1);
    assert!(account.call(Action::TerminateInstances, &one));
    account.pass(1);
    let calls = account.calls(200, Action::TerminateInstances, &one);
    assert_eq!(calls, 20, "20 instances a second, and calls enough");
}

#[test]
fn all_changes_of_an_account_can_share_a_bucket() {
    let limits = r#"{"account": {"capacity": 4, "per_second": 20}}"#;
    let mut account = Account::new(limits);
    assert_eq!(account.calls(3, Action::DeleteVolume, &delete()), 3);
    let one = terminate(1);
    assert_eq!(account.calls(3, Action::TerminateInstances, &one), 1);
    let everything = volumes(&[], None);
    assert_eq!(account.calls(99, Action::DescribeVolumes, &everything), 99);
}

#[test]
fn others_of_the_account_take_their_share() {
    let limits = r#"{"DeleteVolume": {"capacity": 100, "per_second": 5, "others_per_second": 3}}"#;
    let mut account = Account::new(limits);
    assert_eq!(account.calls(200, Action::DeleteVolume, &delete()), 100);
    account.pass(10);
    assert_eq!(account.calls(200, Action::DeleteVolume, &delete()), 20);
}

#[rstest]
#[case(r#"{"Colour": {"capacity": 1, "per_second": 1}}"#, "Colour:")]
#[case(
    r#"{"DeleteVolume": {"capacity": 1, "per_second": -1}}"#,
    "DeleteVolume.per_second:"
)]
#[case(
    r#"{"account": {"capacity": 9, "per_second": 5, "others_per_second": 5}}"#,
    "account.others_per_second:"
)]
#[case(
    r#"{"DeleteVolume": {"capacity": 9, "per_second": 5, "unfiltered": {"capacity": 9, "per_second": 5}}}"#,
    "DeleteVolume.unfiltered:"
)]
#[case(
    r#"{"account": {"capacity": 9, "per_second": 5, "resources": {"capacity": 9, "per_second": 5}}}"#,
    "account.resources:"
)]
fn wrong_limits_name_the_field(#[case] limits: &str, #[case] start: &str) {
    let mut buckets = Buckets::default();
    let limits = serde_json::from_str(limits).unwrap();
    let wrong = buckets.set(&limits).unwrap_err();
    assert!(wrong.starts_with(start), "{wrong}");
}
