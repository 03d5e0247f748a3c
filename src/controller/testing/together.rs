//! Snapshots of several volumes at once, and the requests for them.

use std::time::{Duration, SystemTime};

use csi::v1::group_controller_server::GroupController as _;
use csi::v1::{CreateVolumeGroupSnapshotRequest, VolumeGroupSnapshot};
use ebs_types::{AttachmentState, SnapshotState};
use ec2::{CreateSnapshots, ErrorKind, Page, Snapshot};
use tokio::time::Instant;
use tonic::{Request, Status};

use super::super::ControllerService;
use super::{Fault, State};

impl State {
    /// Those in sight whose tag has one of these values.
    pub(super) fn snapshots_of(
        &self,
        values: &[String],
        tag: fn(&Snapshot) -> Option<&str>,
    ) -> Page<Snapshot> {
        let shown = self
            .snapshots
            .values()
            .filter(|s| self.shown(s.id.as_str()));
        let found = shown.filter(|s| values.iter().any(|value| tag(s) == Some(value)));
        Page {
            items: found.cloned().collect(),
            next: None,
        }
    }

    /// Makes them. They come in sight one after the other. [`Fault::Vanish`]: the last volume was detached at that moment;
    /// [`Fault::Stick`]: the first one fails.
    pub(super) fn take_together(
        &mut self,
        request: &CreateSnapshots,
        fault: Option<Fault>,
    ) -> Result<Vec<Snapshot>, ErrorKind> {
        if !self.instances.contains_key(&request.instance) {
            return Err(ErrorKind::InstanceNotFound);
        }
        assert!(request.excluded.len() <= CreateSnapshots::MOST_EXCLUDED);
        let attached = self.volumes.values().filter(|volume| {
            let there = volume.attachment_to(&request.instance);
            there.is_some_and(|a| a.state == AttachmentState::Attached)
        });
        let mut taken: Vec<_> = attached
            .filter(|volume| !request.excluded.contains(&volume.id))
            .map(|volume| (volume.id.clone(), volume.size))
            .collect();
        if matches!(fault, Some(Fault::Vanish)) {
            taken.pop();
        }
        let tags = request.tags.iter();
        let tags: std::collections::BTreeMap<_, _> =
            tags.map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        let mut made = Vec::new();
        for (volume, size) in taken {
            let first = made.is_empty();
            let snapshot = Snapshot {
                id: format!("snap-{}", self.id()).parse().unwrap(),
                volume: Some(volume),
                state: match first && matches!(fault, Some(Fault::Stick)) {
                    true => SnapshotState::Error,
                    false => SnapshotState::Pending,
                },
                size,
                outpost: None,
                started: SystemTime::UNIX_EPOCH + Duration::from_secs(self.ids.into()),
                tags: tags.clone(),
            };
            made.push(snapshot.clone());
            let hidden = self.lag * u32::try_from(made.len()).unwrap();
            self.hidden
                .insert(snapshot.id.to_string(), Instant::now() + hidden);
            self.snapshots.insert(snapshot.id.clone(), snapshot);
        }
        Ok(made)
    }
}

/// The least CreateVolumeGroupSnapshotRequest.
pub(in crate::controller) fn group_request(
    name: &str,
    volumes: &[String],
) -> CreateVolumeGroupSnapshotRequest {
    CreateVolumeGroupSnapshotRequest {
        name: name.to_owned(),
        source_volume_ids: volumes.to_vec(),
        ..CreateVolumeGroupSnapshotRequest::default()
    }
}

/// Serves CreateVolumeGroupSnapshot.
pub(in crate::controller) async fn take_group(
    service: &ControllerService,
    name: &str,
    volumes: &[String],
) -> Result<VolumeGroupSnapshot, Status> {
    let request = Request::new(group_request(name, volumes));
    let answer = service.create_volume_group_snapshot(request).await?;
    Ok(answer.into_inner().group_snapshot.unwrap())
}
