//! What snapshots can have: fast restores and locks.

use super::*;
use crate::model::{
    EnableFastRestores, FastRestoresAsked, LockMode, LockSnapshot, LockTerm, LockedSnapshot,
};

const HOUR: Duration = Duration::from_hours(1);

fn taken(lab: &mut Lab) -> SnapshotId {
    let volume = lab.create(gp3(10));
    lab.pass(HOUR);
    lab.snapshot(&volume).unwrap()
}

fn restore_fast(
    lab: &mut Lab,
    id: &SnapshotId,
    zones: &[&str],
) -> Result<FastRestoresAsked, ApiError> {
    let command = Command::EnableFastRestores(EnableFastRestores {
        snapshots: vec![id.clone()],
        zones: zones.iter().map(|zone| zone.parse().unwrap()).collect(),
    });
    match lab.call(command)? {
        Reply::FastRestoresAsked(asked) => Ok(asked),
        other => panic!("{other:?}"),
    }
}

fn selection(ids: &[SnapshotId]) -> Selection<SnapshotId> {
    Selection {
        ids: ids.to_vec(),
        filters: Vec::new(),
        paging: None,
    }
}

fn restores(lab: &mut Lab) -> Vec<String> {
    match lab.look(&Query::FastRestores(selection(&[]))).unwrap() {
        Reply::FastRestores(page) => {
            let words = page.items.iter().map(|r| format!("{} {}", r.zone, r.state));
            words.collect()
        }
        other => panic!("{other:?}"),
    }
}

fn lock(id: &SnapshotId, mode: LockMode, days: u32, cool_off: Option<u32>) -> Command {
    Command::LockSnapshot(LockSnapshot {
        snapshot: id.clone(),
        mode,
        term: LockTerm::Days(days),
        cool_off,
    })
}

fn locks(lab: &mut Lab, id: &SnapshotId) -> Vec<LockedSnapshot> {
    let query = Query::LockedSnapshots(selection(std::slice::from_ref(id)));
    match lab.look(&query).unwrap() {
        Reply::LockedSnapshots(page) => page.items,
        other => panic!("{other:?}"),
    }
}

fn lock_state(lab: &mut Lab, id: &SnapshotId) -> String {
    let found = locks(lab, id);
    found
        .first()
        .map_or("none".to_owned(), |lock| lock.state.to_string())
}

#[test]
fn fast_restores_follow_the_snapshot() {
    let mut lab = Lab::new(Delays::realistic());
    let id = taken(&mut lab);
    let asked = restore_fast(&mut lab, &id, &["eu-central-1a", "eu-central-1b"]).unwrap();
    assert_eq!((asked.successful.len(), asked.unsuccessful.len()), (2, 0));
    assert_eq!(
        restores(&mut lab),
        ["eu-central-1a enabling", "eu-central-1b enabling"]
    );
    lab.pass(Duration::from_secs(5));
    assert_eq!(
        restores(&mut lab),
        ["eu-central-1a optimizing", "eu-central-1b optimizing"]
    );
    lab.pass(Duration::from_secs(5));
    // Asking again changes nothing.
    restore_fast(&mut lab, &id, &["eu-central-1a"]).unwrap();
    assert_eq!(
        restores(&mut lab),
        ["eu-central-1a enabled", "eu-central-1b enabled"]
    );
    lab.call(Command::DeleteSnapshot(id)).unwrap();
    assert_eq!(restores(&mut lab), [""; 0]);
}

#[test]
fn fast_restores_have_a_limit_and_need_a_zone() {
    let mut lab = Lab::new(Delays::none());
    let first = taken(&mut lab);
    let refused = restore_fast(&mut lab, &first, &["eu-central-1z"]).unwrap_err();
    assert_eq!(refused.code, "InvalidZone.NotFound");
    restore_fast(&mut lab, &first, &["eu-central-1a"]).unwrap();
    for _ in 0..4 {
        let id = taken(&mut lab);
        restore_fast(&mut lab, &id, &["eu-central-1a"]).unwrap();
    }
    let sixth = taken(&mut lab);
    let asked = restore_fast(&mut lab, &sixth, &["eu-central-1a"]).unwrap();
    let codes: Vec<_> = asked
        .unsuccessful
        .iter()
        .map(|(_, _, e)| e.code.as_str())
        .collect();
    assert_eq!(codes, ["FastSnapshotRestoreLimitExceeded"]);
    // Another zone of one that has them is no further snapshot.
    let asked = restore_fast(&mut lab, &first, &["eu-central-1b"]).unwrap();
    assert!(asked.unsuccessful.is_empty());
}

