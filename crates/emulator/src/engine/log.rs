//! The last calls as they were made and as they ended, for whoever wants to see what a program asks of EC2.
//!
//! Answers for: a bound on what is kept, whatever is called. Those that were refused are kept longer, so that a program that
//! looks all the time does not push them out.
//! Doesn't answer for: counts of all calls (`calls`).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use ebs_types::Region;

use super::Outcome;
use crate::model::{ApiError, Timestamp};

/// So many calls are kept, and so many refused ones.
const KEPT: usize = 500;

/// So many parameters of a call are kept; one with more names hundreds of ids, and nobody reads them all.
const PARAMETERS: usize = 64;

/// So many characters of a parameter's value are kept; a tag's value has no more than 256.
const VALUE: usize = 300;

/// A call that was heard and is not answered yet.
#[derive(Debug)]
pub(crate) struct Heard {
    request_id: String,
    region: Region,
    at: Timestamp,
    action: String,
    parameters: Vec<(String, String)>,
    left_out: usize,
    /// All ids among the parameters, each once.
    names: Vec<String>,
}

/// A call that has ended.
#[derive(Debug)]
pub(crate) struct Record {
    /// Counts up from 1 over all calls, in the order in which they ended.
    pub(crate) number: u64,
    /// What the caller was told as its id.
    pub(crate) request_id: String,
    /// Where it was made.
    pub(crate) region: Region,
    /// When it came.
    pub(crate) at: Timestamp,
    /// How long it took to be answered.
    pub(crate) took: Duration,
    /// What it called, whether there is such an action or not.
    pub(crate) action: String,
    /// Names and values, the first of them.
    pub(crate) parameters: Vec<(String, String)>,
    /// How many parameters more there were.
    pub(crate) left_out: usize,
    /// The ids of volumes, snapshots and instances that it or its reply named.
    pub(crate) names: Vec<String>,
    /// How it ended.
    pub(crate) ending: Ending,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It was done.
    Answered,
    /// It was refused, or a dry run, which EC2 answers as a refusal.
    Refused(ApiError),
    /// The connection was reset on purpose.
    Reset,
}

impl Heard {
    /// A call of this action. An action that there is not is kept as it was given.
    pub(crate) fn new<'a>(
        (request_id, at, region): (&str, Timestamp, &Region),
        action: &str,
        parameters: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let mut heard = Self {
            request_id: request_id.to_owned(),
            region: region.clone(),
            at,
            action: cut(action),
            parameters: Vec::new(),
            left_out: 0,
            names: Vec::new(),
        };
        for (name, value) in parameters {
            if is_id(value) {
                heard.names.push(value.to_owned());
            }
            if heard.parameters.len() < PARAMETERS {
                heard.parameters.push((cut(name), cut(value)));
            } else {
                heard.left_out += 1;
            }
        }
        heard
    }
}

