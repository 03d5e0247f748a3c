//! Takes volumes through a phase: so many at once, each until it is done or given up.
//!
//! Answers for: calls in flight, pauses and repetitions, times. Doesn't answer for: what the calls are; see [`super::volume`].
//!
//! As in a sidecar, an operation that waits for its next try takes no place among those in flight, and comes behind those
//! that are waiting already.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use lab::socket;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::{Code, Status};

use super::phase::Phase;
use super::sidecar::{self, Policy};
use super::volume::{Client, Volume};

/// As many calls as share a connection: gRPC servers may let no more than 100 be open on one.
const PER_CONNECTION: usize = 100;

/// Why everything ends before its time; none while it does not.
pub(super) type Stop = watch::Receiver<Option<String>>;

/// Who makes the calls.
#[derive(Clone, Debug)]
pub(super) struct Callers {
    clients: Vec<Client>,
    policy: Arc<Policy>,
    in_flight: usize,
    stop: Stop,
}

/// How an operation went.
#[derive(Clone, Debug, Default)]
pub(super) struct Sample {
    /// The volume's number.
    pub(super) volume: usize,
    /// From the phase's begin to the first call.
    pub(super) began: Duration,
    /// From there to the last answer, pauses included.
    pub(super) took: Duration,
    /// How many calls were made.
    pub(super) attempts: u32,
    /// Those of them that were answered with an error.
    pub(super) errors: Vec<Code>,
    /// The last error, where the operation did not succeed; empty if it was cut off.
    pub(super) failure: Option<String>,
    /// How often EC2 was called meanwhile, where volumes go through the phase one after the other.
    pub(super) ec2_calls: Option<u64>,
}

impl Callers {
    /// Callers of the driver at this socket.
    pub(super) fn new(socket: &Path, policy: Policy, in_flight: usize, stop: Stop) -> Result<Self> {
        let connections = in_flight.div_ceil(PER_CONNECTION).max(1);
        let clients = (0..connections).map(|_| Ok(Client::new(socket::channel(socket)?)));
        Ok(Self {
            clients: clients.collect::<Result<_>>()?,
            policy: Arc::new(policy),
            in_flight,
            stop,
        })
    }

    /// The same with less patience, and with ears for nobody: for what must be tidied up.
    pub(super) fn tidying(&self, patience: Duration, stop: Stop) -> Self {
        let policy = Policy {
            patience,
            ..self.policy.as_ref().clone()
        };
        Self {
            policy: Arc::new(policy),
            stop,
            ..self.clone()
        }
    }

    /// Why everything ends, if it does.
    pub(super) fn stopped(&self) -> Option<String> {
        self.stop.borrow().clone()
    }

    /// Takes these volumes through a phase, in their order. All of them come back, with how each one's operation went.
    pub(super) async fn go_through(
        &self,
        phase: Phase,
        volumes: Vec<Volume>,
    ) -> (Vec<Volume>, Vec<Sample>) {
        let places = Arc::new(Semaphore::new(self.in_flight));
        let begin = Instant::now();
        let mut operations = JoinSet::new();
        for (volume, client) in volumes.into_iter().zip(self.clients.iter().cycle()) {
            let operation = Operation {
                phase,
                client: client.clone(),
                policy: Arc::clone(&self.policy),
                places: Arc::clone(&places),
            };
            operations.spawn(operation.run(volume, begin, self.stop.clone()));
        }
        let mut all: Vec<(Volume, Sample)> = operations.join_all().await;
        all.sort_unstable_by_key(|(volume, _)| volume.number);
        all.into_iter().unzip()
    }
}

/// What an operation needs.
struct Operation {
    phase: Phase,
    client: Client,
    policy: Arc<Policy>,
    places: Arc<Semaphore>,
}

impl Operation {
    async fn run(self, mut volume: Volume, begin: Instant, mut stop: Stop) -> (Volume, Sample) {
        let mut sample = Sample {
            volume: volume.number,
            failure: Some(String::new()),
            ..Sample::default()
        };
        tokio::select! {
            biased;
            Ok(_) = stop.wait_for(Option::is_some) => {}
            () = self.insist(&mut volume, begin, &mut sample) => {}
        }
        (volume, sample)
    }

    /// Calls until it is done or no use.
    async fn insist(&self, volume: &mut Volume, begin: Instant, sample: &mut Sample) {
        let timeout = self.policy.timeout(self.phase);
        let mut open = false;
        let mut first = None;
        loop {
            // It is never closed.
            let Ok(place) = self.places.acquire().await else {
                return;
            };
            let now = Instant::now();
            let first = *first.get_or_insert(now);
            sample.began = first.duration_since(begin);
            sample.attempts += 1;
            let asked = volume.ask(self.phase, &self.client, timeout).await;
            drop(place);
            sample.took = first.elapsed();
            let Err(status) = asked else {
                sample.failure = None;
                return;
            };
            let code = seen(&status, now.elapsed(), timeout);
            sample.errors.push(code);
            sample.failure = Some(format!("{code:?}: {}", status.message()));
            open |= sidecar::leaves_open(code);
            let pause = self.policy.pause(sample.attempts);
            let worth = sidecar::is_worth_repeating(self.phase, code)
                && sample.took + pause < self.policy.patience;
            if !worth {
                if !open {
                    volume.settle(self.phase);
                }
                return;
            }
            tokio::time::sleep(pause).await;
        }
    }
}

/// The code that a sidecar sees: it has a clock of its own, and calls DEADLINE_EXCEEDED what tonic calls CANCELLED on both sides.
fn seen(status: &Status, took: Duration, timeout: Duration) -> Code {
    match status.code() {
        Code::Cancelled if took >= timeout => Code::DeadlineExceeded,
        code => code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_took_its_time_is_late() {
        let (short, long) = (Duration::from_millis(1), Duration::from_secs(1));
        let cancelled = Status::cancelled("Timeout expired");
        assert_eq!(seen(&cancelled, long, long), Code::DeadlineExceeded);
        assert_eq!(seen(&cancelled, short, long), Code::Cancelled);
        let aborted = Status::aborted("under way");
        assert_eq!(seen(&aborted, long, long), Code::Aborted);
    }
}
