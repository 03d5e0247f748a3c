//! Flags of every role: where to serve, how to log, how to stop, what it runs on.

use std::time::Duration;

use super::duration;
use super::log::LogArgs;
use super::metadata::MetadataArgs;
use super::or_unset::OrUnset;
use crate::config::{Config, Role, Serve};
use crate::server::{Endpoint, HttpAddress};

/// Flags of every role.
#[derive(Debug, clap::Args)]
pub(super) struct ProcessArgs {
    /// Where to serve CSI: unix:///path/to/csi.sock, or tcp://127.0.0.1:PORT.
    #[arg(long, env = "CSI_ENDPOINT", value_name = "URL")]
    endpoint: Endpoint,

    /// Allow a tcp:// endpoint that other machines can reach. CSI has no authentication: whoever reaches it controls every volume.
    #[arg(long)]
    insecure_tcp: bool,

    /// How long RPCs, and what they began, may go on after SIGTERM or SIGINT before the process exits.
    #[arg(long, value_name = "DURATION", default_value = "25s", value_parser = duration::parse)]
    drain_timeout: Duration,

    /// Where to show /metrics and /healthz over HTTP, as IP:PORT or :PORT for every address; without it nowhere.
    #[arg(long, value_name = "ADDR:PORT", value_parser = http_address)]
    http_endpoint: Option<OrUnset<HttpAddress>>,

    /// Take the handles of node-local volumes, local-ebs://dev/NAME: on each node the volume that was attached to it as /dev/NAME
    /// without Kubernetes. To be given to controller and nodes.
    #[arg(long)]
    enable_node_local_volumes: bool,

    #[command(flatten)]
    log: LogArgs,

    #[command(flatten)]
    metadata: MetadataArgs,
}

impl ProcessArgs {
    /// The configuration of a process in this role.
    pub(super) fn into_config(self, role: Role) -> anyhow::Result<Config> {
        if let Endpoint::Tcp(address) = &self.endpoint
            && !address.ip().is_loopback()
            && !self.insecure_tcp
        {
            anyhow::bail!(
                "--endpoint tcp://{address} can be reached by other machines, and CSI has no authentication: \
                 use a unix:// socket, a loopback address, or --insecure-tcp where a firewall guards it"
            );
        }
        let serve = Serve {
            endpoint: self.endpoint,
            drain: self.drain_timeout,
            http: self.http_endpoint.and_then(OrUnset::given),
        };
        Ok(Config {
            role,
            node_local_volumes: self.enable_node_local_volumes,
            metadata: self.metadata.into_metadata()?,
            serve,
            log: self.log.into_log(),
        })
    }
}

fn http_address(text: &str) -> anyhow::Result<OrUnset<HttpAddress>> {
    OrUnset::parse(text, |text| Ok(text.parse()?))
}
