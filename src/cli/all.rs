//! `ebs-csi all`: both services in one process.

use super::controller::ControllerArgs;
use super::node::NodeArgs;
use super::process::ProcessArgs;
use crate::config::{Config, Role};

/// Flags of `ebs-csi all`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    process: ProcessArgs,
    #[command(flatten)]
    controller: ControllerArgs,
    #[command(flatten)]
    node: NodeArgs,
}

impl Args {
    pub(super) fn into_config(self) -> anyhow::Result<Config> {
        let role = Role::All(self.controller.into_controller()?, self.node.into_node());
        self.process.into_config(role)
    }
}
