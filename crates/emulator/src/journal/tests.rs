//! Kills at any byte, and files that nobody here wrote.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::config::{Config, Delays, Settings};
use crate::model::{Command, CreateVolume, Script};
use crate::state::SetUp;

fn fresh() -> World {
    let config = Config {
        delays: Delays::realistic(),
        ..Config::default()
    };
    World::new(7, Settings::from(&config))
}

fn inputs() -> Vec<Input> {
    let config = Config::default();
    let region = config.regions[0].clone();
    let create = |size: u32| Input::Call {
        region: region.clone(),
        command: Command::CreateVolume(CreateVolume::gp3(
            "eu-central-1a".parse().unwrap(),
            ebs_types::Gibibytes(size),
        )),
        script: Script::default(),
    };
    let setup = Input::SetUp(SetUp {
        region: region.clone(),
        zones: 1,
        instances: 1,
        instance_type: config.instance_type,
        cluster: config.cluster,
        outposts: config.outposts,
    });
    vec![setup, create(1), create(2), create(0), create(3)]
}

/// The world after each of the first inputs, the empty one first.
fn worlds() -> Vec<World> {
    let mut world = fresh();
    let mut worlds = vec![world.clone()];
    for (now, input) in timed() {
        let _ = world.apply(now, &input);
        worlds.push(world.clone());
    }
    worlds
}

fn timed() -> impl Iterator<Item = (Timestamp, Input)> {
    let seconds = |n: u64| Timestamp(1_000_000) + Duration::from_secs(n);
    (0..).map(seconds).zip(inputs())
}

fn write_all(data: &Path) {
    let (mut journal, mut world) = Journal::open(data, fresh()).unwrap();
    for (now, input) in timed() {
        journal.append(now, &input).unwrap();
        let _ = world.apply(now, &input);
    }
}

#[test]
fn what_was_written_is_there_again() {
    let data = tempfile::tempdir().unwrap();
    write_all(data.path());
    let expected = worlds().pop().unwrap();
    for _ in 0..2 {
        let (_journal, world) = Journal::open(data.path(), fresh()).unwrap();
        assert_eq!(world, expected);
    }
    let journal = fs::metadata(data.path().join("journal.jsonl")).unwrap();
    assert_eq!(
        journal.len(),
        0,
        "a start leaves the state whole and the journal empty"
    );
}

#[test]
fn a_folded_journal_goes_on() {
    let data = tempfile::tempdir().unwrap();
    let (mut journal, mut world) = Journal::open(data.path(), fresh()).unwrap();
    for (now, input) in timed() {
        journal.append(now, &input).unwrap();
        let _ = world.apply(now, &input);
        assert!(!journal.is_long());
        if journal.sequence == 3 {
            journal.fold(&world).unwrap();
        }
    }
    drop(journal);
    let text = fs::read_to_string(data.path().join("journal.jsonl")).unwrap();
    assert_eq!(text.lines().count(), inputs().len() - 3);
    let (_journal, read) = Journal::open(data.path(), fresh()).unwrap();
    assert_eq!(read, world);
}

#[test]
fn a_kill_between_saving_and_emptying_takes_no_input_twice() {
    let data = tempfile::tempdir().unwrap();
    write_all(data.path());
    let path = data.path().join("journal.jsonl");
    let journal = fs::read(&path).unwrap();
    drop(Journal::open(data.path(), fresh()).unwrap());
    fs::write(&path, journal).unwrap();
    let (_journal, world) = Journal::open(data.path(), fresh()).unwrap();
    assert_eq!(world, worlds().pop().unwrap());
}

#[test]
fn a_second_emulator_is_kept_out() {
    let data = tempfile::tempdir().unwrap();
    let _first = Journal::open(data.path(), fresh()).unwrap();
    let second = Journal::open(data.path(), fresh());
    assert!(matches!(second, Err(JournalError::Locked { .. })));
}

#[test]
fn a_damaged_line_is_named() {
    let data = tempfile::tempdir().unwrap();
    write_all(data.path());
    let path = data.path().join("journal.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines[2] = "{\"sequence\": 3, rubbish";
    fs::write(&path, lines.join("\n") + "\n").unwrap();
    let error = Journal::open(data.path(), fresh()).unwrap_err();
    assert!(
        matches!(error, JournalError::Corrupt { line: 3, .. }),
        "{error}"
    );
    // A line that is missing is as bad.
    lines.remove(2);
    fs::write(&path, lines.join("\n") + "\n").unwrap();
    let error = Journal::open(data.path(), fresh()).unwrap_err();
    assert!(
        matches!(error, JournalError::Corrupt { line: 3, .. }),
        "{error}"
    );
}

#[test]
fn a_missing_journal_is_not_taken_for_an_empty_one() {
    let data = tempfile::tempdir().unwrap();
    assert!(!Journal::is_in(data.path()));
    write_all(data.path());
    assert!(Journal::is_in(data.path()));
    drop(Journal::open(data.path(), fresh()).unwrap());
    fs::remove_file(data.path().join("journal.jsonl")).unwrap();
    let error = Journal::open(data.path(), fresh()).unwrap_err();
    assert!(matches!(error, JournalError::Missing { .. }), "{error}");
}

#[test]
fn a_state_of_another_version_is_refused() {
    let data = tempfile::tempdir().unwrap();
    write_all(data.path());
    drop(Journal::open(data.path(), fresh()).unwrap());
    let path = data.path().join("state.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"format\":1", "\"format\":2")).unwrap();
    let error = Journal::open(data.path(), fresh()).unwrap_err().to_string();
    assert!(error.contains("format 2 is not known"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_kill_at_any_byte_loses_no_whole_line(cut in 0.0..1.0f64) {
        let data = tempfile::tempdir().unwrap();
        write_all(data.path());
        let path = data.path().join("journal.jsonl");
        let mut text = fs::read(&path).unwrap();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a small length")]
        let length = (text.len() as f64 * cut) as usize;
        text.truncate(length);
        fs::write(&path, &text).unwrap();
        let whole = text.iter().filter(|byte| **byte == b'\n').count();
        let (_journal, world) = Journal::open(data.path(), fresh()).unwrap();
        prop_assert_eq!(world, worlds()[whole].clone());
    }
}
