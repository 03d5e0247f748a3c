//! The command dies with `kill -9` after each change that it asks for, in EC2 and in Kubernetes; repeated, it goes on.

use std::time::Duration;

use serde_json::json;
use tokio::process::Child;
use tokio::time::{Instant, sleep};

use super::{Bed, Config, Delays, REBIND, texts};

/// Waits until it is so, or until the command has ended; whether it is so.
async fn until(child: &mut Child, mut is_so: impl AsyncFnMut() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if is_so().await {
            return true;
        }
        if child.try_wait().unwrap().is_some() {
            return is_so().await;
        }
        assert!(Instant::now() < deadline, "in vain");
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn after_each_change_of_the_cluster() {
    let mut points = 0;
    loop {
        let bed = Bed::make().await;
        bed.cluster.fall_silent_after(points + 1);
        let mut child = bed.spawn(&REBIND);
        let cut = until(&mut child, async || bed.cluster.is_silent()).await;
        child.kill().await.unwrap();
        bed.cluster.answer();
        if !cut {
            bed.is_moved("Delete").await;
            bed.ec2.shutdown().await;
            break;
        }
        points += 1;
        bed.done(&REBIND).await;
        bed.is_moved("Delete").await;
        assert_eq!(bed.counts().await, (2, 1), "after change {points}");
        assert_eq!(bed.cluster.deletions(), 1, "after change {points}");
        bed.ec2.shutdown().await;
    }
    // A PersistentVolume, the old one's policy, the claim away and anew.
    assert_eq!(points, 4);
}

#[tokio::test]
async fn after_each_change_of_ec2() {
    for action in ["CreateSnapshot", "CreateVolume"] {
        // EC2 shows late what it has accepted.
        let bed = Bed::with(Config {
            consistency: Duration::from_millis(100),
            delays: Delays {
                snapshot: Duration::from_millis(200),
                create: Duration::from_millis(200),
                ..Delays::none()
            },
            ..Config::default()
        })
        .await;
        let rule = json!({"action": action, "kind": "delay", "delay_ms": 600_000});
        bed.cloud.fault(&rule).await.unwrap();
        let mut child = bed.spawn(&REBIND);
        let made = async || match bed.counts().await {
            (1, snapshots) if action == "CreateSnapshot" => snapshots == 1,
            (volumes, _) => volumes == 2,
        };
        let cut = until(&mut child, made).await;
        child.start_kill().unwrap();
        let output = child.wait_with_output().await.unwrap();
        assert!(cut, "{action}: {}", texts(&output).0);
        bed.done(&REBIND).await;
        bed.is_moved("Delete").await;
        assert_eq!(bed.counts().await, (2, 1), "{action}");
        bed.ec2.shutdown().await;
    }
}

#[tokio::test]
async fn replies_of_ec2_that_are_lost_are_asked_for_again() {
    for action in ["CreateSnapshot", "CreateVolume"] {
        let bed = Bed::make().await;
        let rule = json!({"action": action, "kind": "lost-reply"});
        bed.cloud.fault(&rule).await.unwrap();
        bed.done(&REBIND).await;
        bed.is_moved("Delete").await;
        assert_eq!(bed.counts().await, (2, 1), "{action}");
        bed.ec2.shutdown().await;
    }
}

#[tokio::test]
async fn a_stateful_set_that_makes_the_claim_first_gets_the_new_volume() {
    let bed = Bed::make().await;
    bed.cluster.has_stateful_set();
    bed.done(&REBIND).await;
    bed.is_moved("Delete").await;
    assert_eq!((bed.counts().await, bed.cluster.deletions()), ((2, 1), 1));
    bed.ec2.shutdown().await;
}
