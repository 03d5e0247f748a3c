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

/// How long it is waited for: udev for its part locks for moments.
const PAUSES: [Duration; 10] = [Duration::from_millis(100); 10];

/// The lock of a device, let go when this is dropped and no program has it any more.
#[derive(Debug)]
pub(crate) struct DeviceLock(Device);

impl DeviceLock {
    /// Takes the lock. `WouldBlock` where somebody else keeps it for longer than a moment: a program that outlived the process that
    /// started it. What such a program has written is complete once the lock is free.
    pub(crate) async fn take(device: &Device) -> io::Result<Self> {
        Self::take_where(device, |_| Ok(())).await
    }

    /// The same for a writer, who needs the device for himself: a program that ends lets go of the lock first and of the
    /// device last.
    pub(crate) async fn take_to_write(device: &Device) -> io::Result<Self> {
        Self::take_where(device, |device| device.claim().map(drop)).await
    }

    async fn take_where(
        device: &Device,
        free: impl Fn(&Device) -> io::Result<()>,
    ) -> io::Result<Self> {
        for pause in PAUSES {
            match device.file().try_lock() {
                Ok(()) => {
                    let lock = Self(device.clone());
                    match free(device) {
                        Err(error) if error.raw_os_error() == Some(libc::EBUSY) => drop(lock),
                        free => return free.map(|()| lock),
                    }
                }
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(source)) => return Err(source),
            }
            tokio::time::sleep(pause).await;
        }
        Err(io::ErrorKind::WouldBlock.into())
    }
}

impl Drop for DeviceLock {
    fn drop(&mut self) {
        if let Err(error) = self.0.file().unlock() {
            tracing::warn!(volume.id = %self.0.volume(), %error, "a lock stays until the device is closed");
        }
    }
}
