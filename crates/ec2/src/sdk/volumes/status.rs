//! DescribeVolumeStatus.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::operation::describe_volume_status::builders::DescribeVolumeStatusFluentBuilder;
use aws_sdk_ec2::types::{self, VolumeStatusInfoStatus, VolumeStatusName};
use ebs_types::VolumeId;

use crate::sdk::convert::{Unreadable, filter, parsed, read};
use crate::sdk::pages::{self, page};
use crate::sdk::retry::{Paced, call};
use crate::{
    Action, Ec2Error, Initialization, Page, VolumeStatus, VolumeStatusQuery, VolumeTrouble,
};

pub(in crate::sdk) async fn describe(
    client: &Paced<Client>,
    query: &VolumeStatusQuery,
) -> Result<Page<VolumeStatus>, Ec2Error> {
    let builder = client.describe_volume_status();
    match query {
        VolumeStatusQuery::Ids(ids) => {
            // EC2 takes no page size beside ids.
            let ids = ids.iter().map(VolumeId::to_string).collect();
            let builder = builder.set_volume_ids(Some(ids));
            let items =
                pages::all(|token| one_page(client, builder.clone().set_next_token(token))).await?;
            Ok(Page { items, next: None })
        }
        VolumeStatusQuery::Unwell { max, token } => {
            let unwell = filter("volume-status.status", ["warning", "impaired"]);
            let builder = builder.filters(unwell).max_results(i32::from(*max));
            one_page(client, builder.set_next_token(token.clone())).await
        }
    }
}

async fn one_page(
    client: &Paced<Client>,
    builder: DescribeVolumeStatusFluentBuilder,
) -> Result<Page<VolumeStatus>, Ec2Error> {
    let action = Action::DescribeVolumeStatus;
    let reply = call(client, action, || builder.clone().send()).await?;
    read(action, reply, |reply| {
        let items = reply.volume_statuses.unwrap_or_default();
        page(items, reply.next_token, status)
    })
}

fn status(item: types::VolumeStatusItem) -> Result<VolumeStatus, Unreadable> {
    let events = item.events.unwrap_or_default().into_iter();
    Ok(VolumeStatus {
        volume: parsed(item.volume_id.as_deref(), "volumeId")?,
        trouble: item.volume_status.as_ref().and_then(trouble),
        events: events
            .filter_map(|event| event.description.or(event.event_type))
            .collect(),
        initialization: item.volume_status.as_ref().and_then(|info| {
            let details = item.initialization_status_details.as_ref();
            initialization(info, details.and_then(|details| details.progress))
        }),
    })
}

/// `None` for words that are newer than this.
fn initialization(info: &types::VolumeStatusInfo, progress: Option<i64>) -> Option<Initialization> {
    let mut details = info.details().iter();
    let state = details.find(|one| one.name() == Some(&VolumeStatusName::InitializationState))?;
    match state.status()? {
        "completed" | "not-applicable" => Some(Initialization::Completed),
        "initializing" => Some(Initialization::UnderWay {
            percent: progress.and_then(|percent| u8::try_from(percent).ok()),
        }),
        _ => None,
    }
}

/// `None` for `ok`, for `insufficient-data`, and for words that are newer than this: they accuse nothing.
fn trouble(info: &types::VolumeStatusInfo) -> Option<VolumeTrouble> {
    let unexplained = match info.status.as_ref()? {
        VolumeStatusInfoStatus::Impaired => VolumeTrouble::Impaired,
        VolumeStatusInfoStatus::Warning => VolumeTrouble::Warned,
        _ => return None,
    };
    let is = |name: &VolumeStatusName, words: &[&str]| {
        info.details().iter().any(|detail| {
            detail.name() == Some(name) && detail.status().is_some_and(|is| words.contains(&is))
        })
    };
    Some(if is(&VolumeStatusName::IoEnabled, &["failed"]) {
        VolumeTrouble::IoDisabled
    } else if is(&VolumeStatusName::IoPerformance, &["stalled"]) {
        VolumeTrouble::IoStalled
    } else if is(
        &VolumeStatusName::IoPerformance,
        &["degraded", "severely-degraded"],
    ) {
        VolumeTrouble::IoDegraded
    } else {
        unexplained
    })
}
