//! Random histories: creates, attaches, snapshots, of single volumes and of groups, and deletes of a few names under faults, cut calls and `kill -9`, in an
//! EC2 that shows things late. When calls without faults have been repeated to success, EC2 has exactly what is wanted.
//!
//! `EBS_CSI_HISTORIES` says how many, `EBS_CSI_SEED` repeats one: the choices, though not the moments of a loaded machine.

mod chance;
mod groups;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, RandomState};
use std::str::FromStr;
use std::time::Duration;

use futures::{StreamExt as _, stream};
use lab::cloud::SeenVolume;
use lab::orchestrator::{Claim, Controller, Order};
use lab::socket::Patience;
use tonic::Code;

use self::chance::Chance;
use self::groups::Group;
use crate::world::{WINDOW, World, code, leaves_open, snapshots, world_with};

const NAMES: usize = 3;
const STEPS: usize = 12;
/// For how long EC2 hides a new volume; from look-ups by tag it is twice that, which must be well inside of [`WINDOW`].
const HIDDEN: Duration = Duration::from_millis(75);

#[tokio::test]
async fn what_is_wanted_is_there_once_whatever_happened() {
    let count = setting("EBS_CSI_HISTORIES").unwrap_or(4);
    let first: u64 =
        setting("EBS_CSI_SEED").unwrap_or_else(|| RandomState::new().hash_one(0) >> 16);
    println!("EBS_CSI_SEED={first} EBS_CSI_HISTORIES={count}");
    stream::iter(first..first + count)
        .for_each_concurrent(4, run)
        .await;
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test's own settings, which only a person gives"
)]
fn setting<T: FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    let value = text.parse().ok();
    Some(value.unwrap_or_else(|| panic!("{name}={text} is not a number")))
}

async fn run(seed: u64) {
    let mut history = History {
        world: world_with(|config| config.consistency = HIDDEN).await,
        chance: Chance::from(seed),
        seed,
        steps: Vec::new(),
        names: Default::default(),
        snapshots: BTreeSet::new(),
        groups: BTreeMap::new(),
    };
    for _ in 0..STEPS {
        history.step().await;
    }
    history.settle().await;
    history.end().await;
}

/// What is known of a name.
#[derive(Default)]
struct Name {
    wanted: bool,
    claim: Option<Claim>,
}

struct History {
    world: World,
    chance: Chance,
    seed: u64,
    steps: Vec<String>,
    names: [Name; NAMES],
    /// The snapshots that are wanted, by name.
    snapshots: BTreeSet<String>,
    /// The group snapshots that are wanted, by name.
    groups: BTreeMap<String, Group>,
}

impl History {
    async fn step(&mut self) {
        let name = self.chance.below(NAMES);
        let Some(claim) = self.names[name].claim.clone() else {
            return self.create(name).await;
        };
        match self.chance.below(8) {
            0 => self.create(name).await,
            7 => self.group(&claim).await,
            1 | 2 => self.snapshot(&claim).await,
            3 => self.publish(&claim).await,
            4 => self.unpublish(&claim).await,
            _ => self.delete_and_recreate(name, &claim).await,
        }
    }

    /// CreateVolume under a fault, with a deadline that may cut it, or dying in the middle of it.
    async fn create(&mut self, name: usize) {
        self.names[name].wanted = true;
        let order = self.order(name);
        self.trouble("CreateVolume").await;
        let caller = self.caller();
        let dies = self.chance.below(4) == 0;
        let answer = if dies {
            let after = self.chance.millis(120);
            let dying = async {
                tokio::time::sleep(after).await;
                self.world.kill_controller().await.unwrap();
            };
            let (answer, ()) = tokio::join!(caller.create(&order), dying);
            self.world.start_controller().await.unwrap();
            self.steps.push(format!("killed after {after:?}"));
            answer
        } else {
            caller.create(&order).await
        };
        self.heard(&format!("create {}", order.name), &answer);
        match answer {
            Ok(claim) => self.bound(name, claim),
            // What is heard of a broken connection is not the driver's word.
            Err(_) if dies => {}
            Err(_) => self.check_finality(name, code(&answer)).await,
        }
    }

    /// Nothing else goes on meanwhile, so whatever comes into sight now was there when the driver answered.
    async fn check_finality(&self, name: usize, code: Code) {
        if leaves_open(code) {
            return;
        }
        tokio::time::sleep(HIDDEN * 3).await;
        let there = self.count(name).await;
        self.check(there == 0, &format!("{code:?} for {name}, which exists"));
    }

    async fn snapshot(&mut self, claim: &Claim) {
        let name = format!("snapshot of {}", claim.id);
        self.snapshots.insert(name.clone());
        self.trouble("CreateSnapshot").await;
        let answer = self.caller().snapshot(claim, &name).await;
        self.heard(&name, &answer);
    }

    async fn publish(&mut self, claim: &Claim) {
        self.trouble("AttachVolume").await;
        let node = self.world.node(0).unwrap();
        let answer = self.caller().attach(claim, &node).await;
        self.heard(&format!("attach {}", claim.id), &answer);
    }

    async fn unpublish(&mut self, claim: &Claim) {
        self.trouble("DetachVolume").await;
        let node = self.world.node(0).unwrap();
        let answer = self.caller().detach(claim, &node).await;
        self.heard(&format!("detach {}", claim.id), &answer);
    }

