//! A server for tests that gives prepared answers to calls of EC2 and EBS, one connection for each, and keeps what was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use aws_config::Region;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_smithy_http_client::Builder as HttpBuilder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;

use super::SdkEc2;
use super::connect::{Plan, app_name, loader};
use crate::pace::Pacer;

/// What happens to one call.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    /// An answer with this status and body.
    Answer(u16, String),
    /// The connection is closed once the request has been read.
    Lost,
}

/// EC2's error document.
pub(super) fn refusal(status: u16, code: &str, message: &str) -> Reply {
    Reply::Answer(
        status,
        format!(
            "<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>\
             <RequestID>req-7</RequestID></Response>"
        ),
    )
}

/// EC2's answer to a call that it did, with this inside.
pub(super) fn done(action: &str, inside: &str) -> Reply {
    Reply::Answer(
        200,
        format!("<{action}Response><requestId>req-7</requestId>{inside}</{action}Response>"),
    )
}

pub(super) struct Server {
    /// A client of it.
    pub(super) ec2: SdkEc2,
    requests: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Server {
    /// Serves these replies, one a call; further calls find the connection closed.
    pub(super) async fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let mut replies: VecDeque<Reply> = replies.into_iter().collect();
        let task = tokio::spawn({
            let requests = Arc::clone(&requests);
            async move {
                loop {
                    let (mut stream, _) = listener.accept().await.unwrap();
                    let body = read_request(&mut stream).await;
                    requests.lock().unwrap().push(body);
                    if let Some(Reply::Answer(status, body)) = replies.pop_front() {
                        let length = body.len();
                        let head = format!(
                            "HTTP/1.1 {status} x\r\ncontent-length: {length}\r\n\
                             x-amzn-requestid: req-7\r\nconnection: close\r\n\r\n"
                        );
                        stream.write_all((head + &body).as_bytes()).await.unwrap();
                    }
                }
            }
        });
        Self {
            ec2: client(&url).await,
            requests,
            task,
        }
    }

    /// The requests so far, by their bodies, or by their first lines where they have none; forgets them.
    pub(super) fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A client of the EC2 at `url`, with made-up credentials.
pub(super) async fn client(url: &str) -> SdkEc2 {
    let credentials = Credentials::new("none", "secret", None, None, "test");
    client_with(url, credentials).await
}

/// A client of the EC2 at `url` that gets its credentials from here.
pub(super) async fn client_with(
    url: &str,
    credentials: impl ProvideCredentials + 'static,
) -> SdkEc2 {
    let plan = Plan {
        region: Region::new("eu-central-1"),
        endpoint: Some(url.to_owned()),
        blocks_endpoint: Some(url.to_owned()),
        imds: None,
        proxy: None,
        app_name: app_name(None).unwrap(),
    };
    let http = HttpBuilder::new().build_http();
    let config = loader(http, plan.region.clone(), plan.app_name.clone())
        .credentials_provider(credentials)
        .load()
        .await;
    SdkEc2 {
        plan: Arc::new(plan),
        shared: Arc::new(OnceCell::new_with(Some(config))),
        client: Arc::default(),
        blocks: Arc::default(),
        pacer: Pacer::new(None),
    }
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).await.unwrap();
        bytes.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            assert!(count > 0, "the client left amid its request");
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| {
                line.to_lowercase()
                    .strip_prefix("content-length: ")?
                    .parse()
                    .ok()
            })
            .unwrap_or(0);
        if length == 0 {
            return head.lines().next().unwrap_or_default().to_owned();
        }
        if body.len() >= length {
            return body.to_owned();
        }
    }
}
