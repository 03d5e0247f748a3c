//! The endpoint of EC2 and of the EBS direct APIs: HTTP in, calls to the engine, HTTP out.
//!
//! Answers for: connections (including those reset on purpose), the shape of requests, counting and noting calls; telling a browser
//! that wants the page from a program that calls EC2.
//! Doesn't answer for: what parameters and replies look like (`wire`), what calls do (`state`), the page (`page`).

mod connection;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use ebs_types::Region;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Body;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::engine::{Engine, Heard, Outcome, Verdict};
use crate::iam::Policy;
use crate::model::{ApiError, Reply};
use crate::page;
use crate::wire::{self, Action, Call, Form, direct};

/// The largest request body read; EC2's parameters are far smaller.
const BODY_MAX: usize = 1 << 20;

/// The EC2 endpoint of one emulator.
#[derive(Debug)]
pub(crate) struct Front {
    engine: Arc<Engine>,
    default_region: Region,
    /// What those who sign their calls may do, if that is not everything.
    policy: Option<Policy>,
    requests: AtomicU64,
}

/// The caller gets no answer: its connection is reset.
#[derive(Debug, thiserror::Error)]
#[error("the connection is reset on purpose")]
pub(crate) struct Reset;

impl Front {
    /// A front to the engine. Requests that are signed for no region are for the default one.
    pub(crate) fn new(
        engine: Arc<Engine>,
        default_region: Region,
        policy: Option<Policy>,
    ) -> Arc<Self> {
        Arc::new(Self {
            engine,
            default_region,
            policy,
            requests: AtomicU64::new(0),
        })
    }

    /// Accepts connections until `stop`.
    pub(crate) async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        stop: CancellationToken,
        tasks: TaskTracker,
    ) {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stop.cancelled() => return,
            };
            match accepted {
                Ok((stream, _peer)) => {
                    let (front, stop) = (Arc::clone(&self), stop.clone());
                    tasks.spawn(connection::serve(stream, front, stop));
                }
                Err(error) => {
                    // Out of descriptors, most likely: let some be closed before the next try.
                    tracing::warn!(error = %error, "a connection could not be accepted");
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
            }
        }
    }

    /// Answers a request.
    pub(crate) async fn answer<B: Readable>(
        &self,
        request: Request<B>,
    ) -> Result<Response<Full<Bytes>>, Reset> {
        if page::is_for(request.method(), request.uri()) {
            return Ok(page::answer(&self.engine, request.uri(), request.headers()));
        }
        let number = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let id = format!("00000000-0000-4000-8000-{number:012x}");
        let authorization = request.headers().get(AUTHORIZATION);
        let caller = Caller {
            signed: authorization.is_some(),
            region: authorization
                .and_then(|value| wire::signed_region(value.to_str().ok()?))
                .unwrap_or_else(|| self.default_region.clone()),
        };
        let query = request.uri().query().unwrap_or_default();
        let asked = direct::read(request.uri().path(), query);
        let mut response = match asked {
            Some((action, call)) if request.method() == Method::GET => {
                let given = direct::parameters(request.uri().path(), query);
                let given = given.iter().map(|(name, value)| (&**name, &**value));
                let heard = self.hear(&caller, &id, action.as_str(), given);
                direct_response(self.act(&caller, action, call, heard).await)
            }
            _ => self.query(&caller, request, &id).await,
        }?;
        if let Ok(id) = id.parse() {
            response.headers_mut().insert("x-amzn-requestid", id);
        }
        Ok(response)
    }

    /// Answers a request of the Query protocol.
    async fn query<B: Readable>(
        &self,
        caller: &Caller,
        request: Request<B>,
        id: &str,
    ) -> Result<Response<Full<Bytes>>, Reset> {
        let (status, document) = match self.query_reply(caller, request, id).await {
            Ok(document) => (200, document),
            Err(Refusal::Reset) => return Err(Reset),
            Err(Refusal::Error(error)) => {
                tracing::debug!(ec2.request_id = id, ec2.code = error.code, "call refused");
                (error.status, wire::error(&error, id))
            }
        };
        Ok(response(status, "text/xml;charset=UTF-8", document))
    }

    async fn query_reply<B: Readable>(
        &self,
        caller: &Caller,
        request: Request<B>,
        id: &str,
    ) -> Result<String, Refusal> {
        let mut form = match read_form(request).await {
            Ok(form) => form,
            Err(error) => {
                let heard = self.hear(caller, id, "", std::iter::empty());
                return Err(self.unread(heard, error));
            }
        };
        let name = form.get("Action").unwrap_or_default();
        let given = form.entries().filter(|(name, _)| *name != "Action");
        let heard = self.hear(caller, id, name, given);
        let action = match wire::action(&mut form) {
            Ok(action) => action,
            Err(error) => return Err(self.unread(heard, error)),
        };
        let call = wire::read(action, form);
        let reply = self.act(caller, action, call, heard).await?;
        Ok(wire::reply(action, &reply, id))
    }

    /// Remembers a call until it has ended.
    fn hear<'a>(
        &self,
        caller: &Caller,
        id: &str,
        action: &str,
        parameters: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Heard {
        let place = (id, self.engine.time(), &caller.region);
        Heard::new(place, action, parameters)
    }

    /// Notes a request that calls nothing that there is. It is not counted: there is no action to count it with.
    fn unread(&self, heard: Heard, error: ApiError) -> Refusal {
        let outcome = Outcome::Error(error.clone());
        let now = self.engine.time();
        self.engine.inner().log.add(heard, now, &outcome);
        error.into()
    }

    /// Takes a call, if it could be read, to its end, and counts and notes it.
    async fn act(
        &self,
        caller: &Caller,
        action: Action,
        call: Result<Call, ApiError>,
        heard: Heard,
    ) -> Result<Box<Reply>, Refusal> {
        let outcome = match call {
            Err(error) => Outcome::Error(error),
            Ok(call) => match self.authorize(caller, action, &call) {
                Ok(()) => self.engine.call(&caller.region, action, &call).await,
                Err(denied) => Outcome::Error(denied),
            },
        };
        let now = self.engine.time();
        {
            let mut inner = self.engine.inner();
            inner.calls.count(action, verdict(&outcome));
            inner.log.add(heard, now, &outcome);
        }
        match outcome {
            Outcome::Reply(reply) => Ok(reply),
            Outcome::Error(error) => Err(error.into()),
            Outcome::Reset => Err(Refusal::Reset),
        }
    }

    fn authorize(&self, caller: &Caller, action: Action, call: &Call) -> Result<(), ApiError> {
        let region = &caller.region;
        let Some(policy) = self.policy.as_ref().filter(|_| caller.signed) else {
            return Ok(());
        };
        match self.engine.inner().world.region(region) {
            Some(state) => policy.check(region, state, action, call),
            // A region that is not served is refused where that is known.
            None => Ok(()),
        }
    }
}

