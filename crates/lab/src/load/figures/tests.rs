use tonic::Code;

use super::*;

fn blank(phase: Phase) -> Figures {
    Figures {
        run: "ours".to_owned(),
        ..Figures::empty(phase)
    }
}

fn sample(ms: u64, errors: &[Code], done: bool) -> Sample {
    Sample {
        took: Duration::from_millis(ms),
        attempts: u32::try_from(errors.len()).unwrap() + u32::from(done),
        errors: errors.to_vec(),
        failure: (!done).then(|| "Internal: no".to_owned()),
        ..Sample::default()
    }
}

#[test]
fn percentiles_are_by_nearest_rank() {
    let times: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
    let latency = Latency::of(&times);
    let all = [latency.p50, latency.p90, latency.p99, latency.max];
    assert_eq!(all, [100.0, 180.0, 198.0, 200.0]);
    let one = Latency::of(&times[..1]);
    assert_eq!([one.p50, one.p99, one.max], [1.0, 1.0, 1.0]);
    assert_eq!(Latency::of(&[]), Latency::default());
}

#[test]
fn only_what_was_done_has_a_latency() {
    let mut figures = blank(Phase::Create);
    figures.wall_ms = 500.0;
    figures.driver_cpu_ms = Some(2.5);
    figures.count(&[
        sample(10, &[], true),
        sample(2_000, &[Code::Aborted, Code::Unavailable], true),
        sample(9_000, &[Code::Aborted], false),
    ]);
    assert_eq!(
        (figures.operations, figures.failed, figures.rpcs),
        (3, 1, 5)
    );
    assert_eq!(
        (figures.latency_ms.p50, figures.latency_ms.max),
        (10.0, 2_000.0)
    );
    assert_eq!(figures.per_second, 4.0);
    assert_eq!(figures.errors["Aborted"], 2);
    assert_eq!(figures.errors["Unavailable"], 1);
    assert_eq!(figures.cpu_per_rpc(), Some(0.5));
    assert_eq!(figures.over_floor(), None);
}

#[test]
fn calls_are_those_between_two_looks() {
    let count = |calls, throttled| Count {
        calls,
        codes: BTreeMap::from([("RequestLimitExceeded".to_owned(), throttled)]),
    };
    let before = BTreeMap::from([
        ("CreateVolume".to_owned(), count(5, 1)),
        ("DescribeVolumes".to_owned(), count(7, 0)),
    ]);
    let mut after = before.clone();
    after.insert("CreateVolume".to_owned(), count(25, 4));
    after.insert("AttachVolume".to_owned(), count(2, 1));
    let mut figures = blank(Phase::Create);
    figures.operations = 20;
    figures.compare(&before, &after);
    assert_eq!(figures.ec2_calls.len(), 2, "{:?}", figures.ec2_calls);
    assert_eq!(figures.all_ec2_calls(), 22);
    assert_eq!(figures.throttled, 4);
    assert_eq!(figures.per_operation(figures.all_ec2_calls()), Some(1.1));
}

#[test]
fn what_is_written_is_read_again() {
    let mut figures = blank(Phase::DeleteSnapshot);
    figures.ec2_calls_each = Some(Each {
        first: 3,
        least: 2,
        most: 2,
    });
    let phase = serde_json::to_string(&Line::Phase(Box::new(figures))).unwrap();
    assert!(phase.contains("\"kind\":\"phase\",\"run\":\"ours\",\"phase\":\"delete-snapshot\""));
    let operation = Operation::of("ours", Phase::Create, &sample(3, &[Code::Aborted], true));
    let operation = serde_json::to_string(&Line::Operation(operation)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("earlier.json");
    fs::write(&file, format!("{operation}\n{phase}\n")).unwrap();
    let found = read(&file).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].ec2_calls_each.map(|each| each.first), Some(3));

    fs::write(&file, "{}\n").unwrap();
    let refused = format!("{:#}", read(&file).unwrap_err());
    assert!(refused.contains("line 1"), "{refused}");
    fs::write(&file, "").unwrap();
    assert!(read(&file).is_err());
}

#[test]
fn the_first_of_those_that_are_alone_is_told_apart() {
    let calls = |all: &[u64]| {
        let of = |calls: &u64| Sample {
            ec2_calls: Some(*calls),
            ..Sample::default()
        };
        Each::of(&all.iter().map(of).collect::<Vec<_>>())
    };
    let each = |first, least, most| Some(Each { first, least, most });
    assert_eq!(calls(&[3, 2, 4, 2]), each(3, 2, 4));
    assert_eq!(calls(&[3]), each(3, 3, 3));
    assert_eq!(calls(&[]), None);
}
