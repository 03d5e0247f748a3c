//! What is known of EC2's bucket for one action: an estimate that follows EC2's answers.
//!
//! It begins with the published size. Three things may be wrong with it, and each shows in its own way:
//!
//! - *The level.* Another process has taken tokens, or this one has just started. The first refusal since the bucket was taken for full
//!   corrects it, and nothing else.
//! - *The rate is too high*: calls are refused although the level was corrected. It falls by a part with each refusal that is news, and
//!   rises again: soon to near where it was refused, there slowly, and beyond ever faster. Several processes that do so come to share
//!   what there is.
//! - *The account has more.* Before a refusal has shown where the end is, calls go on beyond it, one at first and more with each that
//!   is let through. After a long time of work without refusals the rate rises beyond the published one.
//!
//! Doesn't answer for: whose turn it is (`queue`).

use std::time::Duration;

use tokio::time::Instant;

use super::class::Size;
use super::tokens::{Tokens, seconds};

/// What is left of the rate after a refusal.
const FALL: f64 = 0.85;

/// After how many seconds a rate that fell is where it was. It moves on the curve of a cube, which is flat there: twice the time brings
/// as much more as it had fallen by, six times 125 times that.
const BACK: f64 = 20.0;

/// The least part of the published rate. Ten processes at it leave an account room.
const FLOOR: f64 = 0.05;

/// How much of its refill EC2 is left after a refusal, so that a bucket that is filled in steps, and calls that overtake each other on
/// their way, do not bring the next one.
const BREATH: Duration = Duration::from_millis(500);

/// How long all tokens must have been used without a refusal before the rate rises beyond what is known, at first.
const PROVEN: Duration = Duration::from_mins(3);

/// The longest time that it takes: it doubles whenever rising has brought a refusal.
const PROVEN_MOST: Duration = Duration::from_hours(1);

/// What part of itself the rate gains in a second once it rises beyond what is known.
const GROWTH: f64 = 0.01;

/// How far the rate rises at most, in published ones.
const GROWTH_MOST: f64 = 50.0;

/// Calls under way at once while nothing is known of the level.
const WINDOW: usize = 4;

/// After a time without calls nothing is known of it again.
const WINDOW_KEEPS: Duration = Duration::from_mins(1);

/// The most calls that are under way without a token.
const CREDIT: usize = 16;

/// How long no call leaves without a token after one was refused, at first; it doubles up to [`NO_CREDIT_MOST`].
const NO_CREDIT: Duration = Duration::from_mins(10);
const NO_CREDIT_MOST: Duration = Duration::from_hours(2);

/// An estimate of EC2's bucket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    tokens: Tokens,
    published: Size,
    /// The rate that EC2 is known or published to grant; at least the published one.
    known: f64,
    /// Since when the rate is below what is known.
    fallen: Option<Fall>,
    /// Whether EC2 has shown where the end is since the bucket was last full.
    end_seen: bool,
    /// When the last refusal that was news came. Calls that had left before tell nothing new.
    refused: Option<Instant>,
    /// Since when somebody has waited for a token, and no call was refused.
    used_since: Option<Instant>,
    proven: Duration,
    settled: Instant,
    last_call: Instant,
    window: usize,
    credit: Credit,
}

/// A rate that was too high.
#[derive(Clone, Copy, Debug)]
struct Fall {
    from: f64,
    to: f64,
    at: Instant,
}

impl Fall {
    /// The rate so many seconds after it fell.
    fn rate(&self, after: f64) -> f64 {
        self.from + (self.from - self.to) * ((after - BACK) / BACK).powi(3)
    }
}

/// Calls without a token.
#[derive(Clone, Copy, Debug)]
struct Credit {
    /// How many may be under way.
    most: usize,
    /// None before.
    from: Instant,
    pause: Duration,
}

/// How a call got its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fare {
    /// With a token, and others are left.
    Burst,
    /// With the last token.
    Token,
    /// Without, to see whether EC2 has more.
    Credit,
}

impl Bucket {
    /// A bucket of the published size, full.
    pub(super) fn new(published: Size, now: Instant) -> Self {
        Self {
            tokens: Tokens::full(published.tokens, published.per_second, now),
            published,
            known: published.per_second,
            fallen: None,
            end_seen: false,
            refused: None,
            used_since: None,
            proven: PROVEN,
            settled: now,
            last_call: now,
            window: WINDOW,
            credit: Credit {
                most: 1,
                from: now,
                pause: NO_CREDIT,
            },
        }
    }

    /// Brings it to this time; `waited_for` says whether calls wait for its tokens.
    pub(super) fn settle(&mut self, now: Instant, waited_for: bool) {
        let passed = now.saturating_duration_since(self.settled).as_secs_f64();
        self.settled = now.max(self.settled);
        let full = self.tokens.settle(now);
        self.end_seen &= !full;
        // Where tokens are left it is something else that calls wait for.
        let used = waited_for && self.tokens.level() < 2.0;
        match (used, self.used_since) {
            (false, _) => self.used_since = None,
            (true, None) => self.used_since = Some(now),
            (true, Some(since)) if now - since > self.proven => {
                let most = self.published.per_second * GROWTH_MOST;
                let grown = self.tokens.per_second * (GROWTH * passed).exp();
                self.tokens.per_second = grown.min(most);
            }
            (true, Some(_)) => {}
        }
        if let Some(fall) = self.fallen {
            let risen = fall.rate((now - fall.at).as_secs_f64());
            self.tokens.per_second = risen.min(self.known);
            self.fallen = Some(fall).filter(|_| risen < self.known);
        }
        if now - self.last_call > WINDOW_KEEPS {
            self.window = WINDOW;
        }
    }

