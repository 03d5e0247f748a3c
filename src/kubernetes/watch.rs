//! Watches: the API server tells of a change when it comes, so that nobody has to ask again and again.
//!
//! Answers for: learning that one object is gone. Doesn't answer for: beginning anew, whoever watches has to be able to list.

use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::StatusCode;
use hyper::body::Incoming;
use serde::Deserialize;

use super::KubernetesError;
use super::error::Rule;
use super::list::escaped;
use super::objects::Refusal;
use super::session::{Ask, Content, LARGEST_ANSWER, Session, TIMEOUT};

/// How a watch has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watched {
    /// The object is gone.
    Gone,
    /// It is there, and the time of this watch is over.
    There,
    /// The API server does not remember so far back: list anew.
    Forgotten,
}

/// A line of a watch (Kubernetes API reference: WatchEvent v1).
#[derive(Debug, Deserialize)]
struct Line {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    object: Failure,
}

/// What the line of an error has for its object; other objects are not read.
#[derive(Debug, Default, Deserialize)]
struct Failure {
    code: Option<u16>,
    message: Option<String>,
}

impl Session {
    /// Waits until the object of this name is gone, from how it was at `version` of its list on, for `lasts` at most (whole
    /// seconds).
    pub(super) async fn until_gone(
        &self,
        rule: Rule,
        name: &str,
        version: &str,
        lasts: Duration,
    ) -> Result<Watched, KubernetesError> {
        let ask = Ask {
            rule,
            path: format!(
                "{}?watch=true&fieldSelector={}&resourceVersion={}&timeoutSeconds={}",
                rule.resource,
                escaped(&format!("metadata.name={name}")),
                escaped(version),
                lasts.as_secs().max(1),
            ),
            name,
            content: Content::Nothing,
        };
        // The API server ends a watch in time; one that can't be reached any more does not say so.
        let patience = lasts + TIMEOUT;
        let watch = tokio::time::timeout(patience, self.follow(ask)).await;
        watch.unwrap_or_else(|_elapsed| {
            Err(self.no_answer(format!("a watch did not end within {patience:?}")))
        })
    }

    async fn follow(&self, ask: Ask<'_>) -> Result<Watched, KubernetesError> {
        let (rule, name) = (ask.rule, ask.name);
        let response = self.send(&ask).await?;
        let status = response.status();
        let mut lines = Lines::of(response.into_body());
        if !status.is_success() {
            let answer = self.next_line(rule, &mut lines).await?.unwrap_or_default();
            let Refusal { message } = serde_json::from_slice(&answer).unwrap_or_default();
            return ended(status, message, rule, name);
        }
        while let Some(line) = self.next_line(rule, &mut lines).await? {
            let line: Line =
                serde_json::from_slice(&line).map_err(|error| unreadable(rule, &error))?;
            match line.kind.as_str() {
                "DELETED" => return Ok(Watched::Gone),
                "ERROR" => {
                    let Failure { code, message } = line.object;
                    let code = code.and_then(|code| StatusCode::from_u16(code).ok());
                    let status = code.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                    return ended(status, message.unwrap_or_default(), rule, name);
                }
                _ => {}
            }
        }
        Ok(Watched::There)
    }

    async fn next_line(
        &self,
        rule: Rule,
        lines: &mut Lines,
    ) -> Result<Option<Vec<u8>>, KubernetesError> {
        match lines.next().await {
            Ok(line) => Ok(line),
            Err(LineError::Cut(error)) => Err(self.no_answer(error.to_string())),
            Err(error @ LineError::TooLong) => Err(unreadable(rule, &error)),
        }
    }
}

/// What a refusal means to who watches.
fn ended(
    status: StatusCode,
    message: String,
    rule: Rule,
    name: &str,
) -> Result<Watched, KubernetesError> {
    match status {
        StatusCode::GONE => Ok(Watched::Forgotten),
        _ => Err(KubernetesError::refused(status, message, rule, name)),
    }
}

fn unreadable(rule: Rule, error: &dyn std::error::Error) -> KubernetesError {
    KubernetesError::Unreadable {
        rule,
        reason: error.to_string(),
    }
}

/// Why there is no next line.
#[derive(Debug, thiserror::Error)]
enum LineError {
    #[error(transparent)]
    Cut(#[from] hyper::Error),
    #[error("a line is longer than any object that Kubernetes stores")]
    TooLong,
}

/// A body that comes line by line.
struct Lines {
    body: Incoming,
    /// What has come of the next lines.
    read: Vec<u8>,
}

impl Lines {
    fn of(body: Incoming) -> Self {
        Self {
            body,
            read: Vec::new(),
        }
    }

    /// The next line, without its end; `None` after the last one.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, LineError> {
        loop {
            if let Some(at) = self.read.iter().position(|byte| *byte == b'\n') {
                let rest = self.read.split_off(at + 1);
                let mut line = std::mem::replace(&mut self.read, rest);
                line.truncate(at);
                return Ok(Some(line));
            }
            if self.read.len() > LARGEST_ANSWER {
                return Err(LineError::TooLong);
            }
            match self.body.frame().await {
                Some(frame) => {
                    if let Ok(data) = frame?.into_data() {
                        self.read.extend_from_slice(&data);
                    }
                }
                None if self.read.is_empty() => return Ok(None),
                None => return Ok(Some(std::mem::take(&mut self.read))),
            }
        }
    }
}
