//! The filters of each kind of resource, under the names of the EC2 API reference.

use ebs_types::{Tags, VolumeId};

use super::Filtered;
use crate::model::{
    Attachment, AvailabilityZone, FastRestore, Instance, InstanceDetails, InstanceTypeInfo,
    LockedSnapshot, Modification, ROOT_DEVICE, Snapshot, TagDescription, Volume, VolumeStatus,
};
use crate::state::{ACCOUNT, queries};

impl Filtered for Volume {
    const NAMES: &'static [&'static str] = &[
        "attachment.attach-time",
        "attachment.delete-on-termination",
        "attachment.device",
        "attachment.instance-id",
        "attachment.status",
        "availability-zone",
        "create-time",
        "encrypted",
        "multi-attach-enabled",
        "size",
        "snapshot-id",
        "status",
        "volume-id",
        "volume-type",
    ];

    fn values(&self, name: &str) -> Vec<String> {
        let each = |of: fn(&Attachment) -> String| self.attachments.iter().map(of).collect();
        match name {
            "attachment.attach-time" => each(|a| a.since.to_string()),
            "attachment.delete-on-termination" => each(|_| "false".to_owned()),
            "attachment.device" => each(|a| a.device.to_string()),
            "attachment.instance-id" => each(|a| a.instance.to_string()),
            "attachment.status" => each(|a| a.state().to_string()),
            "availability-zone" => vec![self.zone.to_string()],
            "create-time" => vec![self.created.to_string()],
            "encrypted" => vec![self.encrypted.to_string()],
            "multi-attach-enabled" => vec![self.multi_attach.to_string()],
            "size" => vec![self.size.0.to_string()],
            "snapshot-id" => self.snapshot.iter().map(ToString::to_string).collect(),
            "status" => vec![self.state().to_string()],
            "volume-id" => vec![self.id.to_string()],
            "volume-type" => vec![self.volume_type.to_string()],
            _ => Vec::new(),
        }
    }

    fn tags(&self) -> Option<&Tags> {
        Some(&self.tags)
    }
}

impl Filtered for VolumeStatus {
    const NAMES: &'static [&'static str] = &[
        "availability-zone",
        "event.event-type",
        "volume-status.details-name",
        "volume-status.details-status",
        "volume-status.status",
    ];

    fn values(&self, name: &str) -> Vec<String> {
        let details = self.details().into_iter();
        match name {
            "availability-zone" => vec![self.0.zone.to_string()],
            "event.event-type" => self.event().iter().map(|(t, _)| (*t).to_owned()).collect(),
            "volume-status.details-name" => details.map(|(name, _)| name.to_owned()).collect(),
            "volume-status.details-status" => details.map(|(_, is)| is.to_owned()).collect(),
            "volume-status.status" => vec![self.status().to_owned()],
            _ => Vec::new(),
        }
    }

    fn tags(&self) -> Option<&Tags> {
        None
    }
}

impl Filtered for Modification {
    const NAMES: &'static [&'static str] = &[
        "modification-state",
        "original-size",
        "target-size",
        "target-volume-type",
        "volume-id",
    ];

    fn values(&self, name: &str) -> Vec<String> {
        match name {
            "modification-state" => vec![self.state().to_string()],
            "original-size" => vec![self.from.size.0.to_string()],
            "target-size" => vec![self.to.size.0.to_string()],
            "target-volume-type" => vec![self.to.volume_type.to_string()],
            "volume-id" => vec![self.volume.to_string()],
            _ => Vec::new(),
        }
    }

    fn tags(&self) -> Option<&Tags> {
        None
    }
}

impl Filtered for Snapshot {
    const NAMES: &'static [&'static str] = &[
        "description",
        "encrypted",
        "owner-id",
        "snapshot-id",
        "start-time",
        "status",
        "volume-id",
        "volume-size",
    ];

    fn values(&self, name: &str) -> Vec<String> {
        match name {
            "description" => vec![self.description.clone()],
            "encrypted" => vec![self.encrypted.to_string()],
            "owner-id" => vec![ACCOUNT.to_owned()],
            "snapshot-id" => vec![self.id.to_string()],
            "start-time" => vec![self.started.to_string()],
            "status" => vec![self.state.to_string()],
            "volume-id" => vec![self.volume.to_string()],
            "volume-size" => vec![self.size.0.to_string()],
            _ => Vec::new(),
        }
    }

    fn tags(&self) -> Option<&Tags> {
        Some(&self.tags)
    }
}

