//! CreateVolume: one call to EC2 that makes the volume, anew or as a copy, then a watch until it can be used.
//!
//! Answers for two rules. *Finality*: an answer that the caller takes for final ("no volume of that name exists") is given only when
//! that is known over all attempts. *No doubles*: client tokens expire, and a deleted volume's token answers with the dead id; so the
//! first look afterwards goes by name, the oldest volume is kept, and a burnt token is rolled (`settle`).

mod clone;
mod contents;
mod keys;
mod placement;
mod settle;

use csi::v1::{CreateVolumeRequest, CreateVolumeResponse};
use ebs_types::{Gibibytes, VolumeKind, VolumeState};
use ec2::{Ec2Error, ErrorKind, Outcome, Volume};

pub(super) use self::keys::Keys;
use self::settle::{Fate, is_ready};
use super::error::Error;
use super::site::Site;
use super::volume_spec::VolumeSpec;
use super::{ControllerService, topology};
use crate::inflight::Key;
use crate::status::{Rpc, controller_code, is_final};

/// Tokens tried in one RPC. More than one is burnt only where creation failed again and again.
const MAX_TOKENS: usize = 4;

/// Serves the RPC.
pub(super) async fn run(
    service: &ControllerService,
    request: CreateVolumeRequest,
) -> Result<CreateVolumeResponse, Error> {
    let spec = VolumeSpec::parse(&request, &service.settings)?;
    let _guard = service.begin(Key::VolumeName(spec.name.clone()), Rpc::CreateVolume)?;
    let creation = Creation {
        service,
        spec: &spec,
    };
    let volume = match creation.create().await {
        Err(refusal) if is_final(controller_code(Rpc::CreateVolume, &refusal)) => {
            creation.confirm(refusal).await?
        }
        other => other?,
    };
    service.volumes.succeeded(&spec.name);
    Ok(render(&spec, &volume))
}

fn render(spec: &VolumeSpec, volume: &Volume) -> CreateVolumeResponse {
    CreateVolumeResponse {
        volume: Some(csi::v1::Volume {
            capacity_bytes: volume.size.bytes().to_csi(),
            volume_id: volume.id.to_string(),
            volume_context: spec.context().collect(),
            content_source: spec.origin.content_source(),
            accessible_topology: topology::accessible_from(&volume.into()),
        }),
    }
}

/// How one call ended.
enum Made {
    /// The volume is there and can be used.
    Volume(Box<Volume>),
    /// The token answers for a volume that is gone, and nothing else of the name exists.
    TokenBurnt,
}

impl Made {
    fn of(volume: Volume) -> Self {
        Self::Volume(Box::new(volume))
    }
}

/// Where and of what a volume is made.
#[derive(Clone, Copy)]
struct Place<'a> {
    site: &'a Site,
    size: Gibibytes,
    /// The volume to clone, if it is to be a clone; it is there.
    source: Option<&'a Volume>,
}

/// One CreateVolume under way.
struct Creation<'a> {
    service: &'a ControllerService,
    spec: &'a VolumeSpec,
}

