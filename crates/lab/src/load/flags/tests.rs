use clap::Parser;

use super::*;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

fn plan(line: &[&str]) -> Result<Plan, String> {
    let line = ["load"].iter().chain(line);
    let parsed = Line::try_parse_from(line).map_err(|error| error.to_string())?;
    parsed.args.plan().map_err(|error| format!("{error:#}"))
}

#[test]
fn without_a_profile_an_emulator_of_ones_own_is_quick() {
    let plan = plan(&["--driver", "ebs-csi"]).unwrap();
    assert_eq!(
        (plan.volumes, plan.instances, plan.in_flight),
        (100, 10, 100)
    );
    assert_eq!(plan.delays.unwrap()["create_ms"], 0);
    assert_eq!(plan.buckets, Some(Buckets::Profile("none")));
    assert!(!plan.alone);
    use Phase::*;
    assert_eq!(plan.phases, [Create, Publish, Unpublish, Delete]);
}

#[test]
fn a_profile_sets_what_no_flag_does() {
    let throttled = plan(&[
        "--driver=x",
        "--profile=throttled",
        "--volumes=1000",
        "--timeout=publish=6m,create=30s",
    ])
    .unwrap();
    assert_eq!((throttled.volumes, throttled.in_flight), (1_000, 100));
    assert_eq!(throttled.delays.unwrap()["attach_ms"], 2_000);
    assert_eq!(throttled.buckets, Some(Buckets::Profile("ec2")));
    assert_eq!(throttled.policy.timeout(Phase::Create).as_secs(), 30);

    let alone = plan(&["--driver=x", "--profile=alone", "--delays=none"]).unwrap();
    assert!(alone.alone && alone.in_flight == 1);
    assert_eq!(alone.phases, Phase::ALL);
    let together = plan(&["--driver=x", "--profile=alone", "--in-flight=5"]).unwrap();
    assert!(!together.alone && together.in_flight == 5);
}

#[test]
fn a_controller_that_runs_comes_with_its_emulator() {
    let line = [
        "--endpoint=unix:///run/csi.sock",
        "--control=http://127.0.0.1:1",
        "--pid=7",
    ];
    let plan = plan(&line).unwrap();
    let Target::Running { socket, driver, .. } = plan.target else {
        panic!("{:?}", plan.target);
    };
    assert_eq!((socket, driver), ("/run/csi.sock".into(), Some(7)));
    // It is left as it is set.
    assert!(plan.delays.is_none() && plan.buckets.is_none());
}

#[test]
fn what_cannot_be_is_refused_in_words() {
    for (line, words) in [
        (&[][..], "--driver"),
        (&["--endpoint=unix:///a"], "--control"),
        (
            &["--driver=x", "--endpoint=unix:///a", "--control=y"],
            "cannot be used",
        ),
        (&["--driver=x", "--pid=7"], "--endpoint"),
        (&["--driver=x", "--volumes=0"], "1..=100000"),
        (&["--driver=x", "--phases=create,attach"], "unpublish"),
        (&["--driver=x", "--plot=cdf.png"], ".svg"),
        (&["--driver=x", "--each"], "--json"),
        (
            &["--driver=x", "--alone", "--in-flight=2"],
            "cannot be used",
        ),
        (&["--driver=x", "--buckets=/nonexistent"], "/nonexistent"),
        (
            &["--driver=x", "--beside=/nonexistent"],
            "--beside /nonexistent",
        ),
    ] {
        let refused = plan(line).unwrap_err();
        assert!(refused.contains(words), "{line:?}: {refused}");
    }
}
