//! EC2's token buckets: what a burst over them costs, and what a caller without time is told.

use std::net::SocketAddr;
use std::time::Duration;

use futures::future::join_all;
use lab::metrics::{address, scrape};
use lab::socket::Patience;
use serde_json::json;
use tonic::Code;

use crate::world::{World, calls, code, leaves_open, message, volumes, world, world_started_with};

/// An account with far less than EC2's: so many calls of each kind at once, and so many more a second.
async fn small_account(world: &World, capacity: u32, per_second: f64) {
    let bucket = json!({"capacity": capacity, "per_second": per_second});
    let limits = json!({"CreateVolume": bucket, "AttachVolume": bucket, "DeleteVolume": bucket});
    world.cloud.throttle(&limits).await.unwrap();
}

/// Where the controller shows its metrics.
fn shown(world: &World) -> SocketAddr {
    address(&world.dir().join("controller.log")).unwrap()
}

async fn throttled(world: &World, action: &str) -> u64 {
    let refusals = world.cloud.refusals(action).await.unwrap();
    refusals
        .get("RequestLimitExceeded")
        .copied()
        .unwrap_or_default()
}

#[tokio::test]
async fn a_burst_over_a_small_bucket_fails_nobody() {
    let world = world_started_with(&[("--http-endpoint", "127.0.0.1:0")]).await;
    small_account(&world, 10, 5.0).await;
    let once = world.controller.with(Patience::ONCE);
    let orders: Vec<_> = (0..60).map(|n| world.order(&format!("pvc-{n}"))).collect();
    let claims = join_all(orders.iter().map(|order| once.create(order))).await;
    let failed: Vec<_> = claims.iter().filter(|claim| claim.is_err()).collect();
    assert!(failed.is_empty(), "{failed:?}");
    assert_eq!(volumes(&world).await, 60);

    let refused = throttled(&world, "CreateVolume").await;
    let made = calls(&world, "CreateVolume").await;
    assert_eq!(made, 60 + refused);
    // Those that found out where the bucket ends, and some that found its edge.
    assert!(refused <= 25, "{refused} throttled");

    let page = scrape(shown(&world)).await.unwrap();
    let of = |labels: &[(&str, &str)], name: &str| {
        let all = [&[("request", "CreateVolume")], labels].concat();
        page.value(&format!("aws_ebs_csi_{name}"), &all)
    };
    let class = [("class", "create")];
    let count = |number: u64| Some(f64::from(u32::try_from(number).unwrap()));
    assert_eq!(of(&[], "api_request_throttles_total"), count(refused));
    assert_eq!(of(&[], "api_request_duration_seconds_count"), count(made));
    let method = [("method", "CreateVolume")];
    assert_eq!(of(&method, "ec2_calls_total"), count(made));
    assert_eq!(of(&class, "ec2_queue_wait_seconds_count"), count(made));
    assert_eq!(of(&class, "ec2_queue_length"), Some(0.0));
    assert_eq!(of(&class, "ec2_calls_in_flight"), Some(0.0));
    assert!(of(&class, "ec2_bucket_tokens").unwrap() < 100.0);
    assert!(of(&class, "ec2_bucket_refill_per_second").unwrap() <= 5.0);
    // The describes that all of them shared.
    let shared = [("request", "DescribeVolumes"), ("method", "shared")];
    let shared = page.value("aws_ebs_csi_ec2_calls_total", &shared);
    assert!(shared.unwrap() >= 1.0);
}

/// A caller with little time, in an account that has no call left for a quarter of an hour.
#[tokio::test]
async fn whose_turn_would_come_too_late_is_told_so_and_leaves_nothing_behind() {
    let world = world().await;
    small_account(&world, 1, 0.001).await;
    let first = world.order("pvc-first");
    world.controller.create(&first).await.unwrap();
    let hurried = world.order("pvc-hurried");
    let patience = Patience::within(Duration::from_secs(3));
    let words = loop {
        let answer = world.controller.with(patience).create(&hurried).await;
        // A machine that is busy with other things may be too late even so.
        assert!(leaves_open(code(&answer)), "{answer:?}");
        if code(&answer) == Code::Unavailable {
            break message(answer);
        }
    };
    let told = ["CreateVolume", "docs/TROUBLESHOOTING.md"];
    assert!(told.iter().all(|part| words.contains(part)), "{words}");
    assert!(throttled(&world, "CreateVolume").await >= 1);
    let there = world.cloud.volumes().await.unwrap();
    assert_eq!(there.len(), 1, "{there:?}");
}

/// An account whose changes share a bucket that is far smaller than EC2's own of each kind.
#[tokio::test]
async fn who_is_told_what_the_account_has_for_all_changes_asks_for_no_more() {
    let world = world_started_with(&[("--ec2-mutations-per-second", "10")]).await;
    // Twice what the driver may have at once: on a slow machine calls that left one by one arrive together.
    let account = json!({"account": {"capacity": 20, "per_second": 10.0}});
    world.cloud.throttle(&account).await.unwrap();
    let orders: Vec<_> = (0..40).map(|n| world.order(&format!("pvc-{n}"))).collect();
    let claims = join_all(orders.iter().map(|order| world.controller.create(order))).await;
    assert!(claims.iter().all(Result::is_ok), "{claims:?}");
    assert_eq!(throttled(&world, "CreateVolume").await, 0);
    assert_eq!(calls(&world, "CreateVolume").await, 40);
}
