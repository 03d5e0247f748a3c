//! Who modifies which volume in this process, and what else is wanted of it: an expansion and a change of the class take turns.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use ebs_types::VolumeId;
use tokio::sync::{Mutex as Turns, OwnedMutexGuard};
use tokio::time::Instant;

use super::plan::Ask;

/// The time over which EBS counts a volume's modifications, and how many it grants (EBS user guide, "Modify a volume", limitations).
pub(super) const DAY: Duration = Duration::from_secs(24 * 3600);
pub(super) const PER_DAY: usize = 4;

/// For how long a modification of which nothing was seen any more may be under way. EC2 takes seconds until it can be used.
const LASTS: Duration = Duration::from_hours(1);

/// The volumes that are being modified.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    tables: Mutex<HashMap<VolumeId, Table>>,
    /// When EC2 accepted this process' modifications of the last 24 hours: a help for words, the truth is EC2's.
    accepted: Mutex<HashMap<VolumeId, Vec<SystemTime>>>,
    /// When this process last sent a modification of which it has not seen the end.
    sent: Mutex<HashMap<VolumeId, Instant>>,
}

/// Those at work on one volume: at most one expansion and one change, which others than `Desk` see to.
#[derive(Debug, Default)]
struct Table {
    asks: Ask,
    turns: Arc<Turns<()>>,
}

impl Desk {
    /// Says what is wanted of a volume, and waits until the other one at it is done.
    pub(super) async fn sit(&self, volume: &VolumeId, ask: Ask) -> Seat<'_> {
        let turns = {
            let mut tables = lock(&self.tables);
            let table = tables.entry(volume.clone()).or_default();
            table.asks = ask.and(table.asks);
            Arc::clone(&table.turns)
        };
        let mut seat = Seat {
            desk: self,
            volume: volume.clone(),
            ask,
            turn: None,
        };
        // A request that is cut off here gives its seat up all the same.
        seat.turn = Some(turns.lock_owned().await);
        seat
    }

    /// Notes that a modification is about to be sent.
    pub(super) fn sending(&self, volume: &VolumeId) {
        let mut sent = lock(&self.sent);
        sent.retain(|_, since| since.elapsed() < LASTS);
        sent.insert(volume.clone(), Instant::now());
    }

    /// Notes that a modification can be used.
    pub(super) fn ended(&self, volume: &VolumeId) {
        lock(&self.sent).remove(volume);
    }

    /// Whether one may be under way that this process has sent. Where that is not known, EC2's refusal of the next one tells.
    pub(super) fn may_be_under_way(&self, volume: &VolumeId) -> bool {
        let sent = lock(&self.sent);
        sent.get(volume)
            .is_some_and(|since| since.elapsed() < LASTS)
    }

    /// Notes that EC2 has accepted a modification.
    pub(super) fn accepted(&self, volume: &VolumeId) {
        let now = SystemTime::now();
        let mut accepted = lock(&self.accepted);
        accepted.entry(volume.clone()).or_default().push(now);
        accepted.retain(|_, times| {
            times.retain(|time| now.duration_since(*time).unwrap_or_default() < DAY);
            !times.is_empty()
        });
    }

    /// When the first of the last modifications began that make the day's allowance full, if this process has seen as many.
    pub(super) fn oldest_of_a_full_day(&self, volume: &VolumeId) -> Option<SystemTime> {
        let accepted = lock(&self.accepted);
        let times = accepted.get(volume)?;
        times.iter().rev().nth(PER_DAY - 1).copied()
    }
}

/// A place at the desk; dropping it gives the turn to the other one.
#[derive(Debug)]
pub(super) struct Seat<'a> {
    desk: &'a Desk,
    volume: VolumeId,
    ask: Ask,
    turn: Option<OwnedMutexGuard<()>>,
}

impl Seat<'_> {
    /// What the other one at this volume wants, if there is one.
    pub(super) fn others(&self) -> Option<Ask> {
        self.left_at(lock(&self.desk.tables).get(&self.volume)?)
    }

    fn left_at(&self, table: &Table) -> Option<Ask> {
        let left = Ask {
            grow: table.asks.grow.filter(|_| self.ask.grow.is_none()),
            change: table.asks.change.filter(|_| self.ask.change.is_none()),
        };
        (left != Ask::default()).then_some(left)
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut tables = lock(&self.desk.tables);
        let Some(table) = tables.get_mut(&self.volume) else {
            return;
        };
        match self.left_at(table) {
            Some(left) => table.asks = left,
            None => {
                tables.remove(&self.volume);
            }
        }
    }
}

/// Each map is whole after every statement, so a panic elsewhere while it was locked does not matter.
fn lock<T>(map: &Mutex<T>) -> MutexGuard<'_, T> {
    map.lock().unwrap_or_else(PoisonError::into_inner)
}
