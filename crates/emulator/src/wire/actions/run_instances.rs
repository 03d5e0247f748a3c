//! RunInstances. Where an instance gets its network and its disks from is accepted and forgotten.

use ebs_types::{InstanceType, Zone};

use super::create_volume::check_token;
use crate::model::{ApiError, Command, RunInstances};
use crate::state::default_instance_type;
use crate::wire::{Form, Request};

/// The most instances of one call here.
const MOST: u32 = 100;

pub(in crate::wire) fn parse(form: &mut Form) -> Result<Request, ApiError> {
    let least = form.number("MinCount")?;
    let least = least.ok_or_else(|| ApiError::missing("MinCount"))?;
    let count = form.number("MaxCount")?;
    let count = count.ok_or_else(|| ApiError::missing("MaxCount"))?;
    if least == 0 || count < least || count > MOST {
        return Err(ApiError::value(format!(
            "MinCount {least} and MaxCount {count} must be from 1 to {MOST}, the first not above the second"
        )));
    }
    for ignored in ["KeyName", "SubnetId", "UserData", "EbsOptimized"] {
        form.take(ignored);
    }
    let groups = [form.list("SecurityGroup"), form.list("SecurityGroupId")].concat();
    let instance_type = form.named::<InstanceType>("InstanceType")?;
    Ok(Request::Change(Command::RunInstances(RunInstances {
        token: form.take("ClientToken").map(check_token).transpose()?,
        count,
        image: form.required("ImageId")?,
        instance_type: instance_type.unwrap_or_else(default_instance_type),
        zone: form.named::<Zone>("Placement.AvailabilityZone")?,
        groups,
        tags: form.tags("instance")?,
    })))
}
