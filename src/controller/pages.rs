//! Lists in pages of any size over EC2's own pages, which have at least 5 entries.
//!
//! Answers for: what our tokens mean, and that they survive whatever comes and goes between two calls. A token carries EC2's
//! own token for a page of EC2's, and the ids of those of its entries that the caller has: no count, which a deletion would
//! make wrong. Nothing is kept in memory, so a token is good after a restart and at another replica.
//! Doesn't answer for: what is listed (each list's own file).

use std::str::FromStr;

use ec2::{Ec2Error, ErrorKind, Page};

use super::error::Error;
use crate::status::InvalidRequest;

/// EC2's least `MaxResults`.
pub(super) const SMALLEST_PAGE: u16 = 5;

/// An entry of a list.
pub(super) struct Entry<T> {
    /// What tells it from all others of its list, without `:` and `,`.
    pub(super) id: String,
    pub(super) item: T,
}

/// Something that is listed: several questions, one after the other, each answered in pages.
#[async_trait::async_trait]
pub(super) trait List: Sync {
    /// What an entry shows.
    type Item: Send;

    /// Begins the list's tokens: one letter, another one for each list.
    const MARK: char;
    /// How many questions there are.
    const QUESTIONS: u8;
    /// The largest page.
    const LARGEST_PAGE: u16;

    /// One page of the answer to question `place.question`. It may be empty and not the last.
    async fn page(&self, place: &Place) -> Result<Page<Entry<Self::Item>>, Ec2Error>;
}

/// A place in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Which of the list's questions.
    pub(super) question: u8,
    /// EC2's page size, the same as when EC2 gave the token.
    pub(super) size: u16,
    /// The page's token; `None` for the question's first.
    pub(super) token: Option<String>,
    /// Which entries the caller has of this page, or of an earlier one that showed them no longer.
    shown: Vec<String>,
}

/// Up to `max_entries` entries from where `starting_token` says, and the token for the rest; empty after the last one.
///
/// # Errors
/// INVALID_ARGUMENT for a negative `max_entries`, [`Error::BadToken`], and EC2's.
pub(super) async fn list<L: List>(
    list: &L,
    max_entries: i32,
    starting_token: &str,
) -> Result<(Vec<L::Item>, String), Error> {
    let max = most::<L>(max_entries)?;
    let bad_token = || Error::BadToken {
        token: starting_token.to_owned(),
    };
    let mut place = match starting_token {
        "" => Place::beginning(0, max.try_into().unwrap_or(L::LARGEST_PAGE)),
        token => Place::read::<L>(token).ok_or_else(bad_token)?,
    };
    let smallest = usize::from(SMALLEST_PAGE);
    let mut items = Vec::new();
    loop {
        let page = list.page(&place).await.map_err(|error| {
            // Only the token can be wrong in such a question: EC2 does not know it, or no longer.
            match place.token.is_some() && error.kind == ErrorKind::InvalidParameter {
                true => bad_token(),
                false => error.into(),
            }
        })?;
        let (known, mut fresh): (Vec<_>, Vec<_>) = page
            .items
            .into_iter()
            .partition(|entry| place.shown.contains(&entry.id));
        let room = max - items.len();
        if fresh.len() > room {
            // Part of a page only where nothing else will do: its token names each entry.
            if items.is_empty() || max < smallest {
                fresh.truncate(room);
                for entry in fresh {
                    place.shown.push(entry.id);
                    items.push(entry.item);
                }
            }
            return Ok((items, place.write::<L>()));
        }
        items.extend(fresh.into_iter().map(|entry| entry.item));
        // What the caller has and this page no longer shows was pushed to a later one by what came, or is gone.
        place
            .shown
            .retain(|id| known.iter().all(|entry| entry.id != *id));
        let question = place.question;
        let Some(next) = place.after(page.next, L::QUESTIONS) else {
            return Ok((items, String::new()));
        };
        place = next;
        if items.len() == max || items.len() >= smallest && place.question == question {
            return Ok((items, place.write::<L>()));
        }
    }
}

/// At most how many entries; 0 in the request means no limit, for which the largest page is one.
fn most<L: List>(max_entries: i32) -> Result<usize, InvalidRequest> {
    let largest = usize::from(L::LARGEST_PAGE);
    match usize::try_from(max_entries) {
        Ok(0) => Ok(largest),
        Ok(max) => Ok(max.min(largest)),
        Err(_) => Err(InvalidRequest::value(
            "max_entries",
            max_entries.to_string(),
            "it must not be negative; 0 means no limit",
        )),
    }
}

impl Place {
    fn beginning(question: u8, max: u16) -> Self {
        Self {
            question,
            size: max.max(SMALLEST_PAGE),
            token: None,
            shown: Vec::new(),
        }
    }

    /// The page after this one: `token`'s, or where there is none the next question's first.
    fn after(self, token: Option<String>, questions: u8) -> Option<Self> {
        match token {
            Some(token) => Some(Self {
                token: Some(token),
                ..self
            }),
            None if self.question + 1 < questions => {
                Some(Self::beginning(self.question + 1, self.size))
            }
            None => None,
        }
    }

    fn write<L: List>(&self) -> String {
        let token = self.token.as_deref().unwrap_or_default();
        let shown = self.shown.join(",");
        format!(
            "{}2:{}:{}:{shown}:{token}",
            L::MARK,
            self.question,
            self.size
        )
    }

    /// `None` for what is not a token of this list.
    fn read<L: List>(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix(L::MARK)?.splitn(5, ':');
        (parts.next()? == "2").then_some(())?;
        let question = number(parts.next()?)?;
        let size = number(parts.next()?)?;
        let shown = parts.next()?;
        let token = parts.next()?;
        let known = question < L::QUESTIONS && (SMALLEST_PAGE..=L::LARGEST_PAGE).contains(&size);
        known.then(|| Self {
            question,
            size,
            token: (!token.is_empty()).then(|| token.to_owned()),
            shown: match shown {
                "" => Vec::new(),
                ids => ids.split(',').map(str::to_owned).collect(),
            },
        })
    }
}

/// A number as [`Place::write`] writes it.
fn number<T: FromStr>(text: &str) -> Option<T> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests;