/// A body that a request can have: what comes over a connection, or bytes that are there.
pub(crate) trait Readable: Body<Data = Bytes, Error: Into<BoxError>> {}

impl<B: Body<Data = Bytes, Error: Into<BoxError>>> Readable for B {}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Who calls.
struct Caller {
    /// Whether it says who it is; who does not is the administrator.
    signed: bool,
    /// Where to.
    region: Region,
}

fn response(status: u16, kind: &'static str, document: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(document)));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// What the EBS direct APIs answer.
fn direct_response(reply: Result<Box<Reply>, Refusal>) -> Result<Response<Full<Bytes>>, Reset> {
    const JSON: &str = "application/json";
    match reply {
        Ok(reply) => Ok(response(200, JSON, direct::reply(&reply))),
        Err(Refusal::Reset) => Err(Reset),
        Err(Refusal::Error(error)) => {
            let mut refusal = response(error.status, JSON, direct::error(&error));
            if let Ok(kind) = HeaderValue::from_str(direct::error_type(&error)) {
                refusal.headers_mut().insert("x-amzn-errortype", kind);
            }
            Ok(refusal)
        }
    }
}

/// Why a request has no reply.
enum Refusal {
    Error(ApiError),
    Reset,
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self::Error(error)
    }
}

fn verdict(outcome: &Outcome) -> Verdict {
    match outcome {
        Outcome::Reply(_) => Verdict::Succeeded,
        Outcome::Reset => Verdict::Reset,
        Outcome::Error(error) if error.code == "DryRunOperation" => Verdict::DryRun,
        Outcome::Error(error) => Verdict::Failed(error.code.clone()),
    }
}

/// The parameters, from the query string and the body.
async fn read_form<B: Readable>(request: Request<B>) -> Result<Form, ApiError> {
    if !matches!(*request.method(), Method::GET | Method::POST) {
        return Err(ApiError {
            code: "UnsupportedHttpVerb".to_owned(),
            message: format!("{} is not a method of this service", request.method()),
            status: 405,
        });
    }
    let query = request.uri().query().unwrap_or_default().to_owned();
    let body = Limited::new(request.into_body(), BODY_MAX)
        .collect()
        .await
        .map_err(|error| {
            ApiError::client(
                "MalformedQueryString",
                format!("The request body cannot be read: {error}"),
            )
        })?
        .to_bytes();
    Form::read(&[query.as_bytes(), &body])
}
