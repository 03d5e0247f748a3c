//! ControllerPublishVolume: attach at once, read the error, watch until the instance has the device.
//!
//! Answers for: "already attached there" being success, and an attachment that hangs being undone.
//! Doesn't answer for: read-only use, which the node enforces when it mounts.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::time::Duration;

use csi::v1::{ControllerPublishVolumeRequest, ControllerPublishVolumeResponse};
use ebs_types::{AttachmentState, DeviceName, InstanceId, VolumeHandle, VolumeId};
use ec2::{Attachment, Ec2Error, ErrorKind, Volume};
use tokio::time::{Instant, timeout_at};

use super::error::Error;
use super::{ControllerService, request};
use crate::capability::Capability;
use crate::inflight::Key;
use crate::status::Rpc;

/// How long an attachment may be on its way. EC2 takes 1 to 6 s; one that takes this long hangs and comes no more.
const STUCK: Duration = Duration::from_secs(90);

/// How often a refused attach is tried with what was learnt from the refusal.
const MAX_TRIES: usize = 8;

/// Serves the RPC.
pub(super) async fn run(
    service: &ControllerService,
    message: ControllerPublishVolumeRequest,
) -> Result<ControllerPublishVolumeResponse, Error> {
    let handle = request::volume_id(&message.volume_id)?;
    let node = request::required(
        "node_id",
        &message.node_id,
        "give the node's instance id, i-…",
    )?;
    if let Some(name) = request::node_local(service, handle)? {
        Capability::parse_node_local("volume_capability", message.volume_capability.as_ref())?;
        let node = request::instance(node)?;
        let answer = already_there(&name);
        let volume = VolumeHandle::Local(name);
        service.published.note(volume, handle, &node);
        return Ok(answer);
    }
    Capability::parse("volume_capability", message.volume_capability.as_ref())?;
    let publication = Publication {
        service,
        volume: &request::volume(handle)?,
        instance: &request::instance(node)?,
    };
    let _guard = service.begin(
        Key::Volume(publication.volume.clone()),
        Rpc::ControllerPublishVolume,
    )?;
    let attachment = publication.attach().await?;
    let volume = VolumeHandle::Ebs(publication.volume.clone());
    service.published.note(volume, handle, publication.instance);
    Ok(render(&attachment))
}

/// The keys are the Go driver's. Nodes of this driver find the device by the volume's id and need neither.
fn render(attachment: &Attachment) -> ControllerPublishVolumeResponse {
    ControllerPublishVolumeResponse {
        publish_context: HashMap::from([
            ("devicePath".to_owned(), attachment.device.clone()),
            ("volumeID".to_owned(), attachment.volume.to_string()),
        ]),
    }
}

/// A node-local volume was attached before Kubernetes knew of it, to each node its own: EC2 is not asked.
fn already_there(name: &DeviceName) -> ControllerPublishVolumeResponse {
    ControllerPublishVolumeResponse {
        publish_context: HashMap::from([("devicePath".to_owned(), name.to_string())]),
    }
}

/// What EC2's state says to do after a refusal.
enum Next {
    Wait,
    TryAgain,
}

/// One attach under way.
struct Publication<'a> {
    service: &'a ControllerService,
    volume: &'a VolumeId,
    instance: &'a InstanceId,
}

