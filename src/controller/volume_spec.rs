//! A CreateVolumeRequest, parsed: what volume is wanted. Every refusal that needs no look at the cloud ends here.

use csi::v1::volume_content_source::Type as SourceMessage;
use csi::v1::{CreateVolumeRequest, VolumeContentSource};
use ebs_types::{
    Access, CapacityRange, ClientToken, FormatParameters, FsType, Gibibytes, Performance,
    SOURCE_SNAPSHOT_KEY, SnapshotId, Source, Tags, VolumeKind, VolumeType, Zone, keys,
};
use ec2::{CreateVolume, Encryption, Volume};

use super::error::Error;
use super::params::Parameters;
use super::topology::ZoneChoice;
use super::{Settings, request, tags};
use crate::capability::{Capability, FS_TYPES};
use crate::status::InvalidRequest;

/// The size of a volume that nobody gave one.
const DEFAULT_SIZE: Gibibytes = Gibibytes(100);

/// What volume is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct VolumeSpec {
    pub(super) name: String,
    pub(super) zones: ZoneChoice,
    pub(super) snapshot: Option<SnapshotId>,
    range: CapacityRange,
    kind: VolumeKind,
    encryption: Encryption,
    tags: Tags,
    format: FormatParameters,
}

impl VolumeSpec {
    /// Reads a request.
    ///
    /// # Errors
    /// Those of [`Error`] that mean a wrong request.
    pub(super) fn parse(message: &CreateVolumeRequest, settings: &Settings) -> Result<Self, Error> {
        let name = request::required("name", &message.name, "give the volume a name")?;
        let accesses = accesses(message)?;
        if !message.mutable_parameters.is_empty() {
            return Err(InvalidRequest::value(
                "mutable_parameters",
                message.mutable_parameters.keys().cloned().collect::<Vec<_>>().join(", "),
                "this driver does not offer MODIFY_VOLUME; put type, iops and throughput into the StorageClass' parameters",
            )
            .into());
        }
        let mut tags = tags::volume(settings, name)?;
        let wishes = Wishes::parse(message, &mut tags)?;
        check_fs(wishes.fs, &accesses)?;
        check_format(&wishes.format, &accesses)?;
        let range = message
            .capacity_range
            .as_ref()
            .map_or((0, 0), |range| (range.required_bytes, range.limit_bytes));
        let spec = Self {
            name: name.to_owned(),
            zones: ZoneChoice::parse(message.accessibility_requirements.as_ref())?,
            snapshot: snapshot(message.volume_content_source.as_ref())?,
            range: CapacityRange::new(range.0, range.1)?,
            kind: wishes.kind,
            encryption: wishes.encryption,
            tags,
            format: wishes.format,
        };
        // What no snapshot can make right is refused before any is looked up.
        spec.size(None)?;
        Ok(spec)
    }

    /// The size to make, not below the snapshot's, which is also the default.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] where the requested range has no such size.
    pub(super) fn size(&self, snapshot: Option<Gibibytes>) -> Result<Gibibytes, Error> {
        let offered = self.kind.volume_type().sizes();
        let min = snapshot.unwrap_or(*offered.start()).max(*offered.start());
        let default = snapshot.unwrap_or(DEFAULT_SIZE).max(min);
        Ok(self.range.pick(default, min, *offered.end())?)
    }

    /// The call that makes it.
    pub(super) fn plan(&self, zone: &Zone, size: Gibibytes, generation: u32) -> CreateVolume {
        CreateVolume {
            token: ClientToken::for_name(&self.name, generation),
            zone: zone.clone(),
            size,
            kind: self.kind,
            source: self
                .snapshot
                .clone()
                .map_or(Source::Empty, Source::Snapshot),
            encryption: self.encryption.clone(),
            tags: self.tags.clone(),
        }
    }

    /// What the nodes must be told of the volume.
    pub(super) fn context(&self) -> impl Iterator<Item = (String, String)> {
        // A node never formats a volume that is to hold a snapshot's contents, however blank it looks.
        let source = self.snapshot.iter();
        let source = source.map(|id| (SOURCE_SNAPSHOT_KEY.to_owned(), id.to_string()));
        source.chain(self.format.to_context())
    }

    /// Why an existing volume of this name is not what is wanted; `None` if it is.
    pub(super) fn difference(&self, volume: &Volume) -> Option<String> {
        let wanted_type = self.kind.volume_type();
        let iops = self.kind.iops();
        let throughput = self.kind.throughput();
        if !self.range.allows(volume.size.bytes()) {
            Some(format!(
                "it has {}, outside of the requested capacity_range",
                volume.size
            ))
        } else if !self.zones.allows(&volume.zone) {
            Some(format!(
                "it is in zone {}, which accessibility_requirements does not allow",
                volume.zone
            ))
        } else if volume.snapshot != self.snapshot {
            Some(format!(
                "it was made from {}, not from {}",
                source_words(volume.snapshot.as_ref()),
                source_words(self.snapshot.as_ref())
            ))
        } else if volume.volume_type != wanted_type {
            Some(format!(
                "its type is {}, not {wanted_type}",
                volume.volume_type
            ))
        } else if iops.is_some() && volume.iops != iops {
            Some(differs("iops", volume.iops, iops))
        } else if throughput.is_some() && volume.throughput != throughput {
            Some(differs("throughput", volume.throughput, throughput))
        } else if self.wants_encryption() && !volume.encrypted {
            Some("it is not encrypted".to_owned())
        } else {
            None
        }
    }

