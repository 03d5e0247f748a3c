//! The demo as a test: it plays to its end, and however it ends nothing of it stays on the machine.
//!
//! Runs the programs as a user does. As root volumes are real; without root the demo plays the controller's half, and says so.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use lab::leftovers::Leftovers;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// A directory for a demo; what a failing test leaves in it is removed.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn run_dir(&self) -> PathBuf {
        self.0.path().join("run")
    }

    fn demo(&self) -> Command {
        let lab = Path::new(env!("CARGO_BIN_EXE_ebs-lab"));
        assert!(
            lab.with_file_name("ebs-csi").is_file(),
            "the driver is not built beside ebs-lab: run `cargo build` first"
        );
        #[expect(
            clippy::disallowed_methods,
            reason = "whole programs are started here, not a node's tools"
        )]
        let mut command = Command::new(lab);
        command
            .arg("demo")
            .arg("--dir")
            .arg(self.run_dir())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn assert_nothing_left(&self) {
        let found = Leftovers::find(self.0.path()).unwrap();
        assert!(found.is_empty(), "left: {found}");
        assert!(!self.run_dir().exists(), "the run directory is still there");
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let dir = self.0.path();
        let removed = Leftovers::find(dir).and_then(|found| found.remove(dir));
        if let Err(error) = removed {
            eprintln!("{error:#}");
        }
    }
}

/// Lets a demo play until it has told a step whose title contains `words`.
fn play_until(words: &str, command: &mut Command) -> Child {
    let mut demo = command.spawn().unwrap();
    let mut lines = BufReader::new(demo.stdout.as_mut().unwrap()).lines();
    let told = lines
        .by_ref()
        .map(Result::unwrap)
        .any(|line| line.contains(words));
    assert!(told, "the demo ended before it told {words:?}");
    demo
}

/// A step in the middle of things: something is mounted, or at least attached.
fn middle() -> &'static str {
    if nix::unistd::geteuid().is_root() {
        "publish it to pod"
    } else {
        "attach it to"
    }
}

fn signal(demo: &Child, signal: Signal) {
    kill(Pid::from_raw(demo.id().cast_signed()), signal).unwrap();
}

fn text(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    String::from_utf8_lossy(out).into_owned() + &String::from_utf8_lossy(err)
}

#[test]
fn it_plays_to_its_end_and_leaves_nothing() {
    let place = Place::new();
    let output = place.demo().output().unwrap();
    let text = text(&output);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("steps held"), "{text}");
    if !nix::unistd::geteuid().is_root() {
        println!("not root: only the controller's half was played");
        assert!(text.contains("not root"), "{text}");
    }
    place.assert_nothing_left();
}

#[test]
fn the_controllers_half_needs_no_root() {
    let place = Place::new();
    let output = place.demo().arg("--controller-only").output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    place.assert_nothing_left();
}

#[test]
fn interrupted_in_the_middle_it_cleans_up() {
    for name in [Signal::SIGINT, Signal::SIGTERM] {
        let place = Place::new();
        let mut demo = play_until(middle(), &mut place.demo());
        signal(&demo, name);
        let mut rest = String::new();
        demo.stdout
            .take()
            .unwrap()
            .read_to_string(&mut rest)
            .unwrap();
        let status = demo.wait().unwrap();
        assert!(!status.success(), "{name}: {rest}");
        assert!(rest.contains("interrupted"), "{name}: {rest}");
        place.assert_nothing_left();
    }
}

#[test]
fn killed_in_the_middle_the_next_one_cleans_up_and_plays() {
    let place = Place::new();
    let mut demo = play_until(middle(), &mut place.demo());
    signal(&demo, Signal::SIGKILL);
    demo.wait().unwrap();
    assert!(!Leftovers::find(place.0.path()).unwrap().is_empty());

    let output = place.demo().arg("--controller-only").output().unwrap();
    let text = text(&output);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("an earlier demo was killed"), "{text}");
    place.assert_nothing_left();
}

#[test]
fn a_reader_that_goes_away_does_not_keep_it_from_cleaning_up() {
    let place = Place::new();
    let mut demo = play_until("create", &mut place.demo());
    drop(demo.stdout.take());
    assert!(!demo.wait().unwrap().success());
    place.assert_nothing_left();
}

#[test]
fn a_second_demo_in_the_same_place_is_refused() {
    let place = Place::new();
    let mut first = play_until("create", &mut place.demo());
    let second = place.demo().output().unwrap();
    assert!(!second.status.success());
    assert!(
        text(&second).contains("another demo is running"),
        "{}",
        text(&second)
    );
    signal(&first, Signal::SIGINT);
    let mut rest = Vec::new();
    first.stdout.take().unwrap().read_to_end(&mut rest).unwrap();
    first.wait().unwrap();
    place.assert_nothing_left();
}

#[test]
fn without_the_driver_it_says_how_to_get_it() {
    let place = Place::new();
    let output = place
        .demo()
        .args(["--driver", "/nonexistent/ebs-csi"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(text(&output).contains("cargo build"), "{}", text(&output));
    assert!(!fs::exists(place.run_dir()).unwrap());
}
