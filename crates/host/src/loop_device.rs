//! Loop devices: a file as a block device of this machine (loop(4)).
//!
//! Answers for: making one, finding the one of a file, growing it, letting go of it. A device is known by its number
//! (`dev_t`) and by the identity of its file, never by a name, since names under `/dev` may be missing in a container.
//! Doesn't answer for: what lies on the device, and who else may use it.
//!
//! Nothing here is released on drop: a device has to outlive the process that made it, so that a file system mounted on it
//! survives. [`LoopDevices::configured`] finds every device again.

mod control;

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::libc;
use nix::sys::stat::{Mode, SFlag, makedev, mknod};

/// How often a free device is asked for again when another process took it in between.
const ATTEMPTS: usize = 64;

/// Where free devices are asked for, and the device number it has on every Linux (Documentation/admin-guide/devices.txt).
const CONTROL: &str = "/dev/loop-control";
const CONTROL_DEV: u64 = makedev(10, 237);

/// The loop devices of this machine.
#[derive(Clone, Debug)]
pub struct LoopDevices {
    /// Where nodes are made that `/dev` lacks.
    nodes: PathBuf,
}

/// A loop device with a file behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoopDevice {
    /// The number in its name: 3 of `loop3`.
    number: u32,
    /// Its device number.
    dev: u64,
    /// The file behind it.
    file: FileId,
    /// The file's path as the kernel saw it when the device was made, ending in ` (deleted)` once the file is removed.
    backing: PathBuf,
}

/// A device that nobody else can mount or hold for as long as this value lives.
#[derive(Debug)]
pub struct Claim(File);

/// A count of what is written to a device. Two equal counts with nothing in flight: nothing was written between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Writes {
    /// Sectors of 512 bytes written or discarded since the device exists.
    pub sectors: u64,
    /// Writes that are on their way.
    pub in_flight: u64,
}

/// Which file something is, whatever its names: the device number of its file system and its inode number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileId {
    dev: u64,
    inode: u64,
}

/// What letting go of a device came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Release {
    /// The file is let go of; the device is free.
    Released,
    /// Somebody still has the device open; the kernel lets go of the file when the last one closes it.
    WhenClosed,
}

/// Why a loop device is not as asked for.
#[derive(Debug, thiserror::Error)]
pub enum LoopError {
    /// This process may not make loop devices, or the kernel has none.
    #[error(
        "cannot open {path:?}: {source}: loop devices need root (CAP_SYS_ADMIN) and the kernel's module `loop`"
    )]
    Unavailable {
        /// The control device.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Other processes kept taking the devices that were free.
    #[error(
        "no loop device could be had for {file:?}: each of {ATTEMPTS} free ones was taken by another process"
    )]
    Contended {
        /// The file that was to become a device.
        file: PathBuf,
    },
    /// The kernel refused something.
    #[error("cannot {action} {path:?}: {source}")]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file or device.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
}

impl LoopError {
    fn io<E: Into<io::Error>>(action: &'static str, path: &Path) -> impl FnOnce(E) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            action,
            path,
            source: source.into(),
        }
    }
}

impl FileId {
    /// The identity of an open file.
    ///
    /// # Errors
    /// The kernel's, from fstat(2).
    pub fn of(file: &File) -> io::Result<Self> {
        file.metadata().map(|found| Self {
            dev: found.dev(),
            inode: found.ino(),
        })
    }

    /// The kernel tells the device number in its own 32-bit encoding (`huge_encode_dev`): 12 bits of major number between
    /// the low 8 and the high 12 bits of the minor number.
    fn from_kernel(info: &control::LoopInfo64) -> Self {
        Self {
            dev: makedev(
                (info.device & 0xf_ff00) >> 8,
                (info.device & 0xff) | ((info.device >> 12) & 0xf_ff00),
            ),
            inode: info.inode,
        }
    }
}

impl LoopDevice {
    /// Its name under `/dev` and `/sys/block`, e.g. `loop3`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("loop{}", self.number)
    }

    /// Its device number, as in `st_rdev`.
    #[must_use]
    pub fn dev(&self) -> u64 {
        self.dev
    }

    /// The identity of the file behind it.
    #[must_use]
    pub fn file(&self) -> FileId {
        self.file
    }

    /// The path of the file behind it, as the kernel tells it: with ` (deleted)` at its end once the file is removed.
    #[must_use]
    pub fn backing(&self) -> &Path {
        &self.backing
    }

    /// Its usual path, for messages.
    fn node(&self) -> PathBuf {
        Path::new("/dev").join(self.name())
    }

    /// Whether the open device still has this one's file behind it.
    fn is_behind(&self, node: &File) -> bool {
        control::status(node).is_ok_and(|info| FileId::from_kernel(&info) == self.file)
    }

    /// What has been written to the device so far.
    ///
    /// # Errors
    /// [`LoopError::Io`].
    pub fn writes(&self) -> Result<Writes, LoopError> {
        let dir = Path::new("/sys/block").join(self.name());
        let numbers = |file: &str| -> Result<Vec<u64>, LoopError> {
            let path = dir.join(file);
            let text = fs::read_to_string(&path).map_err(LoopError::io("read", &path))?;
            Ok(text.split_whitespace().flat_map(str::parse).collect())
        };
        // The kernel's Documentation/block/stat.rst: the 7th number counts sectors written, the 14th sectors discarded;
        // `inflight` has reads and writes.
        let stat = numbers("stat")?;
        Ok(Writes {
            sectors: [6, 13].iter().filter_map(|at| stat.get(*at)).sum(),
            in_flight: numbers("inflight")?.get(1).copied().unwrap_or(0),
        })
    }
}

