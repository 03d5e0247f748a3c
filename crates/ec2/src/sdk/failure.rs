//! Failures as the SDK reports them, read into [`Ec2Error`].
//!
//! Answers for: whether anything was sent before a call without an answer failed.
//! Doesn't answer for: what EC2's codes mean (`classify`).

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_ec2::config::http::HttpResponse;
use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ec2::operation::RequestId as _;
use hyper_util::client::legacy::Error as ClientError;

use crate::{Action, Ec2Error, ErrorKind, Outcome};

/// What a failed attempt means.
pub(super) fn read<E>(action: Action, error: &SdkError<E, HttpResponse>) -> Ec2Error
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let (status, code, words) = match error {
        SdkError::ServiceError(refusal) => {
            let meta = refusal.err().meta();
            let words = meta
                .message()
                .map_or_else(|| chain(refusal.err()), str::to_owned);
            (refusal.raw().status(), meta.code(), words)
        }
        SdkError::ResponseError(unread) => (unread.raw().status(), None, chain(error)),
        SdkError::TimeoutError(_) => return without_answer(action, Sent::Perhaps, error),
        SdkError::ConstructionFailure(_) => {
            let sent = match how_far(error) {
                Sent::Perhaps => Sent::No,
                known => known,
            };
            return without_answer(action, sent, error);
        }
        _ => return without_answer(action, how_far(error), error),
    };
    Ec2Error::from_answer(action, status.as_u16(), code, &words, error.request_id())
}

/// The error for a reply that came and is of no use, for this reason.
pub(super) fn unreadable(action: Action, reason: &str, request_id: Option<&str>) -> Ec2Error {
    let mut error = Ec2Error::unanswered(action, &format!("unreadable reply: {reason}"));
    error.kind = ErrorKind::Unreadable;
    error.request_id = request_id.map(str::to_owned);
    error
}

/// How far a call came that got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    /// Nothing was sent.
    No,
    /// Nothing was sent, since there are no credentials and there will be none until somebody configures them.
    NoCredentials,
    /// EC2 may have got it.
    Perhaps,
}

/// How far a call came, by what its error was caused by.
fn how_far(error: &(dyn Error + 'static)) -> Sent {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    for cause in causes {
        if let Some(error) = cause.downcast_ref::<CredentialsError>() {
            return match error {
                CredentialsError::CredentialsNotLoaded(_)
                | CredentialsError::InvalidConfiguration(_) => Sent::NoCredentials,
                // Instance metadata or STS did not answer just now.
                _ => Sent::No,
            };
        }
        if cause
            .downcast_ref::<ClientError>()
            .is_some_and(ClientError::is_connect)
        {
            return Sent::No;
        }
    }
    Sent::Perhaps
}

fn without_answer(action: Action, sent: Sent, error: &(dyn Error + 'static)) -> Ec2Error {
    let mut read = Ec2Error::unanswered(action, &chain(error));
    match sent {
        Sent::Perhaps => {}
        Sent::No => read.outcome = Outcome::NotDone,
        Sent::NoCredentials => {
            read.outcome = Outcome::NotDone;
            read.kind = ErrorKind::Unauthorized;
        }
    }
    read
}

/// The words of an error and of its causes, each once. (The SDK's own rendering adds a debug view that quotes the reply.)
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut words: Vec<String> = Vec::new();
    for cause in std::iter::successors(Some(error), |error| (*error).source()) {
        let text = cause.to_string();
        if !words.iter().any(|said| said.contains(&text)) {
            words.push(text);
        }
    }
    words.join(": ")
}
