//! CreateTags, DeleteTags.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::Tag;
use ebs_types::{Tags, VolumeId};

use crate::sdk::retry::{Paced, call};
use crate::{Action, Ec2Error};

pub(in crate::sdk) async fn create(
    client: &Paced<Client>,
    volume: &VolumeId,
    tags: &Tags,
) -> Result<(), Ec2Error> {
    let tags = tags
        .iter()
        .map(|(key, value)| Tag::builder().key(key).value(value).build());
    let builder = client
        .create_tags()
        .resources(volume.as_str())
        .set_tags(Some(tags.collect()));
    call(client, Action::CreateTags, || builder.clone().send()).await?;
    Ok(())
}

/// A tag without a value is deleted whatever its value. No tags at all would mean every tag: such a call is not made.
pub(in crate::sdk) async fn delete(
    client: &Paced<Client>,
    volume: &VolumeId,
    keys: &[String],
) -> Result<(), Ec2Error> {
    if keys.is_empty() {
        return Ok(());
    }
    let tags = keys.iter().map(|key| Tag::builder().key(key).build());
    let builder = client
        .delete_tags()
        .resources(volume.as_str())
        .set_tags(Some(tags.collect()));
    call(client, Action::DeleteTags, || builder.clone().send()).await?;
    Ok(())
}