impl Publication<'_> {
    async fn attach(&self) -> Result<Attachment, Error> {
        let (cloud, names) = (&self.service.cloud, &self.service.device_names);
        let mut last = None;
        for _ in 0..MAX_TRIES {
            let name = names.reserve(cloud, self.instance, self.volume).await?;
            let result = cloud
                .attach_volume(self.volume, self.instance, &name.device)
                .await;
            let refusal = match result {
                Ok(_) => return self.wait(name.since).await,
                Err(refusal) => refusal,
            };
            match refusal.kind {
                ErrorKind::DeviceNameTaken => names.taken(self.instance, &name.device),
                ErrorKind::VolumeInUse | ErrorKind::IncorrectState => {
                    match self.look(&refusal).await? {
                        Next::Wait => return self.wait(name.since).await,
                        Next::TryAgain => {}
                    }
                }
                _ => return Err(self.give_up(refusal).await),
            }
            last = Some(refusal);
        }
        Err(last.map_or_else(|| self.undone(), Error::Ec2))
    }

    /// A refusal that trying again at once does not help. The name stays with the volume where the attach may have happened.
    async fn give_up(&self, refusal: Ec2Error) -> Error {
        if !refusal.is_transient() {
            self.service
                .device_names
                .release(self.instance, self.volume);
        }
        if refusal.kind == ErrorKind::ZoneMismatch {
            return self.wrong_zone(refusal).await;
        }
        refusal.into()
    }

    /// Both zones, for the message; EC2's own words where they cannot be had.
    async fn wrong_zone(&self, refusal: Ec2Error) -> Error {
        let cloud = &self.service.cloud;
        match tokio::join!(cloud.volume(self.volume), cloud.instance(self.instance)) {
            (Ok(volume), Ok(instance)) => Error::WrongZone {
                volume: volume.id,
                volume_zone: volume.zone,
                instance: instance.id,
                instance_zone: instance.zone,
            },
            _ => refusal.into(),
        }
    }

    /// EC2 refused because of a state: whose?
    async fn look(&self, refusal: &Ec2Error) -> Result<Next, Error> {
        let volume = self.service.cloud.volume(self.volume).await?;
        match volume.attachment_to(self.instance).map(|here| here.state) {
            Some(AttachmentState::Attaching | AttachmentState::Attached) => Ok(Next::Wait),
            Some(AttachmentState::Detaching | AttachmentState::Busy) => self.wait_released().await,
            Some(AttachmentState::Detached) | None => self.look_elsewhere(&volume, refusal).await,
        }
    }

    async fn look_elsewhere(&self, volume: &Volume, refusal: &Ec2Error) -> Result<Next, Error> {
        self.service
            .device_names
            .release(self.instance, self.volume);
        let elsewhere = volume
            .attachments
            .iter()
            .find(|attachment| attachment.state != AttachmentState::Detached);
        if let Some(attachment) = elsewhere {
            return Err(match attachment.state {
                AttachmentState::Detaching => Error::StillDetaching {
                    volume: volume.id.clone(),
                    instance: attachment.instance.clone(),
                },
                _ => Error::AttachedTo {
                    volume: volume.id.clone(),
                    instance: attachment.instance.clone(),
                },
            });
        }
        // Not the volume's state, then: the instance's.
        let instance = self.service.cloud.instance(self.instance).await?;
        if instance.state.is_gone() {
            return Err(Error::InstanceGone {
                instance: instance.id,
                state: instance.state,
            });
        }
        Err(refusal.clone().into())
    }

    /// An earlier detach from this very instance is still on its way.
    async fn wait_released(&self) -> Result<Next, Error> {
        let watched = self.service.cloud.watch_volume(self.volume, |volume| {
            match volume.attachment_to(self.instance).map(|here| here.state) {
                None | Some(AttachmentState::Detached) => ControlFlow::Break(()),
                Some(_) => ControlFlow::Continue(()),
            }
        });
        match timeout_at(Instant::now() + STUCK, watched).await {
            Ok(Ok(())) => {
                self.service
                    .device_names
                    .release(self.instance, self.volume);
                Ok(Next::TryAgain)
            }
            Ok(Err(error)) => Err(error.into()),
            Err(_elapsed) => Err(Error::BusyOn {
                volume: self.volume.clone(),
                instance: self.instance.clone(),
            }),
        }
    }

    /// Accepted: watch until the instance has the device.
    async fn wait(&self, since: Instant) -> Result<Attachment, Error> {
        let watched = self.service.cloud.watch_volume(self.volume, |volume| {
            let here = volume.attachment_to(self.instance);
            match here.map(|here| (here.state, here)) {
                Some((AttachmentState::Attached, here)) => ControlFlow::Break(Some(here.clone())),
                Some((AttachmentState::Detaching | AttachmentState::Busy, _)) => {
                    ControlFlow::Break(None)
                }
                // EC2 may not show yet what it has accepted.
                Some((AttachmentState::Attaching | AttachmentState::Detached, _)) | None => {
                    ControlFlow::Continue(())
                }
            }
        });
        match timeout_at(since + STUCK, watched).await {
            Ok(Ok(Some(attachment))) => Ok(attachment),
            Ok(Ok(None)) => Err(self.undone()),
            Ok(Err(error)) => Err(error.into()),
            Err(_elapsed) => Err(self.unstick().await),
        }
    }

    async fn unstick(&self) -> Error {
        tracing::warn!(volume.id = %self.volume, instance.id = %self.instance, "attachment is stuck, detaching");
        self.service
            .device_names
            .release(self.instance, self.volume);
        let detached = self
            .service
            .cloud
            .detach_volume(self.volume, self.instance)
            .await;
        if let Err(error) = detached
            && !error.is_not_found()
        {
            return error.into();
        }
        Error::AttachStuck {
            volume: self.volume.clone(),
            instance: self.instance.clone(),
            after: STUCK,
        }
    }

    fn undone(&self) -> Error {
        Error::AttachUndone {
            volume: self.volume.clone(),
            instance: self.instance.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
