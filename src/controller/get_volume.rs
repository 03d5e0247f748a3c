//! ControllerGetVolume: one volume, and where it is attached.

use csi::v1::controller_get_volume_response::VolumeStatus;
use csi::v1::{ControllerGetVolumeRequest, ControllerGetVolumeResponse};
use ebs_types::VolumeHandle;

use super::error::Error;
use super::{ControllerService, render, request};

/// Serves the RPC. The answer has the handle as the request writes it.
pub(super) async fn run(
    service: &ControllerService,
    message: ControllerGetVolumeRequest,
) -> Result<ControllerGetVolumeResponse, Error> {
    let handle = request::volume_id(&message.volume_id)?;
    let (volume, published_node_ids) = match request::node_local(service, handle)? {
        Some(name) => {
            let known = service.published.get(&VolumeHandle::Local(name));
            let nodes = known.map(|known| known.nodes).unwrap_or_default();
            (render::node_local(handle), nodes)
        }
        None => {
            let volume = service.cloud.volume(&request::volume(handle)?).await?;
            if volume.state.is_gone() {
                return Err(Error::VolumeGone { volume: volume.id });
            }
            (
                render::volume(&volume, handle.to_owned()),
                render::nodes(&volume),
            )
        }
    };
    Ok(ControllerGetVolumeResponse {
        volume: Some(volume),
        status: Some(VolumeStatus { published_node_ids }),
    })
}
