//! A whole emulator over real HTTP, with a backing of none.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::config::Delays;

/// Sends a request and reads status and body; an error where the connection is reset.
async fn http(
    url: &str,
    method: &str,
    path: &str,
    head: &str,
    body: &str,
) -> io::Result<(u16, String)> {
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await?;
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n{head}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let status = answer.get(9..12).and_then(|status| status.parse().ok());
    let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    Ok((status.unwrap_or(0), body.to_owned()))
}

async fn ec2(running: &Running, form: &str) -> io::Result<(u16, String)> {
    http(&running.ec2_url(), "POST", "/", "", form).await
}

async fn control(running: &Running, method: &str, path: &str, body: &str) -> (u16, String) {
    http(&running.control_url(), method, path, "", body)
        .await
        .unwrap()
}

/// The text of the first element of this name.
fn element<'a>(document: &'a str, name: &str) -> &'a str {
    let start = format!("<{name}>");
    let (_, rest) = document
        .split_once(&start)
        .unwrap_or_else(|| panic!("no {name} in {document}"));
    rest.split_once("</").unwrap().0
}

const CREATE: &str = "Action=CreateVolume&AvailabilityZone=eu-central-1a&Size=10&VolumeType=gp3";

async fn start() -> Running {
    Emulator::start(Config::default()).await.unwrap()
}

async fn create(running: &Running) -> String {
    let (status, body) = ec2(running, CREATE).await.unwrap();
    assert_eq!(status, 200, "{body}");
    element(&body, "volumeId").to_owned()
}

async fn describe(running: &Running, volume: &str) -> (u16, String) {
    let form = format!("Action=DescribeVolumes&VolumeId.1={volume}");
    ec2(running, &form).await.unwrap()
}

