//! A scenario: a user with a namespace of their own, who types commands and waits for what they should lead to.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use lab::cloud::{Cloud, NewVolume};
use tokio::time::Instant;

use crate::api::Kind;
use crate::cluster::Cluster;
use crate::kubectl::{Ended, project};
use crate::left::{Left, Traces};
use crate::object::Object;
use crate::report;
use crate::shared::{self, Cordon, Turn};

/// How long everything may take that should happen: a multiple of what it takes on a small machine that is busy.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The same for much at once, and for what waits for something that comes back by itself.
pub const LONG: Duration = Duration::from_secs(600);

/// How long to wait before looking again.
pub(crate) const PAUSE: Duration = Duration::from_millis(100);

/// A scenario under way. Dropped, it takes its namespace and all that came of it away, and fails where something stays; a
/// scenario that panics is reported before.
#[derive(Debug)]
pub struct Scenario {
    /// The cluster.
    pub cluster: Cluster,
    /// Its namespace.
    pub namespace: String,
    name: String,
    began: Instant,
    made: Mutex<Made>,
    // The last field: others have their turn when all else is done.
    turn: Turn,
}

/// What is not in the namespace, and so doesn't go with it.
#[derive(Debug, Default)]
struct Made {
    global: Vec<String>,
    by_hand: Vec<String>,
    traces: Traces,
}

impl Scenario {
    /// A scenario beside which others may run.
    #[must_use]
    pub fn start(name: &str) -> Self {
        Self::with(name, Turn::shared)
    }

    /// A scenario that breaks something for everybody, or measures: nothing runs beside it. In the end faults are taken back,
    /// and the driver is waited for.
    #[must_use]
    pub fn alone(name: &str) -> Self {
        Self::with(name, Turn::alone)
    }

    fn with(name: &str, turn: impl FnOnce() -> Turn) -> Self {
        let turn = turn();
        let cluster = Cluster::of_environment().unwrap_or_else(|error| panic!("{error:#}"));
        let scenario = Self {
            cluster,
            // A scenario that was killed may have left its namespace.
            namespace: format!("{name}-{}", std::process::id()),
            name: name.to_owned(),
            began: Instant::now(),
            made: Mutex::default(),
            turn,
        };
        scenario.kubectl(&["create", "namespace", &scenario.namespace]);
        // Without its account no pod can be made.
        scenario.until("its namespace is there", || {
            let account = scenario.get(Kind::SERVICE_ACCOUNT, "default");
            account.ok_or_else(|| "no service account".to_owned())
        });
        scenario
    }

    /// How long it has been going on.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Prints a line of the scenario's story.
    pub fn say(&self, words: &str) {
        let seconds = self.elapsed().as_secs_f64();
        println!("{:<24} {seconds:6.1} s  {words}", self.name);
    }

    /// `kubectl ARGS`; returns what it said.
    #[track_caller]
    pub fn kubectl(&self, args: &[&str]) -> String {
        let done = self.cluster.kubectl.done(&self.namespace, args);
        done.unwrap_or_else(|error| panic!("{error:#}"))
    }

    /// `kubectl ARGS` that must fail; returns what it said of the reason.
    #[track_caller]
    pub fn refused(&self, args: &[&str]) -> String {
        match self.cluster.kubectl.run(&self.namespace, args, "") {
            Ok(Ended::Refused(said)) => said,
            other => panic!("kubectl {} was not refused: {other:?}", args.join(" ")),
        }
    }

    /// `kubectl ARGS` that may fail for some time; either way returns what it said.
    pub fn attempt(&self, args: &[&str]) -> Result<String, String> {
        let done = self.cluster.kubectl.done(&self.namespace, args);
        done.map_err(|error| format!("{error:#}"))
    }

    /// `kubectl apply -f FILE`, with a file of the project, e.g. `examples/redis-move/pvc.yaml`, unchanged.
    #[track_caller]
    pub fn apply(&self, file: &str) {
        self.apply_all(&[file]);
    }

