//! The node plugin is killed at every step of its work on a volume, one after the other: what its successor finds, it finishes,
//! and nothing is lost or left behind.
//!
//! A step is a system call that changes something; with `EBS_CSI_CRASH_POINTS=all` also each that only reads. The kill comes
//! when the call is done and before the plugin learns of it.

use lab::orchestrator::Use;
use rstest::rstest;

use crate::trace::{Action, Plan, Scope, Step};
use crate::walk::Operation::{self, Expand, Publish, Stage, Unpublish, Unstage};
use crate::walk::{Walk, every_point};
use crate::world::lab;

/// More steps than this no operation has: a walk that does not end is a fault of this test.
const MOST_STEPS: usize = 2_000;

fn scope() -> Scope {
    if every_point() {
        Scope::All
    } else {
        Scope::Changes
    }
}

/// The operation with a kill at its `at`-th step; then the same again, of the plugin's successor. Nothing where
/// it has fewer steps.
async fn killed_at(walk: &mut Walk, operation: Operation, at: usize) -> Option<Step> {
    let tracer = walk.trace();
    tracer.arm(Plan {
        scope: scope(),
        action: Action::Kill,
        at,
    });
    let answer = walk.perform(operation, &walk.lab.once()).await;
    let Some(step) = tracer.hit() else {
        answer.unwrap();
        return None;
    };
    drop(tracer);
    assert!(
        answer.is_err(),
        "{operation:?} was answered by a process killed at {step}"
    );
    walk.lab.world.kill_node(&walk.lab.node).await.unwrap();
    walk.lab
        .world
        .start_node_again(&walk.lab.node)
        .await
        .unwrap();
    if let Err(error) = walk.perform(operation, &walk.lab.node).await {
        panic!("{operation:?} after a kill at step {at}, {step}: {error:#}");
    }
    Some(step)
}

fn told(operation: Operation, usage: Use, steps: &[Step]) {
    assert!(
        !steps.is_empty() || usage == Use::Block,
        "{operation:?} has no steps"
    );
    let steps: Vec<String> = steps.iter().map(Step::to_string).collect();
    println!(
        "{operation:?} of {usage}: killed at {} steps: {}",
        steps.len(),
        steps.join(", ")
    );
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn staging_a_blank_volume(#[values(Use::Ext3, Use::Ext4, Use::Xfs, Use::Btrfs)] usage: Use) {
    let Some(lab) = lab().await else { return };
    let mut walk = Walk::begin(lab, usage).await;
    let mut steps = Vec::new();
    for at in 1..MOST_STEPS {
        let Some(step) = killed_at(&mut walk, Stage, at).await else {
            break;
        };
        walk.all(&[Publish]).await;
        walk.is_mounted_once(&step);
        walk.proves_its_data();
        walk.all(&[Unpublish, Unstage, Stage, Publish]).await;
        walk.proves_its_data();
        walk.all(&[Unpublish, Unstage]).await;
        walk.nothing_is_left(&step);
        walk.blank();
        steps.push(step);
    }
    told(Stage, usage, &steps);
}

/// Each operation on a volume with data, killed at each step, with the others around it.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn working_on_a_volume_with_data(
    #[values(Use::Ext4, Use::Xfs, Use::Btrfs, Use::Block)] usage: Use,
    #[values(Stage, Publish, Unpublish, Unstage)] operation: Operation,
) {
    let Some(lab) = lab().await else { return };
    let mut walk = Walk::begin(lab, usage).await;
    walk.all(&[Stage, Publish]).await;
    walk.proves_its_data();
    walk.all(&[Unpublish, Unstage]).await;
    let mut steps = Vec::new();
    for at in 1..MOST_STEPS {
        walk.all(operation.before()).await;
        let Some(step) = killed_at(&mut walk, operation, at).await else {
            break;
        };
        if operation == Unstage {
            walk.nothing_is_left(&step);
        }
        walk.all(operation.to_use()).await;
        walk.is_mounted_once(&step);
        walk.proves_its_data();
        walk.all(&[Unpublish, Unstage]).await;
        walk.nothing_is_left(&step);
        steps.push(step);
    }
    told(operation, usage, &steps);
}

/// xfs and btrfs grow while they are mounted, and an ext4 without `CAP_SYS_RESOURCE` before it is: each with a kill at each step.
#[rstest]
#[case(Use::Xfs, Expand)]
#[case(Use::Btrfs, Expand)]
#[case(Use::Ext4, Stage)]
#[tokio::test(flavor = "multi_thread")]
async fn growing(#[case] usage: Use, #[case] operation: Operation) {
    let Some(lab) = lab().await else { return };
    let mut walk = Walk::begin(lab, usage).await;
    let mut steps = Vec::new();
    for at in 1..MOST_STEPS {
        walk.all(&[Stage, Publish]).await;
        walk.proves_its_data();
        if operation == Stage {
            walk.all(&[Unpublish, Unstage]).await;
        }
        walk.enlarge().await;
        let Some(step) = killed_at(&mut walk, operation, at).await else {
            break;
        };
        walk.all(&[Publish]).await;
        walk.is_mounted_once(&step);
        walk.proves_its_data();
        walk.has_grown(&step);
        walk.all(&[Unpublish, Unstage]).await;
        walk.nothing_is_left(&step);
        walk.renew(at).await;
        steps.push(step);
    }
    told(operation, usage, &steps);
}
