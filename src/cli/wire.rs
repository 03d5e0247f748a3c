//! Joins the parts of one process: listener, services, signals.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use csi::v1::controller_server::ControllerServer;
use csi::v1::group_controller_server::GroupControllerServer;
use csi::v1::identity_server::IdentityServer;
use csi::v1::node_server::NodeServer;
use csi::v1::snapshot_metadata_server::SnapshotMetadataServer;
use ebs_types::{Bytes, Region};
use ec2::{Blocks, Cloud, CloudSettings, Ec2, SdkEc2, SdkSettings};
use host::{Hardware, HostSettings, Kernel, LinuxHost, Programs};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use crate::cluster::{ClusterWork, FailOverSettings, HealthSettings};
use crate::config::{self, Config, MetadataSource, Role};
use crate::controller::{self, ControllerService, InvalidTags};
use crate::identity::{self, DRIVER_NAME, IdentityService};
use crate::inflight::InFlight;
use crate::kubernetes::Kubernetes;
use crate::metadata::{self, Imds, LimitMetrics, Metadata, Source, Sources};
use crate::node::{self, NodeService};
use crate::server::{self, Health, HttpListener, Listener, Pages, Signals};
use crate::snapshot_metadata::SnapshotMetadataService;
use crate::statistics::{Collector, Owners};
use crate::telemetry::Metrics;

/// Serves until a signal comes.
pub(super) async fn run(config: Config) -> anyhow::Result<()> {
    let stop = Signals::catch()?.first();
    tokio::pin!(stop);
    let metrics = Metrics::new();
    let local = config.node_local_volumes;
    let surroundings = Surroundings::new(config.metadata, local, metrics.clone())?;
    let shown = Shown::start(&config.serve, &metrics).await?;
    let taint_goes = removes_taint(&config.role);
    // Without a region among the arguments this waits for metadata, and a signal must not wait for that.
    let Services {
        routes,
        operations,
        cluster,
    } = tokio::select! {
        services = services(config.role, &surroundings, &metrics) => services?,
        () = &mut stop => return Ok(()),
    };
    // Sidecars connect as soon as there is a socket, and give up on one that does not answer.
    let listener = Listener::bind(&config.serve.endpoint).await?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        endpoint = %config.serve.endpoint,
        "serving"
    );
    let removal = surroundings.kubernetes.remove_startup_taint(DRIVER_NAME);
    let removal = taint_goes.then(|| tokio::spawn(removal));
    let stop = async {
        stop.await;
        if let Some(removal) = removal {
            removal.abort();
        }
        if let Some(cluster) = &cluster {
            cluster.stop();
        }
    };
    server::serve(
        listener,
        routes,
        metrics.rpcs().clone(),
        stop,
        operations.idle(),
        config.serve.drain,
    )
    .await?;
    shown.end().await;
    if let Some(cluster) = cluster {
        cluster.stopped().await;
    }
    Ok(())
}

/// Metrics and health over HTTP, from before the first call to after the last.
struct Shown {
    stop: CancellationToken,
    server: Option<JoinHandle<()>>,
}

impl Shown {
    /// A wrong address is told here, before anything is waited for.
    async fn start(serve: &config::Serve, metrics: &Metrics) -> anyhow::Result<Self> {
        let stop = CancellationToken::new();
        let server = match serve.http {
            Some(address) => {
                let listener = HttpListener::bind(address).await?;
                tracing::info!(http.endpoint = %listener.address()?, "showing /metrics and /healthz");
                let pages = Pages {
                    metrics: metrics.clone(),
                    health: Health::new(serve.endpoint.clone()),
                };
                Some(tokio::spawn(listener.serve(pages, stop.clone())))
            }
            None => None,
        };
        Ok(Self { stop, server })
    }

    async fn end(self) {
        self.stop.cancel();
        if let Some(server) = self.server {
            // What it failed with, if it did, was nobody's call.
            let _ = server.await;
        }
    }
}

/// Whether the taint that kept pods away until now is this process's to remove.
fn removes_taint(role: &Role) -> bool {
    match role {
        Role::Controller(_) => false,
        Role::Node(node) | Role::All(_, node) => !node.keep_startup_taint,
    }
}

