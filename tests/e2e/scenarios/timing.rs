//! How long a claim and its pod take until the pod runs, and where the time goes; the driver's memory. Printed, never asserted.

use std::time::{Duration, SystemTime};
use std::{array, thread};

use e2e::{Kind, PATIENCE, Scenario, Volume};
use tokio::time::Instant;

const RUNS: usize = 5;

/// The stations on the way and whose time it was up to there.
const STATIONS: [&str; 9] = [
    "kubectl, scheduler, csi-provisioner",
    "CreateVolume",
    "binding, scheduler, csi-attacher",
    "ControllerPublishVolume",
    "csi-attacher, kubelet",
    "NodeStageVolume",
    "kubelet",
    "NodePublishVolume",
    "sandbox, container, kubelet",
];

const DAY: f64 = 86_400.0;

/// One way from `kubectl apply` to Running: when each station was reached, and the claim bound, in seconds since the begin.
struct Run {
    reached: [f64; STATIONS.len()],
    bound: f64,
}

#[test]
#[ignore = "make e2e-full"]
fn seconds_until_a_pod_runs() {
    let s = Scenario::alone("timing");
    let runs: Vec<Run> = (0..RUNS).map(|number| run(&s, number)).collect();
    println!("\n{}\n{}", times(&runs), memory(&s));
}

fn times(runs: &[Run]) -> String {
    let mut table =
        format!("from `kubectl apply` of PVC and pod to Running, median of {RUNS} runs, seconds\n");
    let mut line = |name: &str, seconds: f64, remark: &str| {
        table += &format!("  {name:<36} {seconds:7.3}  {remark}\n");
    };
    for (number, station) in STATIONS.into_iter().enumerate() {
        let part = runs.iter().map(|run| {
            let before = number.checked_sub(1).map_or(0.0, |n| run.reached[n]);
            run.reached[number] - before
        });
        let remark = if is_ours(station) { "the driver" } else { "" };
        line(station, median(part), remark);
    }
    let total = || runs.iter().map(|run| run.reached[STATIONS.len() - 1]);
    let (least, most) = (total().fold(DAY, f64::min), total().fold(0.0, f64::max));
    let range = format!("{least:.3} to {most:.3}");
    line("Running", median(total()), &range);
    line("(PVC Bound)", median(runs.iter().map(|run| run.bound)), "");
    table
}

/// Whether a station is a call of the driver.
fn is_ours(station: &str) -> bool {
    station.ends_with("Volume")
}

/// The pods of earlier runs stay meanwhile, and do nothing.
fn run(s: &Scenario, number: usize) -> Run {
    let (claim, pod) = (format!("data-{number}"), format!("app-{number}"));
    let manifests = manifests(&claim, &pod);
    let begin = time_of_day();
    s.apply_text(&manifests);
    let bound = first_time(|| phase(s, Kind::CLAIM, &claim) == "Bound");
    let running = first_time(|| phase(s, Kind::POD, &pod) == "Running");

    let since_begin = |time: f64| (time - begin).rem_euclid(DAY);
    let calls = calls(s, &s.bound(&claim)).into_iter();
    let ends = calls.flat_map(|(began, ended)| [began, ended]);
    let mut times = ends.chain([running]);
    Run {
        reached: array::from_fn(|_| since_begin(times.next().unwrap())),
        bound: since_begin(bound),
    }
}

/// examples/default-class under other names.
fn manifests(claim: &str, pod: &str) -> String {
    format!(
        r#"
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: {claim}}}
spec:
  accessModes: [ReadWriteOnce]
  resources: {{requests: {{storage: 1Gi}}}}
---
apiVersion: v1
kind: Pod
metadata: {{name: {pod}}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - name: app
      image: busybox:1
      command: [sleep, infinity]
      volumeMounts: [{{name: data, mountPath: /data}}]
  volumes: [{{name: data, persistentVolumeClaim: {{claimName: {claim}}}}}]
"#
    )
}

fn phase(s: &Scenario, kind: Kind, name: &str) -> String {
    let object = s.get(kind, name);
    object.map_or_else(String::new, |object| {
        object.text("/status/phase").to_owned()
    })
}

/// When something was seen for the first time. Looks more often than a scenario does.
fn first_time(look: impl Fn() -> bool) -> f64 {
    let deadline = Instant::now() + PATIENCE;
    while !look() {
        assert!(Instant::now() < deadline, "it did not happen");
        thread::sleep(Duration::from_millis(10));
    }
    time_of_day()
}

/// Begin and end of the driver's calls for a volume that succeeded, in the order in which they are made.
fn calls(s: &Scenario, volume: &Volume) -> Vec<(f64, f64)> {
    let pods = s.cluster.driver_pods().unwrap();
    let logs: Vec<String> = pods
        .iter()
        .map(|pod| s.cluster.driver_log(pod.name(), s.elapsed()).unwrap())
        .collect();
    let lines = || logs.iter().flat_map(|log| log.lines());
    let methods = STATIONS.iter().filter(|station| is_ours(station));
    let call = |method: &&str| {
        let own = |line: &&str| line.contains(&volume.id) || line.contains(&volume.pv);
        let named = format!("rpc.method=\"{method}\"");
        let ended = |line: &&str| line.contains(&named) && line.contains("rpc.code=Ok");
        let line = lines().filter(own).find(ended);
        line.and_then(call_of)
            .unwrap_or_else(|| panic!("no {method} of {volume:?} in the driver's logs"))
    };
    methods.map(call).collect()
}

/// Begin and end of the call that a line of the driver's log tells of: `2026-11-21T12:00:00.123456Z … rpc.ms=12.3`.
fn call_of(line: &str) -> Option<(f64, f64)> {
    let time = line.split_once('T')?.1.split_once('Z')?.0;
    let ended = time.split(':').try_fold(0.0, |sum, part| {
        Some(sum * 60.0 + part.parse::<f64>().ok()?)
    })?;
    let ms = line.split_once("rpc.ms=")?.1.split(' ').next()?;
    Some((ended - ms.parse::<f64>().ok()? / 1_000.0, ended))
}

/// Seconds since midnight: all that the log's times and this machine's are compared by.
fn time_of_day() -> f64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.unwrap().as_secs_f64().rem_euclid(DAY)
}

fn median(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

fn memory(s: &Scenario) -> String {
    let mut table = "memory of the driver (VmRSS), MiB\n".to_owned();
    for node in &s.cluster.nodes {
        for process in node.driver_processes().unwrap() {
            let mib = process.rss_kib as f64 / 1024.0;
            table += &format!("  {:<8} {:<12} {mib:5.1}\n", node.name, process.role);
        }
    }
    table
}
