//! CreateSnapshot: EC2 knows no client token for it, so the name's tag is looked up before each create.
//!
//! Answers for: one snapshot a name, whatever replies are lost. An empty look counts at once only where nothing of the name can be on
//! its way; after a lost reply, and for a while after this process took up the work, it counts past EC2's consistency window.

mod place;

use std::time::{Duration, SystemTime};

use csi::v1::{CreateSnapshotRequest, CreateSnapshotResponse};
use ebs_types::{SnapshotState, Tags, VolumeId};
use ec2::{CreateSnapshot, Ec2Error, ErrorKind, Outcome, Snapshot};
use tokio::time::{Instant, sleep_until};

use super::class_tags::ClassTags;
use super::error::Error;
use super::params::Parameters;
use super::snapshot_class::SnapshotClass;
use super::snapshot_extras::{self, Lacking};
use super::{ControllerService, Settings, origin, render, request, tags};
use crate::inflight::Key;
use crate::status::Rpc;

/// Serves the RPC.
pub(super) async fn run(
    service: &ControllerService,
    message: CreateSnapshotRequest,
) -> Result<CreateSnapshotResponse, Error> {
    let spec = Spec::parse(&message, &service.settings)?;
    let _guard = service.begin(Key::SnapshotName(spec.name.clone()), Rpc::CreateSnapshot)?;
    let snapshot = Taking {
        service,
        spec: &spec,
    }
    .take()
    .await?;
    Ok(CreateSnapshotResponse {
        snapshot: Some(render::snapshot(&snapshot)),
    })
}

/// What snapshot is wanted.
struct Spec {
    name: String,
    volume: VolumeId,
    tags: Tags,
    class: SnapshotClass,
}

impl Spec {
    fn parse(message: &CreateSnapshotRequest, settings: &Settings) -> Result<Self, Error> {
        let name = request::required("name", &message.name, "give the snapshot a name")?;
        let volume = request::required(
            "source_volume_id",
            &message.source_volume_id,
            "give the id of the volume to take a snapshot of, vol-…",
        )?;
        let mut map = Parameters::new("parameters", &message.parameters)?;
        let variables = origin::snapshot_names(&mut map);
        let class_tags = ClassTags::take_set(&mut map, &variables, settings.invalid_tags)?;
        let class = SnapshotClass::take(&mut map)?;
        map.finish()?;
        place::check_usable(
            message.accessibility_requirements.as_ref(),
            class.outpost.as_ref(),
        )?;
        let mut tags = tags::snapshot(settings, name)?;
        for (key, value) in &class_tags.set {
            tags.set(key, value)?;
        }
        Ok(Self {
            name: name.to_owned(),
            tags,
            volume: request::volume(volume)?,
            class,
        })
    }

    fn plan(&self) -> CreateSnapshot {
        CreateSnapshot {
            volume: self.volume.clone(),
            description: format!("Created by the EBS CSI driver for {}", self.name)
                .chars()
                .take(255)
                .collect(),
            outpost: self.class.outpost.clone(),
            tags: self.tags.clone(),
        }
    }
}

/// One CreateSnapshot under way.
struct Taking<'a> {
    service: &'a ControllerService,
    spec: &'a Spec,
}

