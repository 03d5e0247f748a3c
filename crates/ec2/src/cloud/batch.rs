//! Group commit for describes: the first one leaves at once; what arrives while it is in flight shares the next one. Where many come
//! fast, the next one gives the last of them a moment.
//!
//! Answers for: how many calls leave, that an answer is never older than its question, and that one key's fault or one
//! caller's leaving is nobody else's.
//! Doesn't answer for: asking again (`watch`, `Cloud`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout_at};

use super::crowd::{Arrivals, Coming, OneComing};
use super::lookup::Lookup;
use super::metrics::CloudMetrics;
use crate::{Ec2Error, ErrorKind, Outcome};

/// What one waiter gets.
type Answer<L> = Result<<L as Lookup>::Value, Ec2Error>;

/// Where one waiter's answer will arrive. It fails only if the call panicked or the runtime ends.
pub(super) type Ticket<L> = oneshot::Receiver<Answer<L>>;

/// Shares the calls of one kind of describe.
pub(super) struct Batch<L: Lookup> {
    lookup: L,
    metrics: CloudMetrics,
    /// Those who have asked, and are at the call that they asked for.
    busy: Coming,
    /// Wakes a flight that gives others a moment: a call is full.
    full: Notify,
    queue: Mutex<Queue<L>>,
}

struct Queue<L: Lookup> {
    waiting: Vec<(L::Key, oneshot::Sender<Answer<L>>)>,
    arrivals: Arrivals,
    /// Since when somebody waits.
    since: Instant,
    /// Whether a task is under way that will look at `waiting` again.
    flying: bool,
}

impl<L: Lookup> Batch<L> {
    pub(super) fn new(lookup: L, metrics: CloudMetrics) -> Arc<Self> {
        Arc::new(Self {
            lookup,
            metrics,
            busy: Coming::default(),
            full: Notify::new(),
            queue: Mutex::new(Queue {
                waiting: Vec::new(),
                arrivals: Arrivals::default(),
                since: Instant::now(),
                flying: false,
            }),
        })
    }

    /// Somebody has asked and makes the call that this was for: where many do, others are at it and will ask.
    pub(super) fn busy(&self) -> OneComing {
        self.busy.one()
    }

    /// What EC2 says of `key` after this was called. "Not found" is EC2's latest word, not yet sure.
    pub(super) async fn get(self: &Arc<Self>, key: L::Key) -> Answer<L> {
        let answer = match self.ask([key.clone()]).pop() {
            Some(ticket) => ticket.await.ok(),
            None => None,
        };
        answer.unwrap_or_else(|| Err(cut_off::<L>(&key)))
    }

    /// Asks for several at once: they leave together, as far as one call takes them. One ticket for each, in their order.
    pub(super) fn ask(self: &Arc<Self>, keys: impl IntoIterator<Item = L::Key>) -> Vec<Ticket<L>> {
        let (waiters, tickets): (Vec<_>, Vec<_>) = keys
            .into_iter()
            .map(|key| {
                let (sender, ticket) = oneshot::channel();
                ((key, sender), ticket)
            })
            .unzip();
        if tickets.is_empty() {
            return tickets;
        }
        let now = Instant::now();
        let mut queue = self.queue();
        queue.arrivals.came(now);
        if queue.waiting.is_empty() {
            queue.since = now;
        }
        queue.waiting.extend(waiters);
        if queue.waiting.len() >= L::MOST {
            self.full.notify_one();
        }
        if !queue.flying {
            queue.flying = true;
            // A task of its own, so that whoever leaves takes nobody else's call along.
            let flight = Flight {
                batch: Arc::clone(self),
                landed: false,
            };
            tokio::spawn(flight.run());
        }
        tickets
    }

    fn queue(&self) -> MutexGuard<'_, Queue<L>> {
        // Nothing that can panic runs while this is held.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task that makes the calls, one after the other, until nobody waits.
struct Flight<L: Lookup> {
    batch: Arc<Batch<L>>,
    /// Whether it ended because nobody waited.
    landed: bool,
}

impl<L: Lookup> Flight<L> {
    async fn run(mut self) {
        let mut first = true;
        while let Some(leaves) = self.leaves(first) {
            if leaves > Instant::now() {
                // A late notice of an earlier call that was full costs no more than leaving at once does.
                let _ = timeout_at(leaves, self.batch.full.notified()).await;
            }
            let waiting = std::mem::take(&mut self.batch.queue().waiting);
            self.serve(waiting).await;
            first = false;
        }
    }

