//! What all conversions between our types and the SDK's share: required fields, numbers, times, tags, filters.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;
use std::time::SystemTime;

use aws_sdk_ec2::operation::RequestId;
use aws_sdk_ec2::primitives::DateTime;
use aws_sdk_ec2::types::{Filter, ResourceType, Tag, TagSpecification};
use ebs_types::{Gibibytes, Outpost, Tags};

use super::failure::unreadable;
use crate::{Action, Ec2Error};

/// Why a reply cannot be read: it names the field in EC2's XML spelling.
#[derive(Debug, thiserror::Error)]
#[error("{field}: {problem}")]
pub(super) struct Unreadable {
    field: &'static str,
    problem: String,
}

/// Turns a reply into our type.
pub(super) fn read<R: RequestId, T>(
    action: Action,
    reply: R,
    convert: impl FnOnce(R) -> Result<T, Unreadable>,
) -> Result<T, Ec2Error> {
    let request_id = reply.request_id().map(str::to_owned);
    convert(reply).map_err(|reason| unreadable(action, &reason.to_string(), request_id.as_deref()))
}

/// A field that every reply has.
pub(super) fn required<T>(value: Option<T>, field: &'static str) -> Result<T, Unreadable> {
    value.ok_or_else(|| Unreadable {
        field,
        problem: "missing".to_owned(),
    })
}

/// A field whose value this driver cannot go on with.
pub(super) fn unexpected(field: &'static str, value: impl Display) -> Unreadable {
    Unreadable {
        field,
        problem: format!("{value} is not what this driver knows"),
    }
}

/// A field that every reply has, read from its text.
pub(super) fn parsed<T>(value: Option<&str>, field: &'static str) -> Result<T, Unreadable>
where
    T: FromStr<Err: Display>,
{
    required(value, field)?
        .parse()
        .map_err(|problem: T::Err| Unreadable {
            field,
            problem: problem.to_string(),
        })
}

/// The Outpost that something is on, if it is on one. Some endpoints write the element empty for the region.
pub(super) fn outpost(arn: Option<&str>) -> Result<Option<Outpost>, Unreadable> {
    let arn = arn.filter(|arn| !arn.is_empty());
    arn.map(|arn| parsed(Some(arn), "outpostArn")).transpose()
}

/// A count, which the SDK holds in a signed number.
pub(super) fn count(value: i32, field: &'static str) -> Result<u32, Unreadable> {
    u32::try_from(value).map_err(|_| Unreadable {
        field,
        problem: format!("{value} is negative"),
    })
}

/// A count that only some resources have.
pub(super) fn optional_count(
    value: Option<i32>,
    field: &'static str,
) -> Result<Option<u32>, Unreadable> {
    value.map(|value| count(value, field)).transpose()
}

/// A size in GiB that every reply has.
pub(super) fn size(value: Option<i32>, field: &'static str) -> Result<Gibibytes, Unreadable> {
    count(required(value, field)?, field).map(Gibibytes)
}

/// A point in time that every reply has.
pub(super) fn time(value: Option<DateTime>, field: &'static str) -> Result<SystemTime, Unreadable> {
    SystemTime::try_from(required(value, field)?).map_err(|problem| Unreadable {
        field,
        problem: problem.to_string(),
    })
}

/// A resource's tags, EC2's own ones included.
pub(super) fn tags(tags: Option<Vec<Tag>>) -> BTreeMap<String, String> {
    tags.unwrap_or_default()
        .into_iter()
        .filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default())))
        .collect()
}

/// Tags to be set by the call that makes the resource; none where there are none, which EC2 refuses to take.
pub(super) fn tag_specifications(kind: ResourceType, tags: &Tags) -> Option<Vec<TagSpecification>> {
    if tags.is_empty() {
        return None;
    }
    let tags = tags
        .iter()
        .map(|(key, value)| Tag::builder().key(key).value(value).build())
        .collect();
    let specification = TagSpecification::builder()
        .resource_type(kind)
        .set_tags(Some(tags))
        .build();
    Some(vec![specification])
}

/// A filter for exactly these values.
///
/// EC2 takes `*` and `?` in a filter's values for wildcards, and `\` before either for the character itself.
pub(super) fn filter<'a>(
    name: impl Into<String>,
    values: impl IntoIterator<Item = &'a str>,
) -> Filter {
    let values = values.into_iter().map(literal).collect();
    Filter::builder()
        .name(name)
        .set_values(Some(values))
        .build()
}

fn literal(value: &str) -> String {
    let mut literal = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(c, '*' | '?' | '\\') {
            literal.push('\\');
        }
        literal.push(c);
    }
    literal
}

/// A count as the SDK takes it; EC2 refuses what is cut here.
pub(super) fn signed(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_wildcards_match_only_themselves() {
        assert_eq!(literal("pvc-1"), "pvc-1");
        assert_eq!(literal(r"a*b?c\d"), r"a\*b\?c\\d");
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let missing = parsed::<Gib>(None, "volumeId").unwrap_err();
        assert_eq!(missing.to_string(), "volumeId: missing");
        let wrong = parsed::<Gib>(Some("x"), "size").unwrap_err();
        assert_eq!(wrong.to_string(), "size: invalid digit found in string");
        let negative = size(Some(-1), "size").unwrap_err();
        assert_eq!(negative.to_string(), "size: -1 is negative");
    }

    type Gib = u32;
}
