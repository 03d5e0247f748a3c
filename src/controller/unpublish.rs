//! ControllerUnpublishVolume: detach at once, read the error, watch until EC2 shows no attachment. Never forced.

use std::ops::ControlFlow;
use std::time::Duration;

use csi::v1::{ControllerUnpublishVolumeRequest, ControllerUnpublishVolumeResponse};
use ebs_types::{AttachmentState, InstanceId, VolumeHandle, VolumeId};
use ec2::{Begun, Change, ErrorKind};
use tokio::time::Instant;

use super::error::Error;
use super::{ControllerService, request};
use crate::inflight::Key;
use crate::status::Rpc;

/// How long an instance may keep a detaching device busy before the caller is told instead of being kept waiting.
const BUSY: Duration = Duration::from_secs(20);

/// Serves the RPC.
pub(super) async fn run(
    service: &ControllerService,
    message: ControllerUnpublishVolumeRequest,
) -> Result<ControllerUnpublishVolumeResponse, Error> {
    // What cannot exist is attached nowhere.
    let done = ControllerUnpublishVolumeResponse {};
    let handle = request::volume_id(&message.volume_id)?;
    let Ok(volume) = VolumeId::from_handle(handle) else {
        if let Ok(local) = handle.parse::<VolumeHandle>() {
            forget(service, &local, &message.node_id);
        }
        return Ok(done);
    };
    let _guard = service.begin(Key::Volume(volume.clone()), Rpc::ControllerUnpublishVolume)?;
    for instance in instances(service, &volume, &message.node_id).await? {
        // A node that shares the volume is attached without the volume's own key.
        let share = Key::Attachment(volume.clone(), instance.clone());
        let _share = service.begin(share, Rpc::ControllerUnpublishVolume)?;
        detach(service, &volume, &instance).await?;
        service.device_names.release(&instance, &volume);
    }
    forget(service, &volume.into(), &message.node_id);
    Ok(done)
}

/// An empty node id means all; one that cannot exist was published to by nobody.
fn forget(service: &ControllerService, volume: &VolumeHandle, node_id: &str) {
    match node_id.parse::<InstanceId>() {
        Ok(instance) => service.published.forget(volume, Some(&instance)),
        Err(_) if node_id.is_empty() => service.published.forget(volume, None),
        Err(_) => {}
    }
}

/// From which instances to detach. An empty node id means all.
async fn instances(
    service: &ControllerService,
    volume: &VolumeId,
    node_id: &str,
) -> Result<Vec<InstanceId>, Error> {
    if !node_id.is_empty() {
        return Ok(node_id.parse().into_iter().collect());
    }
    match service.cloud.volume(volume).await {
        Ok(described) => Ok(described
            .attachments
            .into_iter()
            .map(|attachment| attachment.instance)
            .collect()),
        Err(error) if error.is_not_found() => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

async fn detach(
    service: &ControllerService,
    volume: &VolumeId,
    instance: &InstanceId,
) -> Result<(), Error> {
    let refusal = match service.cloud.detach_volume(volume, instance).await {
        // The instance may have let go of it already, as a stopped one does.
        Ok(detached) if detached.state == AttachmentState::Detached => return Ok(()),
        Ok(_) => return wait(service, volume, instance, Begun::Now).await,
        Err(refusal) => refusal,
    };
    match refusal.kind {
        ErrorKind::VolumeNotFound | ErrorKind::AttachmentNotFound | ErrorKind::MalformedId => {
            Ok(())
        }
        // Not attached at all, already on its way out, or an instance that is gone and still shown with it: look which.
        ErrorKind::IncorrectState | ErrorKind::VolumeInUse | ErrorKind::InstanceNotFound => {
            match service.cloud.volume(volume).await {
                Ok(described) => match described.attachment_to(instance).map(|here| here.state) {
                    None | Some(AttachmentState::Detached) => Ok(()),
                    Some(AttachmentState::Detaching | AttachmentState::Busy) => {
                        wait(service, volume, instance, Begun::Earlier).await
                    }
                    Some(AttachmentState::Attaching | AttachmentState::Attached) => {
                        match is_gone(service, instance).await {
                            // EC2 lets go of its volumes by itself.
                            true => wait(service, volume, instance, Begun::Earlier).await,
                            false => Err(refusal.into()),
                        }
                    }
                },
                Err(error) if error.is_not_found() => Ok(()),
                Err(error) => Err(error.into()),
            }
        }
        _ => Err(refusal.into()),
    }
}

/// Whether the instance is surely gone.
async fn is_gone(service: &ControllerService, instance: &InstanceId) -> bool {
    match service.cloud.instance(instance).await {
        Ok(described) => described.state.is_gone(),
        Err(error) => error.is_not_found(),
    }
}

/// Accepted: watch until EC2 shows no attachment.
async fn wait(
    service: &ControllerService,
    volume: &VolumeId,
    instance: &InstanceId,
    begun: Begun,
) -> Result<(), Error> {
    let mut busy_since = None;
    let watched = service
        .cloud
        .watch_volume(volume, Change::Detached, begun, |described| match described
            .attachment_to(instance)
            .map(|here| here.state)
        {
            None | Some(AttachmentState::Detached) => ControlFlow::Break(Ok(())),
            Some(AttachmentState::Busy) => {
                let since = *busy_since.get_or_insert_with(Instant::now);
                if since.elapsed() < BUSY {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(Err(()))
                }
            }
            Some(
                AttachmentState::Attaching | AttachmentState::Attached | AttachmentState::Detaching,
            ) => {
                busy_since = None;
                ControlFlow::Continue(())
            }
        })
        .await;
    match watched {
        Ok(Ok(())) => Ok(()),
        Ok(Err(())) => Err(Error::BusyOn {
            volume: volume.clone(),
            instance: instance.clone(),
        }),
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests;
