//! Pages over a real socket.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinHandle;

use super::*;
use crate::server::Endpoint;

struct Served {
    address: SocketAddr,
    stop: CancellationToken,
    server: JoinHandle<()>,
}

impl Served {
    async fn start() -> Self {
        let listener = HttpListener::bind("127.0.0.1:0".parse().unwrap());
        let listener = listener.await.unwrap();
        let address = listener.address().unwrap();
        let stop = CancellationToken::new();
        let pages = Pages {
            metrics: Metrics::new(),
            health: Health::new(Endpoint::Unix("/nowhere/csi.sock".into())),
        };
        let server = tokio::spawn(listener.serve(pages, stop.clone()));
        Self {
            address,
            stop,
            server,
        }
    }

    async fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("{request} HTTP/1.1\r\nHost: x\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

#[tokio::test]
async fn each_page_has_its_status() {
    let served = Served::start().await;
    for (request, status) in [
        ("GET /metrics", "200 OK"),
        ("HEAD /metrics", "200 OK"),
        ("POST /metrics", "405 Method Not Allowed"),
        ("DELETE /healthz", "405 Method Not Allowed"),
        ("GET /healthz", "503 Service Unavailable"),
        ("GET /", "404 Not Found"),
        ("POST /metricsx", "404 Not Found"),
    ] {
        let answer = served.ask(request).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}\r\n")),
            "{request}: {answer}"
        );
    }
    let head = served.ask("HEAD /metrics").await;
    assert!(head.ends_with("\r\n\r\n"), "{head}");
    let refused = served.ask("PUT /metrics").await;
    assert!(refused.contains("allow: GET, HEAD"), "{refused}");
}

#[tokio::test]
async fn idle_connections_leave_places_for_others_once_their_time_is_over() {
    tokio::time::pause();
    let served = Served::start().await;
    let mut idle = Vec::new();
    for _ in 0..MOST_CONNECTIONS {
        idle.push(TcpStream::connect(served.address).await.unwrap());
    }
    let answer = served.ask("GET /metrics").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn it_ends_when_told_to() {
    let served = Served::start().await;
    served.stop.cancel();
    served.server.await.unwrap();
    assert!(TcpStream::connect(served.address).await.is_err());
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let served = Served::start().await;
    let address = HttpAddress::One(served.address);
    let error = HttpListener::bind(address).await.err().unwrap().to_string();
    assert!(error.contains(&served.address.to_string()), "{error}");
    assert!(error.contains("--http-endpoint"), "{error}");
}
