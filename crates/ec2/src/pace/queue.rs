//! Who waits for which token, and who goes next.
//!
//! Answers for: the order, room for all classes, and that no token is taken by a call that has left the queue. Pure: it is told the time.
//! Doesn't answer for: waking anybody (`pace`).

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::bucket::{Bucket, Fare, UnderWay, count};
use super::class::{Class, Lot, MOST_UNDER_WAY, published};
use super::tokens::Tokens;
use super::{NoTurn, Permit};
use crate::Action;

/// What a waiting call gets in the end.
pub(super) type Verdict = Result<Permit, NoTurn>;

/// A call that waits.
#[derive(Debug)]
pub(super) struct Waiter {
    /// Its place in the order of arrival.
    pub(super) number: u64,
    /// When it came first.
    pub(super) came: Instant,
    /// When it is of no use any more.
    pub(super) gives_up: Instant,
    pub(super) sender: oneshot::Sender<Verdict>,
}

/// The calls of one action.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) bucket: Bucket,
    pub(super) waiting: BTreeMap<u64, Waiter>,
    pub(super) under_way: UnderWay,
}

/// All calls to EC2 of this process.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) lanes: BTreeMap<Action, Lane>,
    /// What the account has for all changes together, if that was set.
    budget: Option<Tokens>,
    next_number: u64,
    waiting: usize,
}

impl Queue {
    /// An empty one; `mutations_per_second` is for all changes together.
    pub(super) fn new(mutations_per_second: Option<NonZeroU32>, now: Instant) -> Self {
        let budget = mutations_per_second.map(|rate| {
            let rate = f64::from(rate.get());
            Tokens::full(rate, rate, now)
        });
        Self {
            lanes: BTreeMap::new(),
            budget,
            next_number: 0,
            waiting: 0,
        }
    }

