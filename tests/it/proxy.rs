//! The way to AWS through a proxy: what goes over TLS takes it, by a tunnel, and nothing else does.

use std::path::Path;
use std::time::Duration;

use lab::orchestrator::{Controller, Order, Use};
use lab::program::Program;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

/// How long something may take that should happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// Somebody who notes what each connection begins with, and refuses.
struct Listener {
    address: String,
    heard: UnboundedReceiver<Vec<u8>>,
}

impl Listener {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (tell, heard) = unbounded_channel();
        tokio::spawn(async move {
            while let Ok((mut socket, _peer)) = listener.accept().await {
                let tell = tell.clone();
                tokio::spawn(async move {
                    let mut begin = vec![0; 4096];
                    let Ok(length) = socket.read(&mut begin).await else {
                        return;
                    };
                    begin.truncate(length);
                    let refusal = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n";
                    let _ = socket.write_all(refusal).await;
                    // Whoever has seen enough is gone.
                    let _ = tell.send(begin);
                });
            }
        });
        Self { address, heard }
    }

    async fn first(&mut self) -> Vec<u8> {
        let first = timeout(PATIENCE, self.heard.recv()).await;
        first.expect("nobody came").unwrap()
    }

    fn heard_nothing(&mut self) -> bool {
        self.heard.try_recv().is_err()
    }
}

/// A controller that has a volume to make.
struct Bed {
    program: Program,
    dir: TempDir,
}

impl Bed {
    async fn start(change: impl FnOnce(&mut Program)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = Path::new(env!("CARGO_BIN_EXE_ebs-csi"));
        let socket = dir.path().join("controller.sock");
        let log = dir.path().join("controller.log");
        let mut program = Program::driver("controller", path, "controller", &socket, log);
        program
            .option("--region", "eu-central-1")
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("KUBERNETES_SERVICE_HOST", "")
            .env("CSI_NODE_NAME", "")
            .env("NO_PROXY", "");
        change(&mut program);
        program.start().await.unwrap();
        let controller = Controller::at(&socket).unwrap();
        tokio::spawn(async move {
            let order = Order::new("pvc-1", 1, Use::Ext4, "eu-central-1a");
            controller.create(&order).await
        });
        Self { program, dir }
    }

    /// Ends it; its log.
    async fn end(self) -> String {
        let log = self.dir.path().join("controller.log");
        let program = self.program;
        program.stop(Duration::from_secs(5)).await;
        std::fs::read_to_string(log).unwrap()
    }
}

#[tokio::test]
async fn ec2_is_called_through_a_tunnel_of_the_proxy() {
    let mut proxy = Listener::start().await;
    let url = format!("http://user:secret@{}", proxy.address);
    let bed = Bed::start(|program| {
        program.env("HTTPS_PROXY", &url);
    })
    .await;
    let head = String::from_utf8(proxy.first().await).unwrap();
    let mut lines = head.lines();
    let asked = "CONNECT ec2.eu-central-1.amazonaws.com:443 HTTP/1.1";
    assert_eq!(lines.next(), Some(asked), "{head}");
    let proof = "proxy-authorization: basic dxnlcjpzzwnyzxq=";
    assert!(lines.any(|line| line.to_lowercase() == proof), "{head}");
    let log = bed.end().await;
    assert!(!log.contains("secret"), "{log}");
}

#[tokio::test]
async fn hosts_that_are_named_are_called_without_it() {
    let (mut proxy, mut ec2) = (Listener::start().await, Listener::start().await);
    let url = format!("http://{}", proxy.address);
    let endpoint = format!("https://{}", ec2.address);
    let bed = Bed::start(|program| {
        program
            .option("--ec2-endpoint", endpoint)
            .env("https_proxy", &url)
            .env("NO_PROXY", "example.com,127.0.0.0/8");
    })
    .await;
    // TLS begins at once: a record of a handshake.
    assert_eq!(ec2.first().await.first(), Some(&0x16));
    assert!(proxy.heard_nothing());
    bed.end().await;
}

#[tokio::test]
async fn instance_metadata_is_asked_without_it() {
    let (mut proxy, mut imds) = (Listener::start().await, Listener::start().await);
    let url = format!("http://{}", proxy.address);
    let endpoint = format!("http://{}", imds.address);
    let bed = Bed::start(|program| {
        program
            .option("--imds-endpoint", endpoint)
            .env("AWS_ACCESS_KEY_ID", "")
            .env("AWS_SECRET_ACCESS_KEY", "")
            .env("HTTPS_PROXY", &url);
    })
    .await;
    let head = String::from_utf8(imds.first().await).unwrap();
    assert!(head.starts_with("PUT /latest/api/token "), "{head}");
    assert!(proxy.heard_nothing());
    bed.end().await;
}

#[tokio::test]
async fn what_is_no_proxy_is_told_at_the_start_without_its_password() {
    let dir = tempfile::tempdir().unwrap();
    let path = Path::new(env!("CARGO_BIN_EXE_ebs-csi"));
    let socket = dir.path().join("controller.sock");
    let log = dir.path().join("controller.log");
    let mut program = Program::driver("controller", path, "controller", &socket, log.clone());
    program
        .option("--region", "eu-central-1")
        .env("HTTPS_PROXY", "socks5://user:secret@proxy:1080");
    assert!(program.start().await.is_err());
    let log = std::fs::read_to_string(log).unwrap();
    assert!(
        log.contains("HTTPS_PROXY") && log.contains("http://HOST:PORT"),
        "{log}"
    );
    assert!(!log.contains("secret"), "{log}");
}