    /// A volume that is deleted was let go of before, and its snapshots were finished: Kubernetes sees to both.
    async fn delete_and_recreate(&mut self, name: usize, claim: &Claim) {
        self.release(claim).await;
        self.trouble("DeleteVolume").await;
        let answer = self.caller().delete(claim).await;
        self.heard(&format!("delete {}", claim.id), &answer);
        self.world.cloud.heal().await.unwrap();
        self.must("delete", self.world.controller.delete(claim).await);
        self.names[name] = Name::default();
        if self.chance.below(3) > 0 {
            self.create(name).await;
        }
    }

    async fn release(&mut self, claim: &Claim) {
        self.world.cloud.heal().await.unwrap();
        self.finish_groups(claim).await;
        let node = self.world.node(0).unwrap();
        self.must("detach", self.world.controller.detach(claim, &node).await);
        let name = format!("snapshot of {}", claim.id);
        if self.snapshots.contains(&name) {
            self.must(&name, self.world.controller.snapshot(claim, &name).await);
        }
    }

    /// A final answer is due once more for what EC2 accepted and gave up while nobody was told.
    async fn finish(&mut self, name: usize) -> Claim {
        let order = self.order(name);
        let mut answer = self.world.controller.create(&order).await;
        if answer.is_err() {
            self.heard("create without faults", &answer);
            self.check_finality(name, code(&answer)).await;
            answer = self.world.controller.create(&order).await;
        }
        let claim = self.must("create", answer);
        self.bound(name, claim.clone());
        claim
    }

    /// Repeats everything that is wanted without faults, and looks at EC2.
    async fn settle(&mut self) {
        self.steps.push("settle".to_owned());
        self.world.cloud.heal().await.unwrap();
        for name in 0..NAMES {
            if self.names[name].wanted {
                let claim = self.finish(name).await;
                self.release(&claim).await;
            }
        }
        tokio::time::sleep(HIDDEN * 3).await;
        for name in 0..NAMES {
            let (there, wanted) = (self.count(name).await, self.names[name].wanted);
            let what = format!("{there} volumes {name}");
            self.check(there == usize::from(wanted), &what);
        }
        let taken = snapshots(&self.world).await;
        let wanted = self.snapshots.len() + self.members();
        self.check(taken == wanted, &format!("{taken} snapshots, not {wanted}"));
        for volume in self.world.cloud.volumes().await.unwrap() {
            self.check(volume.attachments.is_empty(), &volume.to_string());
        }
    }

    /// Deletes everything, after which there is nothing.
    async fn end(&mut self) {
        let controller = self.world.controller.clone();
        for name in self.groups.keys() {
            let answer = controller.delete_group_snapshot(name, &[]).await;
            self.must("delete group", answer);
        }
        for seen in self.world.cloud.snapshots().await.unwrap() {
            let answer = controller.delete_snapshot(&seen.id).await;
            self.must("delete snapshot", answer);
        }
        for claim in self.names.iter().filter_map(|name| name.claim.as_ref()) {
            self.must("delete", controller.delete(claim).await);
        }
        tokio::time::sleep(WINDOW).await;
        let left = self.world.cloud.volumes().await.unwrap();
        self.check(left.is_empty(), &format!("left: {left:?}"));
        let left = snapshots(&self.world).await;
        self.check(left == 0, &format!("{left} snapshots are left"));
    }

    /// By its size every name's volume is known from outside.
    fn order(&self, name: usize) -> Order {
        let mut order = self.world.order(&format!("pvc-{name}"));
        order.gib = name as u64 + 1;
        order
    }

    async fn count(&self, name: usize) -> usize {
        let volumes = self.world.cloud.volumes().await.unwrap();
        let own = |volume: &&SeenVolume| volume.gib as usize == name + 1;
        volumes.iter().filter(own).count()
    }

    /// One more fault, or none; those of earlier steps may still be there.
    async fn trouble(&mut self, action: &str) {
        if self.chance.below(3) > 0 {
            self.world.cloud.heal().await.unwrap();
        }
        let Some(rule) = self.chance.fault(action) else {
            return;
        };
        self.steps.push(rule.to_string());
        self.world.cloud.fault(&rule).await.unwrap();
    }

    fn caller(&mut self) -> Controller {
        let deadline = self.chance.deadline();
        self.world.controller.with(Patience::within(deadline))
    }

    /// A volume that was promised stays the one of its name.
    fn bound(&mut self, name: usize, claim: Claim) {
        let known = self.names[name].claim.as_ref();
        let same = known.is_none_or(|known| known.id == claim.id);
        self.check(same, &format!("{} is another volume {name}", claim.id));
        self.names[name].claim = Some(claim);
    }

    fn heard<T>(&mut self, what: &str, answer: &anyhow::Result<T>) {
        let answer = answer
            .as_ref()
            .map_or_else(|error| format!("{error:#}"), |_| "ok".to_owned());
        self.steps.push(format!("{what}: {answer}"));
    }

    fn must<T>(&self, what: &str, answer: anyhow::Result<T>) -> T {
        answer.unwrap_or_else(|error| self.fail(&format!("{what}: {error:#}")))
    }

    fn check(&self, law: bool, what: &str) {
        if !law {
            self.fail(what);
        }
    }

    fn fail(&self, what: &str) -> ! {
        let steps = self.steps.join("\n  ");
        panic!(
            "EBS_CSI_SEED={} EBS_CSI_HISTORIES=1: {what}, after\n  {steps}",
            self.seed
        );
    }
}