    /// `kubectl apply -f FILE -f FILE …`.
    #[track_caller]
    pub fn apply_all(&self, files: &[&str]) {
        for file in files {
            assert!(project().join(file).exists(), "there is no {file}");
        }
        self.apply_from(files, "");
    }

    /// `kubectl apply -f -` with manifests in which something had to be filled in.
    #[track_caller]
    pub fn apply_text(&self, manifests: &str) {
        self.apply_from(&["-"], manifests);
    }

    #[track_caller]
    fn apply_from(&self, files: &[&str], input: &str) {
        let words = files.join(" -f ");
        let mut args = vec!["apply", "--output=json"];
        args.extend(files.iter().flat_map(|file| ["--filename", file]));
        let applied =
            shared::apply(
                || match self.cluster.kubectl.run(&self.namespace, &args, input)? {
                    Ended::Done(said) => Ok(said),
                    Ended::Refused(said) => bail!("kubectl apply -f {words}: {said}"),
                },
            );
        let global = applied.unwrap_or_else(|error| panic!("{error:#}"));
        self.made(|made| made.global.extend(global));
        self.say(&format!("kubectl apply -f {words}"));
    }

    /// `kubectl exec POD -- COMMAND`; returns what it said.
    #[track_caller]
    pub fn exec(&self, pod: &str, command: &[&str]) -> String {
        let mut args = vec!["exec", pod, "--"];
        args.extend_from_slice(command);
        self.kubectl(&args)
    }

