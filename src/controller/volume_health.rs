//! ControllerGetVolumeHealth and ControllerListVolumeHealth: what EC2 knows to be wrong with volumes.
//!
//! Answers for: the kinds and reasons that programs act on, and which volumes are looked at: those that ListVolumes shows, and those
//! that were published here and are gone. Doesn't answer for: what a node sees of a volume (`node::health`), volumes that
//! PersistentVolumes name (`checkup`).

mod checkup;

use csi::v1::volume_health::VolumeHealthEntry;
use csi::v1::{
    ControllerGetVolumeHealthRequest, ControllerGetVolumeHealthResponse,
    ControllerListVolumeHealthRequest, ControllerListVolumeHealthResponse, VolumeHealth,
    VolumeHealthErrorType,
};
use ebs_types::{VolumeHandle, VolumeId, VolumeState};
use ec2::{
    Ec2Error, Page, Volume, VolumeQuery, VolumeSort, VolumeStatus, VolumeStatusQuery, VolumeTrouble,
};

use super::error::Error;
use super::pages::{self, Entry, List, Place};
use super::{ControllerService, request};
pub(crate) use checkup::Checkup;

/// The reason of a volume that was deleted behind Kubernetes' back.
pub(crate) const VOLUME_DELETED: &str = "VolumeDeleted";

/// Serves ControllerGetVolumeHealth. Of a node-local volume each node knows by itself.
pub(super) async fn get(
    service: &ControllerService,
    message: ControllerGetVolumeHealthRequest,
) -> Result<ControllerGetVolumeHealthResponse, Error> {
    let handle = request::volume_id(&message.volume_id)?;
    let health_statuses = match request::node_local(service, handle)? {
        Some(_) => Vec::new(),
        None => of_volume(service, &request::volume(handle)?).await?,
    };
    Ok(ControllerGetVolumeHealthResponse {
        volume_health: Some(VolumeHealth {
            volume_id: handle.to_owned(),
            health_statuses,
        }),
    })
}

async fn of_volume(
    service: &ControllerService,
    id: &VolumeId,
) -> Result<Vec<VolumeHealthEntry>, Error> {
    let volume = service.cloud.volume(id).await?;
    if volume.state.is_gone() {
        return Err(Error::VolumeGone { volume: volume.id });
    }
    if volume.state == VolumeState::Error {
        return Ok(vec![failed()]);
    }
    let status = service.cloud.volume_status(id).await?;
    Ok(checks(&status).into_iter().collect())
}

/// Serves ControllerListVolumeHealth: volumes that are well are not listed.
pub(super) async fn list(
    service: &ControllerService,
    message: ControllerListVolumeHealthRequest,
) -> Result<ControllerListVolumeHealthResponse, Error> {
    let list = Unwell { service };
    let (entries, next_token) =
        pages::list(&list, message.max_entries, &message.starting_token).await?;
    Ok(ControllerListVolumeHealthResponse {
        entries,
        next_token,
    })
}

/// Volumes that are not well, in three parts: what the checks found, what has failed, what was published here and is gone.
struct Unwell<'a> {
    service: &'a ControllerService,
}

#[async_trait::async_trait]
impl List for Unwell<'_> {
    type Item = VolumeHealth;

    const MARK: char = 'h';
    const QUESTIONS: u8 = 3;
    const LARGEST_PAGE: u16 = 500;

    async fn page(&self, place: &Place) -> Result<Page<Entry<VolumeHealth>>, Ec2Error> {
        match place.question {
            0 => self.checked(place).await,
            1 => self.failed(place).await,
            _ => self.gone(place).await,
        }
    }
}

