//! Pages and modifications of the small EC2: what several calls, or a longer rule, are made of.

use std::str::FromStr;
use std::time::SystemTime;

use ebs_types::ModificationState;
use ec2::{ErrorKind, Modification, ModifyVolume, Page, Volume};

/// A page of the whole, in the order of the ids. A token is the last id of the page before.
pub(super) fn page<'a, K: FromStr + Ord + ToString + 'a, V: Clone + 'a>(
    all: impl Iterator<Item = (&'a K, &'a V)>,
    max: u16,
    token: Option<&str>,
) -> Result<Page<V>, ErrorKind> {
    assert!((5..=1_000).contains(&max), "EC2 takes pages of 5 to 1000");
    let after = token.map(str::parse::<K>).transpose();
    let after = after.map_err(|_| ErrorKind::InvalidParameter)?;
    let mut rest = all.filter(|(id, _)| after.as_ref().is_none_or(|after| *id > after));
    let items: Vec<_> = rest.by_ref().take(max.into()).collect();
    let last = items.last().map(|(id, _)| id.to_string());
    let more = rest.next().is_some();
    Ok(Page {
        items: items.into_iter().map(|(_, item)| item.clone()).collect(),
        next: last.filter(|_| more),
    })
}

/// What becomes of the volume: what is not asked for stays.
pub(super) fn modification(volume: &Volume, request: &ModifyVolume) -> Modification {
    let asked = request.performance;
    let stays = request
        .volume_type
        .is_none_or(|to| to == volume.volume_type);
    Modification {
        volume: request.volume.clone(),
        state: ModificationState::Modifying,
        status: None,
        target_size: request.size.unwrap_or(volume.size),
        target_type: Some(request.volume_type.unwrap_or(volume.volume_type)),
        target_iops: asked.iops.or(volume.iops.filter(|_| stays)),
        target_throughput: asked.throughput.or(volume.throughput.filter(|_| stays)),
        started: Some(SystemTime::now()),
        progress: None,
    }
}
