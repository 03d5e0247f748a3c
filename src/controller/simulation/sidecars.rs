//! Who calls the driver: external-provisioner and external-attacher, with so many calls at once, each repeated until it succeeds.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};
use tonic::Code;

use super::driver::{Driver, Rpc};

/// The first pause after an error, and the longest: the sidecars' own, and `--retry-interval-max=1m` in the chart.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// The sidecars of one controller.
pub(super) struct Sidecars {
    driver: Arc<Driver>,
    workers: usize,
    /// external-provisioner's calls for claims.
    creating: Semaphore,
    /// external-provisioner's calls for volumes that are not wanted any more.
    deleting: Semaphore,
    /// external-attacher's calls.
    attaching: Semaphore,
    notes: Mutex<Notes>,
}

/// What the sidecars saw.
#[derive(Clone, Debug, Default)]
pub(super) struct Notes {
    /// From the first call of each operation to its success, repetitions and the pauses before them included; by kind.
    pub(super) latencies: BTreeMap<&'static str, Vec<Duration>>,
    /// The calls that failed, by their codes.
    pub(super) errors: BTreeMap<String, usize>,
}

impl Rpc {
    /// What it is, in a word.
    fn kind(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::Delete { .. } => "delete",
            Self::Publish { .. } => "publish",
            Self::Unpublish { .. } => "unpublish",
        }
    }
}

impl Sidecars {
    /// Each with so many calls at once: their `--worker-threads`.
    pub(super) fn new(driver: &Arc<Driver>, workers: usize) -> Arc<Self> {
        Arc::new(Self {
            driver: Arc::clone(driver),
            workers,
            creating: Semaphore::new(workers),
            deleting: Semaphore::new(workers),
            attaching: Semaphore::new(workers),
            notes: Mutex::default(),
        })
    }

    /// Has this done, however often it takes; gives the volume's id where one was made.
    pub(super) async fn see_to(&self, rpc: Rpc) -> Option<String> {
        let workers = match rpc {
            Rpc::Create { .. } => &self.creating,
            Rpc::Delete { .. } => &self.deleting,
            Rpc::Publish { .. } | Rpc::Unpublish { .. } => &self.attaching,
        };
        let mut began = None;
        let mut pause = PAUSES.0;
        loop {
            let worker = workers.acquire().await;
            let began = *began.get_or_insert_with(Instant::now);
            let answer = self.driver.call(&rpc).await;
            drop(worker);
            match answer {
                Ok(id) => {
                    let mut notes = self.notes();
                    let of_kind = notes.latencies.entry(rpc.kind()).or_default();
                    of_kind.push(began.elapsed());
                    return id;
                }
                Err(status) => {
                    assert_ne!(status.code(), Code::InvalidArgument, "{status}");
                    let code = format!("{} {:?}", rpc.kind(), status.code());
                    *self.notes().errors.entry(code).or_default() += 1;
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// How many calls are under way.
    pub(super) fn under_way(&self) -> usize {
        let of = |idle: &Semaphore| self.workers - idle.available_permits();
        of(&self.creating) + of(&self.deleting) + of(&self.attaching)
    }

    /// What they saw so far.
    pub(super) fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