    /// How a call would leave now that so many are under way; `None` if it has to wait.
    pub(super) fn fare(&self, under_way: &UnderWay) -> Option<Fare> {
        if under_way.all >= self.window {
            return None;
        }
        if self.tokens.level() >= 2.0 {
            return Some(Fare::Burst);
        }
        if self.tokens.any() {
            return Some(Fare::Token);
        }
        // What is still on its way has taken no token from EC2's bucket yet, so that one more would prove nothing.
        let proves = under_way.burst == 0 && under_way.on_credit < self.credit.most;
        (self.lends() && proves).then_some(Fare::Credit)
    }

    /// Whether calls leave without tokens: where the end is has not been seen.
    pub(super) fn lends(&self) -> bool {
        !self.end_seen && self.settled >= self.credit.from
    }

    /// A call leaves.
    pub(super) fn pay(&mut self, fare: Fare) {
        self.last_call = self.settled;
        if fare != Fare::Credit {
            self.tokens.take();
        }
    }

    /// A call did not leave after all.
    pub(super) fn refund(&mut self, fare: Fare) {
        if fare != Fare::Credit {
            self.tokens.put_back();
        }
    }

    /// EC2 let a call through.
    pub(super) fn passed(&mut self, fare: Fare) {
        self.window = self
            .window
            .saturating_add(1)
            .min(super::class::MOST_UNDER_WAY);
        if fare == Fare::Credit && !self.end_seen {
            self.credit.most = (self.credit.most + 1).min(CREDIT);
            self.credit.pause = NO_CREDIT;
        }
    }

    /// EC2 refused a call that had left at `left`. Tells whether that was news.
    pub(super) fn refused(&mut self, fare: Fare, left: Instant, now: Instant) -> bool {
        if self.refused.is_some_and(|last| left <= last) {
            return false;
        }
        if fare == Fare::Credit {
            self.credit = Credit {
                most: 1,
                from: now + self.credit.pause,
                pause: (self.credit.pause * 2).min(NO_CREDIT_MOST),
            };
        } else if self.end_seen {
            self.slow_down(now);
        }
        self.refused = Some(now);
        self.end_seen = true;
        self.used_since = self.used_since.map(|_| now);
        self.window = (self.window / 2).max(WINDOW);
        let owed = BREATH.as_secs_f64() * self.tokens.per_second;
        self.tokens.set_level(-owed);
        true
    }

    fn slow_down(&mut self, now: Instant) {
        let published = self.published.per_second;
        let rate = self.tokens.per_second;
        if rate > self.known {
            // Rising went too far; what it has shown to be there stays known.
            self.proven = (self.proven * 2).min(PROVEN_MOST);
            self.known = self.known.max(rate * FALL);
            self.tokens.per_second = self.known;
        } else {
            self.known = published.max(self.known * FALL);
            self.tokens.per_second = (rate * FALL).max(published * FLOOR);
            self.fallen = Some(Fall {
                from: rate,
                to: self.tokens.per_second,
                at: now,
            });
        }
    }

    /// How long the call that so many go before has to wait for a token, if it pays with one.
    pub(super) fn wait(&self, before: usize) -> Duration {
        /// In steps of so many seconds while the rate changes; it is there again after some hundred seconds.
        const STEP: f64 = 2.0;
        let mut wanted = count(before) + 1.0 - self.tokens.level();
        let mut waited = 0.0;
        let mut rate = self.tokens.per_second;
        if let Some(fall) = self.fallen {
            let fell = (self.settled - fall.at).as_secs_f64();
            while rate < self.known && wanted > rate * STEP {
                wanted -= rate * STEP;
                waited += STEP;
                rate = fall.rate(fell + waited).min(self.known);
            }
        }
        seconds(waited + wanted / rate)
    }

    /// How long until the next token.
    pub(super) fn next(&self) -> Duration {
        self.tokens.until(1.0)
    }

    /// How many tokens there are thought to be.
    pub(super) fn level(&self) -> f64 {
        self.tokens.level()
    }

    /// How many come each second, as it is thought.
    pub(super) fn per_second(&self) -> f64 {
        self.tokens.per_second
    }
}

/// The calls of an action that have left and were not answered yet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct UnderWay {
    pub(super) all: usize,
    burst: usize,
    on_credit: usize,
}

impl UnderWay {
    /// One more has left.
    pub(super) fn add(&mut self, fare: Fare) {
        self.all += 1;
        self.burst += usize::from(fare == Fare::Burst);
        self.on_credit += usize::from(fare == Fare::Credit);
    }

    /// One is over.
    pub(super) fn remove(&mut self, fare: Fare) {
        self.all = self.all.saturating_sub(1);
        self.burst -= usize::from(fare == Fare::Burst).min(self.burst);
        self.on_credit -= usize::from(fare == Fare::Credit).min(self.on_credit);
    }
}

/// A number of calls as a number of tokens.
pub(super) fn count(calls: usize) -> f64 {
    f64::from(u32::try_from(calls).unwrap_or(u32::MAX))
}