impl Creation<'_> {
    async fn create(&self) -> Result<Volume, Error> {
        let contents = self.contents().await?;
        let size = self.spec.size(contents.size())?;
        let sites = self.sites(&contents).await?;
        let name = &self.spec.name;
        let mut last = None;
        for site in sites {
            let place = Place {
                site: &site,
                size,
                source: contents.volume(),
            };
            let refusal = match self.create_in(place).await {
                Err(refusal) => self.of_site(&site, refusal).await?,
                made => return made,
            };
            tracing::info!(%site, %refusal, "no volume can be made there");
            // An earlier attempt may still have made it, here or elsewhere. Until that is excluded no other place is tried.
            if self.service.volumes.outcome(name) != Outcome::NotDone
                && let Some(volume) = self.existing().await?
            {
                return self.adopt(volume).await;
            }
            // A zone that has no room now says more than one that does not exist.
            if last.is_none() || !matches!(refusal, Error::NoSuchZone { .. }) {
                last = Some(refusal);
            }
        }
        Err(last.unwrap_or(Error::NoZone))
    }

    async fn create_in(&self, place: Place<'_>) -> Result<Volume, Error> {
        for _ in 0..MAX_TOKENS {
            match self.call(place).await? {
                Made::Volume(volume) => return Ok(*volume),
                Made::TokenBurnt => {
                    tracing::info!(volume.name = %self.spec.name, "client token is burnt, rolling it");
                    self.service.volumes.roll(&self.spec.name);
                }
            }
        }
        Err(Error::TokensBurnt {
            name: self.spec.name.clone(),
        })
    }

    async fn call(&self, place: Place<'_>) -> Result<Made, Error> {
        let name = &self.spec.name;
        let kind = self.spec.kind(place.size)?;
        let attempt = self.service.volumes.begin(name);
        match self.accept(place, kind, attempt.generation()).await {
            Ok(volume) => self.settle(volume).await,
            // The token made something else: a volume that is there, or one that is gone.
            Err(error) if error.kind == ErrorKind::IdempotentParameterMismatch => {
                match self.existing().await? {
                    Some(volume) => self.adopt(volume).await.map(Made::of),
                    None => Ok(Made::TokenBurnt),
                }
            }
            Err(error) => {
                if error.outcome == Outcome::NotDone {
                    attempt.not_done();
                }
                Err(error.into())
            }
        }
    }

    /// The one call that makes something.
    async fn accept(
        &self,
        place: Place<'_>,
        kind: VolumeKind,
        generation: u32,
    ) -> Result<Volume, Ec2Error> {
        let (spec, cloud) = (self.spec, &self.service.cloud);
        match place.source {
            None => {
                let plan = spec.plan(place.site, place.size, kind, generation);
                cloud.create_volume(&plan).await
            }
            Some(source) => {
                let plan = spec.plan_copy(source, place.size, kind, generation);
                cloud.copy_volume(&plan).await
            }
        }
    }

    /// A final refusal stands only if nothing of the name exists, whatever earlier attempts did.
    async fn confirm(&self, refusal: Error) -> Result<Volume, Error> {
        if self.service.volumes.outcome(&self.spec.name) == Outcome::NotDone {
            return Err(refusal);
        }
        match self.existing().await? {
            Some(volume) => self.adopt(volume).await,
            None => Err(refusal),
        }
    }

    /// The oldest volume of the name; `None` only when that is sure. Those that EC2 failed to make are removed on the way.
    async fn existing(&self) -> Result<Option<Volume>, Error> {
        let name = &self.spec.name;
        let cloud = &self.service.cloud;
        let named = cloud
            .volumes_named_surely(name)
            .await
            .map_err(|e| self.in_doubt(e))?;
        let (failed, alive): (Vec<_>, Vec<_>) = named
            .into_iter()
            .partition(|volume| volume.state == VolumeState::Error);
        for volume in failed {
            self.clean_up(&volume.id).await?;
        }
        let oldest = alive.into_iter().next();
        if oldest.is_none() {
            self.service.volumes.found_nothing(name);
        }
        Ok(oldest)
    }

    /// Answers with a volume that was there before, if it is what is wanted.
    async fn adopt(&self, volume: Volume) -> Result<Volume, Error> {
        let sites = self.allowed().await?;
        if let Some(difference) = self.spec.difference(&volume, &sites) {
            return Err(Error::Incompatible {
                name: self.spec.name.clone(),
                id: volume.id.to_string(),
                difference,
            });
        }
        if is_ready(&volume) {
            return Ok(volume);
        }
        match self.watch(&volume.id, true).await? {
            Fate::Ready(ready) => Ok(*ready),
            Fate::Errored | Fate::Gone { .. } => Err(Error::CameAndWent {
                name: self.spec.name.clone(),
                volume: volume.id,
            }),
        }
    }

    fn in_doubt(&self, error: Ec2Error) -> Error {
        Error::InDoubt {
            what: format!("a volume named {:?}", self.spec.name),
            error: Box::new(error),
        }
    }
}

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;
