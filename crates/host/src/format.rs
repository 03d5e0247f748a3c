//! Making a file system on a blank device.
//!
//! Answers for: looking again at identity, other users and blankness right before mkfs; for mkfs itself, which is never forced; and for the
//! record by which an interrupted one is known. Doesn't answer for: which device is to be formatted.

mod features;
pub(crate) mod mkfs;
mod uuid;

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ebs_types::{Bytes, FormatOptions, FsType};
use nix::libc;
use tokio::time::Instant;

use crate::exec::{Programs, work_us};
use crate::find::Finder;
use crate::inspect::{self, EDGE, Superblock};
use crate::kernel::{self, Kernel};
use crate::lock::DeviceLock;
use crate::record::{self, Record};
use crate::tasks::blocking;
use crate::{BlankDevice, Device, FormatError};
use mkfs::Order;
use uuid::Uuid;

/// How long a program may take to say its version.
const VERSION_LIMIT: Duration = Duration::from_secs(10);

/// What formatting needs to know of this machine. Clones share what was found out.
#[derive(Clone, Debug)]
pub(crate) struct Maker {
    pub(crate) programs: Programs,
    pub(crate) finder: Finder,
    pub(crate) kernel: Kernel,
    /// Whether xfs is made without what kernels before 5.10 lack.
    pub(crate) legacy_xfs: bool,
    /// The versions of mkfs that had to be asked for.
    pub(crate) versions: Arc<Mutex<HashMap<FsType, (u32, u32)>>>,
}

impl Maker {
    /// Formats the device.
    pub(crate) async fn format(
        &self,
        blank: &BlankDevice,
        options: &FormatOptions,
    ) -> Result<(), FormatError> {
        self.takes_blocks(blank.device(), options)?;
        // mkfs has it too, to its end, even if this process dies meanwhile: the next one can't run a second mkfs beside the first.
        let locked = DeviceLock::take(blank.device()).await;
        let lock = locked.map_err(|source| match source.kind() {
            io::ErrorKind::WouldBlock => FormatError::InUse {
                path: blank.device().path().to_owned(),
            },
            _ => open(blank.device(), source),
        })?;
        let made = self.make(blank, options).await;
        lock.release();
        made
    }

    /// What no mkfs can help is refused before anything is written.
    fn takes_blocks(&self, device: &Device, options: &FormatOptions) -> Result<(), FormatError> {
        match options.block_size().map(u64::from) {
            Some(size) if !self.kernel.takes_blocks(options.fs(), size) => Err(self.unmountable(
                device,
                options.fs(),
                &[self.kernel.blocks_refused(size)],
                "mkfs",
            )),
            _ => Ok(()),
        }
    }

    async fn make(&self, blank: &BlankDevice, options: &FormatOptions) -> Result<(), FormatError> {
        let (device, fs) = (blank.device(), options.fs());
        let begun = self.made(blank, options).await?;
        self.certify(device, fs, begun).await?;
        tracing::info!(volume.id = %device.volume(), device = %device.path().display(), %fs, "formatted a blank device");
        Ok(())
    }

    /// Everything up to the point at which mkfs has ended.
    async fn made(
        &self,
        blank: &BlankDevice,
        options: &FormatOptions,
    ) -> Result<Begun, FormatError> {
        let (device, fs) = (blank.device(), options.fs());
        let without = self.without(device, fs).await?;
        let uuid = Uuid::random().map_err(|source| open(device, source))?;
        let begun = self.begin(blank, fs, uuid.bytes()).await?;
        let order = Order {
            options,
            uuid: uuid.text(),
            size: Bytes(begun.place),
            without: &without,
        };
        self.run(device, fs, &order).await?;
        Ok(begun)
    }

    /// Everything up to the point at which mkfs may start.
    async fn begin(
        &self,
        blank: &BlankDevice,
        fs: FsType,
        uuid: [u8; 16],
    ) -> Result<Begun, FormatError> {
        let (device, finder) = (blank.device().clone(), self.finder.clone());
        let earlier = blank.record().cloned();
        blocking(move || begin(&device, &finder, earlier.as_ref(), fs, uuid)).await
    }

    async fn run(&self, device: &Device, fs: FsType, order: &Order<'_>) -> Result<(), FormatError> {
        let program = mkfs::program(fs);
        let failed = |source| FormatError::Program {
            path: device.path().to_owned(),
            source,
        };
        let arguments = order.arguments();
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let output = self
            .programs
            .write(program, &arguments, device.file())
            .await
            .map_err(failed)?;
        match output.status.success() {
            true => Ok(()),
            false => Err(failed(output.failure(program))),
        }
    }

    /// Sees the file system to the disk and makes sure that it can be mounted; then the record has done its work.
    async fn certify(&self, device: &Device, fs: FsType, begun: Begun) -> Result<(), FormatError> {
        let (owned, kernel) = (device.clone(), self.kernel.clone());
        let lacking = blocking(move || certify(&owned, &kernel, &begun)).await?;
        if lacking.is_empty() {
            return Ok(());
        }
        let version = match self.version(device, fs).await {
            Ok((major, minor)) => format!("{} {major}.{minor}", mkfs::program(fs).name),
            Err(_) => mkfs::program(fs).name.to_owned(),
        };
        Err(self.unmountable(device, fs, &lacking, &version))
    }

    fn unmountable(
        &self,
        device: &Device,
        fs: FsType,
        lacking: &[String],
        made_by: &str,
    ) -> FormatError {
        let (major, minor) = self.kernel.release;
        FormatError::Unmountable {
            path: device.path().to_owned(),
            fs: fs.as_str(),
            lacking: lacking.join(", "),
            made_by: made_by.to_owned(),
            kernel: format!("{major}.{minor}"),
        }
    }

