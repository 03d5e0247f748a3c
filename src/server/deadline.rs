//! Until when the caller of an RPC waits, for what is done on its behalf.
//!
//! Answers for: reading `grpc-timeout`. Doesn't answer for: ending an RPC at its deadline, which the transport does, and what
//! is not begun for want of time (`ec2`).

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use ec2::Caller;
use tokio::time::Instant;
use tonic::codegen::http::{HeaderMap, Request};
use tower::{Layer, Service};

use crate::telemetry::known_method;

/// Wraps a service in [`Deadline`].
#[derive(Clone, Copy, Debug)]
pub(super) struct DeadlineLayer;

impl<S> Layer<S> for DeadlineLayer {
    type Service = Deadline<S>;

    fn layer(&self, inner: S) -> Deadline<S> {
        Deadline { inner }
    }
}

/// A gRPC service whose calls know who waits for them, and until when.
#[derive(Clone, Debug)]
pub(super) struct Deadline<S> {
    inner: S,
}

impl<S, In> Service<Request<In>> for Deadline<S>
where
    S: Service<Request<In>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<In>) -> Self::Future {
        let method = request.uri().path().rsplit('/').next();
        let caller = Caller {
            method: known_method(method.unwrap_or_default()),
            deadline: timeout(request.headers()).and_then(|left| Instant::now().checked_add(left)),
        };
        // The service's own future does nothing before it is awaited.
        Box::pin(caller.scope(self.inner.call(request)))
    }
}

/// The header `grpc-timeout` of gRPC over HTTP/2: up to eight digits and a unit. `None` where it is not there, or is none.
fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let digits =
        (1..=8).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
    let count: u64 = number.parse().ok().filter(|_| digits)?;
    match unit {
        "H" => Some(Duration::from_hours(count)),
        "M" => Some(Duration::from_mins(count)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("60S", Some(Duration::from_mins(1)))]
    #[case("59999m", Some(Duration::from_millis(59_999)))]
    #[case("59999123u", Some(Duration::from_micros(59_999_123)))]
    #[case("5n", Some(Duration::from_nanos(5)))]
    #[case("2H", Some(Duration::from_hours(2)))]
    #[case("99999999H", Some(Duration::from_hours(99_999_999)))]
    #[case("3M", Some(Duration::from_mins(3)))]
    #[case("0S", Some(Duration::ZERO))]
    #[case("", None)]
    #[case("S", None)]
    #[case("60", None)]
    #[case("-1S", None)]
    #[case("+1S", None)]
    #[case("1 S", None)]
    #[case("123456789m", None)]
    fn timeouts_are_read_as_grpc_writes_them(#[case] text: &str, #[case] read: Option<Duration>) {
        let mut headers = HeaderMap::new();
        assert_eq!(timeout(&headers), None);
        headers.insert("grpc-timeout", text.parse().unwrap());
        assert_eq!(timeout(&headers), read);
    }
}
