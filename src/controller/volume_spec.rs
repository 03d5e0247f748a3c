//! A CreateVolumeRequest, parsed: what volume is wanted. Every refusal that needs no look at the cloud ends here.

use csi::v1::CreateVolumeRequest;
use ebs_types::{
    Access, CapacityRange, ClientToken, FormatParameters, FsType, Gibibytes, InvalidKind, Source,
    Tags, VolumeKind, VolumeType,
};
use ec2::{CopyVolume, CreateVolume, Encryption, Volume};

use super::attributes::Attributes;
use super::class_tags::{ClassTags, InvalidTags};
use super::content_source::Origin;
use super::error::Error;
use super::origin::ClaimNames;
use super::params::Parameters;
use super::site::Site;
use super::speed::{Iops, Speed, TypeKeys};
use super::topology::{SiteChoice, SiteWishes};
use super::{Settings, initialization, request, sharing, tags};
use crate::capability::{Capability, FS_TYPES};
use crate::status::InvalidRequest;

/// The size of a volume that nobody gave one.
const DEFAULT_SIZE: Gibibytes = Gibibytes(100);

/// What volume is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct VolumeSpec {
    pub(super) name: String,
    pub(super) sites: SiteWishes,
    pub(super) origin: Origin,
    range: CapacityRange,
    speed: Speed,
    /// Whether IOPS per GiB that are too few for the type are raised to its least.
    raise: bool,
    initialization_rate: Option<u32>,
    encryption: Encryption,
    tags: Tags,
    format: FormatParameters,
    /// Whether it is attached only once its snapshot's blocks are there.
    waits: bool,
    /// Whether several instances are to have it at once.
    multi_attach: bool,
}

impl VolumeSpec {
    /// Reads a request.
    ///
    /// # Errors
    /// Those of [`Error`] that mean a wrong request.
    pub(super) fn parse(message: &CreateVolumeRequest, settings: &Settings) -> Result<Self, Error> {
        let name = request::required("name", &message.name, "give the volume a name")?;
        let capabilities = capabilities(message)?;
        let wishes = Wishes::parse(
            message,
            tags::volume(settings, name)?,
            settings.invalid_tags,
        )?;
        check_fs(wishes.fs, &capabilities)?;
        check_format(&wishes.format, &capabilities)?;
        let range = message
            .capacity_range
            .as_ref()
            .map_or((0, 0), |range| (range.required_bytes, range.limit_bytes));
        let origin = Origin::parse(message.volume_content_source.as_ref())?;
        let volume_type = wishes.speed.volume_type.unwrap_or(VolumeType::Gp3);
        let spec = Self {
            name: name.to_owned(),
            sites: SiteWishes::parse(message.accessibility_requirements.as_ref())?,
            multi_attach: sharing::wanted(&capabilities, volume_type, &origin)?,
            origin,
            range: CapacityRange::new(range.0, range.1)?,
            speed: wishes.speed,
            raise: wishes.raise,
            initialization_rate: wishes.initialization_rate,
            encryption: wishes.encryption,
            tags: wishes.tags,
            format: wishes.format,
            waits: wishes.waits,
        };
        // What no source can make right is refused before any is looked up.
        let least = spec.size(None)?;
        if spec.origin == Origin::Nothing || spec.speed.per_gib().is_none() {
            spec.kind(least)?;
        }
        Ok(spec)
    }

    /// The size to make, not below the source's, which is also the default.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] where the requested range has no such size.
    pub(super) fn size(&self, source: Option<Gibibytes>) -> Result<Gibibytes, Error> {
        let offered = self.volume_type().sizes();
        let min = source.unwrap_or(*offered.start()).max(*offered.start());
        let default = source.unwrap_or(DEFAULT_SIZE).max(min);
        Ok(self.range.pick(default, min, *offered.end())?)
    }

    /// The type that is asked for, gp3 where nothing is said of it.
    pub(super) fn volume_type(&self) -> VolumeType {
        self.speed.volume_type.unwrap_or(VolumeType::Gp3)
    }

