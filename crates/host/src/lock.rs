//! A device's lock: held by whoever writes to it, and by the programs that it runs, to their end.
//!
//! Answers for: one writer at a time on a device, though the process that started the first has died. Doesn't answer for: users of
//! the device that know nothing of the lock.
//!
//! It is flock(2)'s, which belongs to the open file: a program that has the device as its standard input holds it as long as
//! it runs. It also keeps udev away from a half-made file system (systemd.io/BLOCK_DEVICE_LOCKING).

use std::fs::TryLockError;
use std::io;
use std::time::Duration;

use nix::libc;

use crate::Device;
use crate::tasks::blocking;

/// How long it is waited for, in milliseconds: udev for its part locks for moments, and a program takes one to end.
const PAUSES_MS: [u64; 12] = [1, 10, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100];

/// The lock of a device. Only dropped, without [`Self::release`], it lasts until the device is closed here and in every program: the
/// task that had it ended early, and a program may still be at work.
#[derive(Debug)]
#[must_use = "a lock that is not released lasts until the device is closed"]
pub(crate) struct DeviceLock(Device);

impl DeviceLock {
    /// Takes the lock. `WouldBlock` where somebody else keeps it for longer than a moment: a program that outlived the process that
    /// started it. What such a program has written is complete once the lock is free.
    pub(crate) async fn take(device: &Device) -> io::Result<Self> {
        let mut patience = Patience::default();
        loop {
            match device.file().try_lock() {
                Ok(()) => return Ok(Self(device.clone())),
                Err(TryLockError::WouldBlock) => patience.wait().await?,
                Err(TryLockError::Error(source)) => return Err(source),
            }
        }
    }

    /// The same for a writer, who needs the device for himself: a program that ends lets go of the lock first and of the
    /// device last.
    pub(crate) async fn take_to_write(device: &Device) -> io::Result<Self> {
        let lock = Self::take(device).await?;
        match free(device).await {
            Ok(()) => Ok(lock),
            Err(error) => {
                lock.release();
                Err(error)
            }
        }
    }

    /// Lets go of it, when all that was done under it has ended.
    pub(crate) fn release(self) {
        if let Err(error) = self.0.file().unlock() {
            tracing::warn!(volume.id = %self.0.volume(), %error, "a lock stays until the device is closed");
        }
    }
}

/// Waits until nobody has claimed the device. `WouldBlock` where that takes longer than a moment.
async fn free(device: &Device) -> io::Result<()> {
    let mut patience = Patience::default();
    loop {
        let owned = device.clone();
        match blocking(move || owned.claim().map(drop)).await {
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => patience.wait().await?,
            claimed => return claimed,
        }
    }
}

/// What is left of the moment that is waited for.
struct Patience(std::array::IntoIter<u64, 12>);

impl Default for Patience {
    fn default() -> Self {
        Self(PAUSES_MS.into_iter())
    }
}

impl Patience {
    /// Waits for the next try; `WouldBlock` when there is none.
    async fn wait(&mut self) -> io::Result<()> {
        let pause = self.0.next().ok_or(io::ErrorKind::WouldBlock)?;
        tokio::time::sleep(Duration::from_millis(pause)).await;
        Ok(())
    }
}
