//! Questions to the NVMe controller behind an open disk, typed.
//!
//! Answers for: calling the kernel soundly, and the fields of an answer. Doesn't answer for: when to ask.

#![expect(unsafe_code, reason = "ioctls have no safe form")]

use std::fs::File;
use std::os::fd::AsRawFd;

use nix::Result;
use nix::errno::Errno;

/// `struct nvme_admin_cmd` (linux/nvme_ioctl.h): a command to a controller, and where its answer goes.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct AdminCommand {
    opcode: u8,
    flags: u8,
    reserved: u16,
    namespace: u32,
    dwords_2_3: [u32; 2],
    metadata: u64,
    data: u64,
    metadata_length: u32,
    data_length: u32,
    dwords_10_15: [u32; 6],
    timeout_ms: u32,
    result: u32,
}

/// What a controller says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ControllerIdentity {
    /// Its serial number without padding.
    pub(crate) serial: String,
    /// The device name that EBS was given at attach, e.g. `/dev/xvdba` or `sdf`; empty for one that is not EBS's.
    pub(crate) device_name: String,
}

/// Bytes of a controller's answer to Identify (NVM Express base specification, "Identify Controller data structure").
const IDENTIFY_BYTES: usize = 4096;

// The size is part of the kernel's interface: it is in the ioctl's number.
const _: () = assert!(size_of::<AdminCommand>() == 72);

mod raw {
    // NVME_IOCTL_ADMIN_CMD (linux/nvme_ioctl.h).
    nix::ioctl_readwrite!(admin, b'N', 0x41, super::AdminCommand);
}

/// Asks the NVMe controller of an open disk who it is; needs `CAP_SYS_ADMIN`. `ENOTTY` for what is no NVMe disk.
pub(crate) fn identify_controller(disk: &File) -> Result<ControllerIdentity> {
    let mut answer = [0; IDENTIFY_BYTES];
    // Identify, of the controller (CNS 1), which is asked about no namespace.
    let identify = AdminCommand {
        opcode: 0x06,
        dwords_10_15: [1, 0, 0, 0, 0, 0],
        ..AdminCommand::default()
    };
    match ask(disk, identify, &mut answer)? {
        0 => Ok(identity(&answer)),
        // It is the controller that refuses.
        _ => Err(Errno::EIO),
    }
}

/// Has the controller of an open NVMe disk fill a log page: the command's status, of which 0 is success. Needs `CAP_SYS_ADMIN`;
/// `ENOTTY` or `EINVAL` for what is no NVMe disk.
pub(crate) fn log_page(disk: &File, id: u8, page: &mut [u8; 4096]) -> Result<u32> {
    // The length in words of four bytes, of which there is always one and so one less is said.
    const WORDS_LESS_ONE: u32 = 4096 / 4 - 1;
    let get_log_page = AdminCommand {
        opcode: 0x02,
        // EBS volumes have one namespace.
        namespace: 1,
        dwords_10_15: [u32::from(id) | (WORDS_LESS_ONE << 16), 0, 0, 0, 0, 0],
        ..AdminCommand::default()
    };
    ask(disk, get_log_page, page)
}

/// Sends a command that only reads and has its answer written to `answer`: the command's status.
///
/// The kernel's own time limit for such commands holds, a minute unless the machine says otherwise: when one runs out the kernel
/// resets the controller (nvme_timeout in its drivers/nvme/host/pci.c), which must not come from asking a busy volume.
fn ask<const BYTES: usize>(
    disk: &File,
    command: AdminCommand,
    answer: &mut [u8; BYTES],
) -> Result<u32> {
    let mut command = AdminCommand {
        data: answer.as_mut_ptr() as u64,
        data_length: u32::try_from(BYTES).map_err(|_| Errno::EINVAL)?,
        ..command
    };
    // SAFETY: the descriptor is open, `command` is a live structure of the kernel's size, and `answer` has the bytes that its
    // fields promise; both are alive until after the call, which alone writes to them.
    let status = unsafe { raw::admin(disk.as_raw_fd(), &raw mut command) }?;
    Ok(status.unsigned_abs())
}

fn identity(answer: &[u8]) -> ControllerIdentity {
    let text = |range: std::ops::Range<usize>| {
        let bytes = answer.get(range).unwrap_or_default();
        // EBS pads with blanks, others with zeros; what follows a zero belongs to no name.
        let name = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(name).trim().to_owned()
    };
    ControllerIdentity {
        serial: text(4..24),
        // The vendor's own part, which EBS begins with the name (EBS user guide, "Map NVMe volumes").
        device_name: text(3072..3104),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn answer(device_name: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; IDENTIFY_BYTES];
        bytes[4..24].copy_from_slice(b"vol0123456789abcdef0");
        bytes[3072..3072 + device_name.len()].copy_from_slice(device_name);
        bytes
    }

    #[test]
    fn names_are_read_with_either_padding() {
        for padding in [b' ', 0] {
            let mut name = [padding; 32];
            name[..10].copy_from_slice(b"/dev/xvdbz");
            let identity = identity(&answer(&name));
            assert_eq!(identity.serial, "vol0123456789abcdef0");
            assert_eq!(identity.device_name, "/dev/xvdbz");
        }
        assert_eq!(identity(&answer(b"sdf\0rest")).device_name, "sdf");
        assert_eq!(identity(&[]).device_name, "");
    }

    #[test]
    fn what_is_no_nvme_disk_cannot_be_asked() {
        let file = tempfile::tempfile().unwrap();
        assert_eq!(identify_controller(&file), Err(Errno::ENOTTY));
    }

    proptest! {
        #[test]
        fn no_answer_panics(bytes in proptest::collection::vec(any::<u8>(), 0..IDENTIFY_BYTES)) {
            let _ = identity(&bytes);
        }
    }
}