    /// The next place in the order of arrival.
    pub(super) fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    /// How many wait in all lanes.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    fn lane(&mut self, action: Action, now: Instant) -> &mut Lane {
        self.lanes.entry(action).or_insert_with(|| Lane {
            bucket: Bucket::new(published(action), now),
            waiting: BTreeMap::new(),
            under_way: UnderWay::default(),
        })
    }

    /// How a call leaves now, where nobody waits for anything.
    pub(super) fn at_once(&mut self, action: Action, now: Instant) -> Option<Fare> {
        if self.waiting > 0 {
            return None;
        }
        let lane = self.lane(action, now);
        lane.bucket.settle(now, false);
        self.settle_budget(now);
        let fare = self.lanes.get(&action)?.fare()?;
        if !self.has_room(action) || !self.affords(action) {
            return None;
        }
        self.leave(action, fare);
        Some(fare)
    }

    /// Has a call wait.
    ///
    /// # Errors
    /// [`NoTurn`], where its turn would come too late.
    pub(super) fn join(
        &mut self,
        action: Action,
        waiter: Waiter,
        now: Instant,
    ) -> Result<(), NoTurn> {
        self.lane(action, now).bucket.settle(now, true);
        self.settle_budget(now);
        let before = self.before(action, waiter.number);
        if let Some(wait) = self.wait(action, before)
            && now + wait > waiter.gives_up
        {
            return Err(self.no_turn(action, before, wait));
        }
        self.waiting += 1;
        let lane = self.lane(action, now);
        lane.waiting.insert(waiter.number, waiter);
        Ok(())
    }

    /// Takes a call from the queue, if it still waits.
    pub(super) fn depart(&mut self, action: Action, number: u64) {
        let lane = self.lanes.get_mut(&action);
        if lane.is_some_and(|lane| lane.waiting.remove(&number).is_some()) {
            self.waiting -= 1;
        }
    }

    /// Brings all buckets to this time.
    pub(super) fn settle(&mut self, now: Instant) {
        for lane in self.lanes.values_mut() {
            lane.bucket.settle(now, !lane.waiting.is_empty());
        }
        self.settle_budget(now);
    }

    /// The next call that leaves as of the last [`Queue::settle`], and how.
    pub(super) fn next(&mut self) -> Option<(Action, Fare, Waiter)> {
        let ready = self.lanes.iter().filter_map(|(action, lane)| {
            let (number, first) = lane.waiting.first_key_value()?;
            let fare = lane.fare()?;
            let turn = first.came + Class::of(*action).stands_back();
            (self.has_room(*action) && self.affords(*action))
                .then_some((turn, *number, *action, fare))
        });
        let (_, number, action, fare) = ready.min_by_key(|(turn, number, ..)| (*turn, *number))?;
        let waiter = self.lanes.get_mut(&action)?.waiting.remove(&number)?;
        self.waiting -= 1;
        self.leave(action, fare);
        Some((action, fare, waiter))
    }

    /// When to look again as of the last [`Queue::settle`]; `None` if only the end of a call changes anything.
    pub(super) fn look_again(&self, now: Instant) -> Option<Instant> {
        let token = |(action, lane): (&Action, &Lane)| {
            let waits = !lane.waiting.is_empty() && self.has_room(*action);
            let own = (waits && !lane.bucket.lends()).then(|| lane.bucket.next());
            let budget = self.budget.filter(|_| action.mutates());
            let shared = budget.map_or(Duration::ZERO, |budget| budget.until(1.0));
            own.or(waits.then_some(Duration::ZERO))
                .map(|own| own.max(shared))
                .filter(|wait| !wait.is_zero())
        };
        let soonest = self.lanes.iter().filter_map(token).min()?;
        Some(now + soonest)
    }

    /// A call is over.
    pub(super) fn end(&mut self, action: Action, fare: Fare) {
        if let Some(lane) = self.lanes.get_mut(&action) {
            lane.under_way.remove(fare);
        }
    }

    /// A call was granted and did not leave.
    pub(super) fn refund(&mut self, action: Action, fare: Fare) {
        if let Some(lane) = self.lanes.get_mut(&action) {
            lane.bucket.refund(fare);
        }
        if let Some(budget) = &mut self.budget
            && action.mutates()
        {
            budget.put_back();
        }
    }

    /// Those of an action whose turn would come too late, now that its bucket is known to be empty.
    pub(super) fn too_late(&mut self, action: Action, now: Instant) -> Vec<(Waiter, NoTurn)> {
        let Some(lane) = self.lanes.get(&action) else {
            return Vec::new();
        };
        let mut before = 0;
        let mut late = Vec::new();
        for waiter in lane.waiting.values() {
            match self.wait(action, before) {
                Some(wait) if now + wait > waiter.gives_up => {
                    late.push((waiter.number, self.no_turn(action, before, wait)));
                }
                _ => before += 1,
            }
        }
        let Some(lane) = self.lanes.get_mut(&action) else {
            return Vec::new();
        };
        let waiting = &mut lane.waiting;
        let late: Vec<_> = late
            .into_iter()
            .filter_map(|(number, why)| Some((waiting.remove(&number)?, why)))
            .collect();
        self.waiting -= late.len();
        late
    }

    /// Why a call that so many go before does not get its turn.
    pub(super) fn no_turn(&self, action: Action, before: usize, wait: Duration) -> NoTurn {
        let lane = self.lanes.get(&action);
        NoTurn {
            action,
            before,
            wait,
            per_second: lane.map_or(0.0, |lane| lane.bucket.per_second()),
            budget: self
                .budget
                .filter(|_| action.mutates())
                .map(|budget| budget.per_second),
        }
    }

    /// How many calls of its action go before this one.
    pub(super) fn before(&self, action: Action, number: u64) -> usize {
        let lane = self.lanes.get(&action);
        lane.map_or(0, |lane| match lane.waiting.last_key_value() {
            Some((last, _)) if *last > number => lane.waiting.range(..number).count(),
            _ => lane.waiting.len(),
        })
    }

    /// How long a call that so many of its action go before will wait; `None` while that is not known, since EC2 may have more than is
    /// published.
    pub(super) fn wait(&self, action: Action, before: usize) -> Option<Duration> {
        let lane = self.lanes.get(&action)?;
        let own = (!lane.bucket.lends()).then(|| lane.bucket.wait(before));
        let budget = self.budget.filter(|_| action.mutates());
        let shared = budget.map(|budget| {
            // Of the other actions those go first that do not stand back for this one.
            let back = Class::of(action).stands_back();
            let first = |other: &Action| {
                *other != action && other.mutates() && Class::of(*other).stands_back() <= back
            };
            let others = self.lanes.iter().filter(|(other, _)| first(other));
            let all: usize = others.map(|(_, lane)| lane.waiting.len()).sum();
            budget.until(count(all + before) + 1.0)
        });
        own.max(shared)
    }

    fn settle_budget(&mut self, now: Instant) {
        if let Some(budget) = &mut self.budget {
            budget.settle(now);
        }
    }

    /// Whether one more call of this action may be under way.
    fn has_room(&self, action: Action) -> bool {
        let lot = Class::of(action).lot();
        let (mut all, mut of_lot) = (0, 0);
        for (other, lane) in &self.lanes {
            all += lane.under_way.all;
            if Class::of(*other).lot() == lot {
                of_lot += lane.under_way.all;
            }
        }
        all < MOST_UNDER_WAY && of_lot < Lot::most(lot)
    }

    /// Whether what all changes share has a token for it.
    fn affords(&self, action: Action) -> bool {
        !action.mutates() || self.budget.is_none_or(|budget| budget.any())
    }

    fn leave(&mut self, action: Action, fare: Fare) {
        if let Some(lane) = self.lanes.get_mut(&action) {
            lane.bucket.pay(fare);
            lane.under_way.add(fare);
        }
        if let Some(budget) = &mut self.budget
            && action.mutates()
        {
            budget.take();
        }
    }
}

impl Lane {
    fn fare(&self) -> Option<Fare> {
        self.bucket.fare(&self.under_way)
    }
}
