//! One operation at a time on one thing: the second request is refused with ABORTED, as the CSI specification asks.
//!
//! Answers for: which operations exclude each other ([`Key`]), that a finished or cancelled one lets go, and when all have ended.
//! Doesn't answer for: order or queueing. The caller tries again.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ebs_types::{DeviceName, InstanceId, SnapshotId, VolumeHandle, VolumeId};
use tokio::sync::Notify;

/// What an operation has for itself while it runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    /// A volume that exists: attach, detach and delete; on a node stage, unstage and expand.
    Volume(VolumeId),
    /// One instance's share of a volume that several may have: attach and detach.
    Attachment(VolumeId, InstanceId),
    /// On a node, the volume that is attached to it under this name.
    LocalVolume(DeviceName),
    /// A volume's expansion, which may go on while the volume is attached or detached, or its attributes are modified.
    Expansion(VolumeId),
    /// The modification of a volume's attributes, which may go on in the same cases.
    Modification(VolumeId),
    /// A volume that is being made, by its CSI name.
    VolumeName(String),
    /// A snapshot that exists.
    Snapshot(SnapshotId),
    /// A snapshot that is being made, by its CSI name.
    SnapshotName(String),
    /// A group snapshot, by its CSI name.
    GroupSnapshot(String),
    /// A path where a node stages or publishes. Two targets of one volume don't exclude each other.
    Target(PathBuf),
}

impl From<&VolumeHandle> for Key {
    fn from(volume: &VolumeHandle) -> Self {
        match volume {
            VolumeHandle::Ebs(id) => Self::Volume(id.clone()),
            VolumeHandle::Local(name) => Self::LocalVolume(name.clone()),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Volume(id) => write!(f, "volume {id}"),
            Self::Attachment(id, instance) => write!(f, "volume {id} on instance {instance}"),
            Self::LocalVolume(name) => write!(f, "node-local volume {name}"),
            Self::Expansion(id) => write!(f, "the expansion of volume {id}"),
            Self::Modification(id) => write!(f, "the modification of volume {id}"),
            Self::VolumeName(name) => write!(f, "the volume named {name:?}"),
            Self::Snapshot(id) => write!(f, "snapshot {id}"),
            Self::SnapshotName(name) => write!(f, "the snapshot named {name:?}"),
            Self::GroupSnapshot(name) => write!(f, "the group snapshot named {name:?}"),
            Self::Target(path) => write!(f, "target path {}", path.display()),
        }
    }
}

/// Another operation has the thing for itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{running} is still at work on {key}: try again when it is done")]
pub(crate) struct Busy {
    /// What is asked for.
    pub(crate) key: Key,
    /// The operation that has it.
    pub(crate) running: &'static str,
}

/// The operations under way in this process. Clones share.
#[derive(Clone, Debug, Default)]
pub(crate) struct InFlight {
    running: Arc<Mutex<HashMap<Key, &'static str>>>,
    /// Told when nothing runs any more.
    idle: Arc<Notify>,
}

impl InFlight {
    /// Takes `key` for the operation called `name`, until the guard is dropped.
    ///
    /// # Errors
    /// [`Busy`] where another operation has it.
    pub(crate) fn begin(&self, key: Key, name: &'static str) -> Result<Guard, Busy> {
        match self.lock().entry(key) {
            Entry::Occupied(taken) => Err(Busy {
                key: taken.key().clone(),
                running: taken.get(),
            }),
            Entry::Vacant(free) => {
                let key = free.key().clone();
                free.insert(name);
                Ok(Guard {
                    all: self.clone(),
                    key,
                })
            }
        }
    }

    /// Waits until no operation is under way.
    pub(crate) async fn idle(&self) {
        loop {
            let idle = self.idle.notified();
            tokio::pin!(idle);
            // From here on a guard that is dropped counts, so that none is missed between the look and the wait.
            idle.as_mut().enable();
            if self.lock().is_empty() {
                return;
            }
            idle.await;
        }
    }

    /// The map is whole after every statement, so a panic elsewhere while it was locked does not matter.
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, &'static str>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Holds a key; lets go when dropped, also by a cancelled request.
#[derive(Debug)]
#[must_use = "dropping the guard lets go of its key"]
pub(crate) struct Guard {
    all: InFlight,
    key: Key,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut running = self.all.lock();
        running.remove(&self.key);
        if running.is_empty() {
            self.all.idle.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(digit: char) -> VolumeId {
        format!("vol-1234567{digit}").parse().unwrap()
    }

    #[test]
    fn one_at_a_time_on_one_volume() {
        let all = InFlight::default();
        let guard = all
            .begin(Key::Volume(volume('a')), "ControllerPublishVolume")
            .unwrap();
        let busy = all
            .begin(Key::Volume(volume('a')), "DeleteVolume")
            .unwrap_err();
        assert_eq!(
            busy.to_string(),
            "ControllerPublishVolume is still at work on volume vol-1234567a: try again when it is done"
        );
        let _other = all.begin(Key::Volume(volume('b')), "DeleteVolume").unwrap();
        drop(guard);
        let _again = all.begin(Key::Volume(volume('a')), "DeleteVolume").unwrap();
    }

    #[test]
    fn a_volume_is_not_its_modification_nor_a_target() {
        let all = InFlight::default();
        let _guards = [
            Key::Volume(volume('a')),
            Key::Expansion(volume('a')),
            Key::Modification(volume('a')),
            Key::Target("/a".into()),
            Key::Target("/b".into()),
        ]
        .map(|key| all.begin(key, "x").unwrap());
    }

    #[tokio::test]
    async fn a_cancelled_operation_lets_go() {
        let all = InFlight::default();
        let operation = tokio::spawn({
            let all = all.clone();
            async move {
                let _guard = all.begin(Key::VolumeName("pvc-1".into()), "CreateVolume");
                std::future::pending::<()>().await;
            }
        });
        tokio::task::yield_now().await;
        let begin = || all.begin(Key::VolumeName("pvc-1".into()), "CreateVolume");
        assert!(begin().is_err());
        operation.abort();
        let _ = operation.await;
        assert!(begin().is_ok());
    }

    #[tokio::test]
    async fn idle_is_when_the_last_operation_has_ended() {
        let all = InFlight::default();
        all.idle().await;
        let guards = ['a', 'b'].map(|digit| all.begin(Key::Volume(volume(digit)), "x").unwrap());
        let idle = all.idle();
        tokio::pin!(idle);
        for guard in guards {
            tokio::select! {
                biased;
                () = &mut idle => panic!("an operation is still under way"),
                () = tokio::task::yield_now() => {}
            }
            drop(guard);
        }
        idle.await;
    }
}
