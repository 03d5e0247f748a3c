//! What a class asks for besides the snapshot, asked for until it is had: fast restores and a lock.
//!
//! Answers for: nothing of it being lost between the calls. It is asked for with each CreateSnapshot until EC2 shows it; what somebody
//! took away again by hand is not asked for a second time, as EC2 still shows that it was there.
//! The lock comes last: until then a snapshot can be taken back.

use std::time::SystemTime;

use ebs_types::{SnapshotId, Zone};
use ec2::Ec2Error;

use super::ControllerService;
use super::error::Error;
use super::snapshot_class::SnapshotClass;
use crate::status::{self, InvalidRequest, Rpc};

/// What of it could not be had.
#[derive(Debug)]
pub(super) struct Lacking {
    pub(super) what: String,
    pub(super) error: Ec2Error,
}

/// Zones that the region doesn't have are refused before there is a snapshot.
pub(super) async fn check_zones(
    service: &ControllerService,
    class: &SnapshotClass,
) -> Result<(), Error> {
    if class.fast_restore_zones.is_empty() {
        return Ok(());
    }
    let known = service.zones.read(&service.cloud).await?;
    let ordinary = known.iter().filter(|zone| zone.ordinary);
    let mut there: Vec<&Zone> = ordinary.map(|zone| &zone.name).collect();
    there.sort();
    let mut wanted = class.fast_restore_zones.iter();
    let Some(unknown) = wanted.find(|zone| !there.contains(zone)) else {
        return Ok(());
    };
    let names: Vec<&str> = there.iter().map(|zone| zone.as_str()).collect();
    Err(InvalidRequest::value(
        "parameters.fastSnapshotRestoreAvailabilityZones",
        unknown.as_str(),
        format_args!("this region has no such zone; it has {}", names.join(", ")),
    )
    .into())
}

/// Asks for everything, for a snapshot that was just made.
pub(super) async fn ask(
    service: &ControllerService,
    class: &SnapshotClass,
    id: &SnapshotId,
) -> Result<(), Lacking> {
    restore_fast(service, id, &class.fast_restore_zones).await?;
    lock(service, class, id).await
}

/// Asks for what EC2 does not show, of a snapshot that was found.
pub(super) async fn ask_for_the_rest(
    service: &ControllerService,
    class: &SnapshotClass,
    id: &SnapshotId,
) -> Result<(), Lacking> {
    if !class.fast_restore_zones.is_empty() {
        let shown = service.cloud.fast_restores(id).await;
        let shown = shown.map_err(|error| fast_restore_lacks(&class.fast_restore_zones, error))?;
        let mut missing = class.fast_restore_zones.clone();
        missing.retain(|zone| shown.iter().all(|there| there.zone != *zone));
        restore_fast(service, id, &missing).await?;
    }
    match &class.lock {
        // There is nothing left to protect.
        Some(wanted) if !wanted.is_over(SystemTime::now()) && !is_locked(service, id).await? => {
            match lock(service, class, id).await {
                // EC2 may not have shown the lock that forbids this.
                Err(_) if matches!(is_locked(service, id).await, Ok(true)) => Ok(()),
                asked => asked,
            }
        }
        _ => Ok(()),
    }
}

async fn restore_fast(
    service: &ControllerService,
    id: &SnapshotId,
    zones: &[Zone],
) -> Result<(), Lacking> {
    if zones.is_empty() {
        return Ok(());
    }
    let asked = service.cloud.enable_fast_restores(id, zones).await;
    asked.map_err(|error| fast_restore_lacks(zones, error))
}

fn fast_restore_lacks(zones: &[Zone], error: Ec2Error) -> Lacking {
    let names: Vec<&str> = zones.iter().map(Zone::as_str).collect();
    Lacking {
        what: format!("fast snapshot restore in {}", names.join(", ")),
        error,
    }
}

async fn lock(
    service: &ControllerService,
    class: &SnapshotClass,
    id: &SnapshotId,
) -> Result<(), Lacking> {
    match &class.lock {
        None => Ok(()),
        Some(wanted) => {
            let locked = service.cloud.lock_snapshot(id, wanted).await;
            locked.map_err(lock_lacks)
        }
    }
}

async fn is_locked(service: &ControllerService, id: &SnapshotId) -> Result<bool, Lacking> {
    let lock = service.cloud.snapshot_lock(id).await;
    lock.map(|lock| lock.is_some()).map_err(lock_lacks)
}

fn lock_lacks(error: Ec2Error) -> Lacking {
    Lacking {
        what: "the lock".to_owned(),
        error,
    }
}

impl Lacking {
    /// Whether EC2 refused it for good, as far as it can be known: the caller is told so with a code after which it does not ask
    /// for the same snapshot again, so that none may be left.
    pub(super) fn is_final(&self) -> bool {
        let code = status::controller_code(Rpc::CreateSnapshot, &Error::Ec2(self.error.clone()));
        status::is_final(code)
    }
}

#[cfg(test)]
mod tests;
