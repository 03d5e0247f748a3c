//! The calls that only look.

use ebs_types::{InstanceId, InstanceType, SnapshotId, VolumeId};

/// A call that only looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Query {
    Volumes(Selection<VolumeId>),
    Statuses(Selection<VolumeId>),
    Modifications(Selection<VolumeId>),
    Snapshots {
        selection: Selection<SnapshotId>,
        /// Owners asked for; nothing here is owned by anyone but the one account.
        owned: bool,
    },
    FastRestores(Selection<SnapshotId>),
    LockedSnapshots(Selection<SnapshotId>),
    /// Chosen by filters alone, without ids.
    Tags(Selection<String>),
    Instances(Selection<InstanceId>),
    InstanceTypes(Selection<InstanceType>),
    Zones {
        names: Vec<String>,
        ids: Vec<String>,
        filters: Vec<Filter>,
    },
}

/// Which of a kind of resource: those of these ids, or all, that every filter lets through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selection<Id> {
    pub(crate) ids: Vec<Id>,
    pub(crate) filters: Vec<Filter>,
    pub(crate) paging: Option<Paging>,
}

impl<Id> Selection<Id> {
    /// Whether nothing narrows it down: neither ids nor filters nor a page.
    pub(crate) fn is_everything(&self) -> bool {
        self.ids.is_empty() && self.filters.is_empty() && self.paging.is_none()
    }
}

/// A filter: the named property equals one of the values, in which `*` and `?` are wildcards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) name: String,
    pub(crate) values: Vec<String>,
}

/// Which page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Paging {
    /// The most items on it.
    pub(crate) max: usize,
    /// Where the last one ended.
    pub(crate) token: Option<String>,
}

/// One page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    /// Asks for the next one.
    pub(crate) next: Option<String>,
}

impl Query {
    /// What a fault can be aimed at: the ids asked for.
    pub(crate) fn subjects(&self) -> Vec<&str> {
        match self {
            Self::Volumes(s) | Self::Statuses(s) | Self::Modifications(s) => {
                s.ids.iter().map(VolumeId::as_str).collect()
            }
            Self::Snapshots { selection, .. } => {
                selection.ids.iter().map(SnapshotId::as_str).collect()
            }
            Self::FastRestores(s) | Self::LockedSnapshots(s) => {
                s.ids.iter().map(SnapshotId::as_str).collect()
            }
            Self::Tags(_) => Vec::new(),
            Self::Instances(s) => s.ids.iter().map(InstanceId::as_str).collect(),
            Self::InstanceTypes(s) => s.ids.iter().map(InstanceType::as_str).collect(),
            Self::Zones { names, .. } => names.iter().map(String::as_str).collect(),
        }
    }
}
