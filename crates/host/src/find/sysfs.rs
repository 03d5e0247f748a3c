//! What sysfs shows of NVMe: controllers and disks with model, serial number and device number.
//!
//! Answers for: reading it, and saying in a message what was seen. Doesn't answer for: which disk is wanted.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::DeviceNumber;

/// A whole disk (no partition) that tells its model.
#[derive(Debug)]
pub(super) struct Disk {
    /// Its kernel name, e.g. `nvme1n1`.
    pub(super) name: String,
    /// Its directory, e.g. `/sys/class/block/nvme1n1`.
    pub(super) dir: PathBuf,
    /// Without padding.
    pub(super) model: String,
    /// Without padding; or why it can't be read.
    pub(super) serial: Result<String, String>,
    /// `None` if it can't be read.
    pub(super) number: Option<DeviceNumber>,
}

impl Disk {
    /// `None` for what is not a whole disk with a model: partitions, loop devices, one that has just gone.
    ///
    /// `device` leads to the controller, or with native multipath to the subsystem: both have model and serial number.
    pub(super) fn read(dir: &Path) -> Option<Self> {
        let model = text(&dir.join("device/model")).ok()?;
        // With native multipath each path has a hidden disk beside the one that can be opened.
        let hidden = text(&dir.join("hidden")).is_ok_and(|hidden| hidden == "1");
        if hidden || dir.join("partition").exists() {
            return None;
        }
        Some(Self {
            name: dir.file_name()?.to_str()?.to_owned(),
            dir: dir.to_owned(),
            model,
            serial: text(&dir.join("device/serial")).map_err(|error| error.to_string()),
            number: text(&dir.join("dev"))
                .ok()
                .and_then(|dev| DeviceNumber::parse(&dev)),
        })
    }
}

impl fmt::Display for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (model {:?}, serial number ", self.name, self.model)?;
        match &self.serial {
            Ok(serial) => write!(f, "{serial:?}")?,
            Err(error) => write!(f, "unreadable: {error}")?,
        }
        match self.number {
            Some(number) => write!(f, ", device {number})"),
            None => f.write_str(", device number unreadable)"),
        }
    }
}

/// All of it at one moment.
#[derive(Debug)]
pub(super) struct Sysfs {
    /// In the order of their names.
    pub(super) disks: Vec<Disk>,
    /// Names of controllers, with serial numbers where readable: one without a disk yet is worth a word.
    controllers: Vec<String>,
}

impl Sysfs {
    /// Reads it; an error names the directory. A missing `class/nvme` means that there is no NVMe.
    pub(super) fn read(root: &Path) -> Result<Self, (PathBuf, io::Error)> {
        let disks = entries(&root.join("class/block"))?;
        let controllers = entries(&root.join("class/nvme"))?;
        Ok(Self {
            disks: disks.iter().filter_map(|dir| Disk::read(dir)).collect(),
            controllers: controllers.iter().map(|dir| controller(dir)).collect(),
        })
    }

    pub(super) fn has_nvme(&self) -> bool {
        !self.controllers.is_empty() || self.disks.iter().any(|disk| disk.name.starts_with("nvme"))
    }
}

impl fmt::Display for Sysfs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let disks: Vec<String> = self.disks.iter().map(ToString::to_string).collect();
        let disks = if disks.is_empty() {
            "none".to_owned()
        } else {
            disks.join(", ")
        };
        write!(
            f,
            "disks: {disks}; controllers: {}",
            self.controllers.join(", ")
        )
    }
}

fn controller(dir: &Path) -> String {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    match text(&dir.join("serial")) {
        Ok(serial) => format!("{name} ({serial})"),
        Err(error) => format!("{name} (serial number unreadable: {error})"),
    }
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>, (PathBuf, io::Error)> {
    let listed = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed.and_then(|listed| listed.map(|entry| Ok(entry?.path())).collect()),
    };
    let mut paths: Vec<PathBuf> = listed.map_err(|error| (dir.to_owned(), error))?;
    paths.sort();
    Ok(paths)
}

/// The text of an attribute without its padding, which is blanks or, on some devices, NUL characters.
fn text(path: &Path) -> io::Result<String> {
    let text = fs::read_to_string(path)?;
    Ok(text
        .trim_matches(|c: char| c.is_whitespace() || c == '\0')
        .to_owned())
}
