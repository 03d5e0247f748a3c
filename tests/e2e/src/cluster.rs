//! The cluster that is up, as `cluster/up.sh` describes it.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lab::cloud::Cloud;
use serde::Deserialize;
use tokio::runtime::{self, Runtime};
use tokio::time::Instant;

use crate::api::{Api, Kind};
use crate::kubectl::{Kubectl, project};
use crate::node::Node;
use crate::object::Object;
use crate::scenario::{PATIENCE, PAUSE};

/// Names the file that describes the cluster.
const VARIABLE: &str = "EBS_CSI_CLUSTER";

/// EC2's code for a call that has no token.
const THROTTLED: &str = "RequestLimitExceeded";

/// The namespace of the driver.
pub(crate) const SYSTEM: &str = "kube-system";

/// A running cluster and the AWS beneath it.
#[derive(Debug)]
pub struct Cluster {
    /// Where it is, e.g. `eu-central-1`.
    pub region: String,
    /// Its nodes.
    pub nodes: Vec<Node>,
    run_dir: PathBuf,
    pub(crate) kubectl: Kubectl,
    api: Api,
    cloud: Cloud,
    runtime: Runtime,
}

/// `cluster.json`.
#[derive(Debug, Deserialize)]
struct Description {
    kubeconfig: PathBuf,
    kubectl: PathBuf,
    region: String,
    ec2_url: String,
    control_url: String,
    run_dir: PathBuf,
    nodes: Vec<Node>,
}

impl Cluster {
    /// The cluster that `$EBS_CSI_CLUSTER` names.
    pub fn of_environment() -> Result<Self> {
        #[expect(
            clippy::disallowed_methods,
            reason = "a test has no command line of its own"
        )]
        let file = std::env::var(VARIABLE).with_context(|| {
            format!("{VARIABLE} names no cluster's cluster.json: `make e2e` starts one")
        })?;
        Self::open(Path::new(&file)).with_context(|| format!("the cluster of {file}"))
    }

    fn open(file: &Path) -> Result<Self> {
        let told: Description = serde_json::from_slice(&fs::read(file)?)?;
        ensure!(!told.nodes.is_empty(), "it has no nodes");
        Ok(Self {
            region: told.region,
            nodes: told.nodes,
            api: Api::start(&told.kubectl, &told.kubeconfig)?,
            kubectl: Kubectl {
                program: told.kubectl,
                kubeconfig: told.kubeconfig,
                cache: told.run_dir.join("kubectl-cache"),
            },
            run_dir: told.run_dir,
            cloud: Cloud::new(&told.ec2_url, &told.control_url),
            runtime: runtime::Builder::new_current_thread()
                .enable_all()
                .build()?,
        })
    }

    /// The node of this name.
    #[must_use]
    #[track_caller]
    pub fn node(&self, name: &str) -> &Node {
        let found = self.nodes.iter().find(|node| node.name == name);
        found.unwrap_or_else(|| panic!("there is no node {name:?}"))
    }

    /// The nodes of a zone.
    pub fn nodes_in(&self, zone: &str) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(move |node| node.zone == zone)
    }

    /// A call to EC2 or to its emulator's control endpoint: `ec2(async |cloud| cloud.volumes().await)`. Many who look at once are
    /// throttled as anybody is: such a call is made again.
    pub fn ec2<T>(&self, mut call: impl AsyncFnMut(&Cloud) -> Result<T>) -> Result<T> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.runtime.block_on(call(&self.cloud));
            let throttled = |error: &anyhow::Error| format!("{error:#}").contains(THROTTLED);
            if !answer.as_ref().is_err_and(throttled) || Instant::now() >= deadline {
                return answer;
            }
            thread::sleep(PAUSE);
        }
    }

    /// An object, if it is there.
    pub fn get(&self, kind: Kind, namespace: &str, name: &str) -> Result<Option<Object>> {
        self.api.get(&self.runtime, kind, namespace, name)
    }

    /// All objects of a kind, of one namespace if they are in any.
    pub fn list(&self, kind: Kind, namespace: &str) -> Result<Vec<Object>> {
        self.api.list(&self.runtime, kind, namespace)
    }

    /// The driver's pods, those of the controller first.
    pub fn driver_pods(&self) -> Result<Vec<Object>> {
        let mut pods = self.list(Kind::POD, SYSTEM)?;
        pods.retain(|pod| pod.name().starts_with("ebs-csi-"));
        Ok(pods)
    }

    /// What the driver in a pod has logged within the last `time`.
    pub fn driver_log(&self, pod: &str, time: Duration) -> Result<String> {
        // A second more, since the logs are asked for by whole ones.
        let since = format!("--since={}s", time.as_secs() + 1);
        let args = ["logs", pod, "--container=ebs-plugin", &since];
        self.kubectl.done(SYSTEM, &args)
    }

    /// Why the driver does not serve on every node and in the controller, if it does not.
    pub fn driver_is_missing(&self) -> Result<Option<String>> {
        let controller = self.get(Kind::DEPLOYMENT, SYSTEM, "ebs-csi-controller")?;
        let controller = controller.context("there is no deployment ebs-csi-controller")?;
        let nodes = self.get(Kind::DAEMON_SET, SYSTEM, "ebs-csi-node")?;
        let nodes = nodes.context("there is no daemon set ebs-csi-node")?;
        let ready = controller.at("/status/readyReplicas") == controller.at("/spec/replicas");
        if !ready {
            return Ok(Some(controller.to_string()));
        }
        let everywhere =
            nodes.at("/status/numberReady") == nodes.at("/status/desiredNumberScheduled");
        Ok((!everywhere).then(|| nodes.to_string()))
    }

    /// Runs one of the project's scripts for this cluster, e.g. `cluster/emulator.sh stop`.
    pub fn script(&self, script: &str, args: &[&str]) -> Result<()> {
        #[expect(
            clippy::disallowed_methods,
            reason = "whole programs are started here, not a node's tools"
        )]
        let mut command = std::process::Command::new(project().join(script));
        let ended = command
            .current_dir(project())
            .env("CLUSTER_RUN", &self.run_dir)
            .args(args)
            .status()?;
        ensure!(ended.success(), "{script} {} failed", args.join(" "));
        Ok(())
    }
}