    /// Type and speed of a volume of this size.
    ///
    /// # Errors
    /// [`InvalidKind`] where no such volume can be had.
    pub(super) fn kind(&self, size: Gibibytes) -> Result<VolumeKind, InvalidKind> {
        let volume_type = self.volume_type();
        let figures = self.speed.figures(volume_type, size, self.raise)?;
        VolumeKind::new(volume_type, figures)
    }

    /// The call that makes it of nothing or of a snapshot.
    pub(super) fn plan(
        &self,
        site: &Site,
        size: Gibibytes,
        kind: VolumeKind,
        generation: u32,
    ) -> CreateVolume {
        let source = match &self.origin {
            Origin::Snapshot(id) => Source::Snapshot(id.clone()),
            Origin::Nothing | Origin::Volume(..) => Source::Empty,
        };
        CreateVolume {
            token: ClientToken::for_name(&self.name, generation),
            zone: site.zone.clone(),
            outpost: site.outpost.clone(),
            size,
            kind,
            // Without a snapshot there is nothing to fetch; one class may serve both.
            initialization_rate: self.initialization_rate.filter(|_| source != Source::Empty),
            source,
            encryption: self.encryption.clone(),
            multi_attach: self.multi_attach,
            tags: self.tags.clone(),
        }
    }

    /// The call that makes it of another volume, which EBS initializes as fast as it can: there is no rate to ask for.
    pub(super) fn plan_copy(
        &self,
        source: &Volume,
        size: Gibibytes,
        kind: VolumeKind,
        generation: u32,
    ) -> CopyVolume {
        CopyVolume {
            token: ClientToken::for_name(&self.name, generation),
            source: source.id.clone(),
            size,
            kind,
            encryption: match &self.encryption {
                // Its copy is encrypted whatever is asked. To ask for it would change the key, from the source's to the account's.
                Encryption::DefaultKey | Encryption::Off if source.encrypted => {
                    Encryption::AccountDefault
                }
                wanted => wanted.clone(),
            },
            multi_attach: self.multi_attach,
            tags: self.tags.clone(),
        }
    }

    /// What the nodes must be told of the volume.
    pub(super) fn context(&self) -> impl Iterator<Item = (String, String)> {
        let waits = self.waits && matches!(self.origin, Origin::Snapshot(_));
        let waits = waits.then(initialization::attribute);
        let source = self.origin.context().into_iter();
        source.chain(self.format.to_context()).chain(waits)
    }

