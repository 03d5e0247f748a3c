//! Client tokens: a repeated create answers with what the first one made, even where that is gone since.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::{ApiError, Timestamp};

/// What was made under each token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tokens<Request, Made> {
    entries: BTreeMap<String, Entry<Request, Made>>,
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
        self.entries.retain(|_token, entry| entry.expires > now);
        if let Some(token) = token {
            let entry = Entry {
                request,
                made,
                expires,
            };
            self.entries.insert(token, entry);
        }
    }
}

impl<Request, Made> Default for Tokens<Request, Made> {
    fn default() -> Self {
        Self {
            entries: BTreeMap::new(),
        }
    }
}
