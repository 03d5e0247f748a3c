//! Serving and draining, over real sockets.

use std::path::PathBuf;
use std::sync::Arc;

use csi::v1::identity_client::IdentityClient;
use csi::v1::identity_server::{Identity, IdentityServer};
use csi::v1::{
    GetPluginCapabilitiesRequest, GetPluginCapabilitiesResponse, GetPluginInfoRequest,
    GetPluginInfoResponse, ProbeRequest, ProbeResponse,
};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use super::listener::BindError;
use super::*;
use crate::telemetry::Metrics;

/// An Identity service whose Probe answers only when let go.
#[derive(Clone, Default)]
struct Slow {
    began: Arc<Notify>,
    go: Arc<Notify>,
}

#[tonic::async_trait]
impl Identity for Slow {
    async fn get_plugin_info(
        &self,
        _: Request<GetPluginInfoRequest>,
    ) -> Result<Response<GetPluginInfoResponse>, Status> {
        Ok(Response::new(GetPluginInfoResponse::default()))
    }

    async fn get_plugin_capabilities(
        &self,
        _: Request<GetPluginCapabilitiesRequest>,
    ) -> Result<Response<GetPluginCapabilitiesResponse>, Status> {
        Err(Status::internal("not here"))
    }

    async fn probe(&self, _: Request<ProbeRequest>) -> Result<Response<ProbeResponse>, Status> {
        self.began.notify_one();
        self.go.notified().await;
        Ok(Response::new(ProbeResponse::default()))
    }
}

struct Served {
    _directory: tempfile::TempDir,
    path: PathBuf,
    slow: Slow,
    stop: oneshot::Sender<()>,
    server: JoinHandle<Result<(), ServeError>>,
}

impl Served {
    async fn start(drain: Duration) -> Self {
        Self::start_with(std::future::ready(()), drain).await
    }

    async fn start_with(rest: impl Future<Output = ()> + Send + 'static, drain: Duration) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("csi.sock");
        let listener = Listener::bind(&Endpoint::Unix(path.clone())).await.unwrap();
        let slow = Slow::default();
        let routes = Routes::new(IdentityServer::new(slow.clone()));
        let (stop, stopped) = oneshot::channel();
        let stopped = async move {
            let _ = stopped.await;
        };
        let server = tokio::spawn(serve(
            listener,
            routes,
            Metrics::new().rpcs().clone(),
            stopped,
            rest,
            drain,
        ));
        Self {
            _directory: directory,
            path,
            slow,
            stop,
            server,
        }
    }

    async fn client(&self) -> IdentityClient<Channel> {
        let endpoint = format!("unix://{}", self.path.display());
        let endpoint = tonic::transport::Endpoint::from_shared(endpoint).unwrap();
        IdentityClient::new(endpoint.connect().await.unwrap())
    }

    /// Begins a Probe that does not end by itself.
    async fn probe(&self) -> JoinHandle<Result<Response<ProbeResponse>, Status>> {
        let mut client = self.client().await;
        let probe = tokio::spawn(async move { client.probe(ProbeRequest::default()).await });
        self.slow.began.notified().await;
        probe
    }
}

const LONG: Duration = Duration::from_secs(600);

#[tokio::test]
async fn rpcs_are_answered_and_the_socket_file_goes_with_the_server() {
    let served = Served::start(LONG).await;
    let mut client = served.client().await;
    client
        .get_plugin_info(GetPluginInfoRequest::default())
        .await
        .unwrap();
    let status = client
        .get_plugin_capabilities(GetPluginCapabilitiesRequest::default())
        .await
        .unwrap_err();
    assert_eq!(status.message(), "not here");
    assert!(served.path.exists());
    served.stop.send(()).unwrap();
    served.server.await.unwrap().unwrap();
    assert!(!served.path.exists());
}

#[tokio::test]
async fn an_rpc_in_flight_ends_before_the_server_does() {
    let served = Served::start(LONG).await;
    let probe = served.probe().await;
    served.stop.send(()).unwrap();
    served.slow.go.notify_one();
    probe.await.unwrap().unwrap();
    served.server.await.unwrap().unwrap();
}

#[tokio::test]
async fn work_without_a_caller_ends_before_the_server_does() {
    let (end, ended) = oneshot::channel::<()>();
    let rest = async move {
        let _ = ended.await;
    };
    let mut served = Served::start_with(rest, LONG).await;
    served.stop.send(()).unwrap();
    tokio::select! {
        biased;
        _ = &mut served.server => panic!("the server did not wait"),
        () = tokio::task::yield_now() => {}
    }
    end.send(()).unwrap();
    served.server.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_rpc_that_does_not_end_is_left_at_the_limit() {
    let served = Served::start(Duration::from_millis(20)).await;
    let _probe = served.probe().await;
    served.stop.send(()).unwrap();
    served.server.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_socket_is_for_its_user_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("csi.sock");
    let _listener = Listener::bind(&Endpoint::Unix(path.clone())).await.unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600, "{mode:o}");
}

#[tokio::test]
async fn a_socket_left_behind_is_taken_over_and_a_served_one_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::Unix(directory.path().join("csi.sock"));
    let Endpoint::Unix(path) = &endpoint else {
        unreachable!()
    };
    drop(std::os::unix::net::UnixListener::bind(path).unwrap());
    assert!(path.exists());
    let _listener = Listener::bind(&endpoint).await.unwrap();
    let second = Listener::bind(&endpoint).await;
    assert!(matches!(second, Err(BindError::InUse { .. })));
    assert!(path.exists());
}

#[tokio::test]
async fn other_files_are_never_removed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("csi.sock");
    std::fs::write(&path, "mine").unwrap();
    let refused = Listener::bind(&Endpoint::Unix(path.clone())).await;
    assert!(matches!(refused, Err(BindError::NotASocket { .. })));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
}

#[tokio::test]
async fn a_missing_directory_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("missing/csi.sock");
    let refused = Listener::bind(&Endpoint::Unix(path)).await.err().unwrap();
    assert!(
        refused.to_string().contains("missing does not exist"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_path_too_long_for_the_kernel_is_told_with_the_limit() {
    let directory = tempfile::tempdir().unwrap();
    let base = directory.path().as_os_str().len() + 1;
    for (length, fits) in [(107, true), (108, false)] {
        let path = directory.path().join("s".repeat(length - base));
        let bound = Listener::bind(&Endpoint::Unix(path)).await;
        assert_eq!(bound.is_ok(), fits, "{length}");
        if let Err(error) = bound {
            assert!(error.to_string().contains("107 bytes"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_socket_that_replaced_ours_stays() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("csi.sock");
    let ours = Listener::bind(&Endpoint::Unix(path.clone())).await.unwrap();
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "another").unwrap();
    drop(ours);
    assert!(path.exists());
}
