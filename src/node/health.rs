//! NodeGetVolumeHealth and NodeGetStorageHealth: what is wrong with a volume, and with the disks of EBS, as this node sees it.
//!
//! Answers for: the kinds and reasons that programs act on. Doesn't answer for: how trouble is seen (`host`).

use std::time::Duration;

use csi::v1::node_get_storage_health_response::StorageBackendHealth;
use csi::v1::volume_health::VolumeHealthEntry;
use csi::v1::{
    NodeGetStorageHealthResponse, NodeGetVolumeHealthResponse, StorageHealthErrorType,
    VolumeHealth, VolumeHealthErrorType,
};
use ebs_types::VolumeHandle;
use host::{FindError, StatsError, Trouble, Wanted};

use super::error::NodeError;
use super::request::Health;
use super::{NodeService, about, there};

/// How long a file system may take to say how it is: it does so from memory.
const LIMIT: Duration = Duration::from_secs(5);

impl NodeService {
    /// What is wrong with the volume where it is published or staged, or with its device where no place is named. Takes no guard:
    /// looking disturbs nothing.
    pub(super) async fn volume_health(
        &self,
        request: Health,
    ) -> Result<NodeGetVolumeHealthResponse, NodeError> {
        about(&request.volume);
        let mut entries = Vec::new();
        let mut mounted = request.paths.is_empty();
        for path in &request.paths {
            let looked = tokio::time::timeout(LIMIT, self.host.troubles(path.as_path())).await;
            match looked {
                Ok(Ok(troubles)) => entries.extend(troubles.iter().map(entry)),
                Ok(Err(StatsError::NotFound { .. } | StatsError::NotMounted { .. })) => continue,
                Ok(Err(error)) => return Err(error.into()),
                Err(_elapsed) => entries.push(silent()),
            }
            mounted = true;
        }
        if let (false, Some(path)) = (mounted, request.paths.first()) {
            return Err(NodeError::NotMounted {
                volume: request.volume,
                path: path.clone(),
                found: there(None),
            });
        }
        if request.paths.is_empty() {
            entries.extend(self.device_health(&request.volume).await?);
        }
        // A staged and a published mount of one file system have the same troubles.
        let mut health_statuses: Vec<VolumeHealthEntry> = Vec::new();
        for entry in entries {
            if !health_statuses.contains(&entry) {
                health_statuses.push(entry);
            }
        }
        Ok(NodeGetVolumeHealthResponse {
            volume_health: Some(VolumeHealth {
                volume_id: request.id,
                health_statuses,
            }),
        })
    }

    /// Without a place, all that can be said is whether the device is there.
    async fn device_health(
        &self,
        volume: &VolumeHandle,
    ) -> Result<Option<VolumeHealthEntry>, NodeError> {
        let wanted = Wanted::disk(volume.clone());
        match self.host.find(&wanted, Duration::ZERO).await {
            Ok(_) | Err(FindError::Busy(_)) => Ok(None),
            Err(FindError::Missing { .. }) => Ok(Some(entry(&Trouble::DeviceGone))),
            Err(error) => Err(error.into()),
        }
    }

    /// The controllers of EBS volumes that do not work at the moment.
    pub(super) async fn storage_health(&self) -> Result<NodeGetStorageHealthResponse, NodeError> {
        let unsteady = self.host.unsteady_controllers().await?;
        let trouble = (!unsteady.is_empty()).then(|| StorageBackendHealth {
            status: StorageHealthErrorType::StorageDegraded.into(),
            reason: "ControllerNotLive".to_owned(),
            message: format!(
                "the kernel does not reach these NVMe controllers of EBS at the moment: {}",
                unsteady.join(", ")
            ),
            volume_capability: None,
        });
        Ok(NodeGetStorageHealthResponse {
            backend_health: trouble.into_iter().collect(),
        })
    }
}

fn silent() -> VolumeHealthEntry {
    VolumeHealthEntry {
        status: VolumeHealthErrorType::Inaccessible.into(),
        reason: "NoAnswer".to_owned(),
        message: format!("the file system has not answered within {LIMIT:?}"),
    }
}

fn entry(trouble: &Trouble) -> VolumeHealthEntry {
    use VolumeHealthErrorType::{Degraded, Inaccessible};
    let (status, reason, message) = match trouble {
        Trouble::DeviceGone => (
            Inaccessible,
            "DeviceGone",
            "the device has gone from this node: stop the pods that use the volume, so that it is attached and mounted again"
                .to_owned(),
        ),
        Trouble::Unreadable { why } => (
            Inaccessible,
            "Unreadable",
            format!("the volume does not say how large it is: {why}"),
        ),
        Trouble::ShutDown => (
            Inaccessible,
            "FilesystemShutDown",
            "the file system has shut itself down after an error, which the kernel's log tells: it is checked when it is mounted \
             again"
                .to_owned(),
        ),
        Trouble::ReadOnly => (
            Inaccessible,
            "ReadOnlyAfterError",
            "the file system refuses writes since an error, which the kernel's log tells: it is checked when it is mounted again"
                .to_owned(),
        ),
        Trouble::Errors { count } => (
            Degraded,
            "FilesystemErrors",
            format!(
                "the file system has noted {count} errors since it was checked last: it is checked when it is mounted again"
            ),
        ),
    };
    VolumeHealthEntry {
        status: status.into(),
        reason: reason.to_owned(),
        message,
    }
}
