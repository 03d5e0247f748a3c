//! `ebs-csi all`: both services in one process.

use super::controller::{ControllerArgs, MetadataArgs};
use super::node::NodeArgs;
use super::process::ProcessArgs;
use crate::config::{Config, Role};

/// Flags of `ebs-csi all`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    process: ProcessArgs,
    #[command(flatten)]
    metadata: MetadataArgs,
    #[command(flatten)]
    controller: ControllerArgs,
    #[command(flatten)]
    node: NodeArgs,
}

impl Args {
    pub(super) fn into_config(self) -> anyhow::Result<Config> {
        let role = Role::All(
            self.controller.into_controller(&self.metadata),
            self.node.into_node(&self.metadata),
        );
        self.process.into_config(role)
    }
}
