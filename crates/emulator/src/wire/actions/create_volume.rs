//! CreateVolume and CopyVolumes.

use ebs_types::{Gibibytes, VolumeType, Zone};

use crate::model::{ApiError, Command, CopyVolumes, CreateVolume};
use crate::wire::{Form, Request};

pub(in crate::wire) fn parse(form: &mut Form) -> Result<Request, ApiError> {
    let volume_type = form.take("VolumeType");
    Ok(Request::Change(Command::CreateVolume(CreateVolume {
        token: form.take("ClientToken").map(check_token).transpose()?,
        zone: form
            .named::<Zone>("AvailabilityZone")?
            .ok_or_else(|| ApiError::missing("AvailabilityZone"))?,
        outpost: form.named("OutpostArn")?,
        size: form.number("Size")?.map(Gibibytes),
        volume_type: type_or_default(volume_type)?,
        iops: form.number("Iops")?,
        throughput: form.number("Throughput")?,
        snapshot: form.optional_id("SnapshotId")?,
        encrypted: form.flag("Encrypted")?,
        kms_key: form.take("KmsKeyId"),
        multi_attach: form.flag("MultiAttachEnabled")?.unwrap_or(false),
        initialization_rate: form.number("VolumeInitializationRate")?,
        tags: form.tags("volume")?,
    })))
}

pub(in crate::wire) fn parse_copy(form: &mut Form) -> Result<Request, ApiError> {
    let volume_type = form.take("VolumeType");
    Ok(Request::Change(Command::CopyVolumes(CopyVolumes {
        token: form.take("ClientToken").map(check_token).transpose()?,
        source: form.id("SourceVolumeId")?,
        size: form.number("Size")?.map(Gibibytes),
        volume_type: type_or_default(volume_type)?,
        iops: form.number("Iops")?,
        throughput: form.number("Throughput")?,
        encrypted: form.flag("Encrypted")?,
        kms_key: form.take("KmsKeyId"),
        multi_attach: form.flag("MultiAttachEnabled")?.unwrap_or(false),
        tags: form.tags("volume")?,
    })))
}

/// The default of the API is gp2; only the console's is gp3.
fn type_or_default(name: Option<String>) -> Result<VolumeType, ApiError> {
    name.map_or(Ok(VolumeType::Gp2), |name| read_type(&name))
}

/// A volume type, with EC2's code for one that there is not.
pub(super) fn read_type(name: &str) -> Result<VolumeType, ApiError> {
    name.parse().map_err(|_| {
        ApiError::client(
            "UnknownVolumeType",
            format!("Unsupported volume type '{name}' for volume creation."),
        )
    })
}

/// A client token has at most 64 ASCII characters (EC2 API reference, "Ensuring idempotency").
pub(super) fn check_token(token: String) -> Result<String, ApiError> {
    if token.len() <= 64 && token.is_ascii() {
        Ok(token)
    } else {
        Err(ApiError::value(
            "ClientToken has more than 64 characters, or some that are not ASCII",
        ))
    }
}
