//! One look at all volumes of the cluster after the other, and what has changed between them.
//!
//! Answers for: bounded memory (a page of PersistentVolumes, and those volumes that are not well), and that a volume which
//! Kubernetes itself deletes is not taken for lost. Doesn't answer for: when to look, and troubles of the looking (`keep`).

use std::collections::{BTreeMap, BTreeSet};

use csi::v1::volume_health::VolumeHealthEntry;
use ebs_types::{VolumeHandle, VolumeId};
use tonic::Status;

use super::metrics::{Shown, Unwell};
use crate::cluster::host_name;
use crate::controller::{Checkup, ControllerService, VOLUME_DELETED};
use crate::kubernetes::{
    Claim, ClaimRef, Connection, Event, Kubernetes, KubernetesError, PersistentVolume, Severity,
};

/// What was being done when an Event came up.
const ACTION: &str = "VolumeHealthCheck";
/// The reason of an Event that takes back what was told.
const WELL: &str = "VolumeWell";

/// Why a look did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum LookError {
    #[error(transparent)]
    Kubernetes(#[from] KubernetesError),
    #[error("{}", .0.message())]
    Ec2(Box<Status>),
}

impl From<Status> for LookError {
    fn from(status: Status) -> Self {
        Self::Ec2(Box::new(status))
    }
}

/// What was found before.
#[derive(Debug)]
pub(super) struct Watcher {
    driver: &'static str,
    instance: String,
    shown: Shown,
    /// By the claim's uid: the condition that it was told of, and nothing since.
    told: BTreeMap<String, String>,
    /// Whether that of former leaders is among it.
    recalled: bool,
    /// Volumes that are surely deleted. No id is given out twice.
    deleted: BTreeSet<VolumeId>,
}

/// What one look has found so far.
#[derive(Default)]
struct Found {
    unwell: BTreeSet<Unwell>,
    deleted: BTreeSet<VolumeId>,
    /// Those of the claims that were told of something, and are still there.
    claims: BTreeSet<String>,
    /// What kept one Event from being told, and no other.
    failed: Option<KubernetesError>,
}

/// A PersistentVolume and its volume.
struct Named {
    volume: PersistentVolume,
    id: VolumeId,
}

impl Watcher {
    pub(super) fn new(driver: &'static str, shown: Shown) -> Self {
        Self {
            driver,
            instance: host_name(),
            shown,
            told: BTreeMap::new(),
            recalled: false,
            deleted: BTreeSet::new(),
        }
    }

    /// Looks at all volumes, and tells what has changed.
    pub(super) async fn round(
        &mut self,
        kubernetes: &Kubernetes,
        controller: &ControllerService,
    ) -> Result<(), LookError> {
        let connection = kubernetes.connect()?;
        self.recall(&connection).await?;
        let checkup = controller.checkup().await?;
        let mut found = Found::default();
        let mut more = String::new();
        loop {
            let (page, next) = connection.persistent_volumes(&more).await?;
            let page = page.into_iter().filter_map(|volume| self.named(volume));
            self.page(&connection, &checkup, page.collect(), &mut found)
                .await?;
            more = next;
            if more.is_empty() {
                break;
            }
        }
        self.shown.keep(&found.unwell);
        self.told.retain(|claim, _| found.claims.contains(claim));
        self.deleted = found.deleted;
        Ok(found.failed.map_or(Ok(()), Err)?)
    }

