//! Session tokens of the metadata service: handed out with a life time, forgotten after it.
//!
//! Answers for: tokens that cannot be guessed and are worth nothing once they have expired. Doesn't answer for: HTTP.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::ops::RangeInclusive;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Seconds that a token may live: up to six hours.
const TTL_SECONDS: RangeInclusive<u64> = 1..=21_600;

/// The tokens in use and when each ends.
#[derive(Debug, Default)]
pub(super) struct Tokens(Mutex<HashMap<String, Instant>>);

/// The life time that a header asks for, if it may be had.
pub(super) fn parse_ttl(header: &str) -> Option<Duration> {
    let seconds = header.trim().parse().ok()?;
    TTL_SECONDS
        .contains(&seconds)
        .then(|| Duration::from_secs(seconds))
}

impl Tokens {
    /// A new token.
    pub(super) fn issue(&self, ttl: Duration) -> String {
        let token = random_token();
        let now = Instant::now();
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.retain(|_, end| *end > now);
        tokens.insert(token.clone(), now + ttl);
        token
    }

    /// Whether the token was issued here and still lives.
    pub(super) fn is_valid(&self, token: &str) -> bool {
        let tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.get(token).is_some_and(|end| *end > Instant::now())
    }
}

/// Begins as EC2's do and is as long: 56 characters. The standard library keys its hashers at random.
fn random_token() -> String {
    let word = |n: u64| format!("{:016x}", RandomState::new().hash_one(n));
    let words: String = (0..3).map(word).collect();
    format!("AQAEA{words}A==")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn tokens_end() {
        let tokens = Tokens::default();
        let token = tokens.issue(Duration::from_secs(10));
        assert_eq!(token.len(), 56);
        assert!(tokens.is_valid(&token));
        assert!(!tokens.is_valid("AQAEA"));
        tokio::time::advance(Duration::from_secs(10)).await;
        assert!(!tokens.is_valid(&token));
    }

    #[test]
    fn life_times_are_checked() {
        for (header, seconds) in [("1", Some(1)), ("21600", Some(21_600))] {
            assert_eq!(parse_ttl(header), seconds.map(Duration::from_secs));
        }
        for bad in ["", "0", "21601", "-1", "1h", "1.5"] {
            assert_eq!(parse_ttl(bad), None, "{bad}");
        }
    }
}