    /// Why an existing volume of this name is not what is wanted; `None` if it is.
    pub(super) fn difference(&self, volume: &Volume, sites: &SiteChoice) -> Option<String> {
        let there = Site::from(volume);
        let wanted_type = self.volume_type();
        // IOPS per GiB follow the size, and what the region offers.
        let iops = match self.speed.iops {
            Some(Iops::Fixed(iops)) => Some(iops),
            Some(Iops::PerGib(_)) | None => None,
        };
        let throughput = self.speed.throughput;
        if !self.range.allows(volume.size.bytes()) {
            Some(format!(
                "it has {}, outside of the requested capacity_range",
                volume.size
            ))
        } else if !sites.allows(&there) {
            Some(format!(
                "it is in {there}, which accessibility_requirements does not allow"
            ))
        } else if !self.origin.is_that_of(volume) {
            Some(format!(
                "it was made from {}, not from {}",
                Origin::of(volume),
                self.origin
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
        } else if self.multi_attach && !volume.multi_attach {
            Some("it has no Multi-Attach: one node at a time can have it".to_owned())
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

fn differs(what: &str, has: Option<u32>, wanted: Option<u32>) -> String {
    format!(
        "its {what} is {}, not {}",
        has.unwrap_or_default(),
        wanted.unwrap_or_default()
    )
}

fn capabilities(message: &CreateVolumeRequest) -> Result<Vec<Capability>, InvalidRequest> {
    const FIELD: &str = "volume_capabilities";
    if message.volume_capabilities.is_empty() {
        Capability::parse(FIELD, None)?;
    }
    message
        .volume_capabilities
        .iter()
        .map(|capability| Capability::parse(FIELD, Some(capability)))
        .collect()
}

/// What the StorageClass' and the VolumeAttributesClass' parameters ask for.
struct Wishes {
    speed: Speed,
    raise: bool,
    initialization_rate: Option<u32>,
    encryption: Encryption,
    fs: Option<FsType>,
    format: FormatParameters,
    waits: bool,
    tags: Tags,
}

impl Wishes {
    /// `tags` are the driver's own, to which those of the classes are added: the VolumeAttributesClass has the last word.
    fn parse(
        message: &CreateVolumeRequest,
        mut tags: Tags,
        invalid: InvalidTags,
    ) -> Result<Self, Error> {
        let mut map = Parameters::new("parameters", &message.parameters)?;
        let claim = ClaimNames::take(&mut map);
        let Attributes { speed, tags: over } =
            Attributes::for_new(&message.mutable_parameters, &claim, invalid)?;
        let speed = speed.over(Speed::take(&mut map, TypeKeys::Current)?);
        let raise = map.take_parsed("allowAutoIOPSPerGBIncrease", "use true or false")?;
        let initialization_rate = initialization_rate(&mut map)?;
        // Of the time before io2 was always Block Express.
        map.take_parsed::<bool>("blockExpress", "use true or false, or leave it out")?;
        let mut class = ClassTags::take_set(&mut map, &claim.variables(), invalid)?;
        class.mark_growth(speed.grows.filter(|grows| *grows), growth_ratio(speed))?;
        for (key, value) in class.set.iter().chain(&over.set) {
            tags.set(key, value)?;
        }
        let encrypted = map.take_parsed("encrypted", "use true or false")?;
        let key = map.take("kmsKeyId");
        // external-provisioner copies both spellings into the capability's fs_type and leaves the bare one in the map.
        let fs = [
            map.take_parsed("csi.storage.k8s.io/fstype", FS_TYPES)?,
            map.take_parsed("fstype", FS_TYPES)?,
        ];
        let format = FormatParameters::take(|key| map.take(key));
        let waits = initialization::take(&mut map)?;
        claim.tag(&mut tags)?;
        map.finish()?;
        Ok(Self {
            speed,
            raise: raise.unwrap_or(false),
            initialization_rate,
            encryption: encryption(encrypted, key),
            fs: fs.into_iter().flatten().next(),
            format,
            waits,
            tags,
        })
    }
}

/// The ratio that a volume is marked with: of one whose IOPS are to grow.
fn growth_ratio(speed: Speed) -> Option<u32> {
    speed.per_gib().filter(|_| speed.grows == Some(true))
}

/// EC2 API reference, "CreateVolume": 100 to 300 MiB/s.
fn initialization_rate(map: &mut Parameters) -> Result<Option<u32>, InvalidRequest> {
    const KEY: &str = "volumeInitializationRate";
    const ALLOWED: &str = "give a whole number of MiB per second, 100 to 300";
    match map.take_parsed::<u32>(KEY, ALLOWED)? {
        Some(rate) if !(100..=300).contains(&rate) => Err(InvalidRequest::value(
            format!("{}.{KEY}", map.field()),
            rate.to_string(),
            ALLOWED,
        )),
        rate => Ok(rate),
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
fn check_fs(parameter: Option<FsType>, capabilities: &[Capability]) -> Result<(), InvalidRequest> {
    let Some(wanted) = parameter else {
        return Ok(());
    };
    for capability in capabilities {
        if let Access::Mount(mount) = &capability.access
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
fn check_format(
    format: &FormatParameters,
    capabilities: &[Capability],
) -> Result<(), InvalidRequest> {
    for capability in capabilities {
        let judged = match &capability.access {
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
