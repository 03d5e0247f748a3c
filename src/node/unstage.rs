//! NodeUnstageVolume: the mount goes, its directory stays the orchestrator's.

use super::error::NodeError;
use super::request::Unstage;
use super::{NodeService, about};

impl NodeService {
    /// Success as well where nothing is staged, or never was.
    pub(super) async fn unstage(&self, request: Unstage) -> Result<(), NodeError> {
        const RPC: &str = "NodeUnstageVolume";
        about(&request.volume);
        let _volume = self.begin(&request.volume, RPC)?;
        let _path = self.begin_target(&request.staging, RPC)?;
        self.host.idle(&request.volume)?;
        Ok(self.host.unmount(request.staging.as_path()).await?)
    }
}
