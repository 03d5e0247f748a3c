//! CreateTags, DeleteTags, DescribeTags.

use ebs_types::{InstanceId, SnapshotId, Tags, VolumeId};

use crate::model::{ApiError, Command, CreateTags, DeleteTags, Query, Reply, Tagged};
use crate::wire::form::{WireId, read_id, set_tag};
use crate::wire::xml::Xml;
use crate::wire::{Form, Request};

/// The largest page (EC2 API reference, "DescribeTags").
const MOST: u32 = 1_000;

pub(in crate::wire) fn parse_create(form: &mut Form) -> Result<Request, ApiError> {
    let resources = resources(form)?;
    let mut tags = Tags::new();
    for mut tag in form.groups("Tag") {
        let key = tag.required("Key")?;
        let value = tag.take("Value").unwrap_or_default();
        tag.finish()?;
        set_tag(&mut tags, key, value)?;
    }
    if tags.is_empty() {
        return Err(ApiError::missing("Tag"));
    }
    let command = CreateTags { resources, tags };
    Ok(Request::Change(Command::CreateTags(command)))
}

pub(in crate::wire) fn parse_delete(form: &mut Form) -> Result<Request, ApiError> {
    let resources = resources(form)?;
    let mut tags = Vec::new();
    for mut tag in form.groups("Tag") {
        tags.push((tag.required("Key")?, tag.take("Value")));
        tag.finish()?;
    }
    let command = DeleteTags { resources, tags };
    Ok(Request::Change(Command::DeleteTags(command)))
}

pub(in crate::wire) fn parse_describe(form: &mut Form) -> Result<Request, ApiError> {
    Ok(Request::Look(Query::Tags(form.pages(MOST)?)))
}

pub(in crate::wire) fn render_page(xml: &mut Xml, reply: &Reply) {
    if let Reply::Tags(page) = reply {
        xml.list("tagSet", &page.items, |xml, tag| {
            xml.text("key", &tag.key);
            xml.text("resourceId", &tag.resource);
            xml.text("resourceType", tag.kind);
            xml.text("value", &tag.value);
        });
        xml.optional("nextToken", page.next.as_ref());
    }
}

fn resources(form: &mut Form) -> Result<Vec<Tagged>, ApiError> {
    let ids = form.list("ResourceId");
    if ids.is_empty() {
        return Err(ApiError::missing("ResourceId"));
    }
    ids.iter().map(|id| resource(id)).collect()
}

/// What an id names is told by its beginning.
fn resource(id: &str) -> Result<Tagged, ApiError> {
    fn read<T: WireId>(id: &str, tagged: fn(T) -> Tagged) -> Result<Tagged, ApiError> {
        read_id(id).map(tagged)
    }
    match id.split_once('-') {
        Some(("vol", _)) => read::<VolumeId>(id, Tagged::Volume),
        Some(("snap", _)) => read::<SnapshotId>(id, Tagged::Snapshot),
        Some(("i", _)) => read::<InstanceId>(id, Tagged::Instance),
        _ => Err(ApiError::client(
            "InvalidID",
            format!("The ID '{id}' is not valid"),
        )),
    }
}