/// What all services of this process have in common: whom they can ask what it runs on, and which volumes they take.
pub(super) struct Surroundings {
    sources: Vec<MetadataSource>,
    imds: Imds,
    imds_endpoint: Option<String>,
    pub(super) kubernetes: Kubernetes,
    metrics: Metrics,
    node_local_volumes: bool,
}

impl Surroundings {
    pub(super) fn new(
        config: config::Metadata,
        node_local_volumes: bool,
        metrics: Metrics,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            sources: config.sources,
            imds: Imds::new(config.imds_endpoint.as_deref()).context("--imds-endpoint")?,
            imds_endpoint: config.imds_endpoint,
            kubernetes: Kubernetes::new(config.kubernetes, config.node_name),
            metrics,
            node_local_volumes,
        })
    }

    fn sources(&self) -> Sources {
        let source = |source: &MetadataSource| match source {
            MetadataSource::Imds => Source::Imds(Box::new(self.imds.clone())),
            MetadataSource::Kubernetes => Source::Kubernetes(self.kubernetes.clone()),
            MetadataSource::Labels => Source::Labels(self.kubernetes.clone()),
        };
        Sources::new(self.sources.iter().map(source).collect())
    }

    /// The region to call, where the command line names none.
    async fn region(&self) -> anyhow::Result<Region> {
        if let Some(region) = SdkEc2::configured_region().await? {
            return Ok(region);
        }
        self.sources().region().await.context(
            "no AWS region is known: set AWS_REGION or --region (no AWS configuration names one, and where this process runs is not \
             known either)",
        )
    }
}

/// What a process does in its role.
struct Services {
    routes: Routes,
    /// What goes on without its caller: only a node has such.
    operations: InFlight,
    /// What is done for the whole cluster: only a controller does.
    cluster: Option<ClusterWork>,
}

async fn services(
    role: Role,
    surroundings: &Surroundings,
    metrics: &Metrics,
) -> anyhow::Result<Services> {
    Ok(match role {
        Role::Controller(controller) => {
            let routes = identity(identity::Role::Controller);
            let (routes, cluster) = serve_controller(routes, controller, surroundings).await?;
            Services {
                routes,
                operations: InFlight::default(),
                cluster: Some(cluster),
            }
        }
        Role::Node(node) => {
            let node = node_service(node, surroundings, metrics)?;
            Services {
                operations: node.operations(),
                routes: identity(identity::Role::Node).add_service(NodeServer::new(node)),
                cluster: None,
            }
        }
        Role::All(controller, node) => {
            let node = node_service(node, surroundings, metrics)?;
            let routes = identity(identity::Role::All);
            let (routes, cluster) = serve_controller(routes, controller, surroundings).await?;
            Services {
                operations: node.operations(),
                routes: routes.add_service(NodeServer::new(node)),
                cluster: Some(cluster),
            }
        }
    })
}

fn identity(role: identity::Role) -> Routes {
    Routes::new(IdentityServer::new(IdentityService::new(role)))
}

/// A client of EC2, which shows what it does as metrics.
pub(super) async fn client(
    config: &config::Ec2,
    surroundings: &Surroundings,
) -> anyhow::Result<SdkEc2> {
    let region = match &config.region {
        Some(region) => region.clone(),
        None => surroundings.region().await?,
    };
    let ec2 = SdkEc2::connect(SdkSettings {
        region,
        endpoint: config.endpoint.clone(),
        blocks_endpoint: config.ebs_endpoint.clone(),
        imds_endpoint: surroundings.imds_endpoint.clone(),
        proxy: config.proxy.clone(),
        user_agent_extra: config.user_agent_extra.clone(),
        mutations_per_second: config.mutations_per_second,
    })
    .context("cannot set up the client of EC2")?;
    surroundings
        .metrics
        .register(|registry| ec2.register(registry));
    Ok(ec2)
}

