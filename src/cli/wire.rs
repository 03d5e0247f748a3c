//! Joins the parts of one process: listener, services, signals.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use csi::v1::controller_server::ControllerServer;
use csi::v1::identity_server::IdentityServer;
use csi::v1::node_server::NodeServer;
use ec2::{Cloud, CloudSettings, SdkEc2, SdkSettings};
use host::{HostSettings, LinuxHost, Programs};
use tonic::service::Routes;

use crate::config::{self, Config, Role};
use crate::controller::{self, ControllerService};
use crate::identity::{self, IdentityService};
use crate::inflight::InFlight;
use crate::metadata::{Imds, Metadata, Source};
use crate::node::{self, NodeService};
use crate::server::{self, Listener, Signals};

/// Serves until a signal comes.
pub(super) async fn run(config: Config) -> anyhow::Result<()> {
    let stop = Signals::catch()?.first();
    tokio::pin!(stop);
    let listener = Listener::bind(&config.serve.endpoint).await?;
    // Without a region among the arguments this waits for instance metadata, and a signal must not wait for that.
    let (routes, operations) = tokio::select! {
        services = services(config.role) => services?,
        () = &mut stop => return Ok(()),
    };
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        endpoint = %config.serve.endpoint,
        "serving"
    );
    server::serve(
        listener,
        routes,
        stop,
        operations.idle(),
        config.serve.drain,
    )
    .await?;
    Ok(())
}

/// The services of a role, and its operations that go on without their callers: only a node has such.
async fn services(role: Role) -> anyhow::Result<(Routes, InFlight)> {
    Ok(match role {
        Role::Controller(controller) => (
            identity(identity::Role::Controller).add_service(serve_controller(controller).await?),
            InFlight::default(),
        ),
        Role::Node(node) => {
            let node = node_service(node)?;
            let operations = node.operations();
            let routes = identity(identity::Role::Node).add_service(NodeServer::new(node));
            (routes, operations)
        }
        Role::All(controller, node) => {
            let node = node_service(node)?;
            let operations = node.operations();
            let routes = identity(identity::Role::All)
                .add_service(serve_controller(controller).await?)
                .add_service(NodeServer::new(node));
            (routes, operations)
        }
    })
}

fn identity(role: identity::Role) -> Routes {
    Routes::new(IdentityServer::new(IdentityService::new(role)))
}

async fn serve_controller(
    config: config::Controller,
) -> anyhow::Result<ControllerServer<ControllerService>> {
    let ec2 = SdkEc2::connect(SdkSettings {
        region: config.region,
        endpoint: config.ec2_endpoint,
        imds_endpoint: config.imds_endpoint,
        user_agent_extra: config.user_agent_extra,
    })
    .await
    .context("cannot set up the client of EC2")?;
    let cloud = Cloud::new(
        Arc::new(ec2),
        CloudSettings {
            consistency_window: config.consistency_window,
            ..CloudSettings::default()
        },
    );
    let settings = controller::Settings {
        extra_tags: config.extra_tags,
        cluster_id: config.cluster_id,
    };
    Ok(ControllerServer::new(ControllerService::new(
        cloud, settings,
    )))
}

fn node_service(config: config::Node) -> anyhow::Result<NodeService> {
    must_be_directory("--dev-dir", &config.dev_dir)?;
    must_be_directory("--sys-dir", &config.sys_dir)?;
    let imds = Imds::new(config.imds_endpoint.as_deref()).context("--imds-endpoint")?;
    let metadata = Arc::new(Metadata::new(Source::Imds(imds), config.attach_limit));
    tokio::spawn(prefetch(Arc::clone(&metadata)));
    let host = LinuxHost::new(HostSettings {
        dev_dir: config.dev_dir,
        sys_dir: config.sys_dir,
        programs: config
            .program_path
            .map_or_else(Programs::default, |path| Programs::from_path(&path)),
        ..HostSettings::default()
    });
    let settings = node::Settings {
        device_timeout: config.device_timeout,
    };
    Ok(NodeService::new(Arc::new(host), metadata, settings))
}

/// A wrong directory would otherwise look like devices that never appear.
fn must_be_directory(flag: &str, path: &Path) -> anyhow::Result<()> {
    anyhow::ensure!(
        path.is_absolute() && path.is_dir(),
        "{flag} {} is not the absolute path of a directory that exists",
        path.display()
    );
    Ok(())
}

/// Asks who this node is before the kubelet does, without making anyone wait for the answer.
async fn prefetch(metadata: Arc<Metadata>) {
    if let Err(error) = metadata.identity().await {
        tracing::warn!(%error, "this node is not known yet, NodeGetInfo will ask again");
    }
}
