//! Every system call of the node's work fails, is interrupted or hangs: nothing is said to be done that is not, the cause is told, and
//! the same call again, without the fault, succeeds with nothing lost or left behind.
//!
//! Of calls of one name the first and the last one of an operation are taken; with `EBS_CSI_CRASH_POINTS=all` each one.

use std::collections::BTreeMap;
use std::time::Duration;

use lab::orchestrator::Use;
use lab::socket::Patience;
use nix::errno::Errno;
use rstest::rstest;
use tonic::{Code, Status};

use crate::trace::{Action, Plan, Scope, Step, Tracer};
use crate::walk::Operation::{self, Expand, Publish, Stage, Unpublish, Unstage};
use crate::walk::{Walk, every_point};
use crate::world::{lab, refusal};

/// How often one looks.
const TICK: Duration = Duration::from_millis(2);

/// How long an answer is waited for that nothing keeps from coming.
const LONG: Duration = Duration::from_secs(10);

/// The steps at which something is to happen, counted from 1.
fn chosen(steps: &[Step], may: impl Fn(&Step) -> bool) -> Vec<usize> {
    let steps = (1..).zip(steps).filter(|(_, step)| may(step));
    if every_point() {
        return steps.map(|(at, _)| at).collect();
    }
    let mut ends: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (at, step) in steps {
        ends.entry(step.name).or_insert((at, at)).1 = at;
    }
    let mut chosen: Vec<usize> = ends.into_values().flat_map(|(a, b)| [a, b]).collect();
    chosen.sort_unstable();
    chosen.dedup();
    chosen
}

/// Eight of the steps from 1 to `last`, the first and the last among them.
fn eighths(last: usize) -> Vec<usize> {
    let mut chosen: Vec<usize> = (0..8).map(|eighth| 1 + eighth * (last - 1) / 7).collect();
    chosen.dedup();
    chosen
}

/// What one test goes through: an operation on a blank volume, or on one with data.
struct Trial {
    walk: Walk,
    tracer: Tracer,
    operation: Operation,
    blank: bool,
}

impl Trial {
    async fn begin(usage: Use, operation: Operation, blank: bool) -> Option<Self> {
        let mut walk = Walk::begin(lab().await?, usage).await;
        let tracer = walk.trace();
        let mut trial = Self {
            walk,
            tracer,
            operation,
            blank,
        };
        if !blank {
            trial.walk.all(&[Stage, Publish]).await;
            trial.use_and_put_away("nothing").await;
        }
        Some(trial)
    }

    /// The steps at which something is to happen.
    async fn chosen(&mut self, may: impl Fn(&Step) -> bool) -> Vec<usize> {
        self.walk.all(self.operation.before()).await;
        self.tracer.arm(Plan::count(Scope::All));
        self.walk.all(&[self.operation]).await;
        let steps = self.tracer.disarm();
        self.walk.all(self.operation.to_use()).await;
        self.use_and_put_away("nothing").await;
        chosen(&steps, may)
    }

    /// The steps of a program at which something is to happen: eight of them, the first and the last among these.
    async fn chosen_of(&mut self, program: &'static str) -> Vec<usize> {
        self.walk.all(self.operation.before()).await;
        self.tracer.arm(Plan::count(Scope::Program(program)));
        self.walk.all(&[self.operation]).await;
        let last = self.tracer.disarm().len();
        self.walk.all(self.operation.to_use()).await;
        self.use_and_put_away("nothing").await;
        assert!(last > 0, "{program} was not run");
        eighths(last)
    }

    /// Waits until the plan is carried out.
    async fn hit(&self) {
        while self.tracer.hit().is_none() {
            tokio::time::sleep(TICK).await;
        }
    }

    fn arm(&self, action: Action, at: usize) {
        self.tracer.arm(Plan {
            scope: Scope::All,
            action,
            at,
        });
    }

