//! Failures in words.
//!
//! Answers for: an error with all its causes on one line, none told twice.
//! Doesn't answer for: where it is shown.

use tonic::Status;

/// The error and its causes. Many errors tell their cause themselves, and a [`Status`] has the transport's innards behind it.
#[must_use]
pub fn words(error: &anyhow::Error) -> String {
    let mut told = String::new();
    for cause in error.chain() {
        let status = cause.downcast_ref::<Status>();
        let words = status.map_or_else(|| cause.to_string(), answer);
        if !told.ends_with(&words) {
            if !told.is_empty() {
                told.push_str(": ");
            }
            told.push_str(&words);
        }
        if status.is_some() {
            break;
        }
    }
    told
}

/// A call's answer that is an error.
#[must_use]
pub fn answer(status: &Status) -> String {
    format!("{:?}: {}", status.code(), status.message())
}

#[cfg(test)]
mod tests {
    use std::io;

    use anyhow::Context as _;
    use host::loop_device::LoopError;

    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        let refused = LoopError::Io {
            action: "open",
            path: "/dev/loop0".into(),
            source: io::Error::other("permission denied"),
        };
        let error = anyhow::Error::new(refused).context("step 1");
        assert_eq!(
            words(&error),
            "step 1: cannot open \"/dev/loop0\": permission denied"
        );
    }

    #[test]
    fn a_status_is_its_code_and_message() {
        let status: Result<(), _> = Err(Status::not_found("no volume vol-1"));
        let error = status.context("NodeStageVolume").unwrap_err();
        assert_eq!(words(&error), "NodeStageVolume: NotFound: no volume vol-1");
    }
}
