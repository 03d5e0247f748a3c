//! CreateVolumeGroupSnapshot: EC2 knows no client token for it, so the name's tag is looked up before each creation.
//!
//! Answers for: one group a name, whatever replies are lost, by the same rule as `create_snapshot`'s. What exists is found without asking
//! where its volumes are by now.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use csi::v1::{CreateVolumeGroupSnapshotRequest, CreateVolumeGroupSnapshotResponse};
use ebs_types::{Tags, VolumeId, keys};
use ec2::{CreateSnapshots, Ec2Error, ErrorKind, Outcome, Snapshot};

use super::cut::{self, Cut};
use super::host;
use crate::controller::class_tags::ClassTags;
use crate::controller::error::Error;
use crate::controller::params::Parameters;
use crate::controller::{ControllerService, Settings, origin, request, tags};
use crate::inflight::Key;
use crate::status::{InvalidRequest, Rpc};

/// Serves the RPC.
pub(super) async fn run(
    service: &ControllerService,
    message: CreateVolumeGroupSnapshotRequest,
) -> Result<CreateVolumeGroupSnapshotResponse, Error> {
    let spec = Spec::parse(&message, &service.settings)?;
    let rpc = Rpc::CreateVolumeGroupSnapshot;
    let _guard = service.begin(Key::GroupSnapshot(spec.name.clone()), rpc)?;
    let spec = &spec;
    let cut = Taking { service, spec }.take().await?;
    let group_snapshot = super::message(&spec.name, &cut, |volume| spec.handle(volume))?;
    Ok(CreateVolumeGroupSnapshotResponse {
        group_snapshot: Some(group_snapshot),
    })
}

/// What group is wanted.
struct Spec {
    name: String,
    /// Of these, by the handles of the request: external-snapshotter finds their PVs by them.
    volumes: BTreeMap<VolumeId, String>,
    tags: Tags,
}

impl Spec {
    fn parse(
        message: &CreateVolumeGroupSnapshotRequest,
        settings: &Settings,
    ) -> Result<Self, Error> {
        let name = request::required("name", &message.name, "give the group snapshot a name")?;
        let volumes = volumes(&message.source_volume_ids)?;
        let mut map = Parameters::new("parameters", &message.parameters)?;
        let variables = origin::group_snapshot_names(&mut map);
        let class_tags = ClassTags::take_set(&mut map, &variables, settings.invalid_tags)?;
        map.finish()?;
        let mut tags = tags::group_snapshot(settings, name, volumes.len())?;
        for (key, value) in &class_tags.set {
            tags.set(key, value)?;
        }
        Ok(Self {
            name: name.to_owned(),
            volumes,
            tags,
        })
    }

    fn wanted(&self) -> BTreeSet<&VolumeId> {
        self.volumes.keys().collect()
    }

    fn handle(&self, volume: &VolumeId) -> String {
        let handle = self.volumes.get(volume).cloned();
        handle.unwrap_or_else(|| volume.to_string())
    }
}

fn volumes(handles: &[String]) -> Result<BTreeMap<VolumeId, String>, Error> {
    let field = "source_volume_ids";
    if handles.is_empty() {
        let hint = "give the ids of the volumes to take snapshots of, vol-…";
        return Err(InvalidRequest::Missing { field, hint }.into());
    }
    let mut volumes = BTreeMap::new();
    for handle in handles {
        let id = request::volume(handle)?;
        if volumes.insert(id, handle.clone()).is_some() {
            let once = "this volume is named twice: name each once";
            return Err(InvalidRequest::value(field, handle, once).into());
        }
    }
    Ok(volumes)
}

/// One creation under way.
struct Taking<'a> {
    service: &'a ControllerService,
    spec: &'a Spec,
}

