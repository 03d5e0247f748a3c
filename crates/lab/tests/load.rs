//! Load, as a user gives it: what it prints and writes, that it leaves nothing behind, and how it ends when things go wrong.
//!
//! The driver and the emulator are their programs; a controller that runs already is a test's own world.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use emulator::{Config, Delays};
use lab::world::World;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

/// How long anything may take on a machine that has little time for it.
const TAKES: Duration = Duration::from_mins(5);

fn driver() -> PathBuf {
    let driver = Path::new(env!("CARGO_BIN_EXE_ebs-lab")).with_file_name("ebs-csi");
    assert!(
        driver.is_file(),
        "the driver is not built beside ebs-lab: run `cargo build` first"
    );
    driver
}

/// `ebs-lab load`, whose temporary directories are in `dir`.
fn load(dir: &TempDir, args: &[&str]) -> Command {
    #[expect(
        clippy::disallowed_methods,
        reason = "whole programs are started here, not a node's tools"
    )]
    let mut command = Command::new(env!("CARGO_BIN_EXE_ebs-lab"));
    command
        .arg("load")
        .args(args)
        .env("TMPDIR", dir.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

async fn output(mut command: Command) -> (Output, String) {
    let output = timeout(TAKES, command.output()).await.unwrap().unwrap();
    let (out, err) = (&output.stdout, &output.stderr);
    let text = String::from_utf8_lossy(out).into_owned() + &String::from_utf8_lossy(err);
    (output, text)
}

/// The lines of a JSON file that are of this kind.
fn lines(file: &Path, kind: &str) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap();
    let all = text.lines().map(|line| serde_json::from_str(line).unwrap());
    all.filter(|line: &Value| line["kind"] == kind).collect()
}

/// The phases of a JSON file, by name.
fn phases(file: &Path) -> BTreeMap<String, Value> {
    let named = |line: Value| (line["phase"].as_str().unwrap().to_owned(), line);
    lines(file, "phase").into_iter().map(named).collect()
}

/// A world whose EC2 takes so long for everything.
async fn world(moment: Duration) -> World {
    let config = Config {
        zones: 2,
        instances: 4,
        delays: Delays {
            create: moment,
            attach: moment,
            detach: moment,
            ..Delays::none()
        },
        ..Config::default()
    };
    World::start(&driver(), config, &[]).await.unwrap()
}

/// The arguments that name a world's controller and emulator.
fn whom(world: &World) -> [String; 4] {
    let socket = format!("unix://{}", world.socket().display());
    let control = world.cloud.control_url().to_owned();
    [
        "--endpoint".to_owned(),
        socket,
        "--control".to_owned(),
        control,
    ]
}

/// Each phase, and the EC2 action that it takes once for each volume.
const PHASES: [(&str, &str); 7] = [
    ("create", "CreateVolume"),
    ("expand", "ModifyVolume"),
    ("snapshot", "CreateSnapshot"),
    ("publish", "AttachVolume"),
    ("unpublish", "DetachVolume"),
    ("delete-snapshot", "DeleteSnapshot"),
    ("delete", "DeleteVolume"),
];

#[tokio::test]
async fn twenty_volumes_go_all_the_way_and_nothing_stays() {
    let dir = tempfile::tempdir().unwrap();
    let (json, plot) = (dir.path().join("run.json"), dir.path().join("run.html"));
    let args = ["--volumes=20", "--instances=3", "--in-flight=8", "--each"];
    let mut command = load(&dir, &args);
    command
        .args(["--phases=create,expand,snapshot,publish,unpublish,delete"])
        .arg("--driver")
        .arg(driver())
        .arg("--json")
        .arg(&json)
        .arg("--plot")
        .arg(&plot);
    let (output, text) = output(command).await;
    assert!(output.status.success(), "{text}");
    let settings = "20 volumes, 3 instances, 8 in flight";
    assert!(text.contains(settings), "{text}");
    let phases = phases(&json);
    for (phase, action) in PHASES {
        assert_measured(&phases[phase], action, 20);
    }
    assert_eq!(lines(&json, "operation").len(), PHASES.len() * 20);
    assert!(fs::read_to_string(&plot).unwrap().contains("<polyline"));
    fs::remove_file(json).unwrap();
    fs::remove_file(plot).unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "{text}");
}

/// A phase that went well is told with all figures.
fn assert_measured(figures: &Value, action: &str, operations: u64) {
    assert_eq!(figures["operations"], operations, "{figures}");
    assert_eq!(figures["failed"], 0, "{figures}");
    // Where a machine is so slow that a call was given up, it was made again.
    let at_least = |value: &Value| value.as_u64().unwrap() >= operations;
    assert!(at_least(&figures["rpcs"]), "{figures}");
    assert!(at_least(&figures["ec2_calls"][action]), "{figures}");
    let max = figures["latency_ms"]["max"].as_f64();
    assert!(max.unwrap() > 0.0, "{figures}");
    for measured in [
        "driver_cpu_ms",
        "emulator_cpu_ms",
        "load_cpu_ms",
        "driver_peak",
    ] {
        assert!(figures[measured].is_number(), "{measured}: {figures}");
    }
}