    /// `kubectl cordon NODE`, until the answer is dropped: hold it no longer than until the scheduler has decided.
    #[track_caller]
    pub fn cordon(&self, node: &str) -> Cordon<'_> {
        let cordoned = Cordon::new(&self.cluster.kubectl, node);
        self.say(&format!("kubectl cordon {node}"));
        cordoned.unwrap_or_else(|error| panic!("{error:#}"))
    }

    /// An object of the namespace, or of the whole cluster, if it is there.
    #[track_caller]
    pub fn get(&self, kind: Kind, name: &str) -> Option<Object> {
        let found = self.cluster.get(kind, &self.namespace, name);
        found.unwrap_or_else(|error| panic!("{error:#}"))
    }

    /// All objects of the namespace, or of the whole cluster.
    #[track_caller]
    pub fn list(&self, kind: Kind) -> Vec<Object> {
        let found = self.cluster.list(kind, &self.namespace);
        found.unwrap_or_else(|error| panic!("{error:#}"))
    }

    /// The events of an object of the namespace: `Warning FailedMount: …`.
    #[track_caller]
    pub fn events(&self, object: &str) -> Vec<String> {
        let mut events = self.list(Kind::EVENT);
        events.retain(|event| event.text("/involvedObject/name") == object);
        let words = |event: &Object| {
            let (kind, reason) = (event.text("/type"), event.text("/reason"));
            format!("{kind} {reason}: {}", event.text("/message"))
        };
        events.iter().map(words).collect()
    }

    /// Waits for an event of an object whose text has all of these words; returns it.
    #[track_caller]
    pub fn event(&self, object: &str, words: &[&str]) -> String {
        self.until(&format!("{object} has an event {words:?}"), || {
            let events = self.events(object);
            let fits = |event: &&String| words.iter().all(|word| event.contains(word));
            let found = events.iter().find(fits).cloned();
            found.ok_or_else(|| format!("events {events:?}"))
        })
    }

    /// A call to EC2 or to its emulator's control endpoint: `ec2(async |cloud| cloud.volumes().await)`.
    #[track_caller]
    pub fn ec2<T>(&self, call: impl AsyncFnMut(&Cloud) -> Result<T>) -> T {
        let answer = self.cluster.ec2(call);
        answer.unwrap_or_else(|error| panic!("{error:#}"))
    }

    /// `aws ec2 create-volume`; returns its id. If it is there in the end, it is deleted then.
    #[track_caller]
    pub fn volume_by_hand(&self, new: NewVolume<'_>) -> String {
        let id = self.ec2(async |cloud| cloud.create_volume(new).await);
        self.made(|made| made.by_hand.push(id.clone()));
        self.say(&format!("aws ec2 create-volume: {id} in {}", new.zone));
        id
    }

    /// Waits until `look` has found what it looks for; what it sees instead is told if that doesn't happen within [`PATIENCE`].
    #[track_caller]
    pub fn until<T>(&self, what: &str, look: impl FnMut() -> Result<T, String>) -> T {
        self.until_within(PATIENCE, what, look)
    }

    /// The same with another limit.
    #[track_caller]
    pub fn until_within<T>(
        &self,
        limit: Duration,
        what: &str,
        look: impl FnMut() -> Result<T, String>,
    ) -> T {
        match wait(limit, look) {
            Ok(found) => {
                self.say(what);
                found
            }
            Err(seen) => panic!("not within {} s: {what}. Instead: {seen}", limit.as_secs()),
        }
    }

    /// Notes the traces that the storage of this namespace leaves now, so that they can be looked for in the end.
    pub(crate) fn gather(&self) -> Result<()> {
        self.made(|made| made.traces.gather(&self.cluster, &self.namespace))
    }

    fn made<T>(&self, act: impl FnOnce(&mut Made) -> T) -> T {
        act(&mut self.made.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes everything away that the scenario made.
    fn remove(&self) -> Result<()> {
        let alone = matches!(self.turn, Turn::Alone { .. });
        if alone {
            self.cluster.ec2(async |cloud| cloud.heal().await)?;
        }
        self.gather()?;
        let kubectl = &self.cluster.kubectl;
        let Self { namespace, .. } = self;
        kubectl.done(
            namespace,
            &["delete", "namespace", namespace, "--wait=false"],
        )?;
        // Pods whose process doesn't mind SIGTERM would keep everybody waiting for half a minute.
        let pods = [
            "delete",
            "pods",
            "--all",
            "--grace-period=1",
            "--wait=false",
        ];
        kubectl.done(namespace, &pods)?;
        let gone = || match self.cluster.get(Kind::NAMESPACE, "", namespace) {
            Ok(None) => Ok(()),
            other => Err(format!("namespace {other:?}")),
        };
        wait(PATIENCE, gone).map_err(anyhow::Error::msg)?;
        let global = self.made(|made| std::mem::take(&mut made.global));
        shared::give_back(kubectl, &global)?;
        wait(PATIENCE, || self.nothing_left()).map_err(anyhow::Error::msg)?;
        if alone {
            wait(PATIENCE, || match self.cluster.driver_is_missing() {
                Ok(None) => Ok(()),
                other => Err(format!("the driver: {other:?}")),
            })
            .map_err(anyhow::Error::msg)?;
        }
        Ok(())
    }

    fn nothing_left(&self) -> Result<(), String> {
        let look = || {
            for id in self.made(|made| made.by_hand.clone()) {
                if self
                    .cluster
                    .ec2(async |cloud| cloud.volume(&id).await)?
                    .is_some()
                {
                    self.cluster
                        .ec2(async |cloud| cloud.delete_volume(&id).await)?;
                }
            }
            let left = self.made(|made| Left::of(&self.cluster, &self.namespace, &made.traces))?;
            ensure!(left.is_empty(), "{left}");
            Ok(())
        };
        look().map_err(|error| format!("{error:#}"))
    }
}

impl Drop for Scenario {
    fn drop(&mut self) {
        let failed = thread::panicking();
        if failed {
            let time = self.elapsed();
            let report = report::of(&self.cluster, &self.name, &self.namespace, time);
            eprintln!("{report}");
        }
        match self.remove() {
            Ok(()) => self.say("over, and nothing is left of it"),
            Err(error) if failed => eprintln!("{} is not gone: {error:#}", self.name),
            Err(error) => panic!("something stays of {}: {error:#}", self.name),
        }
    }
}

/// Looks until the answer is good or the time is over; then the last answer is the error.
fn wait<T>(limit: Duration, mut look: impl FnMut() -> Result<T, String>) -> Result<T, String> {
    let deadline = Instant::now() + limit;
    loop {
        match look() {
            Ok(found) => return Ok(found),
            Err(seen) if Instant::now() >= deadline => return Err(seen),
            Err(_) => thread::sleep(PAUSE),
        }
    }
}