    /// The operation again, without a fault, and everything that follows.
    async fn ends_well(&mut self, fault: &str) {
        if let Err(error) = self.walk.perform(self.operation, &self.walk.lab.node).await {
            panic!("{:?} again after {fault}: {error:#}", self.operation);
        }
        if self.operation == Unstage {
            self.walk.nothing_is_left(&fault);
        }
        self.walk.all(self.operation.to_use()).await;
        self.use_and_put_away(fault).await;
    }

    /// Of a published volume.
    async fn use_and_put_away(&mut self, fault: &str) {
        self.walk.is_mounted_once(&fault);
        self.walk.proves_its_data();
        self.walk.all(&[Unpublish, Unstage]).await;
        self.walk.nothing_is_left(&fault);
        if self.blank {
            self.walk.blank();
        }
    }

    /// Whether the operation that answered with success is done: by what it says, not by doing it again.
    fn is_done(&self) -> bool {
        let node = &self.walk.lab.node;
        let mounts = self.walk.lab.mounts();
        let mounted = |path| mounts.iter().any(|mount| mount.point == path);
        match self.operation {
            Stage => {
                self.walk.claim.usage == Use::Block || mounted(node.staging_path(&self.walk.claim))
            }
            Publish => mounted(self.walk.target()),
            Operation::Expand => true,
            Unpublish => !self.walk.target().exists(),
            Unstage => mounts.is_empty(),
        }
    }
}

/// The codes after which Kubernetes tries again and that blame neither the request nor the volume.
fn blames_nobody(code: Code) -> bool {
    matches!(
        code,
        Code::Internal | Code::Aborted | Code::Unavailable | Code::DeadlineExceeded
    )
}

/// These are only ever asked not to wait: a lock that is tried, the end of a program that has been heard of.
fn may_hang(step: &Step) -> bool {
    !["flock", "wait4", "waitid"].contains(&step.name)
}

/// Whether the cause is told. A device that was not found is looked for once more for the message, which says what was there then.
fn tells(status: &Status, cause: &str) -> bool {
    let looked_again =
        status.code() == Code::Unavailable && status.message().contains("there was: ");
    looked_again || status.message().contains(cause)
}

#[rstest]
#[case(Use::Ext4, Stage, true)]
#[case(Use::Xfs, Stage, true)]
#[case(Use::Ext4, Stage, false)]
#[case(Use::Xfs, Stage, false)]
#[case(Use::Btrfs, Stage, true)]
#[case(Use::Btrfs, Stage, false)]
#[case(Use::Ext4, Publish, false)]
#[case(Use::Block, Publish, false)]
#[case(Use::Ext4, Unpublish, false)]
#[case(Use::Block, Unpublish, false)]
#[case(Use::Xfs, Unstage, false)]
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_fails(
    #[case] usage: Use,
    #[case] operation: Operation,
    #[case] blank: bool,
    #[values(Errno::EIO, Errno::EINTR)] errno: Errno,
) {
    let Some(mut trial) = Trial::begin(usage, operation, blank).await else {
        return;
    };
    let mut bad = Vec::new();
    for at in trial.chosen(|_| true).await {
        trial.walk.all(operation.before()).await;
        trial.arm(Action::Fail(errno), at);
        let answer = trial.walk.perform(operation, &trial.walk.lab.once()).await;
        let hit = trial.tracer.hit();
        trial.tracer.disarm();
        let Some(step) = hit else {
            // One step less than when they were counted.
            answer.unwrap();
            trial.ends_well("nothing").await;
            continue;
        };
        let fault = format!("{errno} at step {at}, {step}");
        bad.extend(wrong(&answer, trial.is_done(), errno).map(|wrong| format!("{fault}: {wrong}")));
        trial.ends_well(&fault).await;
    }
    assert!(
        bad.is_empty(),
        "{operation:?} of {usage}:\n{}",
        bad.join("\n")
    );
}