impl Taking<'_> {
    async fn take(&self) -> Result<Snapshot, Error> {
        match self.existing().await? {
            Some(snapshot) => self.complete(self.adopt(snapshot)?).await,
            None => self.create_with_all().await,
        }
    }

    /// A snapshot that an earlier attempt made may lack what comes after it.
    async fn complete(&self, snapshot: Snapshot) -> Result<Snapshot, Error> {
        let (service, class) = (self.service, &self.spec.class);
        let asked = snapshot_extras::ask_for_the_rest(service, class, &snapshot.id).await;
        match asked {
            Ok(()) => Ok(snapshot),
            Err(lacking) => Err(self.incomplete(snapshot, lacking)),
        }
    }

    /// A new snapshot, with all that its class asks for, or none.
    async fn create_with_all(&self) -> Result<Snapshot, Error> {
        let (service, class) = (self.service, &self.spec.class);
        class.check_at(SystemTime::now())?;
        snapshot_extras::check_zones(service, class).await?;
        let snapshot = self.create().await?;
        match snapshot_extras::ask(service, class, &snapshot.id).await {
            Ok(()) => Ok(snapshot),
            Err(lacking) if lacking.is_final() => Err(self.take_back(snapshot, lacking).await),
            Err(lacking) => Err(self.incomplete(snapshot, lacking)),
        }
    }

    /// EC2 refuses what belongs to the snapshot. A caller who is told so has no id by which to delete it.
    async fn take_back(&self, snapshot: Snapshot, lacking: Lacking) -> Error {
        match self.service.cloud.delete_snapshot(&snapshot.id).await {
            Err(error) if !error.is_not_found() => self.incomplete(snapshot, lacking),
            _ => Error::SnapshotTakenBack {
                name: self.spec.name.clone(),
                what: lacking.what,
                error: Box::new(lacking.error),
            },
        }
    }

    fn incomplete(&self, snapshot: Snapshot, lacking: Lacking) -> Error {
        Error::SnapshotIncomplete {
            name: self.spec.name.clone(),
            snapshot: snapshot.id,
            what: lacking.what,
            error: Box::new(lacking.error),
        }
    }

    /// The oldest snapshot of the name; `None` only where none can be on its way either.
    async fn existing(&self) -> Result<Option<Snapshot>, Error> {
        let (cloud, name) = (&self.service.cloud, self.spec.name.as_str());
        let window = cloud.settings().consistency_window;
        let looked = if self.service.recent_snapshots.contains(name, window) {
            // An attempt of this process is in doubt.
            cloud.snapshots_named_surely(name).await
        } else {
            self.left_by_others(window).await
        };
        let named = looked.map_err(|error| self.in_doubt(error))?;
        Ok(named.into_iter().next())
    }

    /// The snapshots of the name that somebody else made, with those that the one who served snapshots before this process may have
    /// made a moment before that: they show by the end of the window that began then. In between nobody looks, since all wait for one moment.
    async fn left_by_others(&self, window: Duration) -> Result<Vec<Snapshot>, Ec2Error> {
        let (cloud, name) = (&self.service.cloud, self.spec.name.as_str());
        let sure_from = self.service.took_up_snapshots() + window;
        let asked = Instant::now();
        let named = cloud.snapshots_named(name).await?;
        if !named.is_empty() || asked >= sure_from {
            return Ok(named);
        }
        sleep_until(sure_from).await;
        cloud.snapshots_named(name).await
    }

    fn adopt(&self, snapshot: Snapshot) -> Result<Snapshot, Error> {
        let name = || self.spec.name.clone();
        if snapshot.volume.as_ref() != Some(&self.spec.volume) {
            let of = snapshot
                .volume
                .as_ref()
                .map_or("another volume", VolumeId::as_str);
            return Err(Error::Incompatible {
                name: name(),
                difference: format!("it is a snapshot of {of}, not of {}", self.spec.volume),
                id: snapshot.id.to_string(),
            });
        }
        if snapshot.outpost != self.spec.class.outpost {
            return Err(Error::Incompatible {
                name: name(),
                difference: format!(
                    "it is kept {}, not {}",
                    place::kept(snapshot.outpost.as_ref()),
                    place::kept(self.spec.class.outpost.as_ref())
                ),
                id: snapshot.id.to_string(),
            });
        }
        if snapshot.state == SnapshotState::Error {
            return Err(Error::SnapshotFailed {
                name: name(),
                snapshot: snapshot.id,
                state: snapshot.state,
            });
        }
        Ok(snapshot)
    }

    async fn create(&self) -> Result<Snapshot, Error> {
        let window = self.service.cloud.settings().consistency_window;
        let attempt = self.service.recent_snapshots.begin(&self.spec.name, window);
        let refusal = match self.service.cloud.create_snapshot(&self.spec.plan()).await {
            Ok(snapshot) => return self.adopt(snapshot),
            Err(refusal) => refusal,
        };
        if refusal.outcome == Outcome::NotDone {
            attempt.not_done();
        }
        if refusal.kind == ErrorKind::VolumeNotFound {
            // EC2 may not show a new volume yet; the shared look believes "not found" only when it is sure.
            self.service.cloud.volume(&self.spec.volume).await?;
            return Err(Error::TryAgain {
                error: Box::new(refusal),
            });
        }
        if refusal.kind == ErrorKind::InvalidParameter {
            return Err(self.refused(refusal).await);
        }
        Err(refusal.into())
    }

    fn in_doubt(&self, error: Ec2Error) -> Error {
        Error::InDoubt {
            what: format!("a snapshot named {:?}", self.spec.name),
            error: Box::new(error),
        }
    }
}

#[cfg(test)]
mod tests;
