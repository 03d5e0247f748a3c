//! This Linux node: find a device by identity, inspect, format, check, mount, grow, measure.
//!
//! Answers for: everything that touches the kernel or runs a program. The only crate with `unsafe`, and [`exec`] is the only
//! place that spawns. Start reading at [`Host`]. Doesn't answer for: what a CSI request means, and gRPC.

mod check;
mod confinement;
mod crc32c;
mod device;
mod error;
pub mod exec;
mod find;
mod format;
mod grow;
mod hardware;
mod health;
pub mod heap;
mod host;
mod inspect;
mod jobs;
mod kernel;
mod linux;
mod lock;
mod log_page;
pub mod loop_device;
mod measuring;
mod mount;
mod place;
mod record;
mod statistics;
mod stats;
mod tasks;

pub use confinement::{Confinement, Duty, confine};
pub use device::{BlankDevice, Device, DeviceNumber};
pub use error::{
    CheckError, FindError, FormatError, GrowError, InspectError, MountError, StatsError,
};
pub use exec::{ProgramError, Programs};
pub use find::{Part, Wanted};
pub use grow::{Grown, Standing};
pub use hardware::Hardware;
pub use health::Trouble;
pub use heap::Heap;
pub use host::Host;
pub use inspect::{Contents, Filesystem};
pub use jobs::Busy;
pub use kernel::Kernel;
pub use linux::{EBS_MODEL, HostSettings, LinuxHost};
pub use log_page::{Latency, LogPage, LogPageError, Work};
pub use mount::{InvalidMountOption, Mount, MountOptions};
pub use place::{Place, PlaceError, Seen};
pub use statistics::{InUseError, LinuxStatistics, Statistics, StatisticsError, VolumeInUse};
pub use stats::{Stats, Usage};
pub use tasks::{Panicked, ToTheEnd, blocking, to_the_end};

#[cfg(test)]
mod testing;
