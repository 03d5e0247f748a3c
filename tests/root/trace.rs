//! Faults in the system calls of a running node plugin: the very program that is shipped, watched and disturbed from outside by
//! ptrace(2), so that nothing in it is made for tests.
//!
//! Answers for: counting the calls that the node's work consists of, and letting the n-th of them fail, hang, or be the
//! last that the process ever makes. Doesn't answer for: what ought to come of it.
//!
//! One thread follows all threads of the plugin, and on demand the programs that it runs. What the runtime does for itself (sockets,
//! wakeups, memory) is not counted.

mod calls;
mod stops;

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long something that has to happen is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Which calls count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Those of the plugin that change something outside of it: files, mounts, devices, programs.
    Changes,
    /// Those and what it only reads.
    All,
    /// What this program of the plugin's changes.
    Program(&'static str),
}

/// What becomes of the call that is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Nothing: calls are counted.
    Count,
    /// It is not made; the process is told this error.
    Fail(Errno),
    /// It is the last one that the process makes: it is killed before it learns how the call ended.
    Kill,
    /// Its thread stands still until [`Tracer::release`].
    Hang,
}

/// What to do, and to which call: the `at`-th that counts, from 1 on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) scope: Scope,
    pub(crate) action: Action,
    pub(crate) at: usize,
}

impl Plan {
    /// Only counts.
    pub(crate) fn count(scope: Scope) -> Self {
        Self {
            scope,
            action: Action::Count,
            at: 0,
        }
    }
}

/// A call that counted, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) subject: String,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name, self.subject)
    }
}

#[derive(Debug, Default)]
struct State {
    plan: Option<Plan>,
    steps: Vec<Step>,
    hit: Option<Step>,
    /// The thread that hangs.
    hanging: Option<Pid>,
    release: bool,
    /// The tracer is to let go of the process.
    leave: bool,
    /// The tracer has all threads, or the reason why not.
    attached: Option<Result<(), Errno>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Waits until `done`.
    fn until(&self, mut done: impl FnMut(&State) -> bool) -> MutexGuard<'_, State> {
        let (state, waited) = self
            .changed
            .wait_timeout_while(self.lock(), PATIENCE, |state| !done(state))
            .unwrap();
        assert!(!waited.timed_out(), "nothing happens: {state:?}");
        state
    }
}

/// A traced process. Dropping it lets the process run on by itself, if it still runs.
#[derive(Debug)]
pub(crate) struct Tracer {
    pid: Pid,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Tracer {
    /// Begins to trace a process; what has no plan runs on undisturbed.
    pub(crate) fn attach(pid: u32) -> Self {
        let pid = Pid::from_raw(i32::try_from(pid).unwrap());
        let shared = Arc::new(Shared::default());
        let thread = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || stops::follow(pid, &shared)
        });
        let tracer = Self {
            pid,
            shared,
            thread: Some(thread),
        };
        let attached = tracer
            .shared
            .until(|state| state.attached.is_some())
            .attached;
        attached.unwrap().expect("root may trace its own processes");
        tracer
    }

    /// From now on calls count from 1.
    pub(crate) fn arm(&self, plan: Plan) {
        let mut state = self.shared.lock();
        state.plan = Some(plan);
        state.steps.clear();
        state.hit = None;
    }

    /// Ends the plan: the calls that counted.
    pub(crate) fn disarm(&self) -> Vec<Step> {
        let mut state = self.shared.lock();
        state.plan = None;
        std::mem::take(&mut state.steps)
    }

    /// The call that the plan was carried out at, if it came to that.
    pub(crate) fn hit(&self) -> Option<Step> {
        self.shared.lock().hit.clone()
    }

    /// Lets go of the thread that hangs.
    pub(crate) fn release(&self) {
        self.shared.lock().release = true;
        self.wake();
        drop(self.shared.until(|state| state.hanging.is_none()));
    }

    /// The following thread waits for the process alone: a signal that means nothing brings it back.
    fn wake(&self) {
        // A process that has ended has woken it.
        let _ = kill(self.pid, Signal::SIGURG);
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        self.shared.lock().leave = true;
        self.wake();
        if let Some(thread) = self.thread.take() {
            // It panicked only if this test has failed already.
            let _ = thread.join();
        }
    }
}
