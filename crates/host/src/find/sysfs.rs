//! What sysfs shows of disks: model, serial number, device number, partitions.
//!
//! Answers for: reading it, and saying in a message what was seen. Doesn't answer for: which disk is wanted.

use std::cell::RefCell;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::num::NonZeroU8;
use std::path::{Path, PathBuf};

use nix::libc::{ENODEV, ENOENT};

use crate::DeviceNumber;

/// States of an NVMe controller that does nothing any more (nvme_sysfs_show_state in the kernel's drivers/nvme/host/sysfs.c).
const DYING: [&str; 3] = ["deleting", "deleting (no IO)", "dead"];

/// Longer than any attribute that is read here, in bytes: an NVMe model has 40.
const LONGEST: usize = 256;

/// A whole disk with hardware behind it: no partition, no loop device.
#[derive(Debug)]
pub(super) struct Disk {
    /// Its kernel name, e.g. `nvme1n1`.
    pub(super) name: String,
    /// Its directory, e.g. `/sys/class/block/nvme1n1`.
    pub(super) dir: PathBuf,
    /// Without padding; `None` for a disk that tells none, such as Xen's.
    pub(super) model: Option<String>,
    /// Without padding; or why it can't be read.
    pub(super) serial: Result<String, String>,
    /// `None` if it can't be read.
    pub(super) number: Option<DeviceNumber>,
    /// Its controller's state if that is one from which it doesn't come back.
    pub(super) dying: Option<String>,
    /// What is there and can't be read, the first of it, and why.
    pub(super) unreadable: Option<String>,
}

/// A partition of a disk.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Partition {
    /// Its number in the partition table.
    pub(super) index: NonZeroU8,
    /// Its kernel name, e.g. `nvme1n1p1`.
    pub(super) name: String,
    /// `None` if it can't be read.
    pub(super) number: Option<DeviceNumber>,
}

impl Disk {
    /// `None` for what is no whole disk: partitions, loop devices, one that has just gone.
    ///
    /// `device` leads to the controller, or with native multipath to the subsystem: both have model and serial number.
    pub(super) fn read(dir: &Path) -> Option<Self> {
        let unreadable = RefCell::new(None);
        let note = |name: &str, error: io::Error| {
            let mut unreadable = unreadable.borrow_mut();
            unreadable.get_or_insert_with(|| format!("{name} unreadable: {error}"));
        };
        // What can't be looked at may be there as well as not: nothing is proven by it.
        let is_there = |name: &str, otherwise: bool| {
            let looked = dir.join(name).try_exists();
            looked.unwrap_or_else(|error| {
                note(name, error);
                otherwise
            })
        };
        let attribute = |name: &str| match text(&dir.join(name)) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                note(name, error);
                None
            }
        };
        // With native multipath each path has a hidden disk beside the one that can be opened.
        let hidden = attribute("hidden").is_some_and(|hidden| hidden == "1");
        if hidden || is_there("partition", false) || !is_there("device", true) {
            return None;
        }
        let disk = Self {
            name: name_of(dir)?,
            dir: dir.to_owned(),
            model: attribute("device/model"),
            serial: text(&dir.join("device/serial")).map_err(|error| error.to_string()),
            number: attribute("dev").and_then(|number| DeviceNumber::parse(&number)),
            dying: attribute("device/state").filter(|state| DYING.contains(&state.as_str())),
            unreadable: None,
        };
        Some(Self {
            unreadable: unreadable.take(),
            ..disk
        })
    }

    /// Whether it is of one of these models.
    pub(super) fn is_one_of(&self, models: &[String]) -> bool {
        self.model
            .as_ref()
            .is_some_and(|model| models.contains(model))
    }

    /// Its partitions by number: sysfs has them as directories below the disk's.
    pub(super) fn partitions(&self) -> Vec<Partition> {
        let partition = |dir: PathBuf| {
            Some(Partition {
                index: text(&dir.join("partition")).ok()?.parse().ok()?,
                name: name_of(&dir)?,
                number: number(&dir),
            })
        };
        let below = entries(&self.dir).unwrap_or_default();
        let mut partitions: Vec<_> = below.into_iter().filter_map(partition).collect();
        partitions.sort_by_key(|partition| partition.index);
        partitions
    }

    /// Whether the number is the disk's own or one of its partitions'.
    pub(super) fn has(&self, number: DeviceNumber) -> bool {
        let own = self.number == Some(number);
        own || self
            .partitions()
            .iter()
            .any(|partition| partition.number == Some(number))
    }
}

impl fmt::Display for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (", self.name)?;
        if let Some(model) = &self.model {
            write!(f, "model {model:?}, ")?;
        }
        match &self.serial {
            Ok(serial) if serial.is_empty() => f.write_str("serial number empty, ")?,
            Ok(serial) => write!(f, "serial number {serial:?}, ")?,
            // A disk of Xen has neither.
            Err(_) if self.model.is_none() => {}
            Err(error) => write!(f, "serial number unreadable: {error}, ")?,
        }
        if let Some(state) = &self.dying {
            write!(f, "controller {state}, ")?;
        }
        if let Some(unreadable) = &self.unreadable {
            write!(f, "{unreadable}, ")?;
        }
        match self.number {
            Some(number) => write!(f, "device {number})"),
            None => f.write_str("no device number)"),
        }
    }
}