/// Waits until the volume's description holds the text.
async fn until(running: &Running, volume: &str, text: &str) {
    loop {
        if describe(running, volume).await.1.contains(text) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_volume_lives_over_http() {
    let running = start().await;
    let volume = create(&running).await;
    let instance = running.instances()[0].id.clone();
    let attach =
        format!("Action=AttachVolume&VolumeId={volume}&InstanceId={instance}&Device=/dev/xvdba");
    assert_eq!(ec2(&running, &attach).await.unwrap().0, 200);
    until(&running, &volume, "<status>attached</status>").await;
    let grow = format!("Action=ModifyVolume&VolumeId={volume}&Size=20");
    assert_eq!(ec2(&running, &grow).await.unwrap().0, 200);
    until(&running, &volume, "<size>20</size>").await;
    let detach = format!("Action=DetachVolume&VolumeId={volume}");
    assert_eq!(ec2(&running, &detach).await.unwrap().0, 200);
    until(&running, &volume, "<status>available</status>").await;
    let dry = format!("Action=DeleteVolume&VolumeId={volume}&DryRun=true");
    let (status, body) = ec2(&running, &dry).await.unwrap();
    assert_eq!((status, element(&body, "Code")), (412, "DryRunOperation"));
    let delete = format!("Action=DeleteVolume&VolumeId={volume}");
    assert_eq!(ec2(&running, &delete).await.unwrap().0, 200);
    let (status, body) = describe(&running, &volume).await;
    assert_eq!(
        (status, element(&body, "Code")),
        (400, "InvalidVolume.NotFound")
    );

    let (_, calls) = control(&running, "GET", "/calls", "").await;
    let calls: serde_json::Value = serde_json::from_str(&calls).unwrap();
    assert_eq!(calls["DeleteVolume"]["succeeded"], 1);
    assert_eq!(calls["DeleteVolume"]["dry_run"], 1);
    assert_eq!(
        calls["DescribeVolumes"]["codes"]["InvalidVolume.NotFound"],
        1
    );
    assert_eq!(control(&running, "POST", "/calls/reset", "").await.0, 204);
    assert_eq!(control(&running, "GET", "/calls", "").await.1, "{}");
    running.shutdown().await;
}

#[tokio::test]
async fn scripted_faults_befall_calls() {
    let running = start().await;
    let fault = |text: &'static str| control(&running, "POST", "/faults", text);

    assert_eq!(
        fault(r#"{"action":"CreateVolume","kind":"error","code":"RequestLimitExceeded"}"#)
            .await
            .0,
        201
    );
    let (status, body) = ec2(&running, CREATE).await.unwrap();
    assert_eq!(
        (status, element(&body, "Code")),
        (503, "RequestLimitExceeded")
    );

    fault(r#"{"kind":"reset"}"#).await;
    let error = ec2(&running, CREATE).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    assert!(
        !ec2(&running, "Action=DescribeVolumes")
            .await
            .unwrap()
            .1
            .contains("vol-")
    );

    fault(r#"{"action":"CreateVolume","kind":"lost-reply"}"#).await;
    let token = format!("{CREATE}&ClientToken=t");
    ec2(&running, &token).await.unwrap_err();
    let (_, all) = ec2(&running, "Action=DescribeVolumes").await.unwrap();
    let made = element(&all, "volumeId").to_owned();
    let (_, again) = ec2(&running, &token).await.unwrap();
    assert_eq!(element(&again, "volumeId"), made);

    fault(r#"{"action":"CreateVolume","kind":"create-failure","outcome":"vanish"}"#).await;
    let vanished = create(&running).await;
    assert_eq!(describe(&running, &vanished).await.0, 400);

    fault(r#"{"action":"DeleteVolume","kind":"stuck","count":5}"#).await;
    let (_, listed) = control(&running, "GET", "/faults", "").await;
    assert!(listed.contains("\"remaining\":5"), "{listed}");
    assert_eq!(control(&running, "DELETE", "/faults", "").await.0, 204);
    assert_eq!(control(&running, "GET", "/faults", "").await.1, "[]");
    running.shutdown().await;
}

#[tokio::test]
async fn wrong_control_requests_name_the_field() {
    let running = start().await;
    for (method, path, body, field) in [
        (
            "POST",
            "/faults",
            r#"{"kind":"reset","colour":1}"#,
            "colour",
        ),
        (
            "POST",
            "/faults",
            r#"{"kind":"reset","count":"x"}"#,
            "count",
        ),
        ("POST", "/faults", r#"{"count":1}"#, "kind"),
        ("POST", "/faults", r#"{"kind":"rest"}"#, "kind"),
        ("POST", "/faults", "{", "EOF"),
        ("PUT", "/delays", r#"{"create_s":1}"#, "create_s"),
        ("PUT", "/delays", r#"{"create_ms":-1}"#, "create_ms"),
        (
            "PUT",
            "/limits",
            r#"{"DescribeVolumes":{"capacity":1}}"#,
            "DescribeVolumes",
        ),
    ] {
        let (status, answer) = control(&running, method, path, body).await;
        assert_eq!(status, 400, "{path} {body}: {answer}");
        assert!(answer.contains(field), "{path} {body}: {answer}");
    }
    assert_eq!(control(&running, "GET", "/nothing", "").await.0, 404);
    assert_eq!(control(&running, "GET", "/health", "").await.0, 200);
    running.shutdown().await;
}

#[tokio::test]
async fn delays_and_limits_are_turned_while_it_runs() {
    let running = start().await;
    let (status, delays) = control(&running, "PUT", "/delays", r#"{"create_ms":3600000}"#).await;
    assert_eq!(status, 200);
    assert!(delays.contains("\"create_ms\":3600000"), "{delays}");
    let volume = create(&running).await;
    let (_, body) = describe(&running, &volume).await;
    assert!(body.contains("<status>creating</status>"), "{body}");
    let limits = r#"{"DescribeVolumes":{"capacity":1,"per_second":0}}"#;
    assert_eq!(control(&running, "PUT", "/limits", limits).await.0, 200);
    assert_eq!(describe(&running, &volume).await.0, 200);
    let (status, body) = describe(&running, &volume).await;
    assert_eq!(
        (status, element(&body, "Code")),
        (503, "RequestLimitExceeded")
    );
    running.shutdown().await;
}

#[tokio::test]
async fn each_region_is_a_cloud_of_its_own() {
    let running = Emulator::start(Config {
        regions: vec![
            "eu-central-1".parse().unwrap(),
            "us-east-1".parse().unwrap(),
        ],
        ..Config::default()
    })
    .await
    .unwrap();
    let volume = create(&running).await;
    let signed = |region: &str| {
        format!(
            "Authorization: AWS4-HMAC-SHA256 Credential=A/20261121/{region}/ec2/aws4_request, Signature=0\r\n"
        )
    };
    let url = running.ec2_url();
    let form = format!("Action=DescribeVolumes&VolumeId.1={volume}");
    let ask = async |region: &str| {
        let (status, _) = http(&url, "POST", "/", &signed(region), &form)
            .await
            .unwrap();
        status
    };
    assert_eq!(ask("eu-central-1").await, 200);
    assert_eq!(ask("us-east-1").await, 400);
    assert_eq!(ask("mars-north-1").await, 401);
    assert_eq!(running.instances().len(), 8);
    running.shutdown().await;
}

#[tokio::test]
async fn state_survives_and_goes_on() {
    let data = tempfile::tempdir().unwrap();
    let config = |data: &Path| Config {
        data: Some(data.to_owned()),
        delays: Delays {
            create: Duration::from_millis(300),
            ..Delays::none()
        },
        ..Config::default()
    };
    let running = Emulator::start(config(data.path())).await.unwrap();
    let volume = create(&running).await;
    let before = running.instances();
    running.shutdown().await;
    let running = Emulator::start(config(data.path())).await.unwrap();
    until(&running, &volume, "<status>available</status>").await;
    let ids = |views: &[InstanceView]| views.iter().map(|v| v.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&running.instances()), ids(&before));
    running.shutdown().await;
}

#[tokio::test]
async fn instances_come_with_metadata_and_go() {
    let running = start().await;
    let run = "Action=RunInstances&ImageId=ami-1&MinCount=1&MaxCount=1";
    let (_, body) = ec2(&running, run).await.unwrap();
    let id = element(&body, "instanceId").to_owned();
    let view = running.instances().pop().unwrap();
    assert_eq!(view.id.as_str(), id);
    let (status, _) = http(
        &view.imds_url,
        "GET",
        "/latest/meta-data/instance-id",
        "",
        "",
    )
    .await
    .unwrap();
    assert_eq!(status, 401, "a session token is needed");
    let ttl = "X-aws-ec2-metadata-token-ttl-seconds: 60\r\n";
    let token = http(&view.imds_url, "PUT", "/latest/api/token", ttl, "").await;
    let head = format!("X-aws-ec2-metadata-token: {}\r\n", token.unwrap().1);
    let (_, told) = http(
        &view.imds_url,
        "GET",
        "/latest/meta-data/instance-id",
        &head,
        "",
    )
    .await
    .unwrap();
    assert_eq!(told, id);
    let end = format!("Action=TerminateInstances&InstanceId.1={id}");
    ec2(&running, &end).await.unwrap();
    while running.instances().len() > 4 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    running.shutdown().await;
}

#[tokio::test]
async fn metadata_is_served_at_the_address_of_the_endpoint() {
    let config = Config {
        listen: "127.0.0.2:0".parse().unwrap(),
        ..Config::default()
    };
    let running = Emulator::start(config).await.unwrap();
    let views = running.instances();
    assert_eq!(views.len(), 4);
    for view in views {
        assert!(view.imds_url.starts_with("http://127.0.0.2:"), "{view:?}");
    }
    running.shutdown().await;
}

#[tokio::test]
async fn metadata_services_keep_their_ports_as_long_as_these_are_free() {
    let data = tempfile::tempdir().unwrap();
    let config = || Config {
        data: Some(data.path().to_owned()),
        instances: 2,
        ..Config::default()
    };
    let urls = |running: &Running| -> Vec<String> {
        let views = running.instances();
        views.into_iter().map(|view| view.imds_url).collect()
    };
    let running = Emulator::start(config()).await.unwrap();
    let before = urls(&running);
    running.shutdown().await;

    let taken = before[0].strip_prefix("http://").unwrap();
    let other = std::net::TcpListener::bind(taken).unwrap();
    let running = Emulator::start(config()).await.unwrap();
    let after = urls(&running);
    assert_ne!(after[0], before[0]);
    assert_eq!(after[1], before[1]);
    running.shutdown().await;
    drop(other);

    let running = Emulator::start(config()).await.unwrap();
    assert_eq!(urls(&running), after);
    running.shutdown().await;
}

#[tokio::test]
async fn volumes_are_never_taken_for_leftovers_of_a_state_that_is_lost() {
    let data = tempfile::tempdir().unwrap();
    let config = || Config {
        data: Some(data.path().to_owned()),
        ..Config::default()
    };
    let image = data.path().join("volumes/vol-0123456789abcdef0.img");
    std::fs::create_dir(image.parent().unwrap()).unwrap();
    std::fs::write(&image, "bytes").unwrap();
    for _ in 0..2 {
        let error = Emulator::start(config()).await.unwrap_err();
        assert!(matches!(error, StartError::StateLost { .. }), "{error}");
    }
    std::fs::remove_file(&image).unwrap();
    Emulator::start(config()).await.unwrap().shutdown().await;
}

#[tokio::test]
async fn odd_requests_are_answered_and_odd_configurations_refused() {
    let running = start().await;
    let url = running.ec2_url();
    assert_eq!(http(&url, "PUT", "/", "", "").await.unwrap().0, 405);
    let by_get = "/?Action=DescribeAvailabilityZones&Version=2016-11-15";
    assert_eq!(http(&url, "GET", by_get, "", "").await.unwrap().0, 200);
    running.shutdown().await;

    let none = Config {
        regions: Vec::new(),
        ..Config::default()
    };
    assert!(matches!(
        Emulator::start(none).await,
        Err(StartError::Config(_))
    ));
    let no_data = Config {
        backing: BackingKind::Loop,
        ..Config::default()
    };
    assert!(matches!(
        Emulator::start(no_data).await,
        Err(StartError::Config(_))
    ));
}