impl LoopDevices {
    /// The loop devices of this machine. `nodes` is a directory of the caller's own, made when it is first needed: there
    /// the nodes are made that `/dev` lacks, as it does in a container for devices made after its start.
    #[must_use]
    pub fn new(nodes: PathBuf) -> Self {
        Self { nodes }
    }

    /// Makes a device of the file, readable and writable, with sectors of 512 bytes.
    ///
    /// # Errors
    /// [`LoopError`].
    pub fn attach(&self, path: &Path) -> Result<LoopDevice, LoopError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .map_err(LoopError::io("open", path))?;
        let id = FileId::of(&file).map_err(LoopError::io("look at", path))?;
        let control = self.control()?;
        for _ in 0..ATTEMPTS {
            let number = control::free_number(&control).map_err(LoopError::io(
                "ask for a free device at",
                Path::new(CONTROL),
            ))?;
            let Some((node, dev)) = self.open(number, OpenOptions::new().read(true).write(true))?
            else {
                continue;
            };
            match control::configure(&node, &file, path) {
                Ok(()) => {
                    return Ok(LoopDevice {
                        number,
                        dev,
                        file: id,
                        backing: path.to_owned(),
                    });
                }
                Err(Errno::EBUSY) => {}
                Err(error) => return Err(LoopError::io("make a loop device of", path)(error)),
            }
        }
        Err(LoopError::Contended {
            file: path.to_owned(),
        })
    }

    /// All devices of this machine that have a file behind them, whoever made them.
    ///
    /// # Errors
    /// [`LoopError::Io`].
    pub fn configured(&self) -> Result<Vec<LoopDevice>, LoopError> {
        let dir = Path::new("/sys/block");
        let mut found = Vec::new();
        for entry in fs::read_dir(dir).map_err(LoopError::io("list", dir))? {
            let name = entry.map_err(LoopError::io("list", dir))?.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix("loop"));
            if let Some(number) = number.and_then(|digits| digits.parse().ok()) {
                found.extend(self.look(number)?);
            }
        }
        found.sort_by_key(|device| device.number);
        Ok(found)
    }

    /// The device of the file, if it has one.
    ///
    /// # Errors
    /// [`LoopError::Io`].
    pub fn of_file(&self, path: &Path) -> Result<Option<LoopDevice>, LoopError> {
        let file = File::open(path).map_err(LoopError::io("open", path))?;
        let id = FileId::of(&file).map_err(LoopError::io("look at", path))?;
        let configured = self.configured()?;
        Ok(configured.into_iter().find(|device| device.file == id))
    }

    /// Makes the device as large as its file is now; mounted file systems notice nothing until they are grown.
    ///
    /// # Errors
    /// [`LoopError::Io`].
    pub fn update_capacity(&self, device: &LoopDevice) -> Result<(), LoopError> {
        let node = self.reopen(device, OpenOptions::new().read(true))?;
        control::set_capacity(&node).map_err(LoopError::io("resize", &device.node()))
    }

    /// Writes what the kernel still holds back for the device to its file.
    ///
    /// # Errors
    /// [`LoopError::Io`].
    pub fn flush(&self, device: &LoopDevice) -> Result<(), LoopError> {
        let node = self.reopen(device, OpenOptions::new().read(true))?;
        node.sync_all()
            .map_err(LoopError::io("flush", &device.node()))
    }

    /// Holds the device for the caller alone, as mounting does; `None` while it is mounted or somebody else holds it so.
    ///
    /// # Errors
    /// [`LoopError::Io`].
    pub fn claim(&self, device: &LoopDevice) -> Result<Option<Claim>, LoopError> {
        let mut exclusively = OpenOptions::new();
        // O_EXCL without O_CREAT claims a block device (open(2)).
        exclusively.read(true).custom_flags(libc::O_EXCL);
        match self.reopen(device, &exclusively) {
            Ok(node) => Ok(Some(Claim(node))),
            Err(LoopError::Io { source, .. }) if source.raw_os_error() == Some(libc::EBUSY) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Lets go of the file behind the device. A device that has another file by now, or none, is left alone.
    ///
    /// # Errors
    /// [`LoopError::Io`].
    pub fn release(&self, device: &LoopDevice, claim: Option<Claim>) -> Result<Release, LoopError> {
        let node = match claim {
            Some(Claim(node)) => node,
            None => match self.open(device.number, OpenOptions::new().read(true))? {
                Some((node, _)) if device.is_behind(&node) => node,
                _ => return Ok(Release::Released),
            },
        };
        match control::clear(&node) {
            Ok(()) | Err(Errno::ENXIO) => {}
            Err(error) => return Err(LoopError::io("release", &device.node())(error)),
        }
        drop(node);
        // The last close lets go of the file; if it was not ours, the file is still there.
        Ok(match self.look(device.number)? {
            Some(now) if now.file == device.file => Release::WhenClosed,
            _ => Release::Released,
        })
    }

    /// Takes a release back that still waits for the last close: the device stays after it.
    ///
    /// # Errors
    /// [`LoopError::Io`], with ENXIO once the device is released.
    pub fn keep(&self, device: &LoopDevice) -> Result<(), LoopError> {
        let node = self.reopen(device, OpenOptions::new().read(true))?;
        control::keep(&node).map_err(LoopError::io("keep", &device.node()))
    }

    /// The device of this number, if it has a file behind it.
    fn look(&self, number: u32) -> Result<Option<LoopDevice>, LoopError> {
        let shown = format!("/sys/block/loop{number}/loop/backing_file");
        // Absent while no file is behind the device.
        let Ok(backing) = fs::read_to_string(shown) else {
            return Ok(None);
        };
        let Some((node, dev)) = self.open(number, OpenOptions::new().read(true))? else {
            return Ok(None);
        };
        Ok(control::status(&node).ok().map(|info| LoopDevice {
            number,
            dev,
            file: FileId::from_kernel(&info),
            backing: PathBuf::from(backing.trim_end_matches('\n')),
        }))
    }

    /// Opens a device that is known to have had a file behind it, and makes sure that it still has that one.
    fn reopen(&self, device: &LoopDevice, how: &OpenOptions) -> Result<File, LoopError> {
        match self.open(device.number, how)? {
            Some((node, _)) if device.is_behind(&node) => Ok(node),
            _ => Err(LoopError::io("open", &device.node())(Errno::ENXIO)),
        }
    }

    /// Opens a device by its number and answers its device number; `None` if the machine has no such device now.
    fn open(&self, number: u32, how: &OpenOptions) -> Result<Option<(File, u64)>, LoopError> {
        let Some(dev) = device_number(number) else {
            return Ok(None);
        };
        let usual = PathBuf::from(format!("/dev/loop{number}"));
        let path = if is_node(&usual, SFlag::S_IFBLK, dev) {
            usual
        } else {
            self.own_node(&format!("loop{number}"), SFlag::S_IFBLK, dev)?
        };
        match how.open(&path) {
            Ok(node) => Ok(Some((node, dev))),
            // The device is being released, or the machine has no such device any more.
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENXIO | libc::ENODEV)) => {
                Ok(None)
            }
            Err(error) => Err(LoopError::io("open", &path)(error)),
        }
    }

    fn control(&self) -> Result<File, LoopError> {
        let usual = Path::new(CONTROL);
        let path = if usual.exists() {
            usual.to_owned()
        } else {
            self.own_node("loop-control", SFlag::S_IFCHR, CONTROL_DEV)?
        };
        OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .map_err(|source| LoopError::Unavailable { path, source })
    }

    /// A node in the caller's own directory.
    fn own_node(&self, name: &str, kind: SFlag, dev: u64) -> Result<PathBuf, LoopError> {
        let path = self.nodes.join(name);
        if is_node(&path, kind, dev) {
            return Ok(path);
        }
        fs::create_dir_all(&self.nodes).map_err(LoopError::io("make", &self.nodes))?;
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(LoopError::io("replace", &path)(error));
            }
            _ => {}
        }
        match mknod(&path, kind, Mode::S_IRUSR | Mode::S_IWUSR, dev) {
            // Another thread made the same one.
            Ok(()) | Err(Errno::EEXIST) => Ok(path),
            Err(error) => Err(LoopError::io("make the node", &path)(error)),
        }
    }
}

/// The device number that the kernel gives `loopN`: not always 7:N, since partitions take numbers where they are enabled.
fn device_number(number: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/sys/block/loop{number}/dev")).ok()?;
    let (major, minor) = text.trim_end().split_once(':')?;
    Some(makedev(major.parse().ok()?, minor.parse().ok()?))
}

fn is_node(path: &Path, kind: SFlag, dev: u64) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| {
        found.rdev() == dev && found.mode() & SFlag::S_IFMT.bits() == kind.bits()
    })
}

#[cfg(test)]
mod tests;
