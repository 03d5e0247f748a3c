//! DeleteVolume: act, read the error, look only when in doubt.

use csi::v1::{DeleteVolumeRequest, DeleteVolumeResponse};
use ebs_types::{VolumeHandle, VolumeId};
use ec2::{Ec2Error, ErrorKind};

use super::error::Error;
use super::{ControllerService, request};
use crate::inflight::Key;
use crate::status::Rpc;

/// Serves the RPC. It ends when EC2 has accepted: a volume that is being deleted can serve nothing any more.
pub(super) async fn run(
    service: &ControllerService,
    message: DeleteVolumeRequest,
) -> Result<DeleteVolumeResponse, Error> {
    let handle = request::volume_id(&message.volume_id)?;
    if VolumeHandle::is_node_local(handle) {
        // Not the driver's to delete, and to say that it were would be a lie.
        request::volume(handle)?;
    }
    // An id that no volume can have names none: deleted, as far as the caller is concerned.
    if let Ok(volume) = VolumeId::from_handle(handle) {
        let _guard = service.begin(Key::Volume(volume.clone()), Rpc::DeleteVolume)?;
        delete(service, &volume).await?;
        service.published.forget(&volume.into(), None);
    }
    Ok(DeleteVolumeResponse {})
}

async fn delete(service: &ControllerService, volume: &VolumeId) -> Result<(), Error> {
    match service.cloud.delete_volume(volume).await {
        Ok(()) => Ok(()),
        Err(error) if error.is_not_found() => Ok(()),
        Err(error)
            if matches!(
                error.kind,
                ErrorKind::VolumeInUse | ErrorKind::IncorrectState
            ) =>
        {
            explain(service, volume, error).await
        }
        Err(error) => Err(error.into()),
    }
}

/// EC2 refused because of the volume's state: which one, and who is in the way?
async fn explain(
    service: &ControllerService,
    volume: &VolumeId,
    refusal: Ec2Error,
) -> Result<(), Error> {
    let described = match service.cloud.volume(volume).await {
        Ok(described) => described,
        Err(error) if error.is_not_found() => return Ok(()),
        // The first refusal says more than a failed second look.
        Err(_) => return Err(refusal.into()),
    };
    if described.state.is_gone() {
        return Ok(());
    }
    match described.attachments.first() {
        Some(attachment) => Err(Error::AttachedTo {
            volume: volume.clone(),
            instance: attachment.instance.clone(),
            attachment: attachment.state,
            state: String::new(),
            alone: String::new(),
        }),
        None => Err(refusal.into()),
    }
}

#[cfg(test)]
mod tests;