/// Whether it is written like an id of what there is here; whether there is one is no matter.
fn is_id(value: &str) -> bool {
    let prefixed = ["vol-", "snap-", "i-"]
        .iter()
        .any(|prefix| value.starts_with(prefix));
    prefixed
        && value.len() <= 32
        && value
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(VALUE) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

impl Record {
    /// Whether it or its reply named this.
    pub(crate) fn names(&self, id: &str) -> bool {
        self.names.iter().any(|name| name == id)
    }

    /// The refusal, unless it is that of a dry run that would have succeeded.
    pub(crate) fn error(&self) -> Option<&ApiError> {
        match &self.ending {
            Ending::Refused(error) if error.code != "DryRunOperation" => Some(error),
            _ => None,
        }
    }

    fn is_error(&self) -> bool {
        self.error().is_some() || self.ending == Ending::Reset
    }
}

/// The last calls.
#[derive(Debug, Default)]
pub(crate) struct Log {
    ended: u64,
    all: VecDeque<Arc<Record>>,
    errors: VecDeque<Arc<Record>>,
}

impl Log {
    /// Adds a call that ended now.
    pub(crate) fn add(&mut self, heard: Heard, now: Timestamp, outcome: &Outcome) {
        self.ended += 1;
        let mut names = heard.names;
        let ending = match outcome {
            Outcome::Reply(reply) => {
                names.extend(reply.names().into_iter().map(str::to_owned));
                Ending::Answered
            }
            Outcome::Error(error) => Ending::Refused(error.clone()),
            Outcome::Reset => Ending::Reset,
        };
        names.sort_unstable();
        names.dedup();
        let record = Arc::new(Record {
            number: self.ended,
            request_id: heard.request_id,
            region: heard.region,
            at: heard.at,
            took: now.since(heard.at),
            action: heard.action,
            parameters: heard.parameters,
            left_out: heard.left_out,
            names,
            ending,
        });
        if record.is_error() {
            keep(&mut self.errors, Arc::clone(&record));
        }
        keep(&mut self.all, record);
    }

    /// How many calls have ended, those no longer kept among them.
    pub(crate) fn ended(&self) -> u64 {
        self.ended
    }

    /// The last calls, the latest first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Record> {
        self.all.iter().rev().map(Arc::as_ref)
    }

    /// The last that were refused or reset, the latest first.
    pub(crate) fn errors(&self) -> impl Iterator<Item = &Record> {
        self.errors.iter().rev().map(Arc::as_ref)
    }

    /// All that are kept and name this, the latest first.
    pub(crate) fn naming(&self, id: &str) -> Vec<&Record> {
        let oldest = self.all.front().map_or(0, |record| record.number);
        let older = self.errors().filter(|record| record.number < oldest);
        let kept = self.all().chain(older);
        kept.filter(|record| record.names(id)).collect()
    }

    /// A call by its number, if it is still kept.
    pub(crate) fn get(&self, number: u64) -> Option<&Record> {
        let mut kept = self.all().chain(self.errors());
        kept.find(|record| record.number == number)
    }
}

fn keep(records: &mut VecDeque<Arc<Record>>, record: Arc<Record>) {
    if records.len() == KEPT {
        records.pop_front();
    }
    records.push_back(record);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(action: &str, parameters: &[(&str, &str)]) -> Heard {
        let place = ("id", Timestamp(5), &"eu-central-1".parse().unwrap());
        Heard::new(place, action, parameters.iter().copied())
    }

    fn refused() -> Outcome {
        Outcome::Error(ApiError::value("no"))
    }

    #[test]
    fn what_is_kept_of_a_call_is_bounded() {
        let long = "é".repeat(10_000);
        let mut parameters = vec![("UserData", long.as_str())];
        parameters.resize(PARAMETERS, ("Tag", "value"));
        parameters.push(("VolumeId.99", "vol-99"));
        let mut log = Log::default();
        log.add(heard(&long, &parameters), Timestamp(7), &refused());
        let record = log.get(1).unwrap();
        assert_eq!(record.took, Duration::from_millis(2));
        assert_eq!(record.action.chars().count(), VALUE + 1);
        assert_eq!(record.parameters.len(), PARAMETERS);
        assert_eq!(record.parameters[0].1.chars().count(), VALUE + 1);
        assert_eq!(record.left_out, 1);
        assert!(record.names("vol-99"), "also what is not shown is found");
    }

    #[test]
    fn errors_outlast_what_is_answered() {
        let mut log = Log::default();
        let named = |action| heard(action, &[("VolumeId", "vol-1")]);
        log.add(named("AttachVolume"), Timestamp(7), &refused());
        for _ in 0..2 * KEPT {
            let reply = Outcome::Reply(Box::new(crate::model::Reply::Done));
            log.add(named("DescribeVolumes"), Timestamp(7), &reply);
        }
        assert_eq!(log.all().count(), KEPT);
        assert_eq!(log.errors().count(), 1);
        assert_eq!(log.get(1).unwrap().action, "AttachVolume");
        assert!(log.get(2).is_none());
        assert_eq!(log.naming("vol-1").len(), KEPT + 1);
        assert_eq!(log.naming("vol-1").last().unwrap().number, 1);
        assert_eq!(log.ended(), 1 + 2 * KEPT as u64);
    }

    #[test]
    fn a_dry_run_that_would_have_succeeded_is_no_error() {
        let mut log = Log::default();
        let outcome = Outcome::Error(ApiError::dry_run());
        log.add(heard("DeleteVolume", &[]), Timestamp(7), &outcome);
        log.add(heard("DeleteVolume", &[]), Timestamp(7), &Outcome::Reset);
        assert_eq!(
            log.errors().map(|record| record.number).collect::<Vec<_>>(),
            [2]
        );
    }
}
