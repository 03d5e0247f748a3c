//! How many CSI volumes a node takes.
//!
//! Answers for: the formula, and saying what its parts rest on. Doesn't answer for: finding out the parts.

use ebs_types::{AttachmentLimit, InstanceType};

use super::sources::{InUse, Teller};
use crate::config::AttachLimit;

/// How many CSI volumes a node takes, and why it is thought so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    /// What the scheduler is told, at least 1 (0 would mean "no limit" in CSI).
    pub(crate) max_volumes: u32,
    /// Where the instance type's figure is from.
    pub(crate) figure: Figure,
    /// Who has counted what is in use by others.
    pub(crate) counted: Counted,
}

/// Where the figure of an instance type is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Figure {
    /// The operator has set the limit itself.
    Set,
    /// The driver's table.
    Table,
    /// EC2, by the annotation of the Node.
    Ec2,
    /// Nobody knows the type: the figure that is common.
    Guess,
}

/// Who has counted what takes attachments beside CSI volumes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counted {
    /// The operator has.
    Set,
    /// Instance metadata, and this machine where that shows more.
    Imds,
    /// Labels of the Node, and this machine where that shows more.
    Labels,
    /// This machine alone.
    Machine,
    /// Instance metadata as of the instance's start, or labels as of the plugin's: in a cluster, and nothing showed what has
    /// changed since.
    Start,
    /// Nobody: what every instance has is taken for all there is.
    Assumed,
}

impl Limit {
    /// Whether the limit may be too high or too low since nobody knows better.
    pub(crate) fn is_weak(self) -> bool {
        self.figure == Figure::Guess || matches!(self.counted, Counted::Start | Counted::Assumed)
    }
}

impl Figure {
    /// The word for it in logs and metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Set => "set",
            Self::Table => "table",
            Self::Ec2 => "ec2",
            Self::Guess => "guess",
        }
    }
}

impl Counted {
    /// The word for it in logs and metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Set => "set",
            Self::Imds => "imds",
            Self::Labels => "labels",
            Self::Machine => "machine",
            Self::Start => "start",
            Self::Assumed => "assumed",
        }
    }
}

/// What is known of an instance.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Known {
    /// EC2's word on an instance type that the table lacks.
    pub(super) annotated: Option<AttachmentLimit>,
    /// What others have counted.
    pub(super) in_use: Option<InUse>,
    /// Whether what others have counted should have been, and could not be, compared with the machine.
    pub(super) unchecked: bool,
    /// What the machine shows.
    pub(super) machine: Machine,
}

/// What takes attachments of the machine now.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Machine {
    /// EBS volumes that are not CSI's, the root volume included; `None` where it cannot be told.
    pub(super) volumes: Option<Foreign>,
    /// Network interfaces, the primary one included; 0 where none can be seen.
    pub(super) interfaces: u32,
    /// Instance store disks.
    pub(super) stores: u32,
    /// Accelerators.
    pub(super) accelerators: u32,
}

/// How many of the EBS volumes that are attached now are not CSI's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Foreign {
    /// Surely so many.
    pub(super) least: u32,
    /// All that Kubernetes has not named: there are no more.
    pub(super) most: u32,
}

/// The number to report to the scheduler.
///
/// EC2's figure for an instance type (DescribeInstanceTypes, `MaximumEbsAttachments`) has what every instance of the type has
/// taken off already where these count (`shared`): the primary network interface, instance store disks, accelerators. Of the
/// guess nothing but the interface is taken off, so the machine's disks and accelerators are. Instance metadata lists volumes
/// as of the instance's start, so that those attached since then are not counted twice; the machine shows what has come and gone
/// since. Of interfaces the larger count is taken.
pub(super) fn reckon(instance_type: &InstanceType, setting: AttachLimit, known: &Known) -> Limit {
    let (offered, figure) = offered(instance_type, known);
    let reserved = match setting {
        AttachLimit::Fixed(count) => {
            return Limit {
                max_volumes: count.max(1),
                figure: Figure::Set,
                counted: Counted::Set,
            };
        }
        AttachLimit::Reserved(reserved) => Some(reserved),
        AttachLimit::Counted => None,
    };
    let volumes = reserved.unwrap_or_else(|| volumes(known));
    let others = if offered.shared {
        interfaces(known)
            .saturating_sub(1)
            .saturating_add(built_in(figure, known))
    } else {
        0
    };
    Limit {
        // The controller spreads volumes over all EBS cards.
        max_volumes: offered
            .volumes
            .saturating_sub(volumes)
            .saturating_sub(others)
            .max(1),
        figure,
        counted: counted(reserved.is_some(), offered.shared, known),
    }
}

fn offered(instance_type: &InstanceType, known: &Known) -> (AttachmentLimit, Figure) {
    match (AttachmentLimit::listed(instance_type), known.annotated) {
        (Some(limit), _) => (limit, Figure::Table),
        (None, Some(limit)) => (limit, Figure::Ec2),
        (None, None) => (AttachmentLimit::COMMON_NITRO, Figure::Guess),
    }
}

/// EBS volumes that are not CSI's. Every instance has a root volume.
fn volumes(known: &Known) -> u32 {
    let told = known.in_use.map_or(0, |in_use| in_use.volumes);
    let told = told.saturating_add(1);
    match known.machine.volumes {
        // What was there at the start may have gone, or be CSI's: an instance can be stopped with CSI volumes attached.
        Some(Foreign { least, most }) => told.min(most).max(least).max(1),
        None => told,
    }
}

fn interfaces(known: &Known) -> u32 {
    let told = known.in_use.map_or(1, |in_use| in_use.interfaces);
    told.max(known.machine.interfaces)
}

/// What an instance type has from the start, where its figure is not EC2's.
fn built_in(figure: Figure, known: &Known) -> u32 {
    let Machine {
        stores,
        accelerators,
        ..
    } = known.machine;
    match figure {
        Figure::Guess => stores.saturating_add(accelerators),
        Figure::Set | Figure::Table | Figure::Ec2 => 0,
    }
}

fn counted(reserved: bool, shared: bool, known: &Known) -> Counted {
    let volumes = reserved || known.in_use.is_some() || known.machine.volumes.is_some();
    let interfaces = !shared || known.in_use.is_some() || known.machine.interfaces > 0;
    match known.in_use.map(|in_use| in_use.by) {
        _ if !(volumes && interfaces) => Counted::Assumed,
        _ if reserved => Counted::Set,
        Some(_) if known.unchecked => Counted::Start,
        Some(Teller::Imds) => Counted::Imds,
        Some(Teller::Labels) => Counted::Labels,
        None => Counted::Machine,
    }
}

#[cfg(test)]
mod tests;
