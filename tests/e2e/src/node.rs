//! A node from outside, through the first process of its namespaces: mounts, devices, the driver's processes.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use lab::machine::{self, Mount};
use nix::sys::stat;
use serde::Deserialize;

/// Where a node has links to its EBS devices, by volume.
const BY_ID: &str = "dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_";

/// A node, which is an instance of the emulated EC2.
#[derive(Clone, Debug, Deserialize)]
pub struct Node {
    /// Its name in the cluster.
    pub name: String,
    /// The instance's id.
    pub instance: String,
    /// Its zone.
    pub zone: String,
    /// The process whose namespaces are the node's.
    pub init_pid: u32,
    /// Whether instance metadata can be reached there.
    pub imds: bool,
}

/// A process of the driver.
#[derive(Clone, Debug)]
pub struct DriverProcess {
    /// Its process id on this machine.
    pub pid: u32,
    /// What it is: `controller` or `node`.
    pub role: String,
    /// The memory that it has now, in KiB.
    pub rss_kib: u64,
    /// The most that it has had since it began, in KiB.
    pub peak_kib: u64,
}

impl Node {
    /// All mounts of the node, those of its containers left out.
    pub fn mounts(&self) -> io::Result<Vec<Mount>> {
        machine::mounts_of(self.init_pid)
    }

    /// The number (`MAJOR:MINOR`) of the device that a volume has on this node, found as administrators find it.
    #[must_use]
    pub fn device(&self, volume_id: &str) -> Option<String> {
        let link = format!("{BY_ID}{}", volume_id.replace('-', ""));
        let link = self.root().join(link);
        // The link is relative, so that it leads to the node's own device and not to this machine's.
        let device = link.parent()?.join(fs::read_link(&link).ok()?);
        let number = fs::metadata(device).ok()?.rdev();
        Some(format!("{}:{}", stat::major(number), stat::minor(number)))
    }

    /// The mounts of a volume: those of its device, and those in the places that kubelet has for its PV.
    pub fn mounts_of(&self, volume_id: &str, pv: &str) -> io::Result<Vec<Mount>> {
        let device = self.device(volume_id);
        let mut mounts = self.mounts()?;
        mounts.retain(|mount| {
            let kubelets = mount.point.iter().any(|part| part == OsStr::new(pv));
            kubelets || device.as_ref() == Some(&mount.device)
        });
        Ok(mounts)
    }

    /// The driver's processes on this node.
    pub fn driver_processes(&self) -> io::Result<Vec<DriverProcess>> {
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            // A process may end while it is looked at.
            found.extend(driver_process(pid).filter(|_| self.is_ancestor_of(pid)));
        }
        Ok(found)
    }

    /// The node's root directory, seen from this machine.
    fn root(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root", self.init_pid))
    }

    /// Whether the first process of the node began that process, or one that began it.
    fn is_ancestor_of(&self, mut pid: u32) -> bool {
        while pid != self.init_pid {
            match status(pid, "PPid:") {
                Some(parent) if parent > 0 => pid = u32::try_from(parent).unwrap_or_default(),
                _ => return false,
            }
        }
        true
    }
}

/// The process, if it is one of the driver that serves.
fn driver_process(pid: u32) -> Option<DriverProcess> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let mut words = line.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    let program = words.next()?;
    if Path::new(&*program).file_name() != Some(OsStr::new("ebs-csi")) {
        return None;
    }
    let role = words.find(|word| matches!(&**word, "controller" | "node" | "all"))?;
    Some(DriverProcess {
        pid,
        role: role.into_owned(),
        rss_kib: status(pid, "VmRSS:")?,
        peak_kib: status(pid, "VmHWM:")?,
    })
}

/// A number in /proc/PID/status.
fn status(pid: u32, field: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_whitespace().next()?.parse().ok()
}
