//! ControllerPublishVolume: attach at once, read the error, watch until the instance has the device.
//!
//! Answers for: "already attached there" being success, and an attachment that hangs being undone and made anew. What this process knows to
//! be attached is looked at and not attached again.
//! Doesn't answer for: read-only use, which the node enforces when it mounts and is only told; who may have a volume that can be shared
//! (`sharers`); the words for why a volume cannot be attached (`refused`).

mod refused;
mod sharers;

use std::ops::ControlFlow;
use std::time::Duration;

use csi::v1::{ControllerPublishVolumeRequest, ControllerPublishVolumeResponse};
use ebs_types::{AttachmentState, InstanceId, READ_ONLY_KEY, VolumeHandle, VolumeId};
use ec2::{AttachVolume, Attachment, Begun, Change, Ec2Error, ErrorKind};
use tokio::time::{Instant, timeout_at};

use super::device_names::Reservation;
use super::error::Error;
use super::{ControllerService, initialization, request};
use crate::capability::{AccessMode, Capability};
use crate::inflight::{Busy, Guard, Key};
use crate::status::Rpc;

/// How long an earlier detach from the same instance is waited for.
const RELEASE: Duration = Duration::from_secs(90);

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
    const FIELD: &str = "volume_capability";
    if let Some(name) = request::node_local(service, handle)? {
        let asked = message.volume_capability.as_ref();
        let mode = Capability::parse_node_local(FIELD, asked)?.mode;
        let read_only = message.readonly || mode.is_read_only();
        let node = request::instance(node)?;
        let context = [("devicePath", name.to_string())];
        let volume = VolumeHandle::Local(name);
        otherwise(service, &volume, &node, read_only).map_or(Ok(()), Err)?;
        service.published.note(volume, handle, &node, read_only);
        return Ok(render(context, read_only));
    }
    let mode = Capability::parse(FIELD, message.volume_capability.as_ref())?.mode;
    let waits = initialization::is_wanted(&message.volume_context)?;
    let publication = Publication {
        service,
        volume: &request::volume(handle)?,
        instance: &request::instance(node)?,
        mode,
    };
    let _guards = publication.begin()?;
    let read_only = message.readonly || mode.is_read_only();
    publication.agree(read_only).await?;
    if waits {
        initialization::check(service, publication.volume, publication.instance).await?;
    }
    let attachment = publication.attach().await?;
    let volume = VolumeHandle::Ebs(publication.volume.clone());
    let published = &service.published;
    published.note(volume, handle, publication.instance, read_only);
    // The keys are the Go driver's. Nodes of this driver find the device by the volume's id and need neither.
    let context = [
        ("devicePath", attachment.device),
        ("volumeID", attachment.volume.to_string()),
    ];
    Ok(render(context, read_only))
}

fn render<const N: usize>(
    context: [(&str, String); N],
    read_only: bool,
) -> ControllerPublishVolumeResponse {
    let told = read_only.then(|| (READ_ONLY_KEY, true.to_string()));
    ControllerPublishVolumeResponse {
        publish_context: context
            .into_iter()
            .chain(told)
            .map(|(key, value)| (key.to_owned(), value))
            .collect(),
    }
}

/// What this process has told of a publication, if the request contradicts it.
fn otherwise(
    service: &ControllerService,
    volume: &VolumeHandle,
    instance: &InstanceId,
    read_only: bool,
) -> Option<Error> {
    let words = |read_only| match read_only {
        true => "read-only",
        false => "to be written",
    };
    let is = service.published.is_read_only(volume, instance)?;
    (is != read_only).then(|| Error::PublishedOtherwise {
        volume: volume.clone(),
        instance: instance.clone(),
        is: words(is),
        wanted: words(read_only),
    })
}

/// What EC2's answer says to do.
enum Next {
    /// The instance has it.
    Done(Attachment),
    /// The instance has it, and an older attachment has it too, though one node alone may.
    Shared(Attachment),
    /// It is on its way there.
    Wait(Begun),
    /// Nothing is in the way any more.
    TryAgain,
}

/// One attach under way.
struct Publication<'a> {
    service: &'a ControllerService,
    volume: &'a VolumeId,
    instance: &'a InstanceId,
    mode: AccessMode,
}

