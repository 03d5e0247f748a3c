//! The health of volumes that somebody else knows of, as the RPCs tell it.
//!
//! Answers for: one look at the checks of the whole region, however many volumes are asked about then. Doesn't answer for: which
//! volumes somebody needs, and who is told (`cluster::volume_health`).

use std::collections::BTreeMap;

use csi::v1::volume_health::VolumeHealthEntry;
use ebs_types::{VolumeId, VolumeState};
use ec2::{Ec2Error, Volume, VolumeStatusQuery};
use futures::future::join_all;
use tonic::Status;

use super::{checks, deleted, failed, is_gone};
use crate::controller::ControllerService;
use crate::status::{self, Rpc};

/// The largest page of EC2's: most regions have no more volumes that are unwell.
const PAGE: u16 = 1_000;

/// What EBS's checks found in the region.
#[must_use]
pub(crate) struct Checkup<'a> {
    service: &'a ControllerService,
    found: BTreeMap<VolumeId, VolumeHealthEntry>,
}

impl ControllerService {
    /// Asks EC2 for all volumes that its checks find something wrong with.
    ///
    /// # Errors
    /// As ControllerListVolumeHealth.
    pub(crate) async fn checkup(&self) -> Result<Checkup<'_>, Status> {
        let found = self.unwell().await.map_err(told)?;
        Ok(Checkup {
            service: self,
            found,
        })
    }

    async fn unwell(&self) -> Result<BTreeMap<VolumeId, VolumeHealthEntry>, Ec2Error> {
        let mut found = BTreeMap::new();
        let mut token = None;
        loop {
            let query = VolumeStatusQuery::Unwell { max: PAGE, token };
            let page = self.cloud.api().describe_volume_status(&query).await?;
            for status in &page.items {
                if let Some(entry) = checks(status) {
                    found.insert(status.volume.clone(), entry);
                }
            }
            token = page.next;
            if token.is_none() {
                return Ok(found);
            }
        }
    }
}

impl Checkup<'_> {
    /// What is wrong with those of these volumes that are not well. One that EC2 does not show is asked for until it is sure that it
    /// is gone.
    ///
    /// # Errors
    /// As ControllerListVolumeHealth.
    pub(crate) async fn of(
        &self,
        volumes: &[VolumeId],
    ) -> Result<BTreeMap<VolumeId, VolumeHealthEntry>, Status> {
        let answers = self.service.cloud.volumes(volumes).await;
        let entries = answers.into_iter().map(async |(id, answer)| {
            let entry = self.one(&id, answer).await?;
            Ok(entry.map(|entry| (id, entry)))
        });
        let entries: Result<Vec<_>, _> = join_all(entries).await.into_iter().collect();
        Ok(entries.map_err(told)?.into_iter().flatten().collect())
    }

    /// What is wrong with a volume that is known to be gone.
    pub(crate) fn deleted(&self) -> VolumeHealthEntry {
        deleted()
    }

    async fn one(
        &self,
        id: &VolumeId,
        answer: Result<Volume, Ec2Error>,
    ) -> Result<Option<VolumeHealthEntry>, Ec2Error> {
        let has_failed = matches!(&answer, Ok(volume) if volume.state == VolumeState::Error);
        if is_gone(self.service, id, answer).await? {
            return Ok(Some(deleted()));
        }
        if has_failed {
            return Ok(Some(failed()));
        }
        Ok(self.found.get(id).cloned())
    }
}

fn told(error: Ec2Error) -> Status {
    status::controller(Rpc::ControllerListVolumeHealth, &error.into())
}