/// Adds the services of a controller.
async fn serve_controller(
    routes: Routes,
    config: config::Controller,
    surroundings: &Surroundings,
) -> anyhow::Result<(Routes, ClusterWork)> {
    let ec2 = client(&config.ec2, surroundings).await?;
    let blocks: Arc<dyn Blocks> = Arc::new(ec2.clone());
    let ec2: Arc<dyn Ec2> = Arc::new(ec2);
    let cloud = Cloud::new(
        Arc::clone(&ec2),
        CloudSettings {
            consistency_window: config.ec2.consistency_window,
            ..CloudSettings::default()
        },
    );
    let settings = controller::Settings {
        extra_tags: config.extra_tags,
        cluster_id: config.cluster_id,
        node_local_volumes: surroundings.node_local_volumes,
        invalid_tags: match config.warn_on_invalid_tag {
            true => InvalidTags::LeftOut,
            false => InvalidTags::Refused,
        },
        attach_patience: config.attach_patience,
    };
    surroundings
        .metrics
        .register(|registry| cloud.metrics().register(registry));
    let metadata = SnapshotMetadataService::new(cloud.clone(), blocks);
    let fail_over = config.fail_over_interval.map(|every| FailOverSettings {
        cloud: cloud.clone(),
        every,
        driver: DRIVER_NAME,
    });
    let controller = Arc::new(ControllerService::new(cloud, settings));
    let health = HealthSettings {
        every: config.health_interval,
        driver: DRIVER_NAME,
    };
    let (kubernetes, service) = (&surroundings.kubernetes, Arc::clone(&controller));
    let cluster = ClusterWork::begin(kubernetes, ec2, service, config.lease, health, fail_over);
    surroundings
        .metrics
        .register(|registry| cluster.register(registry));
    let routes = routes
        // One controller serves volumes and groups of them.
        .add_service(GroupControllerServer::from_arc(Arc::clone(&controller)))
        .add_service(ControllerServer::from_arc(controller))
        .add_service(SnapshotMetadataServer::new(metadata));
    Ok((routes, cluster))
}

fn node_service(
    config: config::Node,
    surroundings: &Surroundings,
    metrics: &Metrics,
) -> anyhow::Result<NodeService> {
    must_be_directory("--dev-dir", &config.dev_dir)?;
    must_be_directory("--sys-dir", &config.sys_dir)?;
    let shown = LimitMetrics::default();
    surroundings
        .metrics
        .register(|registry| shown.register(registry));
    let (sys_dir, models) = (config.sys_dir.clone(), config.nvme_models.clone());
    let metadata = Arc::new(Metadata::new(metadata::Settings {
        sources: surroundings.sources(),
        limit: config.attach_limit,
        look: Arc::new(move || Hardware::look(&sys_dir, &models)),
        kubernetes: surroundings.kubernetes.clone(),
        metrics: shown,
        driver: DRIVER_NAME,
    }));
    tokio::spawn(prefetch(Arc::clone(&metadata)));
    let host = LinuxHost::new(HostSettings {
        dev_dir: config.dev_dir,
        sys_dir: config.sys_dir,
        programs: programs(config.program_path.as_deref(), config.fsck_memory),
        kernel: Kernel::running(),
        legacy_xfs: config.legacy_xfs,
        models: config.nvme_models,
    });
    let known = Arc::clone(&metadata);
    let instance = move || {
        known
            .instance()
            .map_or_else(String::new, |id| id.to_string())
    };
    let owners = Owners::new(DRIVER_NAME, Arc::new(surroundings.kubernetes.clone()));
    let statistics = Arc::new(host.statistics());
    Collector::register(metrics, statistics, owners, Box::new(instance));
    let settings = node::Settings {
        device_timeout: config.device_timeout,
        node_local_volumes: surroundings.node_local_volumes,
    };
    Ok(NodeService::new(Arc::new(host), metadata, settings))
}

fn programs(path: Option<&OsStr>, fsck_memory: Option<Bytes>) -> Programs {
    let programs = path.map_or_else(Programs::default, Programs::from_path);
    match fsck_memory {
        Some(bound) => programs.with_fsck_memory(bound),
        None => programs,
    }
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