impl Publication<'_> {
    /// Nodes that share a volume are attached to it at the same time. Where one alone may have it, one request is served at a time.
    fn begin(&self) -> Result<(Guard, Option<Guard>), Busy> {
        let rpc = Rpc::ControllerPublishVolume;
        let (volume, instance) = (self.volume.clone(), self.instance.clone());
        let whole = match self.mode.is_shared() {
            true => None,
            false => Some(self.service.begin(Key::Volume(volume.clone()), rpc)?),
        };
        let share = self.service.begin(Key::Attachment(volume, instance), rpc)?;
        Ok((share, whole))
    }

    /// Refuses what contradicts the publication that is there, unless somebody has detached it since.
    async fn agree(&self, read_only: bool) -> Result<(), Error> {
        let volume = VolumeHandle::Ebs(self.volume.clone());
        let Some(refusal) = otherwise(self.service, &volume, self.instance, read_only) else {
            return Ok(());
        };
        let there = self.service.cloud.volume(self.volume).await?;
        match there.attachment_to(self.instance).map(|here| here.state) {
            None | Some(AttachmentState::Detached) => Ok(()),
            Some(_) => Err(refusal),
        }
    }

    async fn attach(&self) -> Result<Attachment, Error> {
        let names = &self.service.device_names;
        let mut unstuck = false;
        for _ in 0..MAX_TRIES {
            let place = names
                .reserve(&self.service.cloud, self.instance, self.volume)
                .await?;
            let mut next = self.put(&place).await?;
            let waited = matches!(next, Next::Wait(_));
            if let Next::Wait(begun) = next {
                next = match self.wait(begun, place.since).await? {
                    Some(there) => there,
                    // Twice is no accident: the caller is told, and comes back later.
                    None => self.unstick(std::mem::replace(&mut unstuck, true)).await?,
                };
            }
            match next {
                Next::Done(attachment) => {
                    names.attached(self.instance, self.volume);
                    return Ok(attachment);
                }
                Next::Shared(older) => return Err(self.give_back(older, waited).await),
                Next::Wait(_) | Next::TryAgain => {}
            }
        }
        Err(self.undone())
    }

    /// One call to EC2: a look at what is known to be attached, an attach otherwise.
    async fn put(&self, place: &Reservation) -> Result<Next, Error> {
        if place.attached {
            return self.look(None).await;
        }
        let request = AttachVolume {
            volume: self.volume.clone(),
            instance: self.instance.clone(),
            device: place.device.clone(),
            card: place.card,
        };
        let names = &self.service.device_names;
        let refusal = match self.service.cloud.attach_volume(&request).await {
            Ok(_) => return Ok(Next::Wait(Begun::Now)),
            Err(refusal) => refusal,
        };
        match refusal.kind {
            ErrorKind::DeviceNameTaken => {
                names.taken(self.instance, &place.device);
                Ok(Next::TryAgain)
            }
            ErrorKind::AttachmentLimitExceeded if names.full(self.instance, place) => {
                Ok(Next::TryAgain)
            }
            ErrorKind::VolumeInUse | ErrorKind::IncorrectState => self.look(Some(&refusal)).await,
            _ => Err(self.give_up(refusal).await),
        }
    }

    /// A refusal that trying again at once does not help. The name stays with the volume where the attach may have happened.
    async fn give_up(&self, refusal: Ec2Error) -> Error {
        if !refusal.is_transient() {
            self.service
                .device_names
                .release(self.instance, self.volume);
        }
        match refusal.kind {
            // Which code EC2 has for a volume and a node on different Outposts, its reference does not say.
            ErrorKind::ZoneMismatch | ErrorKind::InvalidParameter => self.apart(refusal).await,
            ErrorKind::AttachmentLimitExceeded => self.no_room(refusal).await,
            _ => refusal.into(),
        }
    }

    /// What EC2 shows of the volume: after a refusal because of a state, to find out whose; otherwise whether it is still attached.
    async fn look(&self, refusal: Option<&Ec2Error>) -> Result<Next, Error> {
        let names = &self.service.device_names;
        let volume = match self.service.cloud.volume(self.volume).await {
            Err(error) if error.is_not_found() => {
                names.release(self.instance, self.volume);
                return Err(error.into());
            }
            other => other?,
        };
        let here = volume.attachment_to(self.instance);
        match here.map(|here| (here.state, here)) {
            Some((AttachmentState::Attached, here)) => Ok(self.there(&volume, here)),
            Some((AttachmentState::Attaching, _)) => {
                if refusal.is_none() {
                    names.on_its_way(self.instance, self.volume);
                    return Ok(Next::TryAgain);
                }
                Ok(Next::Wait(Begun::Earlier))
            }
            Some((AttachmentState::Detaching | AttachmentState::Busy, _)) => {
                self.wait_released(Begun::Earlier).await
            }
            Some((AttachmentState::Detached, _)) | None => {
                names.release(self.instance, self.volume);
                self.look_elsewhere(&volume, refusal).await
            }
        }
    }

    /// An earlier detach from this very instance is still on its way.
    async fn wait_released(&self, begun: Begun) -> Result<Next, Error> {
        let cloud = &self.service.cloud;
        let watched =
            cloud.watch_volume(self.volume, Change::Detached, begun, |volume| match volume
                .attachment_to(self.instance)
                .map(|here| here.state)
            {
                None | Some(AttachmentState::Detached) => ControlFlow::Break(()),
                Some(_) => ControlFlow::Continue(()),
            });
        match timeout_at(Instant::now() + RELEASE, watched).await {
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

    /// Accepted: watch until the instance has the device. `None` where it hangs.
    async fn wait(&self, begun: Begun, since: Instant) -> Result<Option<Next>, Error> {
        let cloud = &self.service.cloud;
        let watched = cloud.watch_volume(self.volume, Change::Attached, begun, |volume| {
            let here = volume.attachment_to(self.instance);
            match here.map(|here| (here.state, here)) {
                Some((AttachmentState::Attached, here)) => {
                    ControlFlow::Break(Some(self.there(volume, here)))
                }
                Some((AttachmentState::Detaching | AttachmentState::Busy, _)) => {
                    ControlFlow::Break(None)
                }
                // EC2 may not show yet what it has accepted.
                Some((AttachmentState::Attaching | AttachmentState::Detached, _)) | None => {
                    ControlFlow::Continue(())
                }
            }
        });
        match timeout_at(since + self.patience(), watched).await {
            Ok(Ok(Some(there))) => Ok(Some(there)),
            Ok(Ok(None)) => Err(self.undone()),
            Ok(Err(error)) => Err(error.into()),
            Err(_elapsed) => self.after_all().await,
        }
    }

    /// The attachment, if the instance has the device by now: the last look may be long ago where EC2 throttles or the machine is busy,
    /// and an attachment that is not known to hang is not undone.
    async fn after_all(&self) -> Result<Option<Next>, Error> {
        let volume = self.service.cloud.volume(self.volume).await?;
        let here = volume.attachment_to(self.instance);
        let attached = here.filter(|here| here.state == AttachmentState::Attached);
        Ok(attached.map(|here| self.there(&volume, here)))
    }

    /// Lets go of an attachment that hangs, so that the next attach is a new one under another name.
    async fn unstick(&self, again: bool) -> Result<Next, Error> {
        tracing::warn!(volume.id = %self.volume, instance.id = %self.instance, "attachment is stuck, detaching");
        // First, so that the name is not used again if this call ends here.
        self.service.device_names.stuck(self.instance, self.volume);
        let detached = self
            .service
            .cloud
            .detach_volume(self.volume, self.instance)
            .await;
        match detached {
            Ok(_) => {}
            // Not attached at all: EC2 has let go of it itself.
            Err(error) if error.is_not_found() || error.kind == ErrorKind::IncorrectState => {}
            Err(error) => return Err(error.into()),
        }
        if again {
            return Err(Error::AttachStuck {
                volume: self.volume.clone(),
                instance: self.instance.clone(),
                after: self.patience(),
            });
        }
        self.wait_released(Begun::Earlier).await
    }

    /// How long an attachment may be on its way.
    fn patience(&self) -> Duration {
        self.service.settings.attach_patience
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