    fn wants_encryption(&self) -> bool {
        match self.encryption {
            Encryption::DefaultKey | Encryption::Key(_) => true,
            Encryption::AccountDefault | Encryption::Off => false,
        }
    }
}

fn source_words(snapshot: Option<&SnapshotId>) -> String {
    snapshot.map_or_else(|| "no snapshot".to_owned(), ToString::to_string)
}

fn differs(what: &str, has: Option<u32>, wanted: Option<u32>) -> String {
    format!(
        "its {what} is {}, not {}",
        has.unwrap_or_default(),
        wanted.unwrap_or_default()
    )
}

fn accesses(message: &CreateVolumeRequest) -> Result<Vec<Access>, InvalidRequest> {
    const FIELD: &str = "volume_capabilities";
    if message.volume_capabilities.is_empty() {
        Capability::parse(FIELD, None)?;
    }
    message
        .volume_capabilities
        .iter()
        .map(|capability| Capability::parse(FIELD, Some(capability)).map(|parsed| parsed.access))
        .collect()
}

fn snapshot(source: Option<&VolumeContentSource>) -> Result<Option<SnapshotId>, Error> {
    match source.map(|source| source.r#type.as_ref()) {
        None => Ok(None),
        Some(Some(SourceMessage::Snapshot(source))) => {
            request::snapshot(&source.snapshot_id).map(Some)
        }
        Some(Some(SourceMessage::Volume(source))) => Err(InvalidRequest::value(
            "volume_content_source.volume",
            source.volume_id.as_str(),
            "this driver does not offer CLONE_VOLUME; take a snapshot and restore that",
        )
        .into()),
        Some(None) => Err(InvalidRequest::Missing {
            field: "volume_content_source.type",
            hint: "name a snapshot, or leave volume_content_source out for an empty volume",
        }
        .into()),
    }
}

/// What the StorageClass' parameters ask for.
struct Wishes {
    kind: VolumeKind,
    encryption: Encryption,
    fs: Option<FsType>,
    format: FormatParameters,
}

impl Wishes {
    fn parse(message: &CreateVolumeRequest, tags: &mut Tags) -> Result<Self, Error> {
        let mut map = Parameters::new("parameters", &message.parameters)?;
        let volume_type = map
            .take_parsed("type", "use one of gp3, gp2, io1, io2, st1, sc1, standard")?
            .unwrap_or(VolumeType::Gp3);
        let asked = Performance {
            iops: map.take_parsed("iops", "give a whole number of operations per second")?,
            throughput: map.take_parsed("throughput", "give a whole number of MiB per second")?,
        };
        let encrypted = map.take_parsed("encrypted", "use true or false")?;
        let key = map.take("kmsKeyId");
        // external-provisioner copies both spellings into the capability's fs_type and leaves the bare one in the map.
        let fs = [
            map.take_parsed("csi.storage.k8s.io/fstype", FS_TYPES)?,
            map.take_parsed("fstype", FS_TYPES)?,
        ];
        let format = FormatParameters::take(|key| map.take(key));
        for (parameter, tag) in [
            ("csi.storage.k8s.io/pvc/name", keys::PVC_NAME),
            ("csi.storage.k8s.io/pvc/namespace", keys::PVC_NAMESPACE),
            ("csi.storage.k8s.io/pv/name", keys::PV_NAME),
        ] {
            if let Some(value) = map.take(parameter) {
                tags.set(tag, value)?;
            }
        }
        map.finish()?;
        Ok(Self {
            kind: VolumeKind::new(volume_type, asked)?,
            encryption: encryption(encrypted, key),
            fs: fs.into_iter().flatten().next(),
            format,
        })
    }
}

/// A key is asked for only by who wants it used, so it encrypts whatever `encrypted` says, as in the Go driver.
fn encryption(encrypted: Option<bool>, key: Option<String>) -> Encryption {
    match (key.filter(|key| !key.is_empty()), encrypted) {
        (Some(key), _) => Encryption::Key(key),
        (None, Some(true)) => Encryption::DefaultKey,
        (None, Some(false)) => Encryption::Off,
        (None, None) => Encryption::AccountDefault,
    }
}

/// Nodes format by the capability's file system; a parameter that says another one would be silently ignored.
fn check_fs(parameter: Option<FsType>, accesses: &[Access]) -> Result<(), InvalidRequest> {
    let Some(wanted) = parameter else {
        return Ok(());
    };
    for access in accesses {
        if let Access::Mount(mount) = access
            && mount.fs != wanted
        {
            return Err(InvalidRequest::value(
                "parameters.csi.storage.k8s.io/fstype",
                wanted.as_str(),
                format_args!(
                    "the volume capability asks for {}; make the two agree",
                    mount.fs
                ),
            ));
        }
    }
    Ok(())
}

/// Nodes format by these, long after this call: what no node could do is refused now.
fn check_format(format: &FormatParameters, accesses: &[Access]) -> Result<(), InvalidRequest> {
    for access in accesses {
        let judged = match access {
            Access::Block => format.for_block(),
            Access::Mount(mount) => format.for_fs(mount.fs).map(drop),
        };
        judged.map_err(|refused| {
            let field = format!("parameters.{}", refused.key.parameter());
            InvalidRequest::value(field, refused.value, refused.allowed)
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
