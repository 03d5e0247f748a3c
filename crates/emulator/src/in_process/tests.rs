use std::time::Duration;

use ebs_types::keys;
use tokio::time::Instant;

use super::*;
use crate::BucketProfile;

fn config() -> Config {
    Config {
        instances: 3,
        delays: Delays::realistic(),
        ..Config::default()
    }
}

async fn ask(emulator: &InProcess, form: &'static str) -> (u16, String) {
    let request = Request::post("/").body(Bytes::from_static(form.as_bytes()));
    let response = emulator.call(request.unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let body = String::from_utf8(response.into_body().to_vec());
    (status, body.unwrap())
}

async fn turn(emulator: &InProcess, path: &str, json: &'static str) {
    let request = Request::put(path).header("content-type", "application/json");
    let request = request.body(Bytes::from_static(json.as_bytes())).unwrap();
    let response = emulator.control(request).await.unwrap();
    assert_eq!(response.status(), 200);
}

const CREATE: &str = "Action=CreateVolume&AvailabilityZone=eu-central-1a&Size=1&VolumeType=gp3";

#[tokio::test(start_paused = true)]
async fn delays_pass_in_the_time_that_is_paused() {
    let emulator = Emulator::in_process(config()).await.unwrap();
    let (status, _) = ask(&emulator, CREATE).await;
    assert_eq!(status, 200);
    let made = emulator.volumes();
    assert_eq!(made[0].state, VolumeState::Creating);
    let began = Instant::now();
    tokio::time::sleep(Delays::realistic().create).await;
    assert_eq!(began.elapsed(), Delays::realistic().create);
    assert_eq!(emulator.volumes()[0].state, VolumeState::Available);
    emulator.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn buckets_fill_in_the_time_that_is_paused() {
    let emulator = Emulator::in_process(config()).await.unwrap();
    turn(
        &emulator,
        "/limits",
        r#"{"CreateVolume": {"capacity": 1, "per_second": 0.1}}"#,
    )
    .await;
    let statuses = async |wait| {
        tokio::time::sleep(Duration::from_secs(wait)).await;
        ask(&emulator, CREATE).await.0
    };
    assert_eq!(statuses(0).await, 200);
    assert_eq!(statuses(9).await, 503);
    assert_eq!(statuses(1).await, 200);
}

#[tokio::test(start_paused = true)]
async fn profiles_latency_and_rates_hold_from_the_start_and_are_counted() {
    let emulator = Emulator::in_process(Config {
        buckets: BucketProfile::Ec2,
        fault_rates: vec!["DescribeVolumes:Unavailable=1".parse().unwrap()],
        delays: Delays {
            call: Duration::from_millis(150),
            ..Delays::none()
        },
        ..config()
    });
    let emulator = emulator.await.unwrap();
    let began = Instant::now();
    assert_eq!(ask(&emulator, CREATE).await.0, 200);
    assert_eq!(began.elapsed(), Duration::from_millis(150));
    let (status, body) = ask(&emulator, "Action=DescribeVolumes").await;
    assert_eq!(status, 503);
    assert!(body.contains("<Code>Unavailable</Code>"), "{body}");
    turn(
        &emulator,
        "/limits",
        r#"{"CreateVolume": {"capacity": 0, "per_second": 0}}"#,
    )
    .await;
    let (status, body) = ask(&emulator, CREATE).await;
    assert_eq!(status, 503);
    assert!(body.contains("<Code>RequestLimitExceeded</Code>"), "{body}");
    turn(&emulator, "/limits/none", "").await;
    assert_eq!(ask(&emulator, CREATE).await.0, 200);
    let counts = Request::get("/calls").body(Bytes::new()).unwrap();
    let counts = emulator.control(counts).await.unwrap().into_body();
    let counts: serde_json::Value = serde_json::from_slice(&counts).unwrap();
    let of = |action: &str, kind: &str| counts[action][kind].as_u64();
    assert_eq!(of("CreateVolume", "succeeded"), Some(2));
    assert_eq!(of("CreateVolume", "throttled"), Some(1));
    assert_eq!(of("DescribeVolumes", "failed"), Some(1));
    assert_eq!(of("DescribeVolumes", "throttled"), Some(0));
    let unknown = Request::put("/limits/big").body(Bytes::new()).unwrap();
    let refused = emulator.control(unknown).await.unwrap();
    assert_eq!(refused.status(), 400);
    emulator.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_fault_resets_the_call() {
    let emulator = Emulator::in_process(config()).await.unwrap();
    let request = Request::post("/faults").header("content-type", "application/json");
    let body = Bytes::from_static(br#"{"kind": "lost-reply"}"#);
    let answer = emulator.control(request.body(body).unwrap()).await.unwrap();
    assert_eq!(answer.status(), 201);
    let request = Request::post("/").body(Bytes::from_static(CREATE.as_bytes()));
    let error = emulator.call(request.unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(emulator.volumes().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn volumes_can_be_there_from_the_beginning() {
    let emulator = Emulator::in_process(config()).await.unwrap();
    let instances = emulator.instances();
    let mut tags = Tags::new();
    tags.set(keys::VOLUME_NAME, "pvc-1").unwrap();
    let preset = |attached: Option<&str>| PresetVolume {
        zone: instances[0].1.clone(),
        tags: tags.clone(),
        attached: attached.map(|name| (instances[0].0.clone(), name.parse().unwrap())),
    };
    let ids = emulator.preset([preset(Some("/dev/xvdba")), preset(None)]);
    let ids = ids.await.unwrap();
    let mut there = emulator.volumes();
    there.sort_by_key(|volume| ids.iter().position(|id| *id == volume.id));
    let at = (instances[0].0.clone(), AttachmentState::Attached);
    assert_eq!(there[0].attachments, [at]);
    assert_eq!(there[0].tags, tags);
    assert_eq!(there[1].state, VolumeState::Available);

    let refused = emulator.preset([preset(Some("/dev/xvdba"))]).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("already in use"), "{refused}");
    // The delays are as before.
    ask(&emulator, CREATE).await;
    let creating = |volume: &VolumeView| volume.state == VolumeState::Creating;
    assert!(emulator.volumes().iter().any(creating));
}

#[tokio::test]
async fn without_sockets_there_are_no_devices() {
    let config = Config {
        backing: BackingKind::Loop,
        data: Some("/nowhere".into()),
        ..Config::default()
    };
    let refused = Emulator::in_process(config).await.unwrap_err();
    assert!(matches!(refused, StartError::Config(_)), "{refused}");
}