    /// When the next call leaves; `None`, and the end of this task, where nobody waits.
    fn leaves(&mut self, first: bool) -> Option<Instant> {
        let mut queue = self.batch.queue();
        let waiting = queue.waiting.len();
        if waiting == 0 {
            queue.flying = false;
            self.landed = true;
            return None;
        }
        let pause = match (self.batch.busy.count(), first) {
            _ if waiting >= L::MOST => Duration::ZERO,
            (0, true) => Duration::ZERO,
            (0, false) => queue.arrivals.breath(waiting),
            (busy, _) => queue.arrivals.patience(waiting + busy),
        };
        Some(queue.since + pause)
    }

    /// Answers these waiters with as few calls as EC2's limit on one allows.
    async fn serve(&self, waiting: Vec<(L::Key, oneshot::Sender<Answer<L>>)>) {
        let mut by_key: HashMap<L::Key, Vec<oneshot::Sender<Answer<L>>>> = HashMap::new();
        for (key, sender) in waiting {
            if !sender.is_closed() {
                by_key.entry(key).or_default().push(sender);
            }
        }
        let keys: Vec<L::Key> = by_key.keys().cloned().collect();
        for keys in keys.chunks(L::MOST) {
            let asked = keys.iter().filter_map(|key| by_key.get(key));
            let asked = asked.map(Vec::len).sum();
            self.batch.metrics.described(L::ACTION, keys.len(), asked);
        }
        let answers = join_all(keys.chunks(L::MOST).map(|keys| self.describe(keys))).await;
        for (key, answer) in answers.into_iter().flatten() {
            let mut senders = by_key.remove(&key).unwrap_or_default();
            let last = senders.pop();
            // Whoever left meanwhile misses nothing.
            for sender in senders {
                let _ = sender.send(answer.clone());
            }
            last.and_then(|sender| sender.send(answer).err());
        }
    }

    /// What EC2 says of each of these keys. A call that fails for the sake of some keys is repeated without them.
    async fn describe(&self, keys: &[L::Key]) -> Vec<(L::Key, Answer<L>)> {
        let mut answers = Vec::with_capacity(keys.len());
        let mut todo = vec![keys.to_vec()];
        while let Some(keys) = todo.pop() {
            match self.batch.lookup.describe(&keys).await {
                Ok(mut found) => answers.extend(keys.into_iter().map(|key| {
                    let answer = found.remove(&key).map_or_else(|| L::absent(&key), Ok);
                    (key, answer)
                })),
                Err(error) => {
                    let (blamed, rest) = divide(&error, keys);
                    answers.extend(blamed.into_iter().map(|key| (key, Err(error.clone()))));
                    todo.extend(rest);
                }
            }
        }
        answers
    }
}

impl<L: Lookup> Drop for Flight<L> {
    /// After a panic in a call: whoever waits learns it, and the next one who asks starts anew.
    fn drop(&mut self) {
        if !self.landed {
            let mut queue = self.batch.queue();
            queue.flying = false;
            queue.waiting.clear();
        }
    }
}

/// Divides the keys of a failed call into those that the error speaks of and the groups to be asked for again.
///
/// EC2 names unknown ids in its message ("The volume 'vol-…' does not exist."). Where it doesn't, and where one entry of the
/// answer cannot be read, halving finds them.
fn divide<K: Clone + std::fmt::Display>(error: &Ec2Error, keys: Vec<K>) -> (Vec<K>, Vec<Vec<K>>) {
    let of_a_key = error.is_not_found()
        || matches!(error.kind, ErrorKind::MalformedId | ErrorKind::Unreadable);
    if !of_a_key || keys.len() <= 1 {
        return (keys, Vec::new());
    }
    let (named, others): (Vec<K>, Vec<K>) = keys
        .into_iter()
        .partition(|key| names(&error.message, &key.to_string()));
    if named.is_empty() {
        let (left, right) = others.split_at(others.len() / 2);
        (Vec::new(), vec![left.to_vec(), right.to_vec()])
    } else if others.is_empty() {
        (named, Vec::new())
    } else {
        (named, vec![others])
    }
}

/// Whether `message` holds this id as a whole, not as the beginning of a longer one.
fn names(message: &str, id: &str) -> bool {
    message.match_indices(id).any(|(at, _)| {
        !message
            .get(at + id.len()..)
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
    })
}

/// The call for `key` ended without an answer.
fn cut_off<L: Lookup>(key: &L::Key) -> Ec2Error {
    Ec2Error {
        action: L::ACTION,
        kind: ErrorKind::Unreachable,
        outcome: Outcome::NotDone,
        code: None,
        message: format!("the call for {key} was cut off inside this process"),
        request_id: None,
    }
}

#[cfg(test)]
mod tests;
