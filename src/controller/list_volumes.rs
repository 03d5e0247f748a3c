//! ListVolumes: the volumes that drivers of EBS made, and all others that are attached, in pages of any size.

use csi::v1::list_volumes_response::{self, VolumeStatus};
use csi::v1::{ListVolumesRequest, ListVolumesResponse};
use ebs_types::{VolumeHandle, VolumeState};
use ec2::{Ec2Error, Page, Volume, VolumeQuery, VolumeSort};

use super::error::Error;
use super::pages::{self, Entry, List, Place};
use super::{ControllerService, render};

/// Serves the RPC.
pub(super) async fn run(
    service: &ControllerService,
    message: ListVolumesRequest,
) -> Result<ListVolumesResponse, Error> {
    let list = Volumes { service };
    let (entries, next_token) =
        pages::list(&list, message.max_entries, &message.starting_token).await?;
    Ok(ListVolumesResponse {
        entries,
        next_token,
    })
}

/// The volumes, in three parts: those with the drivers' mark, those without that are attached, and node-local ones.
struct Volumes<'a> {
    service: &'a ControllerService,
}

#[async_trait::async_trait]
impl List for Volumes<'_> {
    type Item = list_volumes_response::Entry;

    const MARK: char = 'v';
    const QUESTIONS: u8 = 3;
    const LARGEST_PAGE: u16 = 500;

    async fn page(&self, place: &Place) -> Result<Page<Entry<Self::Item>>, Ec2Error> {
        match place.question {
            0 => self.volumes(place, VolumeSort::Marked).await,
            1 => {
                let attached = VolumeSort::InState(VolumeState::InUse);
                self.volumes(place, attached).await
            }
            _ => Ok(self.node_local(place)),
        }
    }
}

impl Volumes<'_> {
    /// Volumes of EC2, each in one part only: one that carries the mark was listed with those that do.
    async fn volumes(
        &self,
        place: &Place,
        sort: VolumeSort,
    ) -> Result<Page<Entry<list_volumes_response::Entry>>, Ec2Error> {
        let query = VolumeQuery::Listed {
            sort,
            max: place.size,
            token: place.token.clone(),
        };
        let mut page = self.service.cloud.list_volumes(&query).await?;
        page.items
            .retain(|volume| volume.is_marked() == (sort == VolumeSort::Marked));
        Ok(Page {
            items: page.items.iter().map(|volume| self.entry(volume)).collect(),
            next: page.next,
        })
    }

    fn entry(&self, volume: &Volume) -> Entry<list_volumes_response::Entry> {
        let handle = self.service.published.handle(&volume.id);
        Entry {
            id: volume.id.to_string(),
            item: list_volumes_response::Entry {
                volume: Some(render::volume(volume, handle)),
                status: Some(VolumeStatus {
                    published_node_ids: render::nodes(volume),
                }),
            },
        }
    }

    /// EC2 does not know which of the volumes that it attached somewhere are meant by a name: they are where they were published.
    /// The page's token is the handle before its first one.
    fn node_local(&self, place: &Place) -> Page<Entry<list_volumes_response::Entry>> {
        let last = place.token.as_deref().and_then(|last| last.parse().ok());
        let max = usize::from(place.size);
        let is_local = |volume: &VolumeHandle| volume.id().is_none();
        let mut found = self
            .service
            .published
            .after(last.as_ref(), max + 1, is_local);
        let more = found.len() > max;
        found.truncate(max);
        let last = found.last().map(|(volume, _)| volume.to_string());
        let items = found.into_iter().map(|(volume, known)| Entry {
            id: volume.to_string().replace(':', ""),
            item: list_volumes_response::Entry {
                volume: Some(render::node_local(&known.handle)),
                status: Some(VolumeStatus {
                    published_node_ids: known.nodes,
                }),
            },
        });
        Page {
            items: items.collect(),
            next: last.filter(|_| more),
        }
    }
}

#[cfg(test)]
mod tests;
