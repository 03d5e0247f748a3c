//! A small kernel in memory: devices with contents, mounts by path. Targets are real directories of a temporary one.

use std::collections::HashMap;
use std::ffi::OsString;
use std::hash::{Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use ebs_types::{Bytes, FormatOptions, FsType, GIB, VolumeHandle};
use host::{
    BlankDevice, Busy, CheckError, Contents, Device, DeviceNumber, Filesystem, FindError,
    FormatError, GrowError, Grown, Host, InspectError, Mount, MountError, MountOptions, Standing,
    Stats, StatsError, Trouble, Usage, Wanted,
};
use tokio::sync::Notify;

/// What is on a fake device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Disk {
    Blank,
    Holds(FsType),
    Other(&'static str),
}

/// The fake kernel.
#[derive(Default)]
pub(super) struct FakeHost {
    state: Mutex<State>,
    /// Where given, format waits for it.
    hold_format: Option<Arc<Notify>>,
    /// Told when format begins.
    pub(super) formatting: Notify,
}

#[derive(Default)]
struct State {
    disks: HashMap<VolumeHandle, (u64, Disk)>,
    mounts: HashMap<PathBuf, Mount>,
    writes: Vec<String>,
    grow_refused: bool,
    busy: bool,
    troubles: Vec<Trouble>,
    unsteady: Vec<String>,
}

impl FakeHost {
    /// A kernel on which formatting goes on until it is told to end.
    pub(super) fn holding(hold_format: Arc<Notify>) -> Self {
        Self {
            hold_format: Some(hold_format),
            ..Self::default()
        }
    }

    /// Plugs a device in; `number` is its minor number.
    pub(super) fn plug(&self, volume: &str, number: u64, disk: Disk) {
        let mut state = self.state.lock().unwrap();
        state.disks.insert(volume.parse().unwrap(), (number, disk));
    }

    /// Pulls a device out.
    pub(super) fn unplug(&self, volume: &str) {
        let mut state = self.state.lock().unwrap();
        state.disks.remove(&volume.parse().unwrap());
    }

    /// Lets growing a mounted file system need a capability.
    pub(super) fn refuse_growing(&self) {
        self.state.lock().unwrap().grow_refused = true;
    }

    /// Lets a writer of an RPC that has gone be at work on every volume.
    pub(super) fn keep_busy(&self) {
        self.state.lock().unwrap().busy = true;
    }

    /// What has changed devices and mounts so far.
    pub(super) fn writes(&self) -> Vec<String> {
        self.state.lock().unwrap().writes.clone()
    }

    /// What is mounted at the path.
    pub(super) fn mounted(&self, path: &Path) -> Option<Mount> {
        self.state.lock().unwrap().mounts.get(path).cloned()
    }

    /// Lets something be wrong with every volume.
    pub(super) fn harm(&self, trouble: Trouble) {
        self.state.lock().unwrap().troubles.push(trouble);
    }

    /// Lets a controller not work.
    pub(super) fn unsettle(&self, controller: &str) {
        let mut state = self.state.lock().unwrap();
        state.unsteady.push(controller.to_owned());
    }

    fn measurable(&self, path: &Path) -> Result<Mount, StatsError> {
        self.mounted(path).ok_or_else(|| StatsError::NotMounted {
            path: path.to_owned(),
        })
    }

    fn wrote(&self, what: String) {
        self.state.lock().unwrap().writes.push(what);
    }

    fn show(&self, target: &Path, mount: Mount) -> Result<(), MountError> {
        let same = |found: &Mount| {
            (found.device, found.node, found.read_only)
                == (mount.device, mount.node, mount.read_only)
        };
        let mut state = self.state.lock().unwrap();
        match state.mounts.get(target) {
            Some(found) if same(found) => Ok(()),
            Some(found) => Err(MountError::Occupied {
                path: target.to_owned(),
                found: found.to_string(),
                wanted: mount.to_string(),
            }),
            None => {
                assert!(target.exists(), "{} was not made", target.display());
                state.mounts.insert(target.to_owned(), mount);
                Ok(())
            }
        }
    }
}

fn number(minor: u64) -> DeviceNumber {
    DeviceNumber::from_dev_t(nix::sys::stat::makedev(259, minor))
}

fn mount(device: DeviceNumber, target: &Path, fs_type: &str, read_only: bool) -> Mount {
    // A mount's path stands for its number.
    let mut id = std::hash::DefaultHasher::new();
    target.hash(&mut id);
    Mount {
        id: id.finish(),
        device,
        root: "/".into(),
        target: target.to_owned(),
        fs_type: fs_type.to_owned(),
        source: OsString::from("/dev/fake"),
        read_only,
        made_read_only: read_only,
        node: None,
    }
}

#[async_trait]
impl Host for FakeHost {
    fn idle(&self, volume: &VolumeHandle) -> Result<(), Busy> {
        match self.state.lock().unwrap().busy {
            true => Err(Busy {
                volume: volume.clone(),
                job: "mkfs.ext4",
            }),
            false => Ok(()),
        }
    }

    async fn lost(&self, mount: &Mount) -> Result<bool, MountError> {
        let own = mount.node.unwrap_or(mount.device);
        let state = self.state.lock().unwrap();
        Ok(!state.disks.values().any(|disk| number(disk.0) == own))
    }

    async fn find(&self, wanted: &Wanted, wait: Duration) -> Result<Device, FindError> {
        let volume = &wanted.volume;
        self.idle(volume)?;
        let found = self
            .state
            .lock()
            .unwrap()
            .disks
            .get(volume)
            .map(|disk| disk.0);
        let Some(minor) = found else {
            return Err(FindError::Missing {
                volume: volume.clone(),
                waited_ms: wait.as_millis(),
                wanted: volume.to_string(),
                seen: "nothing".to_owned(),
            });
        };
        Ok(Device::fake(volume, Path::new("/dev/fake"), number(minor)).unwrap())
    }

    async fn inspect(&self, device: &Device) -> Result<Contents, InspectError> {
        let state = self.state.lock().unwrap();
        Ok(match &state.disks[device.volume()].1 {
            Disk::Blank => Contents::Blank(BlankDevice::fake(device).unwrap()),
            Disk::Holds(fs) => Contents::Filesystem(Filesystem {
                fs: *fs,
                uuid: [0; 16],
                size: Bytes(GIB),
            }),
            Disk::Other(what) => Contents::Other {
                what: (*what).to_owned(),
            },
        })
    }

    async fn format(&self, device: BlankDevice, options: FormatOptions) -> Result<(), FormatError> {
        let fs = options.fs();
        self.formatting.notify_one();
        if let Some(hold) = &self.hold_format {
            hold.notified().await;
        }
        let how = match options == FormatOptions::defaults(fs) {
            true => String::new(),
            false => format!(" with {options:?}"),
        };
        self.wrote(format!("format {fs}{how}"));
        let volume = device.device().volume();
        let mut state = self.state.lock().unwrap();
        state.disks.get_mut(volume).unwrap().1 = Disk::Holds(fs);
        Ok(())
    }

    async fn check(&self, _device: &Device, fs: FsType) -> Result<(), CheckError> {
        self.wrote(format!("check {fs}"));
        Ok(())
    }

    async fn grow_before_mount(&self, _device: &Device, fs: FsType) -> Result<Grown, GrowError> {
        self.wrote(format!("grow {fs} unmounted"));
        Ok(grown())
    }

    async fn grow_mounted(
        &self,
        device: &Device,
        fs: FsType,
        mounted_at: &Path,
    ) -> Result<Grown, GrowError> {
        let mounted = self.mounted(mounted_at);
        if !mounted.is_some_and(|mount| mount.carries(device)) {
            return Err(GrowError::WrongMount {
                path: mounted_at.to_owned(),
                device: device.number(),
            });
        }
        if self.state.lock().unwrap().grow_refused {
            return Err(GrowError::NeedsCapability {
                path: mounted_at.to_owned(),
                capability: "CAP_SYS_RESOURCE",
            });
        }
        self.wrote(format!("grow {fs} mounted"));
        Ok(grown())
    }

    /// Its devices always have room for more.
    async fn standing(
        &self,
        _device: &Device,
        _fs: FsType,
        mounted_at: &Path,
    ) -> Result<Standing, GrowError> {
        Ok(match self.mounted(mounted_at) {
            Some(_) => Standing::Taken,
            None => Standing::Free,
        })
    }

    async fn mount(
        &self,
        device: &Device,
        target: &Path,
        fs: FsType,
        options: &MountOptions,
    ) -> Result<(), MountError> {
        self.wrote(format!("mount {fs}"));
        let mode = options.is_read_only();
        self.show(target, mount(device.number(), target, fs.as_str(), mode))
    }

    async fn bind(
        &self,
        device: &Device,
        source: &Path,
        target: &Path,
        read_only: bool,
    ) -> Result<(), MountError> {
        let origin = self.mounted(source);
        let found = origin.as_ref().map(Mount::to_string);
        let staged = origin.filter(|mount| mount.carries(device));
        let origin = staged.ok_or_else(|| MountError::NotMounted {
            path: source.to_owned(),
            found: found.unwrap_or_else(|| "nothing".to_owned()),
            wanted: device.number(),
        })?;
        let read_only = read_only || origin.read_only;
        self.show(
            target,
            mount(origin.device, target, &origin.fs_type, read_only),
        )
    }

    async fn bind_block(
        &self,
        device: &Device,
        target: &Path,
        read_only: bool,
    ) -> Result<(), MountError> {
        let node = mount(number(0), target, "devtmpfs", read_only);
        self.show(
            target,
            Mount {
                node: Some(device.number()),
                ..node
            },
        )
    }

    async fn unmount(&self, target: &Path) -> Result<(), MountError> {
        self.state.lock().unwrap().mounts.remove(target);
        Ok(())
    }

    async fn mount_at(&self, path: &Path) -> Result<Option<Mount>, MountError> {
        Ok(self.mounted(path))
    }

    async fn mounts_of(&self, device: &Device) -> Result<Vec<Mount>, MountError> {
        let state = self.state.lock().unwrap();
        let mounts = state.mounts.values().filter(|mount| mount.carries(device));
        Ok(mounts.cloned().collect())
    }

    async fn stats(&self, path: &Path) -> Result<Stats, StatsError> {
        let found = self.measurable(path)?;
        let usage = Usage {
            total: 100,
            used: 30,
            available: 65,
        };
        Ok(match found.node {
            Some(_) => Stats::Block { size: Bytes(GIB) },
            None => Stats::Filesystem {
                bytes: usage,
                inodes: usage,
            },
        })
    }

    async fn troubles(&self, path: &Path) -> Result<Vec<Trouble>, StatsError> {
        let found = self.measurable(path)?;
        let gone = self.lost(&found).await?.then_some(Trouble::DeviceGone);
        let told = self.state.lock().unwrap().troubles.clone();
        Ok(gone.into_iter().chain(told).collect())
    }

    async fn unsteady_controllers(&self) -> Result<Vec<String>, StatsError> {
        Ok(self.state.lock().unwrap().unsteady.clone())
    }
}

fn grown() -> Grown {
    Grown {
        before: Bytes(GIB),
        after: Bytes(2 * GIB),
    }
}