impl Unwell<'_> {
    /// EC2's status has no tags, so whose volumes these are is looked up, in one call.
    async fn checked(&self, place: &Place) -> Result<Page<Entry<VolumeHealth>>, Ec2Error> {
        let query = VolumeStatusQuery::Unwell {
            max: place.size,
            token: place.token.clone(),
        };
        let page = self
            .service
            .cloud
            .api()
            .describe_volume_status(&query)
            .await?;
        let ids: Vec<VolumeId> = page.items.iter().map(|item| item.volume.clone()).collect();
        let mut volumes = self.service.cloud.volumes(&ids).await;
        let mut items = Vec::new();
        for status in &page.items {
            let volume = match volumes.remove(&status.volume) {
                Some(Ok(volume)) => volume,
                Some(Err(error)) if !error.is_not_found() => return Err(error),
                // It went meanwhile.
                Some(Err(_)) | None => continue,
            };
            if let (true, Some(entry)) = (concerns_us(&volume), checks(status)) {
                items.push(self.entry(&volume.id, entry));
            }
        }
        Ok(Page {
            items,
            next: page.next,
        })
    }

    async fn failed(&self, place: &Place) -> Result<Page<Entry<VolumeHealth>>, Ec2Error> {
        let query = VolumeQuery::Listed {
            sort: VolumeSort::InState(VolumeState::Error),
            max: place.size,
            token: place.token.clone(),
        };
        let page = self.service.cloud.list_volumes(&query).await?;
        let marked = page.items.iter().filter(|volume| volume.is_marked());
        Ok(Page {
            items: marked
                .map(|volume| self.entry(&volume.id, failed()))
                .collect(),
            next: page.next,
        })
    }

    /// What was published here and not unpublished must exist. The page's token is the id before its first one.
    async fn gone(&self, place: &Place) -> Result<Page<Entry<VolumeHealth>>, Ec2Error> {
        let last = place.token.as_deref().and_then(|last| last.parse().ok());
        let max = usize::from(place.size);
        let of_ec2 = |volume: &VolumeHandle| volume.id().is_some();
        let published = &self.service.published;
        let mut known = published.after(last.as_ref(), max + 1, of_ec2);
        let more = known.len() > max;
        known.truncate(max);
        let next = known.last().map(|(volume, _)| volume.to_string());
        let known = known.iter().filter_map(|(volume, _)| volume.id().cloned());
        let known: Vec<VolumeId> = known.collect();
        let mut items = Vec::new();
        for (id, answer) in self.service.cloud.volumes(&known).await {
            if is_gone(self.service, &id, answer).await? {
                items.push(self.entry(&id, deleted()));
            }
        }
        items.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(Page {
            items,
            next: next.filter(|_| more),
        })
    }

    fn entry(&self, id: &VolumeId, entry: VolumeHealthEntry) -> Entry<VolumeHealth> {
        Entry {
            id: id.to_string(),
            item: VolumeHealth {
                volume_id: self.service.published.handle(id),
                health_statuses: vec![entry],
            },
        }
    }
}

/// One that EC2 does not find is asked for until that is sure.
async fn is_gone(
    service: &ControllerService,
    id: &VolumeId,
    answer: Result<Volume, Ec2Error>,
) -> Result<bool, Ec2Error> {
    let sure = match answer {
        Err(error) if error.is_not_found() => service.cloud.volume(id).await,
        answer => answer,
    };
    match sure {
        Ok(volume) => Ok(volume.state.is_gone()),
        Err(error) if error.is_not_found() => Ok(true),
        Err(error) => Err(error),
    }
}

/// As ListVolumes: what drivers made, and what is attached. One that has failed is listed as such.
fn concerns_us(volume: &Volume) -> bool {
    let there = !volume.state.is_gone() && volume.state != VolumeState::Error;
    there && (volume.is_marked() || volume.state == VolumeState::InUse)
}

fn entry(status: VolumeHealthErrorType, reason: &str, message: String) -> VolumeHealthEntry {
    VolumeHealthEntry {
        status: status.into(),
        reason: reason.to_owned(),
        message,
    }
}

/// What EBS's checks found, with EC2's words on it; `None` where they found nothing.
fn checks(status: &VolumeStatus) -> Option<VolumeHealthEntry> {
    use VolumeHealthErrorType::{Degraded, Inaccessible};
    let (kind, reason, words) = match status.trouble? {
        VolumeTrouble::IoDisabled => (
            Inaccessible,
            "IoDisabled",
            "EBS has turned I/O off since data may be inconsistent: check them, and turn it on (aws ec2 enable-volume-io)",
        ),
        VolumeTrouble::IoStalled => (
            Inaccessible,
            "IoStalled",
            "hardly any I/O gets through: EBS is at work on it; if that lasts, restore a snapshot, or ask AWS",
        ),
        VolumeTrouble::IoDegraded => (
            Degraded,
            "IoDegraded",
            "I/O is slower than what was provisioned: EBS is at work on it; if that lasts, ask AWS",
        ),
        VolumeTrouble::Impaired => (
            Inaccessible,
            "Impaired",
            "EC2 says that it is impaired: see aws ec2 describe-volume-status",
        ),
        VolumeTrouble::Warned => (
            Degraded,
            "Warning",
            "EC2 warns of it: see aws ec2 describe-volume-status",
        ),
    };
    let mut message = words.to_owned();
    for event in &status.events {
        message.push_str("; EC2: ");
        message.push_str(event);
    }
    Some(entry(kind, reason, message))
}

fn failed() -> VolumeHealthEntry {
    let message =
        "EC2 shows it in state error: what it held cannot be read any more, restore a snapshot";
    entry(
        VolumeHealthErrorType::DataLoss,
        "VolumeFailed",
        message.to_owned(),
    )
}

/// Deleted behind Kubernetes' back.
fn deleted() -> VolumeHealthEntry {
    let message = "EC2 has it no longer, though Kubernetes has: somebody deleted it by other means, and with it what it held; delete its claim, \
                   and restore a snapshot";
    entry(
        VolumeHealthErrorType::DataLoss,
        VOLUME_DELETED,
        message.to_owned(),
    )
}

#[cfg(test)]
mod tests;
