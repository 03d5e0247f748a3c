//! NodeUnpublishVolume: the mount goes, and the target with it.

use super::error::NodeError;
use super::request::Unpublish;
use super::{NodeService, about, blocking, target};

impl NodeService {
    /// Success as well where nothing is published, or never was.
    pub(super) async fn unpublish(&self, request: Unpublish) -> Result<(), NodeError> {
        let Unpublish {
            volume,
            target: path,
        } = request;
        about(&volume);
        let _guard = self.begin_target(&path, "NodeUnpublishVolume")?;
        self.host.unmount(path.as_path()).await?;
        blocking(move || target::remove(&path)).await
    }
}