    /// Learns what was told of which claim by who led before.
    async fn recall(&mut self, connection: &Connection) -> Result<(), KubernetesError> {
        if self.recalled {
            return Ok(());
        }
        let mut latest: BTreeMap<String, (String, Option<String>)> = BTreeMap::new();
        let mut more = String::new();
        loop {
            let (events, next) = match connection.told_of_claims(self.driver, &more).await {
                Ok(page) => page,
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, "what was told of volumes before is not known, and may be told once more");
                    break;
                }
            };
            for event in events {
                let condition = event.is_warning().then(|| event.reason().to_owned());
                let last = latest.entry(event.uid().to_owned()).or_default();
                if last.0.as_str() <= event.time() {
                    *last = (event.time().to_owned(), condition);
                }
            }
            more = next;
            if more.is_empty() {
                break;
            }
        }
        let warned = latest
            .into_iter()
            .filter_map(|(claim, (_, condition))| Some((claim, condition?)));
        self.told.extend(warned);
        self.recalled = true;
        Ok(())
    }

    /// The volume of EC2's that a PersistentVolume names, if this driver answers for it and it is there to stay.
    fn named(&self, volume: PersistentVolume) -> Option<Named> {
        let handle: VolumeHandle = volume.handle(self.driver)?.parse().ok()?;
        let id = handle.id()?.clone();
        (!volume.is_leaving()).then_some(Named { volume, id })
    }

    async fn page(
        &mut self,
        connection: &Connection,
        checkup: &Checkup<'_>,
        page: Vec<Named>,
        found: &mut Found,
    ) -> Result<(), LookError> {
        let ids: BTreeSet<VolumeId> = page.iter().map(|named| named.id.clone()).collect();
        let (gone, asked): (Vec<_>, Vec<_>) =
            ids.into_iter().partition(|id| self.deleted.contains(id));
        let mut troubles = checkup.of(&asked).await?;
        troubles.extend(gone.into_iter().map(|id| (id, checkup.deleted())));
        for named in page {
            let trouble = troubles.get(&named.id);
            if let Some(trouble) = trouble
                && trouble.reason == VOLUME_DELETED
                && !self.deleted.contains(&named.id)
            {
                if !self.still_names(connection, &named).await? {
                    continue;
                }
                self.deleted.insert(named.id.clone());
            }
            if let Some(trouble) = trouble {
                let unwell = unwell(&named, trouble);
                self.shown.add(&unwell);
                found.unwell.insert(unwell);
            }
            if self.deleted.contains(&named.id) {
                found.deleted.insert(named.id.clone());
            }
            self.tell(connection, &named, trouble, found).await?;
        }
        Ok(())
    }

    /// Whether a PersistentVolume names its volume even now that this is gone: Kubernetes may have deleted both since the list was
    /// made, and deletes the volume first.
    async fn still_names(
        &self,
        connection: &Connection,
        named: &Named,
    ) -> Result<bool, KubernetesError> {
        let now = connection.persistent_volume(named.volume.name()).await?;
        let now = now.and_then(|volume| self.named(volume));
        Ok(now.is_some_and(|now| now.id == named.id))
    }

    /// Tells the claim what it does not know yet.
    async fn tell(
        &mut self,
        connection: &Connection,
        named: &Named,
        trouble: Option<&VolumeHealthEntry>,
        found: &mut Found,
    ) -> Result<(), KubernetesError> {
        let Some(claim) = named.volume.bound() else {
            return Ok(());
        };
        let told = self.told.get(&claim.uid).map(String::as_str);
        if told != trouble.map(|trouble| trouble.reason.as_str()) {
            let event = self.event(named, trouble);
            match connection.tell_of_claim(claim, &event).await {
                Ok(()) => self.note(claim, named, trouble),
                Err(error) if error.is_for_all() => return Err(error),
                Err(error) => {
                    found.failed.get_or_insert(error);
                }
            }
        }
        if self.told.contains_key(&claim.uid) {
            found.claims.insert(claim.uid.clone());
        }
        Ok(())
    }

    /// It was told.
    fn note(&mut self, claim: &ClaimRef, named: &Named, trouble: Option<&VolumeHealthEntry>) {
        let Claim { name, namespace } = &claim.claim;
        let (id, claim) = (&named.id, claim.uid.clone());
        match trouble {
            Some(VolumeHealthEntry { reason, .. }) => {
                tracing::warn!(volume.id = %id, namespace, claim = name, reason, "a volume is not well, its claim has an Event");
                self.told.insert(claim, reason.clone());
            }
            None => {
                tracing::info!(volume.id = %id, namespace, claim = name, "a volume is well again, its claim has an Event");
                self.told.remove(&claim);
            }
        }
    }

    fn event(&self, named: &Named, trouble: Option<&VolumeHealthEntry>) -> Event {
        let what = format!("Volume {} of {}", named.id, named.volume.name());
        let (severity, reason, note) = match trouble {
            Some(trouble) => (
                Severity::Warning,
                trouble.reason.clone(),
                format!("{what}: {}", trouble.message),
            ),
            None => (
                Severity::Normal,
                WELL.to_owned(),
                format!("{what} is well again: EC2 finds nothing wrong with it any more"),
            ),
        };
        Event {
            reporter: self.driver,
            instance: self.instance.clone(),
            severity,
            action: ACTION,
            reason,
            note,
        }
    }
}

fn unwell(named: &Named, trouble: &VolumeHealthEntry) -> Unwell {
    let claim = named.volume.claim().cloned().unwrap_or_default().claim;
    Unwell {
        volume_id: named.id.to_string(),
        persistentvolume: named.volume.name().to_owned(),
        persistentvolumeclaim: claim.name,
        namespace: claim.namespace,
        condition: trouble.reason.clone(),
    }
}
