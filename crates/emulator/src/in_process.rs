//! The emulator without sockets: HTTP requests in, HTTP responses out, in the caller's own process and on its own clock.
//!
//! Answers for: a cloud of a size and over a time that no machine has: in a runtime whose time is paused, hours of delays and token
//! buckets pass as fast as the calls of them are computed.
//! Doesn't answer for: devices and instance metadata, which need files and sockets.

use std::io;
use std::sync::Arc;

use axum::Router;
use bytes::Bytes;
use ebs_types::{
    AttachmentState, DeviceName, Gibibytes, InstanceId, Region, Tags, VolumeId, VolumeState, Zone,
};
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response};
use tower::ServiceExt as _;

use crate::config::{BackingKind, Delays, Settings};
use crate::model::{
    ApiError, AttachVolume, Command, CreateVolume, Instance, Reply, Script, Volume,
};
use crate::server::Front;
use crate::start::{Parts, check};
use crate::state::Input;
use crate::{Config, Emulator, StartError, control};

/// An emulator that is called as a function. Its time is tokio's; what is due happens in a task of the runtime that it was started
/// in, until [`InProcess::shutdown`] or the end of that runtime.
#[derive(Debug)]
pub struct InProcess {
    parts: Parts,
    front: Arc<Front>,
    control: Router,
    region: Region,
}

/// A volume that is there from the beginning: 1 GiB of gp3.
#[derive(Clone, Debug)]
pub struct PresetVolume {
    /// Where.
    pub zone: Zone,
    /// Its tags.
    pub tags: Tags,
    /// To which instance it is attached, and as what.
    pub attached: Option<(InstanceId, DeviceName)>,
}

/// A volume that cannot be there from the beginning.
#[derive(Debug, thiserror::Error)]
#[error("the volume cannot be there: {0}")]
pub struct PresetError(String);

/// A volume as it is, whether EC2 would show it yet or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeView {
    /// Its id.
    pub id: VolumeId,
    /// Its state.
    pub state: VolumeState,
    /// Its tags.
    pub tags: Tags,
    /// Where it is attached.
    pub attachments: Vec<(InstanceId, AttachmentState)>,
}

impl Emulator {
    /// Starts an emulator that is called as a function, from the state in the data directory if there is one. The configuration's
    /// addresses are not used.
    ///
    /// # Errors
    /// [`StartError`]; [`StartError::Config`] where the backing is to be other than none.
    pub async fn in_process(config: Config) -> Result<InProcess, StartError> {
        let policy = check(&config)?;
        let wrong = |text: &str| StartError::Config(text.to_owned());
        if config.backing != BackingKind::None {
            return Err(wrong("without sockets only a backing of none is served"));
        }
        let region = config.regions.first().cloned();
        let region = region.ok_or_else(|| wrong("no region is given"))?;
        let parts = Parts::assemble(&config, None).await?;
        let engine = &parts.engine;
        Ok(InProcess {
            front: Front::new(Arc::clone(engine), region.clone(), policy),
            control: control::router(Arc::clone(engine)),
            parts,
            region,
        })
    }
}

impl InProcess {
    /// Answers a request to the EC2 endpoint or to the EBS direct APIs.
    ///
    /// # Errors
    /// [`io::ErrorKind::ConnectionReset`], on purpose.
    pub async fn call(&self, request: Request<Bytes>) -> io::Result<Response<Bytes>> {
        let answered = self.front.answer(request.map(Full::new)).await;
        let response =
            answered.map_err(|reset| io::Error::new(io::ErrorKind::ConnectionReset, reset))?;
        let (head, body) = response.into_parts();
        let Ok(body) = body.collect().await;
        Ok(Response::from_parts(head, body.to_bytes()))
    }

    /// Answers a request to the control endpoint.
    ///
    /// # Errors
    /// That the body cannot be read, which does not happen.
    pub async fn control(&self, request: Request<Bytes>) -> io::Result<Response<Bytes>> {
        let Ok(response) = self.control.clone().oneshot(request.map(Full::new)).await;
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?;
        Ok(Response::from_parts(head, body.to_bytes()))
    }

    /// Puts these volumes into the first region, and gives their ids. It takes no time, whatever the delays are, and counts as no
    /// call.
    ///
    /// # Errors
    /// [`PresetError`], for the first one that EC2 would refuse; those before it are there.
    pub async fn preset(
        &self,
        volumes: impl IntoIterator<Item = PresetVolume>,
    ) -> Result<Vec<VolumeId>, PresetError> {
        let before = self.parts.engine.inner().world.settings().clone();
        let at_once = Settings {
            delays: Delays::none(),
            ..before.clone()
        };
        let failed = |error: ApiError| PresetError(error.to_string());
        let engine = &self.parts.engine;
        engine.configure(at_once).await.map_err(failed)?;
        let mut made = Vec::new();
        let mut refused = None;
        for volume in volumes {
            match self.place(volume).await {
                Ok(id) => made.push(id),
                Err(error) => {
                    refused = Some(error);
                    break;
                }
            }
        }
        engine.configure(before).await.map_err(failed)?;
        match refused {
            None => Ok(made),
            Some(error) => Err(failed(error)),
        }
    }

    async fn place(&self, volume: PresetVolume) -> Result<VolumeId, ApiError> {
        let made = Command::CreateVolume(CreateVolume {
            tags: volume.tags,
            ..CreateVolume::gp3(volume.zone, Gibibytes(1))
        });
        let id = match self.take(made).await? {
            Reply::Volume(volume) => volume.id,
            _ => return Err(ApiError::internal("no volume was made".to_owned())),
        };
        if let Some((instance, device)) = volume.attached {
            let attached = Command::AttachVolume(AttachVolume {
                volume: id.clone(),
                instance,
                device,
                card: 0,
            });
            self.take(attached).await?;
        }
        Ok(id)
    }

    async fn take(&self, command: Command) -> Result<Reply, ApiError> {
        let input = Input::Call {
            region: self.region.clone(),
            command,
            script: Script::default(),
        };
        self.parts.engine.input(&input).await
    }

    /// The instances of the first region that are not terminated, with their zones, in the order of their start.
    #[must_use]
    pub fn instances(&self) -> Vec<(InstanceId, Zone)> {
        let view = |instance: &Instance| (instance.id.clone(), instance.zone.clone());
        let inner = self.parts.engine.inner();
        let instances = inner.world.instances();
        instances.into_iter().map(view).collect()
    }

    /// The volumes of the first region, in the order of their ids.
    #[must_use]
    pub fn volumes(&self) -> Vec<VolumeView> {
        let view = |volume: &Volume| VolumeView {
            id: volume.id.clone(),
            state: volume.state(),
            tags: volume.tags.clone(),
            attachments: volume
                .attachments
                .iter()
                .map(|attachment| (attachment.instance.clone(), attachment.state()))
                .collect(),
        };
        let mut inner = self.parts.engine.inner();
        self.parts.engine.catch_up(&mut inner);
        let state = inner.world.region(&self.region);
        let volumes = state.map(|state| state.volumes.values().map(view).collect());
        volumes.unwrap_or_default()
    }

    /// Stops what runs.
    pub async fn shutdown(self) {
        self.parts.shut_down().await;
    }
}

#[cfg(test)]
mod tests;
