//! Outposts: what can be made on them, and where snapshots of it are kept (EBS user guide, "Local snapshots on Outposts").
//!
//! EC2's reference names no code for what is refused here, but `InvalidVolume.ZoneMismatch` for a volume where it cannot be attached;
//! these are this emulator's.

use ebs_types::{Outpost, VolumeType, Zone};

use super::create_volume::{ACCOUNT, default_key, key_arn};
use super::{Ctx, RegionState};
use crate::config::OutpostConfig;
use crate::model::{ApiError, CreateVolume, Instance, OutpostRack, Snapshot, Store, Volume};

/// The account's Outpost of this number, counted from 1.
pub(super) fn rack(number: usize, region: &str, config: &OutpostConfig) -> Option<OutpostRack> {
    let arn = format!("arn:aws:outposts:{region}:{ACCOUNT}:outpost/op-{number:017x}");
    Some(OutpostRack {
        arn: arn.parse().ok()?,
        zone: config.zone.clone(),
        volume_types: config.volume_types.clone(),
    })
}

impl RegionState {
    /// Whether such a volume can be on the Outpost that it is asked for on, or in the region where it is asked for on none.
    pub(super) fn check_outpost(
        &self,
        ctx: &Ctx<'_>,
        request: &CreateVolume,
        zone: &Zone,
        source: Option<&Snapshot>,
    ) -> Result<(), ApiError> {
        if let Some(source) = source {
            check_local(ctx, request, source)?;
        }
        let Some(arn) = &request.outpost else {
            return Ok(());
        };
        let rack = self.rack(arn)?;
        if rack.zone != *zone {
            return Err(ApiError::value(format!(
                "The Outpost '{arn}' is in the zone '{}', not in '{zone}'",
                rack.zone
            )));
        }
        self.check_offered(Some(arn), request.volume_type)
    }

    /// Whether an Outpost offers volumes of this type; the region offers all.
    pub(super) fn check_offered(
        &self,
        outpost: Option<&Outpost>,
        volume_type: VolumeType,
    ) -> Result<(), ApiError> {
        let Some(arn) = outpost else {
            return Ok(());
        };
        if self.rack(arn)?.volume_types.contains(&volume_type) {
            return Ok(());
        }
        Err(ApiError::value(format!(
            "The volume type '{volume_type}' is not supported on the Outpost '{arn}'"
        )))
    }

    fn rack(&self, arn: &Outpost) -> Result<&OutpostRack, ApiError> {
        let mut racks = self.outposts.iter();
        racks
            .find(|rack| rack.arn == *arn)
            .ok_or_else(|| ApiError::value(format!("The Outpost '{arn}' does not exist")))
    }
}

/// A local snapshot is of use on its own Outpost alone, and with its own key.
fn check_local(ctx: &Ctx<'_>, request: &CreateVolume, source: &Snapshot) -> Result<(), ApiError> {
    let Some(arn) = &source.outpost else {
        return Ok(());
    };
    if request.outpost.as_ref() != Some(arn) {
        return Err(ApiError::value(format!(
            "The snapshot '{}' is stored on the Outpost '{arn}': volumes can be created from it only there",
            source.id
        )));
    }
    let key = request.kms_key.as_ref();
    let key = key.map(|key| key_arn(ctx, key));
    if key.is_some() && key != source.kms_key {
        return Err(ApiError::value(format!(
            "A volume created from the local snapshot '{}' has its KMS key",
            source.id
        )));
    }
    Ok(())
}

/// Where snapshots of a new volume on an Outpost will have to be: where its source is.
pub(super) fn lineage(request: &CreateVolume, source: Option<&Snapshot>) -> Option<Store> {
    request.outpost.as_ref()?;
    Some(match source?.outpost {
        Some(_) => Store::Outpost,
        None => Store::Region,
    })
}

/// Where a snapshot that is asked for there is to be kept.
pub(super) fn store(outpost: Option<&Outpost>, volume: &Volume) -> Result<Store, ApiError> {
    let id = &volume.id;
    let store = match outpost {
        None => Store::Region,
        wanted if wanted == volume.outpost.as_ref() => Store::Outpost,
        Some(arn) => {
            return Err(ApiError::value(format!(
                "The volume '{id}' is not on the Outpost '{arn}'"
            )));
        }
    };
    match volume.lineage {
        Some(first) if first != store => Err(ApiError::value(format!(
            "The snapshots of the volume '{id}' are stored {}, and all further ones must be, too",
            match first {
                Store::Region => "in the region",
                Store::Outpost => "on its Outpost",
            }
        ))),
        _ => Ok(store),
    }
}

/// The key of a snapshot that is kept there, if it is encrypted. On an Outpost all are.
pub(super) fn key_of(ctx: &Ctx<'_>, store: Store, volume: &Volume) -> Option<String> {
    let key = volume.kms_key.clone();
    match store {
        Store::Region => key,
        Store::Outpost => Some(key.unwrap_or_else(|| default_key(ctx))),
    }
}

/// Whether both are on the same Outpost, or both in the region.
pub(super) fn check_together(volume: &Volume, instance: &Instance) -> Result<(), ApiError> {
    if volume.outpost == instance.outpost {
        return Ok(());
    }
    Err(ApiError::client(
        "InvalidVolume.ZoneMismatch",
        format!(
            "The volume '{}' is not on the same Outpost as instance '{}'",
            volume.id, instance.id
        ),
    ))
}

/// AWS says nothing of copies on Outposts.
pub(super) fn refuse_copy(source: &Volume) -> Result<(), ApiError> {
    match &source.outpost {
        None => Ok(()),
        Some(arn) => Err(ApiError::client(
            "UnsupportedOperation",
            format!(
                "The volume '{}' is on the Outpost '{arn}', where volumes are not copied",
                source.id
            ),
        )),
    }
}