/// What is wrong with the answer to a call during which this error came.
fn wrong(answer: &anyhow::Result<()>, done: bool, errno: Errno) -> Option<String> {
    let cause = std::io::Error::from(errno).to_string();
    match answer {
        Ok(()) => (!done).then(|| "success of what is not done".to_owned()),
        Err(error) => {
            let status = error.downcast_ref::<Status>().unwrap();
            let right = blames_nobody(status.code()) && tells(status, &cause);
            (!right).then(|| status.to_string())
        }
    }
}

/// Mounted file systems grow by a few calls, each of which fails; an ext4 without `CAP_SYS_RESOURCE` before it is mounted.
#[rstest]
#[case(Use::Xfs, Expand)]
#[case(Use::Btrfs, Expand)]
#[case(Use::Ext4, Stage)]
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_fails_while_growing(
    #[case] usage: Use,
    #[case] operation: Operation,
    #[values(Errno::EIO, Errno::EINTR)] errno: Errno,
) {
    let Some(lab) = lab().await else { return };
    let mut walk = Walk::begin(lab, usage).await;
    let tracer = walk.trace();
    let steps = to_grow(&mut walk, operation, async |walk| {
        tracer.arm(Plan::count(Scope::All));
        walk.all(&[operation]).await;
        tracer.disarm()
    });
    let mut bad = Vec::new();
    for at in chosen(&steps.await, |_| true) {
        walk.renew(at).await;
        let (fault, answer) = to_grow(&mut walk, operation, async |walk| {
            tracer.arm(Plan {
                scope: Scope::All,
                action: Action::Fail(errno),
                at,
            });
            let answer = walk.perform(operation, &walk.lab.once()).await;
            let fault = tracer
                .hit()
                .map(|step| format!("{errno} at step {at}, {step}"));
            tracer.disarm();
            let fault = fault.unwrap_or_else(|| "nothing".to_owned());
            if let Err(error) = walk.perform(operation, &walk.lab.node).await {
                panic!("{operation:?} again after {fault}: {error:#}");
            }
            (fault, answer)
        })
        .await;
        bad.extend(wrong(&answer, true, errno).map(|wrong| format!("{fault}: {wrong}")));
    }
    assert!(
        bad.is_empty(),
        "{operation:?} of {usage}:\n{}",
        bad.join("\n")
    );
}

/// Brings a volume with data to where the operation makes its file system larger; after that it is, and the data is there.
async fn to_grow<T>(
    walk: &mut Walk,
    operation: Operation,
    grow: impl AsyncFnOnce(&mut Walk) -> T,
) -> T {
    walk.all(&[Stage, Publish]).await;
    walk.proves_its_data();
    if operation == Stage {
        walk.all(&[Unpublish, Unstage]).await;
    }
    walk.enlarge().await;
    let result = grow(walk).await;
    walk.all(&[Publish]).await;
    walk.proves_its_data();
    walk.has_grown(&"growing");
    walk.all(&[Unpublish, Unstage]).await;
    walk.nothing_is_left(&"growing");
    result
}

#[rstest]
#[case(Use::Ext4, Stage, true)]
#[case(Use::Xfs, Stage, false)]
#[case(Use::Ext4, Publish, false)]
#[case(Use::Block, Publish, false)]
#[case(Use::Ext4, Unpublish, false)]
#[case(Use::Xfs, Unpublish, false)]
#[case(Use::Block, Unpublish, false)]
#[case(Use::Xfs, Unstage, false)]
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_hangs(#[case] usage: Use, #[case] operation: Operation, #[case] blank: bool) {
    let Some(mut trial) = Trial::begin(usage, operation, blank).await else {
        return;
    };
    for at in trial.chosen(may_hang).await {
        trial.walk.all(operation.before()).await;
        trial.arm(Action::Hang, at);
        // Whoever calls gives up once the call hangs.
        let once = trial.walk.lab.once();
        tokio::select! {
            answer = trial.walk.perform(operation, &once) => answer.unwrap(),
            () = trial.hit() => {}
        }
        let Some(step) = trial.tracer.hit() else {
            trial.tracer.disarm();
            trial.ends_well("nothing").await;
            continue;
        };
        let fault = format!("a hang at step {at}, {step}");
        // One volume's trouble is no other's: the plugin goes on to answer.
        let alive = trial.walk.lab.node.with(Patience::within(LONG));
        assert!(alive.info().await.is_ok(), "no other answer during {fault}");
        trial.tracer.release();
        trial.tracer.disarm();
        trial.ends_well(&fault).await;
    }
}

