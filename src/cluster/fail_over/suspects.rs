//! Nodes that are not ready: about which instances EC2 is asked when, and what its words lead to.
//!
//! Answers for: that nothing but `terminated`, or `stopped` on request, leads to anything; and that a node which stays away for
//! long costs few calls. Doesn't answer for: asking, and acting (`watcher`).

use std::collections::BTreeMap;
use std::time::Duration;

use ebs_types::{InstanceId, InstanceState};
use ec2::{Ec2Error, Instance};
use tokio::time::Instant;

/// For how long it is believed what was read of a Node: another machine may have taken its name.
const READING_LASTS: Duration = Duration::from_mins(1);
/// The longest time between two questions about an instance.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// How often EC2 must have left out an instance that it knew.
const LOOKS: u32 = 3;

/// Why a node may be put out of service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// EC2 says that the instance is terminated.
    Terminated,
    /// EC2 knew the instance, and for longer than its changes take to show does not know it any more.
    Forgotten,
    /// EC2 says that the instance is stopped; only on request.
    Stopped,
}

impl Why {
    /// Its label in metrics.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Terminated | Self::Forgotten => "terminated",
            Self::Stopped => "stopped",
        }
    }
}

/// All of them, by name.
#[derive(Debug)]
pub(super) struct Suspects {
    nodes: BTreeMap<String, Suspect>,
    window: Duration,
}

/// One node.
#[derive(Debug)]
struct Suspect {
    since: Instant,
    /// What the Node said, and when; nothing to ask where it names no instance or needs no help.
    read: Option<(Option<InstanceId>, Instant)>,
    asked: Option<Instant>,
    /// The instance as EC2 knew it last.
    state: Option<InstanceState>,
    /// Since when EC2 does not know it any more, and how often it said so.
    missed: Option<(Instant, u32)>,
}

/// What EC2's word on an instance means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// The node may be out of service.
    May(Why),
    /// It is to be left alone; whether this is news.
    Leave { new: bool },
    /// EC2 does not know the instance, and this process has never seen that it did: it may be another account's or region's.
    NeverKnown { new: bool },
}

impl Suspects {
    /// None. `window` is the time that EC2 may take to show a change.
    pub(super) fn new(window: Duration) -> Self {
        Self {
            nodes: BTreeMap::new(),
            window,
        }
    }

    /// These are all nodes that are not ready.
    pub(super) fn are(&mut self, names: impl IntoIterator<Item = String>) {
        let now = Instant::now();
        let mut before = std::mem::take(&mut self.nodes);
        let kept = |name: String| {
            let suspect = before.remove(&name).unwrap_or(Suspect {
                since: now,
                read: None,
                asked: None,
                state: None,
                missed: None,
            });
            (name, suspect)
        };
        self.nodes = names.into_iter().map(kept).collect();
    }

    /// Those whose Node is to be read.
    pub(super) fn unread(&self) -> Vec<String> {
        let now = Instant::now();
        let stale = |(_, at): &(Option<InstanceId>, Instant)| now - *at >= READING_LASTS;
        let unread = self
            .nodes
            .iter()
            .filter(|(_, suspect)| suspect.read.as_ref().is_none_or(stale));
        unread.map(|(name, _)| name.clone()).collect()
    }

    /// The Node was read: it names this instance, or there is nothing to do for it.
    pub(super) fn read(&mut self, name: &str, instance: Option<InstanceId>) {
        let Some(suspect) = self.nodes.get_mut(name) else {
            return;
        };
        let before = suspect.read.take().and_then(|(instance, _)| instance);
        if before != instance {
            // What is known was another machine's.
            suspect.state = None;
            suspect.missed = None;
            suspect.asked = None;
        }
        suspect.read = Some((instance, Instant::now()));
    }

    /// The instances to ask about now. What has been so for long is asked about less often.
    pub(super) fn due(&self) -> Vec<(String, InstanceId)> {
        let now = Instant::now();
        let due = |suspect: &Suspect| {
            let pause = ((now - suspect.since) / 10).min(LONGEST_PAUSE);
            suspect.asked.is_none_or(|asked| now - asked >= pause)
        };
        let all = self.nodes.iter().filter(|(_, suspect)| due(suspect));
        all.filter_map(|(name, suspect)| {
            let (instance, _) = suspect.read.as_ref()?;
            Some((name.clone(), instance.clone()?))
        })
        .collect()
    }

    /// EC2 has answered, or not at all (`None`).
    pub(super) fn told(
        &mut self,
        name: &str,
        word: Option<&Result<Instance, Ec2Error>>,
    ) -> Finding {
        let now = Instant::now();
        let window = self.window;
        let (Some(suspect), Some(word)) = (self.nodes.get_mut(name), word) else {
            return Finding::Leave { new: false };
        };
        let first = suspect.asked.replace(now).is_none();
        match word {
            Ok(instance) => {
                let new = suspect.state.replace(instance.state) != Some(instance.state);
                suspect.missed = None;
                match instance.state {
                    InstanceState::Terminated => Finding::May(Why::Terminated),
                    InstanceState::Stopped => Finding::May(Why::Stopped),
                    InstanceState::Pending
                    | InstanceState::Running
                    | InstanceState::ShuttingDown
                    | InstanceState::Stopping => Finding::Leave { new },
                }
            }
            Err(error) if error.is_not_found() && suspect.state.is_none() => {
                Finding::NeverKnown { new: first }
            }
            Err(error) if error.is_not_found() => {
                let (since, looks) = suspect.missed.get_or_insert((now, 0));
                *looks += 1;
                match *looks >= LOOKS && now - *since >= window {
                    true => Finding::May(Why::Forgotten),
                    false => Finding::Leave { new: false },
                }
            }
            // It says nothing, and takes nothing back.
            Err(_) => Finding::Leave { new: false },
        }
    }

    /// The node is as it should be, or as nothing can be done about: it need not be asked about.
    pub(super) fn settled(&mut self, name: &str) {
        self.read(name, None);
    }

    /// Whether this node is among them.
    pub(super) fn has(&self, name: &str) -> bool {
        self.nodes.contains_key(name)
    }

    /// What EC2 said last of each instance that matters.
    pub(super) fn states(&self) -> impl Iterator<Item = Option<InstanceState>> {
        let all = self.nodes.values();
        let asked = all.filter(|one| matches!(one.read, Some((Some(_), _))));
        asked.map(|suspect| suspect.state)
    }
}

#[cfg(test)]
mod tests;
