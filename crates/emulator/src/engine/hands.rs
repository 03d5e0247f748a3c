//! Who does the backing's work: a thread of its own where files and devices are to be made, and whoever hands it over where
//! there is nothing to be made.
//!
//! In paused time the second matters: tokio's clock would jump ahead while everybody waits for a thread that it does not know.

use std::collections::VecDeque;
use std::sync::mpsc;

use ebs_types::InstanceId;
use tokio::sync::oneshot;

use super::worker::{Job, carry_out};
use super::{Engine, Inner};
use crate::backing::{Backing as _, BackingError, InstanceDirs, NoBacking};
use crate::model::{Block, BlockRange, Effect};
use crate::state::Input;

/// See above.
#[derive(Debug)]
pub(crate) enum Hands {
    /// The thread that takes its work from the other end.
    Thread(mpsc::Sender<Job>),
    /// Those that hand it over, since it is none: [`NoBacking`].
    Own,
}

impl Hands {
    /// Has the backing read this.
    pub(super) fn look(
        &self,
        range: BlockRange,
        tell: oneshot::Sender<Result<Vec<Block>, BackingError>>,
    ) {
        match self {
            // The thread has ended only when everything is shutting down; then nothing is told either.
            Self::Thread(jobs) => {
                let _ = jobs.send(Job::Look { range, tell });
            }
            // Nobody waits any more when the caller has hung up.
            Self::Own => {
                let _ = tell.send(NoBacking.blocks(&range));
            }
        }
    }
}

impl Engine {
    /// Gives work to the backing. Called with the lock held, so that work is in the order of the inputs.
    pub(super) fn hand_over(
        &self,
        inner: &mut Inner,
        effects: Vec<Effect>,
        done: Option<oneshot::Sender<()>>,
    ) {
        match &self.hands {
            Hands::Thread(jobs) => {
                if !effects.is_empty() || done.is_some() {
                    // The thread has ended only when everything is shutting down.
                    let _ = jobs.send(Job::Work { effects, done });
                }
            }
            Hands::Own => {
                self.do_at_once(inner, effects);
                if let Some(done) = done {
                    // Nobody waits any more when the caller has hung up.
                    let _ = done.send(());
                }
            }
        }
    }

    /// Does the work of a backing that has none, with all that comes of it.
    fn do_at_once(&self, inner: &mut Inner, effects: Vec<Effect>) {
        let mut work = VecDeque::from(effects);
        while let Some(effect) = work.pop_front() {
            for report in carry_out(self, &NoBacking, effect) {
                let now = self.now(inner);
                match inner.enter(now, &Input::Report(report)) {
                    Ok((_reply, more)) => work.extend(more),
                    Err(error) => {
                        tracing::error!(error = %error, "report of the backing was lost");
                    }
                }
            }
        }
    }

    /// Makes an instance reachable.
    pub(crate) fn admit(&self, id: &InstanceId, dirs: InstanceDirs) {
        self.fleet.add(&self.own, id, dirs);
    }
}
