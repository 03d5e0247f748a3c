//! Which of the attached EBS volumes are CSI's.
//!
//! Answers for: telling the volumes that Kubernetes attaches through this driver from all others (the root volume, one for
//! container images, one attached by hand). Doesn't answer for: how many fit.
//!
//! A volume is CSI's if the Node object names it: the attach-detach controller writes there what it has attached, the kubelet what
//! it needs. Both can lag behind the device. So what was CSI's once stays CSI's until it is gone, and a volume that has come
//! while this process runs counts as somebody else's only when it is still unclaimed after [`SETTLED`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ebs_types::VolumeId;
use tokio::time::Instant;

/// How long Kubernetes may take to name a volume that it has attached.
pub(super) const SETTLED: Duration = Duration::from_secs(60);

/// What is remembered of the attached volumes.
#[derive(Debug, Default)]
pub(super) struct Claims {
    attached: BTreeMap<VolumeId, Claim>,
    looked: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claim {
    Ours,
    /// Nobody has named it; seen first at that time, `None` for what was there before this process looked.
    Unclaimed(Option<Instant>),
}

impl Claims {
    /// Takes note of what is attached now.
    pub(super) fn see(&mut self, attached: &BTreeSet<VolumeId>, now: Instant) {
        self.attached.retain(|volume, _| attached.contains(volume));
        let new = Claim::Unclaimed(self.looked.then_some(now));
        for volume in attached {
            self.attached.entry(volume.clone()).or_insert(new);
        }
        self.looked = true;
    }

    /// Takes note of CSI volume handles; those of volumes that are not attached, and of other kinds, don't matter.
    pub(super) fn claim<'a>(&mut self, handles: impl Iterator<Item = &'a str>) {
        for volume in handles.filter_map(|handle| VolumeId::from_handle(handle).ok()) {
            if let Some(claim) = self.attached.get_mut(&volume) {
                *claim = Claim::Ours;
            }
        }
    }

    /// How many volumes nobody has claimed so far.
    pub(super) fn unclaimed(&self) -> u32 {
        self.count(|claim| claim != Claim::Ours)
    }

    /// How many of them came while this process looked: Kubernetes may name them still.
    pub(super) fn newcomers(&self) -> u32 {
        self.count(|claim| matches!(claim, Claim::Unclaimed(Some(_))))
    }

    /// How many nobody will claim.
    pub(super) fn foreign(&self, now: Instant) -> u32 {
        self.count(|claim| match claim {
            Claim::Ours => false,
            Claim::Unclaimed(since) => since.is_none_or(|since| now - since >= SETTLED),
        })
    }

    fn count(&self, wanted: impl Fn(Claim) -> bool) -> u32 {
        let count = self.attached.values().filter(|claim| wanted(**claim));
        u32::try_from(count.count()).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volumes(numbers: &[u32]) -> BTreeSet<VolumeId> {
        let id = |number: &u32| format!("vol-{number:017x}").parse().unwrap();
        numbers.iter().map(id).collect()
    }

    fn handle(number: u32) -> String {
        format!("vol-{number:017x}")
    }

    #[test]
    fn what_was_there_before_counts_at_once() {
        let (mut claims, now) = (Claims::default(), Instant::now());
        claims.see(&volumes(&[1, 2, 3]), now);
        assert_eq!((claims.unclaimed(), claims.foreign(now)), (3, 3));
        claims.claim(
            [handle(3), handle(9), "fs-1".to_owned()]
                .iter()
                .map(String::as_str),
        );
        assert_eq!((claims.unclaimed(), claims.foreign(now)), (2, 2));
    }

    #[test]
    fn what_comes_later_has_time_to_be_claimed() {
        let (mut claims, now) = (Claims::default(), Instant::now());
        claims.see(&volumes(&[1]), now);
        claims.see(&volumes(&[1, 2, 3]), now);
        assert_eq!((claims.unclaimed(), claims.foreign(now)), (3, 1));
        assert_eq!(claims.newcomers(), 2);
        claims.claim(std::iter::once(handle(2).as_str()));
        assert_eq!(claims.newcomers(), 1);
        let later = now + SETTLED;
        claims.see(&volumes(&[1, 2, 3]), later);
        assert_eq!(claims.foreign(later), 2);
    }

    #[test]
    fn what_was_ours_stays_so_until_it_has_gone() {
        let (mut claims, now) = (Claims::default(), Instant::now());
        claims.see(&volumes(&[1, 2]), now);
        claims.claim(std::iter::once(handle(2).as_str()));
        let later = now + SETTLED * 2;
        // Kubernetes does not name it any more while EC2 detaches it.
        claims.see(&volumes(&[1, 2]), later);
        assert_eq!(claims.foreign(later), 1);
        claims.see(&volumes(&[1]), later);
        claims.see(&volumes(&[1, 2]), later);
        assert_eq!((claims.unclaimed(), claims.foreign(later)), (2, 1));
    }
}
