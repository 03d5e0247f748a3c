//! Client tokens: a repeated create answers with what the first one made, even where that is gone since.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::model::{ApiError, Timestamp};

/// What was made under each token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Entries<Request, Made>")]
pub(crate) struct Tokens<Request, Made> {
    entries: BTreeMap<String, Entry<Request, Made>>,
    /// The same tokens by the end of their lives.
    #[serde(skip)]
    ends: BTreeSet<(Timestamp, String)>,
}

/// As they are saved.
#[derive(Deserialize)]
struct Entries<Request, Made> {
    entries: BTreeMap<String, Entry<Request, Made>>,
}

impl<Request, Made> From<Entries<Request, Made>> for Tokens<Request, Made> {
    fn from(saved: Entries<Request, Made>) -> Self {
        let entries = saved.entries;
        let ends = entries.iter();
        let ends = ends.map(|(token, entry)| (entry.expires, token.clone()));
        Self {
            ends: ends.collect(),
            entries,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry<Request, Made> {
    request: Request,
    made: Made,
    expires: Timestamp,
}

impl<Request: PartialEq, Made: Clone> Tokens<Request, Made> {
    /// What was made under this token, or `None` if it is new, expired or absent.
    ///
    /// # Errors
    /// `IdempotentParameterMismatch` where it was used with another request.
    pub(crate) fn recall(
        &self,
        now: Timestamp,
        token: Option<&String>,
        request: &Request,
    ) -> Result<Option<Made>, ApiError> {
        match token.and_then(|token| self.entries.get(token)) {
            Some(entry) if entry.expires <= now => Ok(None),
            Some(entry) if &entry.request == request => Ok(Some(entry.made.clone())),
            Some(_) => Err(ApiError::client(
                "IdempotentParameterMismatch",
                "The client token you have provided is associated with a resource that has already been created with \
                 different parameters.",
            )),
            None => Ok(None),
        }
    }

    /// Remembers what was made, and forgets what has expired.
    pub(crate) fn remember(
        &mut self,
        now: Timestamp,
        token: Option<String>,
        request: Request,
        made: Made,
        expires: Timestamp,
    ) {
        while self.ends.first().is_some_and(|(end, _token)| *end <= now) {
            if let Some((_end, token)) = self.ends.pop_first() {
                self.entries.remove(&token);
            }
        }
        if let Some(token) = token {
            let entry = Entry {
                request,
                made,
                expires,
            };
            self.ends.insert((expires, token.clone()));
            self.entries.insert(token, entry);
        }
    }
}

impl<Request, Made> Default for Tokens<Request, Made> {
    fn default() -> Self {
        Self {
            entries: BTreeMap::new(),
            ends: BTreeSet::new(),
        }
    }
}
