//! Volumes and snapshots as EC2 describes them.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::Result;

use super::xml::Element;

/// A volume as DescribeVolumes shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenVolume {
    /// Its id.
    pub id: String,
    /// `creating`, `available`, `in-use`, …
    pub state: String,
    /// Its size.
    pub gib: u32,
    /// `gp3`, …
    pub kind: String,
    /// What it is given per second; none for types without.
    pub iops: Option<u32>,
    /// MiB per second; none for types without.
    pub throughput: Option<u32>,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// The snapshot that it was made of.
    pub snapshot: Option<String>,
    /// The volume that it is a copy of.
    pub copy_of: Option<String>,
    /// The key that it is encrypted with.
    pub key: Option<String>,
    /// MiB per second at which the blocks of its snapshot are fetched, where somebody pays for that.
    pub initialization_rate: Option<u32>,
    /// Whether several instances can have it at once.
    pub multi_attach: bool,
    /// Its zone.
    pub zone: String,
    /// The ARN of the Outpost that it is on.
    pub outpost: Option<String>,
    /// Where it is attached.
    pub attachments: Vec<SeenAttachment>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// An attachment as DescribeVolumes shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenAttachment {
    /// The instance.
    pub instance: String,
    /// `attaching`, `attached`, …
    pub state: String,
    /// The name given at attach.
    pub device: String,
    /// The EBS card of the instance; the first one where nothing is said of it.
    pub card: u32,
}

/// A snapshot as DescribeSnapshots shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenSnapshot {
    /// Its id.
    pub id: String,
    /// `pending`, `completed`, …
    pub state: String,
    /// The volume that it was made of.
    pub volume: String,
    /// That volume's size.
    pub gib: u32,
    /// The ARN of the Outpost that keeps it.
    pub outpost: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

impl SeenVolume {
    pub(super) fn read(item: &Element) -> Result<Self> {
        let number = |name| item.optional(name).map(str::parse).transpose();
        Ok(Self {
            id: item.text("volumeId")?.to_owned(),
            state: item.text("status")?.to_owned(),
            gib: item.text("size")?.parse()?,
            kind: item.text("volumeType")?.to_owned(),
            iops: number("iops")?,
            throughput: number("throughput")?,
            encrypted: item.text("encrypted")?.parse()?,
            snapshot: item.optional("snapshotId").map(str::to_owned),
            copy_of: item.optional("sourceVolumeId").map(str::to_owned),
            key: item.optional("kmsKeyId").map(str::to_owned),
            initialization_rate: number("volumeInitializationRate")?,
            multi_attach: item.optional("multiAttachEnabled") == Some("true"),
            zone: item.text("availabilityZone")?.to_owned(),
            outpost: item.optional("outpostArn").map(str::to_owned),
            attachments: item
                .items("attachmentSet")
                .map(SeenAttachment::read)
                .collect::<Result<_>>()?,
            tags: tags(item)?,
        })
    }
}

impl SeenAttachment {
    fn read(item: &Element) -> Result<Self> {
        Ok(Self {
            instance: item.text("instanceId")?.to_owned(),
            state: item.text("status")?.to_owned(),
            device: item.text("device")?.to_owned(),
            card: item.optional("ebsCardIndex").map_or(Ok(0), str::parse)?,
        })
    }
}

impl SeenSnapshot {
    pub(super) fn read(item: &Element) -> Result<Self> {
        Ok(Self {
            id: item.text("snapshotId")?.to_owned(),
            state: item.text("status")?.to_owned(),
            volume: item.text("volumeId")?.to_owned(),
            gib: item.text("volumeSize")?.parse()?,
            outpost: item.optional("outpostArn").map(str::to_owned),
            tags: tags(item)?,
        })
    }
}

fn tags(item: &Element) -> Result<BTreeMap<String, String>> {
    item.items("tagSet")
        .map(|tag| Ok((tag.text("key")?.to_owned(), tag.text("value")?.to_owned())))
        .collect()
}

impl fmt::Display for SeenVolume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            id,
            state,
            gib,
            kind,
            zone,
            attachments,
            ..
        } = self;
        write!(f, "EC2: {id} is {state}, {gib} GiB {kind} in {zone}")?;
        for SeenAttachment {
            instance, state, ..
        } in attachments
        {
            write!(f, ", {state} to {instance}")?;
        }
        Ok(())
    }
}
