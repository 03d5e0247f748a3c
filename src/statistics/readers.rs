//! Reading without waiting for a device that does not answer.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ebs_types::VolumeId;
use host::{InUseError, LogPage, Statistics, StatisticsError, VolumeInUse};
use tokio::sync::Semaphore;

use super::lock;

/// How many devices are asked at once; one that hangs keeps its place.
const PLACES: usize = 8;
/// For one device. An answer takes a fraction of a millisecond.
const LIMIT: Duration = Duration::from_secs(1);

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoPage {
    /// It could not be read.
    #[error(transparent)]
    Read(#[from] StatisticsError),
    /// It took too long.
    #[error("the device did not answer within {LIMIT:?}")]
    Slow,
    /// It took too long before, and does so still.
    #[error("the device has not answered since an earlier scrape")]
    Stuck,
    /// The thread died.
    #[error("the work was given up inside the driver: {0}")]
    Lost(#[from] tokio::task::JoinError),
}

/// Why nothing is known of any volume.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoVolumes {
    /// The kernel does not say.
    #[error(transparent)]
    InUse(#[from] InUseError),
    /// It took too long.
    #[error("mount table and sysfs could not be read within {LIMIT:?}")]
    Slow,
    /// The thread died.
    #[error("the work was given up inside the driver: {0}")]
    Lost(#[from] tokio::task::JoinError),
}

/// The threads that read.
pub(super) struct Readers {
    statistics: Arc<dyn Statistics>,
    places: Arc<Semaphore>,
    /// The volumes that are being read, by a caller that waits or by one that has given up.
    busy: Arc<Mutex<HashSet<VolumeId>>>,
}

/// A volume's entry, taken out when its reader has come back.
struct Busy {
    busy: Arc<Mutex<HashSet<VolumeId>>>,
    volume: VolumeId,
}

impl Drop for Busy {
    fn drop(&mut self) {
        lock(&self.busy).remove(&self.volume);
    }
}

impl Readers {
    pub(super) fn new(statistics: Arc<dyn Statistics>) -> Self {
        Self {
            statistics,
            places: Arc::new(Semaphore::new(PLACES)),
            busy: Arc::default(),
        }
    }

    /// The volumes that pods use here.
    pub(super) async fn in_use(&self) -> Result<Vec<VolumeInUse>, NoVolumes> {
        let statistics = Arc::clone(&self.statistics);
        let work = tokio::task::spawn_blocking(move || statistics.in_use());
        let listed = tokio::time::timeout(LIMIT, work).await;
        Ok(listed.map_err(|_elapsed| NoVolumes::Slow)???)
    }

    /// A volume's page.
    pub(super) async fn read(&self, volume: &VolumeInUse) -> Result<LogPage, NoPage> {
        if !lock(&self.busy).insert(volume.volume.clone()) {
            return Err(NoPage::Stuck);
        }
        let entry = Busy {
            busy: Arc::clone(&self.busy),
            volume: volume.volume.clone(),
        };
        let (statistics, volume) = (Arc::clone(&self.statistics), volume.clone());
        let places = Arc::clone(&self.places);
        let work = async move {
            let place = places.acquire_owned().await;
            let work = move || {
                let page = statistics.read(&volume);
                drop((entry, place));
                page
            };
            tokio::task::spawn_blocking(work).await
        };
        let page = tokio::time::timeout(LIMIT, work).await;
        Ok(page.map_err(|_elapsed| NoPage::Slow)???)
    }
}