impl Taking<'_> {
    async fn take(&self) -> Result<Cut, Error> {
        match self.existing().await? {
            Some(cut) => Ok(cut),
            None => self.create().await,
        }
    }

    /// The oldest whole group of the name; `None` only where none can be on its way either.
    async fn existing(&self) -> Result<Option<Cut>, Error> {
        let (name, wanted) = (&self.spec.name, self.spec.wanted());
        let hidden = self.may_be_on_its_way();
        // EC2 may show some members of a call before the others.
        let enough = |members: &[Snapshot]| {
            let cuts = cut::of(members.to_vec());
            match cuts.is_empty() {
                true => !hidden,
                false => cuts
                    .iter()
                    .any(|cut| cut.covers(&wanted) || !cut.is_of(&wanted)),
            }
        };
        let looked = self.service.cloud.group_members_surely(name, enough).await;
        let cuts = cut::of(looked.map_err(|error| self.in_doubt(error))?);
        if let Some(other) = cuts.iter().find(|cut| !cut.is_of(&wanted)) {
            return Err(self.of_others(other));
        }
        let Some(first) = cuts.first() else {
            return Ok(None);
        };
        match cuts.iter().find(|cut| cut.covers(&wanted)) {
            Some(whole) => self.without_strays(whole.clone()).await.map(Some),
            None => Err(self.incomplete(first)),
        }
    }

    /// Whether EC2 may have accepted this group and not show it yet: an attempt of this process is in doubt, or the one who served
    /// snapshots before this process may have made it a moment ago.
    fn may_be_on_its_way(&self) -> bool {
        let window = self.service.cloud.settings().consistency_window;
        self.service.took_up_snapshots().elapsed() < window
            || self.service.recent_groups.contains(&self.spec.name, window)
    }

    async fn create(&self) -> Result<Cut, Error> {
        let plan = self.plan().await?;
        let window = self.service.cloud.settings().consistency_window;
        let attempt = self.service.recent_groups.begin(&self.spec.name, window);
        match self.service.cloud.api().create_snapshots(&plan).await {
            Ok(snapshots) => self.made(snapshots).await,
            Err(refusal) => {
                if refusal.outcome == Outcome::NotDone {
                    attempt.not_done();
                }
                Err(self.refused(&plan, refusal).await)
            }
        }
    }

    async fn plan(&self) -> Result<CreateSnapshots, Error> {
        let host = host::of(self.service, &self.spec.wanted()).await?;
        let mut tags = self.spec.tags.clone();
        // No two attempts for a name begin in the same nanosecond.
        let begun = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let begun = begun.unwrap_or_default().as_nanos();
        tags.set(keys::GROUP_SNAPSHOT_CUT, begun.to_string())?;
        Ok(CreateSnapshots {
            instance: host.instance,
            exclude_root: host.exclude_root,
            excluded: host.excluded,
            description: format!("Created by the EBS CSI driver for {}", self.spec.name)
                .chars()
                .take(255)
                .collect(),
            tags,
        })
    }

    /// EC2 has made them of what was attached at that moment, which need not be what was looked at before.
    async fn made(&self, snapshots: Vec<Snapshot>) -> Result<Cut, Error> {
        let wanted = self.spec.wanted();
        let whole = cut::of(snapshots.clone()).into_iter().next();
        if let Some(cut) = whole.filter(|cut| cut.covers(&wanted)) {
            return self.without_strays(cut).await;
        }
        for snapshot in &snapshots {
            match self.service.cloud.delete_snapshot(&snapshot.id).await {
                Err(error) if !error.is_not_found() => return Err(self.in_doubt(error)),
                _ => {}
            }
        }
        Err(Error::GroupParted {
            name: self.spec.name.clone(),
        })
    }

    /// Deletes what the group has of other volumes, which were attached while it was made.
    async fn without_strays(&self, mut cut: Cut) -> Result<Cut, Error> {
        for stray in cut.take_strays(&self.spec.wanted()) {
            match self.service.cloud.delete_snapshot(&stray.id).await {
                Err(error) if !error.is_not_found() => return Err(self.in_doubt(error)),
                _ => {}
            }
        }
        Ok(cut)
    }

    async fn refused(&self, plan: &CreateSnapshots, refusal: Ec2Error) -> Error {
        let moved = match refusal.kind {
            _ if refusal.outcome == Outcome::MayBeDone => false,
            ErrorKind::InstanceNotFound
            | ErrorKind::VolumeNotFound
            | ErrorKind::AttachmentNotFound => true,
            // What it takes for a wrong id may have been detached a moment ago.
            ErrorKind::InvalidParameter => {
                match host::of(self.service, &self.spec.wanted()).await {
                    Ok(now) => now.instance != plan.instance || now.excluded != plan.excluded,
                    Err(error) => return error,
                }
            }
            _ => false,
        };
        match moved {
            true => Error::TryAgain {
                error: Box::new(refusal),
            },
            false => refusal.into(),
        }
    }

    fn of_others(&self, other: &Cut) -> Error {
        let of: Vec<_> = other.volumes().iter().map(|id| id.as_str()).collect();
        let wanted: Vec<_> = self.spec.volumes.keys().map(VolumeId::as_str).collect();
        Error::Incompatible {
            name: self.spec.name.clone(),
            id: format!("the group snapshot of {}", other.words()),
            difference: format!("it is of {}, not of {}", of.join(", "), wanted.join(", ")),
        }
    }

    fn incomplete(&self, cut: &Cut) -> Error {
        let shown = cut.volumes();
        let lacking = self.spec.volumes.keys();
        let lacking = lacking
            .filter(|id| !shown.contains(id))
            .map(VolumeId::as_str);
        Error::GroupIncomplete {
            name: self.spec.name.clone(),
            lacking: lacking.collect::<Vec<_>>().join(", "),
            left: cut.words(),
        }
    }

    fn in_doubt(&self, error: Ec2Error) -> Error {
        Error::InDoubt {
            what: format!("a group snapshot named {:?}", self.spec.name),
            error: Box::new(error),
        }
    }
}