/// The block devices in sysfs at one moment.
#[derive(Debug)]
pub(super) struct Sysfs {
    /// Where sysfs is.
    root: PathBuf,
    /// Directories of all block devices, in the order of their names.
    block: Vec<PathBuf>,
}

impl Sysfs {
    /// Lists them; an error names the directory, which every machine has.
    pub(super) fn list(root: &Path) -> Result<Self, (PathBuf, io::Error)> {
        Ok(Self {
            root: root.to_owned(),
            block: listed(root.join("class/block"))?,
        })
    }

    /// Whether the kernel shows anything of NVMe, a disk or not.
    pub(super) fn has_nvme(&self) -> Result<bool, (PathBuf, io::Error)> {
        let named = |dir: &PathBuf| name_of(dir).is_some_and(|name| name.starts_with("nvme"));
        Ok(self.block.iter().any(named)
            || !self.class("nvme")?.is_empty()
            || !self.class("nvme-subsystem")?.is_empty())
    }

    /// The directories of a class that a machine without NVMe lacks.
    fn class(&self, name: &str) -> Result<Vec<PathBuf>, (PathBuf, io::Error)> {
        match listed(self.root.join("class").join(name)) {
            Err((_, error)) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            listed => listed,
        }
    }

    /// NVMe controllers, for a message: one without a disk yet is worth a word.
    fn controllers(&self) -> Vec<PathBuf> {
        self.class("nvme").unwrap_or_default()
    }

    /// All disks.
    pub(super) fn disks(&self) -> Vec<Disk> {
        self.block
            .iter()
            .filter_map(|dir| Disk::read(dir))
            .collect()
    }

    /// The disks of this serial number. Of the others nothing more is read: there may be many.
    pub(super) fn disks_with_serial(&self, serial: &str) -> Vec<Disk> {
        let alike =
            |dir: &&PathBuf| text(&dir.join("device/serial")).is_ok_and(|own| own == serial);
        let dirs = self.block.iter().filter(alike);
        dirs.filter_map(|dir| Disk::read(dir)).collect()
    }

    /// Whether any block device has this number, a partition or loop device too.
    ///
    /// What can't be read proves nothing, unless it is not there.
    pub(super) fn shows(&self, wanted: DeviceNumber) -> Result<bool, (PathBuf, io::Error)> {
        for dir in &self.block {
            let path = dir.join("dev");
            match text(&path) {
                Ok(found) if DeviceNumber::parse(&found) == Some(wanted) => return Ok(true),
                Ok(_) => {}
                Err(error) if matches!(error.raw_os_error(), Some(ENOENT | ENODEV)) => {}
                Err(error) => return Err((path, error)),
            }
        }
        Ok(false)
    }

    /// Whether a block device has this name.
    pub(super) fn names(&self, name: &str) -> bool {
        self.block
            .iter()
            .any(|dir| name_of(dir).as_deref() == Some(name))
    }

    /// Controllers of these models whose serial number is empty or can't be read, for a message.
    pub(super) fn silent_controllers(&self, models: &[String]) -> Vec<String> {
        let silent = |dir: &&PathBuf| {
            text(&dir.join("model")).is_ok_and(|model| models.contains(&model))
                && !text(&dir.join("serial")).is_ok_and(|serial| !serial.is_empty())
        };
        let controllers = self.controllers();
        let found = controllers.iter().filter(silent);
        found.map(|dir| controller(dir)).collect()
    }
}

impl fmt::Display for Sysfs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let disks: Vec<String> = self.disks().iter().map(ToString::to_string).collect();
        let controllers = self.controllers();
        let controllers = controllers.iter().map(|dir| controller(dir)).collect();
        let or_none = |names: Vec<String>| {
            if names.is_empty() {
                "none".to_owned()
            } else {
                names.join(", ")
            }
        };
        write!(
            f,
            "disks: {}; NVMe controllers: {}",
            or_none(disks),
            or_none(controllers)
        )
    }
}

fn controller(dir: &Path) -> String {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    match text(&dir.join("serial")) {
        Ok(serial) if serial.is_empty() => format!("{name} (serial number empty)"),
        Ok(serial) => format!("{name} ({serial})"),
        Err(error) => format!("{name} (serial number unreadable: {error})"),
    }
}

fn name_of(dir: &Path) -> Option<String> {
    Some(dir.file_name()?.to_str()?.to_owned())
}

fn number(dir: &Path) -> Option<DeviceNumber> {
    DeviceNumber::parse(&text(&dir.join("dev")).ok()?)
}

fn listed(dir: PathBuf) -> Result<Vec<PathBuf>, (PathBuf, io::Error)> {
    entries(&dir).map_err(|error| (dir, error))
}

fn entries(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let listed: io::Result<Vec<_>> = fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect();
    let mut paths = listed?;
    paths.sort();
    Ok(paths)
}

/// The text of an attribute without its padding, which is blanks or, on some devices, NUL characters.
///
/// The kernel hands out a whole attribute at the first read (Documentation/filesystems/sysfs.rst). A dozen of them are read to prove
/// one device, so that each further call to the kernel would count.
fn text(path: &Path) -> io::Result<String> {
    let mut bytes = [0; LONGEST];
    let length = File::open(path)?.read(&mut bytes)?;
    let text = std::str::from_utf8(bytes.get(..length).unwrap_or_default())
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Ok(text
        .trim_matches(|c: char| c.is_whitespace() || c == '\0')
        .to_owned())
}