/// resize2fs, which grows an ext4 before it is mounted where nobody may do so afterwards, killed at eight places: what is there then is
/// gone on with, or refused where it takes a person.
#[tokio::test(flavor = "multi_thread")]
async fn a_resize_that_is_killed() {
    const RESIZE: &str = "resize2fs";
    let Some(lab) = lab().await else { return };
    let mut walk = Walk::begin(lab, Use::Ext4).await;
    let tracer = walk.trace();
    let scope = Scope::Program(RESIZE);
    let steps = to_grow(&mut walk, Stage, async |walk| {
        tracer.arm(Plan::count(scope));
        walk.all(&[Stage]).await;
        tracer.disarm().len()
    })
    .await;
    if steps == 0 {
        println!("nothing to kill: with CAP_SYS_RESOURCE an ext4 grows once it is mounted");
        return;
    }
    for at in eighths(steps) {
        walk.renew(at).await;
        to_grow(&mut walk, Stage, async |walk| {
            tracer.arm(Plan {
                scope,
                action: Action::Kill,
                at,
            });
            let answer = walk.perform(Stage, &walk.lab.once()).await;
            let hit = tracer.hit();
            tracer.disarm();
            if let Some(step) = hit {
                let (code, words) = refusal(answer);
                let told = words.contains(RESIZE) && words.contains("signal: 9");
                assert!(code == Code::Internal && told, "killed at {step}: {words}");
            }
            let answer = walk.perform(Stage, &walk.lab.once()).await;
            if answer.is_err() {
                let (code, words) = refusal(answer);
                let told = words.contains("run fsck by hand");
                assert!(code == Code::FailedPrecondition && told, "{code}: {words}");
                walk.repair_by_hand();
                walk.all(&[Stage]).await;
            }
        })
        .await;
    }
}

/// What a program did until it was killed is either completed or done anew. fsck alone, killed between two bytes of a superblock that
/// it writes, leaves a checksum that it takes a person to believe in.
#[rstest]
#[case(Use::Ext4, "mkfs.ext4", true)]
#[case(Use::Ext3, "mkfs.ext3", true)]
#[case(Use::Xfs, "mkfs.xfs", true)]
#[case(Use::Btrfs, "mkfs.btrfs", true)]
#[case(Use::Ext4, "fsck.ext4", false)]
#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_killed(
    #[case] usage: Use,
    #[case] program: &'static str,
    #[case] blank: bool,
) {
    let Some(mut trial) = Trial::begin(usage, Stage, blank).await else {
        return;
    };
    for at in trial.chosen_of(program).await {
        trial.tracer.arm(Plan {
            scope: Scope::Program(program),
            action: Action::Kill,
            at,
        });
        let answer = trial.walk.perform(Stage, &trial.walk.lab.once()).await;
        let Some(step) = trial.tracer.hit() else {
            trial.ends_well("nothing").await;
            continue;
        };
        trial.tracer.disarm();
        let fault = format!("the end of {program} at step {at}, {step}");
        let (code, words) = refusal(answer);
        assert_eq!(code, Code::Internal, "{fault}: {words}");
        assert!(
            words.contains(program) && words.contains("signal: 9"),
            "{fault}: {words}"
        );
        if program == "fsck.ext4" {
            trial.walk.repair_by_hand();
        }
        trial.ends_well(&fault).await;
    }
}
