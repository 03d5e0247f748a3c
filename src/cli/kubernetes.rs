//! Flags of every process that asks the Kubernetes API: where it is, who asks, and on which node.

use std::path::PathBuf;

use anyhow::Context as _;

use super::or_unset::{OrUnset, text};
use crate::kubernetes::{Access, NodeName};

/// Flags of every process that asks the Kubernetes API.
#[derive(Debug, clap::Args)]
pub(super) struct KubernetesArgs {
    /// Kubernetes API server [default: that of the cluster whose pod this is].
    #[arg(long, value_name = "URL")]
    kubernetes_api: Option<String>,

    /// Directory with the files token and ca.crt for it.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/var/run/secrets/kubernetes.io/serviceaccount"
    )]
    kubernetes_credentials: PathBuf,

    /// What the kubelet tells each container.
    #[arg(long, hide = true, env = "KUBERNETES_SERVICE_HOST", value_name = "HOST", value_parser = text)]
    kubernetes_service_host: Option<OrUnset<String>>,

    /// What the kubelet tells each container.
    #[arg(
        long,
        hide = true,
        env = "KUBERNETES_SERVICE_PORT",
        value_name = "PORT",
        default_value = "443"
    )]
    kubernetes_service_port: u16,

    /// The Kubernetes node that this process runs on.
    #[arg(long, env = "CSI_NODE_NAME", value_name = "NAME", value_parser = node_name)]
    node_name: Option<OrUnset<NodeName>>,
}

impl KubernetesArgs {
    /// The API server, where there is one, and this process' node, where that is known.
    pub(super) fn into_parts(self) -> anyhow::Result<(Option<Access>, Option<NodeName>)> {
        let credentials = self.kubernetes_credentials;
        let host = self.kubernetes_service_host.and_then(OrUnset::given);
        let access = match (self.kubernetes_api, host) {
            (Some(url), _) => Some(Access::new(&url, credentials).context("--kubernetes-api")?),
            (None, Some(host)) => {
                let access = Access::of_pod(&host, self.kubernetes_service_port, credentials);
                Some(access.context("KUBERNETES_SERVICE_HOST")?)
            }
            (None, None) => None,
        };
        Ok((access, self.node_name.and_then(OrUnset::given)))
    }
}

fn node_name(text: &str) -> anyhow::Result<OrUnset<NodeName>> {
    OrUnset::parse(text, |text| Ok(text.parse()?))
}