    /// The features that are left out.
    async fn without(
        &self,
        device: &Device,
        fs: FsType,
    ) -> Result<Vec<(&'static str, &'static str)>, FormatError> {
        if !features::concern(fs, &self.kernel, self.legacy_xfs) {
            return Ok(Vec::new());
        }
        let version = self.version(device, fs).await?;
        Ok(features::unwanted(
            fs,
            &self.kernel,
            self.legacy_xfs,
            version,
        ))
    }

    /// The version of the installed mkfs, asked for once.
    async fn version(&self, device: &Device, fs: FsType) -> Result<(u32, u32), FormatError> {
        let known = || self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(version) = known().get(&fs) {
            return Ok(*version);
        }
        let program = mkfs::program(fs);
        let failed = |source| FormatError::Program {
            path: device.path().to_owned(),
            source,
        };
        let output = self
            .programs
            .read(
                program,
                &[mkfs::version_flag(fs)],
                device.file(),
                VERSION_LIMIT,
            )
            .await
            .map_err(failed)?;
        let said = [output.stdout.as_str(), output.stderr.as_str()].join(" ");
        match said.split_whitespace().find_map(kernel::numbers) {
            Some(version) => {
                known().insert(fs, version);
                Ok(version)
            }
            None => Err(failed(output.failure(program))),
        }
    }
}

/// A format whose record is on the device.
#[derive(Debug)]
struct Begun {
    uuid: [u8; 16],
    /// Where the record is, which is where the file system has to end.
    place: u64,
}

/// Identity, other users and blankness, all on the descriptor; then the record.
///
/// The claim is held over both, so that nothing else begins meanwhile, and let go before mkfs, which takes its own. blkid is
/// not run again: what it knows of beyond our own look was not there when this blank device was made.
fn begin(
    device: &Device,
    finder: &Finder,
    earlier: Option<&Record>,
    fs: FsType,
    uuid: [u8; 16],
) -> Result<Begun, FormatError> {
    finder.verify(device)?;
    let _claim = claim(device)?;
    still_blank(device, earlier)?;
    let device_size = inspect::size(device)?;
    let place = record::place(device_size).ok_or_else(|| FormatError::TooSmall {
        path: device.path().to_owned(),
        size: device_size,
    })?;
    let record = Record {
        volume: record::owner(device).unwrap_or_default(),
        fs,
        uuid,
        device_size,
    };
    let written = Instant::now();
    write_record(device, earlier, &record, place).map_err(|source| open(device, source))?;
    tracing::debug!(volume.id = %device.volume(), work_us = work_us(written), "recorded that a format begins");
    Ok(Begun { uuid, place })
}

fn still_blank(device: &Device, earlier: Option<&Record>) -> Result<(), FormatError> {
    let found = match earlier {
        Some(record) if inspect::still_begun(device, record)? => None,
        Some(_) => Some("something else than what an interrupted format left".to_owned()),
        None => inspect::anything(device)?,
    };
    match found {
        None => Ok(()),
        Some(found) => Err(FormatError::NotBlank {
            path: device.path().to_owned(),
            found,
        }),
    }
}

/// What an earlier record speaks of goes first, then that, unless it is written over: whenever a cut comes, there is a record that
/// fits, or a device without any that is blank.
fn write_record(
    device: &Device,
    earlier: Option<&Record>,
    record: &Record,
    place: u64,
) -> io::Result<()> {
    let writer = device.writer()?;
    if let Some(earlier) = earlier {
        // mkfs finds a blank device then, and need not be forced.
        let zeros = vec![0; usize::try_from(EDGE).unwrap_or_default()];
        writer.write_all_at(&zeros, 0)?;
        writer.sync_data()?;
        if let Some(old) = earlier.place().filter(|old| *old != place) {
            record::clear(&writer, old)?;
        }
    }
    record::write(&writer, record, place)
}

/// What this kernel lacks to mount what mkfs made; if nothing, the record is gone when this returns.
fn certify(device: &Device, kernel: &Kernel, begun: &Begun) -> Result<Vec<String>, FormatError> {
    let began = Instant::now();
    let writer = device.writer().map_err(|source| open(device, source))?;
    writer.sync_all().map_err(|source| open(device, source))?;
    let found = match inspect::superblock(device)? {
        Superblock::Ours(found) if found.flaw.is_none() && found.filesystem.uuid == begun.uuid => {
            found
        }
        Superblock::Ours(found) => return Err(not_made(device, found.described())),
        Superblock::Other(what) => return Err(not_made(device, what)),
        Superblock::None => return Err(not_made(device, "no file system".to_owned())),
    };
    if found.filesystem.size.0 > begun.place {
        return Err(not_made(device, found.described()));
    }
    let lacking = kernel.lacks(&found);
    if lacking.is_empty() {
        record::finish(&writer, begun.place).map_err(|source| open(device, source))?;
    }
    tracing::debug!(volume.id = %device.volume(), work_us = work_us(began), "saw what was formatted to the disk");
    Ok(lacking)
}

fn not_made(device: &Device, found: String) -> FormatError {
    FormatError::NotMade {
        path: device.path().to_owned(),
        found,
    }
}

fn open(device: &Device, source: io::Error) -> FormatError {
    FormatError::Open {
        path: device.path().to_owned(),
        source,
    }
}

fn claim(device: &Device) -> Result<File, FormatError> {
    device
        .claim()
        .map_err(|source| match source.raw_os_error() {
            Some(libc::EBUSY) => FormatError::InUse {
                path: device.path().to_owned(),
            },
            _ => open(device, source),
        })
}

#[cfg(test)]
mod tests;