impl Filtered for FastRestore {
    const NAMES: &'static [&'static str] =
        &["availability-zone", "owner-id", "snapshot-id", "state"];

    fn values(&self, name: &str) -> Vec<String> {
        match name {
            "availability-zone" => vec![self.zone.to_string()],
            "owner-id" => vec![ACCOUNT.to_owned()],
            "snapshot-id" => vec![self.snapshot.to_string()],
            "state" => vec![self.state.to_string()],
            _ => Vec::new(),
        }
    }

    fn tags(&self) -> Option<&Tags> {
        None
    }
}

impl Filtered for TagDescription {
    const NAMES: &'static [&'static str] = &["key", "resource-id", "resource-type", "value"];

    fn values(&self, name: &str) -> Vec<String> {
        match (name, name.strip_prefix("tag:")) {
            ("key" | "tag-key", _) => vec![self.key.clone()],
            ("resource-id", _) => vec![self.resource.clone()],
            ("resource-type", _) => vec![self.kind.to_owned()],
            ("value", _) => vec![self.value.clone()],
            (_, Some(key)) if key == self.key => vec![self.value.clone()],
            _ => Vec::new(),
        }
    }

    fn tags(&self) -> Option<&Tags> {
        None
    }
}

impl Filtered for LockedSnapshot {
    const NAMES: &'static [&'static str] = &["lock-state"];

    fn values(&self, name: &str) -> Vec<String> {
        match name {
            "lock-state" => vec![self.state.to_string()],
            _ => Vec::new(),
        }
    }

    fn tags(&self) -> Option<&Tags> {
        None
    }
}

impl Filtered for InstanceDetails {
    const NAMES: &'static [&'static str] = &[
        "availability-zone",
        "block-device-mapping.device-name",
        "block-device-mapping.volume-id",
        "group-name",
        "image-id",
        "instance-id",
        "instance-state-name",
        "instance-type",
        "instance.group-name",
        "outpost-arn",
        "private-ip-address",
    ];

    fn values(&self, name: &str) -> Vec<String> {
        let i: &Instance = &self.instance;
        let volumes = || self.volumes.iter();
        match name {
            "availability-zone" => vec![i.zone.to_string()],
            "block-device-mapping.device-name" => std::iter::once(ROOT_DEVICE.to_owned())
                .chain(volumes().map(|(_, a)| a.device.to_string()))
                .collect(),
            "block-device-mapping.volume-id" => std::iter::once(&i.root)
                .chain(volumes().map(|(id, _)| id))
                .map(VolumeId::to_string)
                .collect(),
            "group-name" | "instance.group-name" => {
                i.groups.iter().map(|group| group.name.clone()).collect()
            }
            "image-id" => vec![i.image.clone()],
            "instance-id" => vec![i.id.to_string()],
            "instance-state-name" => vec![i.state.to_string()],
            "instance-type" => vec![i.instance_type.to_string()],
            "outpost-arn" => i.outpost.iter().map(ToString::to_string).collect(),
            "private-ip-address" => vec![i.private_ip.clone()],
            _ => Vec::new(),
        }
    }

    fn tags(&self) -> Option<&Tags> {
        Some(&self.instance.tags)
    }
}

impl Filtered for InstanceTypeInfo {
    const NAMES: &'static [&'static str] = &["hypervisor", "instance-type"];

    fn values(&self, name: &str) -> Vec<String> {
        match name {
            "hypervisor" => vec![queries::hypervisor(self.limit.hypervisor).to_owned()],
            "instance-type" => vec![self.name.clone()],
            _ => Vec::new(),
        }
    }

    fn tags(&self) -> Option<&Tags> {
        None
    }
}

impl Filtered for AvailabilityZone {
    const NAMES: &'static [&'static str] = &[
        "opt-in-status",
        "state",
        "zone-id",
        "zone-name",
        "zone-type",
    ];

    fn values(&self, name: &str) -> Vec<String> {
        match name {
            "opt-in-status" => vec!["opt-in-not-required".to_owned()],
            "state" => vec![self.state.as_str().to_owned()],
            "zone-id" => vec![self.id.clone()],
            "zone-name" => vec![self.name.to_string()],
            "zone-type" => vec!["availability-zone".to_owned()],
            _ => Vec::new(),
        }
    }

    fn tags(&self) -> Option<&Tags> {
        None
    }
}
