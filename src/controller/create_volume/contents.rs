//! What a volume is to begin with, looked at before it is made: its size is the least and the default, it bounds where the volume can
//! be, and what is wrong with it can be said better than EC2's refusal does.

use ebs_types::{Gibibytes, Outpost, SnapshotId, SnapshotState};
use ec2::{Snapshot, Volume};

use super::super::ControllerService;
use super::super::content_source::Origin;
use super::super::error::Error;
use super::{Creation, clone};

/// The bytes that a volume begins with, as EC2 shows them.
pub(super) enum Contents {
    Nothing,
    Snapshot(Snapshot),
    Volume(Volume),
}

impl Contents {
    /// The source's size.
    pub(super) fn size(&self) -> Option<Gibibytes> {
        match self {
            Self::Nothing => None,
            Self::Snapshot(snapshot) => Some(snapshot.size),
            Self::Volume(volume) => Some(volume.size),
        }
    }

    /// The volume to clone.
    pub(super) fn volume(&self) -> Option<&Volume> {
        match self {
            Self::Volume(volume) => Some(volume),
            Self::Nothing | Self::Snapshot(_) => None,
        }
    }

    /// A snapshot that an Outpost keeps, and that Outpost: EBS restores it nowhere else.
    pub(super) fn local(&self) -> Option<(&SnapshotId, &Outpost)> {
        match self {
            Self::Snapshot(snapshot) => Some((&snapshot.id, snapshot.outpost.as_ref()?)),
            Self::Nothing | Self::Volume(_) => None,
        }
    }
}

impl Creation<'_> {
    /// Looks at what the volume is to begin with.
    pub(super) async fn contents(&self) -> Result<Contents, Error> {
        match &self.spec.origin {
            Origin::Nothing => Ok(Contents::Nothing),
            Origin::Snapshot(id) => snapshot(self.service, id).await.map(Contents::Snapshot),
            Origin::Volume(id, _) => {
                let found = clone::source(self.service, id, &self.choice().await?).await;
                found.map(Contents::Volume)
            }
        }
    }
}

/// The snapshot, if it can be restored.
async fn snapshot(service: &ControllerService, id: &SnapshotId) -> Result<Snapshot, Error> {
    let snapshot = service.cloud.snapshot(id).await?;
    match snapshot.state {
        SnapshotState::Completed => Ok(snapshot),
        SnapshotState::Error => Err(Error::SnapshotFailed {
            name: snapshot.name().unwrap_or_default().to_owned(),
            snapshot: snapshot.id,
            state: snapshot.state,
        }),
        SnapshotState::Pending | SnapshotState::Recoverable | SnapshotState::Recovering => {
            Err(Error::SnapshotNotReady {
                snapshot: snapshot.id,
                state: snapshot.state,
            })
        }
    }
}