#[tokio::test]
async fn a_controller_that_runs_is_driven_beside_an_earlier_run_and_left_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(Duration::ZERO).await;
    let before = world.cloud.timing().await.unwrap();
    let limits = world.cloud.limits_in_force().await.unwrap();
    let json = dir.path().join("first.json");
    let json = json.to_str().unwrap();
    let args = [
        "--volumes=6",
        "--instances=2",
        "--delays=create=20ms",
        "--buckets=ec2",
    ];
    let mut first = load(&dir, &args);
    first.args(whom(&world)).args([
        "--phases=create,snapshot,publish",
        "--alone",
        "--name=first",
        "--json",
        json,
    ]);
    let (ended, text) = output(first).await;
    assert!(ended.status.success(), "{text}");
    let phases = phases(Path::new(json));
    assert_eq!(
        phases["create"]["settings"]["delays"],
        json!({"create_ms": 20})
    );
    assert!(phases["create"]["ec2_calls_each"]["most"].as_u64().unwrap() >= 1);
    // What the phases left was tidied up, and the emulator is set as it was.
    assert!(world.cloud.volumes().await.unwrap().is_empty(), "{text}");
    assert!(world.cloud.snapshots().await.unwrap().is_empty(), "{text}");
    assert_eq!(world.cloud.timing().await.unwrap(), before);
    assert_eq!(world.cloud.limits_in_force().await.unwrap(), limits);

    let mut second = load(&dir, &["--volumes=6", "--instances=2", "--beside", json]);
    second.args(whom(&world)).arg("--name=second");
    let (ended, text) = output(second).await;
    assert!(ended.status.success(), "{text}");
    assert!(
        text.contains("first: 6 volumes, 2 instances, one after the other"),
        "{text}"
    );
    assert!(
        text.contains("second: 6 volumes, 2 instances, 100 in flight"),
        "{text}"
    );
    assert!(world.cloud.volumes().await.unwrap().is_empty(), "{text}");
}

#[tokio::test]
async fn answers_that_are_errors_are_counted_and_asked_again() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(Duration::ZERO).await;
    // A volume too many for the zone is refused until somebody makes room.
    let zone = world.zone().to_owned();
    let full = json!({ &zone: {"capacity_gib": 0} });
    world.cloud.zones(&full).await.unwrap();
    let json = dir.path().join("run.json");
    let mut command = load(
        &dir,
        &["--volumes=2", "--instances=1", "--retry-start=50ms"],
    );
    command.args(whom(&world)).arg("--json").arg(&json);
    let running = tokio::spawn(output(command));
    let refused = async {
        while world
            .cloud
            .refusals("CreateVolume")
            .await
            .unwrap()
            .is_empty()
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(TAKES, refused).await.unwrap();
    world.cloud.zones(&json!({ &zone: {} })).await.unwrap();
    let (ended, text) = running.await.unwrap();
    assert!(ended.status.success(), "{text}");
    let create = &phases(&json)["create"];
    assert_eq!(create["failed"], 0, "{create}");
    assert!(
        create["errors"]["ResourceExhausted"].as_u64().unwrap() >= 1,
        "{create}"
    );
    assert!(create["rpcs"].as_u64().unwrap() > 2, "{create}");
}

#[tokio::test]
async fn a_controller_that_dies_is_told_with_what_it_left() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = world(Duration::from_secs(2)).await;
    let json = dir.path().join("run.json");
    let mut command = load(&dir, &["--volumes=40", "--instances=2", "--in-flight=4"]);
    command
        .args(whom(&world))
        .args(["--patience=1s", "--retry-start=50ms", "--json"])
        .arg(&json);
    let running = tokio::spawn(output(command));
    let begun = async {
        while world.cloud.volumes().await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(TAKES, begun).await.unwrap();
    world.kill_controller().await.unwrap();
    let (ended, text) = running.await.unwrap();
    assert!(!ended.status.success(), "{text}");
    assert!(text.contains("operations failed: Unavailable"), "{text}");
    assert!(text.contains("left in EC2: "), "{text}");
    let create = &phases(&json)["create"];
    assert!(create["failed"].as_u64().unwrap() > 0, "{create}");
    assert!(
        create["errors"]["Unavailable"].as_u64().unwrap() > 0,
        "{create}"
    );
}

#[tokio::test]
async fn an_interrupted_run_tells_what_it_has_and_tidies_up() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(Duration::from_secs(2)).await;
    let mut command = load(&dir, &["--volumes=40", "--instances=2", "--in-flight=4"]);
    command.args(whom(&world));
    let running = command.spawn().unwrap();
    let pid = nix::unistd::Pid::from_raw(running.id().unwrap().cast_signed());
    let begun = async {
        while world.cloud.volumes().await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(TAKES, begun).await.unwrap();
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    let ended = timeout(TAKES, running.wait_with_output()).await.unwrap();
    let ended = ended.unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(!ended.status.success(), "{said}");
    assert!(said.contains("interrupted"), "{said}");
    assert!(!said.contains("left in EC2"), "{said}");
    assert!(world.cloud.volumes().await.unwrap().is_empty(), "{said}");
}

#[tokio::test]
async fn where_nobody_answers_nothing_is_begun() {
    let dir = tempfile::tempdir().unwrap();
    let socket = format!("--endpoint={}", dir.path().join("no.sock").display());
    let command = load(&dir, &[&socket, "--control=http://127.0.0.1:9"]);
    let (ended, text) = output(command).await;
    assert!(!ended.status.success(), "{text}");
    assert!(
        text.contains("--endpoint") && text.contains("Probe"),
        "{text}"
    );

    let mut command = load(&dir, &["--driver"]);
    command.arg(env!("CARGO_BIN_EXE_ebs-lab"));
    let (ended, text) = output(command).await;
    assert!(!ended.status.success(), "{text}");
    assert!(text.contains("ended before it served"), "{text}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "{text}");
}