#[test]
fn a_governed_lock_can_be_undone() {
    let mut lab = Lab::new(Delays::none());
    let id = taken(&mut lab);
    assert_eq!(lock_state(&mut lab, &id), "none");
    lab.call(lock(&id, LockMode::Governance, 1, None)).unwrap();
    assert_eq!(lock_state(&mut lab, &id), "governance");
    let refused = lab.call(Command::DeleteSnapshot(id.clone()));
    assert_eq!(code(refused), "OperationNotPermitted");
    lab.call(Command::UnlockSnapshot(id.clone())).unwrap();
    assert_eq!(
        code(lab.call(Command::UnlockSnapshot(id.clone()))),
        "OperationNotPermitted"
    );
    lab.call(Command::DeleteSnapshot(id)).unwrap();
}

#[test]
fn a_compliant_lock_holds_once_it_has_cooled_off() {
    let mut lab = Lab::new(Delays::none());
    let id = taken(&mut lab);
    lab.call(lock(&id, LockMode::Compliance, 2, Some(3)))
        .unwrap();
    assert_eq!(lock_state(&mut lab, &id), "compliance-cooloff");
    lab.pass(HOUR * 3);
    assert_eq!(lock_state(&mut lab, &id), "compliance");
    for refused in [
        Command::UnlockSnapshot(id.clone()),
        Command::DeleteSnapshot(id.clone()),
        lock(&id, LockMode::Governance, 3, None),
        lock(&id, LockMode::Compliance, 2, None),
        lock(&id, LockMode::Compliance, 3, Some(1)),
    ] {
        assert_eq!(code(lab.call(refused)), "OperationNotPermitted");
    }
    lab.call(lock(&id, LockMode::Compliance, 3, None)).unwrap();
    lab.pass(HOUR * 24 * 4);
    assert_eq!(lock_state(&mut lab, &id), "expired");
    lab.call(Command::DeleteSnapshot(id)).unwrap();
}

#[test]
fn days_count_from_when_the_snapshot_is_completed() {
    let mut lab = Lab::new(Delays {
        snapshot: HOUR * 48,
        ..Delays::none()
    });
    let id = taken(&mut lab);
    lab.call(lock(&id, LockMode::Governance, 1, None)).unwrap();
    assert_eq!(locks(&mut lab, &id)[0].expires, None);
    lab.pass(HOUR * 49);
    let expires = lab.now + HOUR * 23;
    assert_eq!(locks(&mut lab, &id)[0].expires, Some(expires));
}

#[test]
fn what_no_lock_can_be_is_refused() {
    let mut lab = Lab::new(Delays::none());
    let id = taken(&mut lab);
    let past = Command::LockSnapshot(LockSnapshot {
        snapshot: id.clone(),
        mode: LockMode::Governance,
        term: LockTerm::Until(lab.now),
        cool_off: None,
    });
    for (command, expected) in [
        (
            lock(&id, LockMode::Governance, 0, None),
            "InvalidParameterValue",
        ),
        (
            lock(&id, LockMode::Governance, 36_501, None),
            "InvalidParameterValue",
        ),
        (
            lock(&id, LockMode::Compliance, 1, Some(73)),
            "InvalidParameterValue",
        ),
        (
            lock(&id, LockMode::Governance, 1, Some(1)),
            "InvalidParameterCombination",
        ),
        (past, "InvalidParameterValue"),
    ] {
        assert_eq!(code(lab.call(command)), expected);
    }
}
