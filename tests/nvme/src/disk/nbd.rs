//! The wire between qemu and a disk: the Network Block Device protocol, as far as qemu speaks it.
//!
//! Answers for: reading requests and writing replies. <https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md>
//! Doesn't answer for: what a request does; see [`super`].

use std::io::{self, Read, Write};

const GREETING: u64 = 0x4e42_444d_4147_4943;
const OPTION: u64 = 0x4948_4156_454f_5054;
const OPTION_REPLY: u64 = 0x0003_e889_0455_65a9;
const REQUEST: u32 = 0x2560_9513;
const REPLY: u32 = 0x6744_6698;

const FIXED_NEWSTYLE: u16 = 1;
const NO_ZEROES: u16 = 2;

/// The export knows these flags, flushes, writes through and writes zeroes.
const EXPORT_FLAGS: u16 = 1 | 1 << 2 | 1 << 3 | 1 << 6;

const OPT_ABORT: u32 = 2;
const OPT_GO: u32 = 7;
const REP_ACK: u32 = 1;
const REP_INFO: u32 = 3;
const REP_UNSUPPORTED: u32 = 0x8000_0001;
const INFO_EXPORT: u16 = 0;
const INFO_BLOCK_SIZE: u16 = 3;

/// The longest request that is taken.
const LONGEST: u32 = 32 << 20;

/// What qemu asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    Read,
    Write { data: Vec<u8>, through: bool },
    Zero { through: bool },
    Flush,
    Disconnect,
}

/// A request.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) command: Command,
    pub(super) offset: u64,
    pub(super) len: u32,
    handle: u64,
}

/// Agrees on the one export there is. False if the client went away instead.
pub(super) fn greet(wire: &mut (impl Read + Write), size: u64) -> io::Result<bool> {
    wire.write_all(&GREETING.to_be_bytes())?;
    wire.write_all(&OPTION.to_be_bytes())?;
    wire.write_all(&(FIXED_NEWSTYLE | NO_ZEROES).to_be_bytes())?;
    let _client_flags = u32(wire)?;
    loop {
        if u64(wire)? != OPTION {
            return Err(io::Error::other("the client speaks no NBD"));
        }
        let option = u32(wire)?;
        let mut data = vec![0; u32(wire)? as usize];
        wire.read_exact(&mut data)?;
        match option {
            OPT_GO => {
                option_reply(wire, option, REP_INFO, &export(size))?;
                option_reply(wire, option, REP_INFO, &block_sizes())?;
                option_reply(wire, option, REP_ACK, &[])?;
                return Ok(true);
            }
            OPT_ABORT => {
                option_reply(wire, option, REP_ACK, &[])?;
                return Ok(false);
            }
            _ => option_reply(wire, option, REP_UNSUPPORTED, &[])?,
        }
    }
}

fn export(size: u64) -> Vec<u8> {
    let mut info = INFO_EXPORT.to_be_bytes().to_vec();
    info.extend(size.to_be_bytes());
    info.extend(EXPORT_FLAGS.to_be_bytes());
    info
}

fn block_sizes() -> Vec<u8> {
    let mut info = INFO_BLOCK_SIZE.to_be_bytes().to_vec();
    for size in [512, 4096, LONGEST] {
        info.extend(size.to_be_bytes());
    }
    info
}

fn option_reply(wire: &mut impl Write, option: u32, kind: u32, data: &[u8]) -> io::Result<()> {
    let mut reply = OPTION_REPLY.to_be_bytes().to_vec();
    reply.extend(option.to_be_bytes());
    reply.extend(kind.to_be_bytes());
    reply.extend(u32::try_from(data.len()).unwrap_or(0).to_be_bytes());
    reply.extend(data);
    wire.write_all(&reply)
}

impl Request {
    /// The next request.
    pub(super) fn read(wire: &mut impl Read) -> io::Result<Self> {
        if u32(wire)? != REQUEST {
            return Err(io::Error::other("the client lost its place"));
        }
        let through = u16(wire)? & 1 != 0;
        let kind = u16(wire)?;
        let handle = u64(wire)?;
        let offset = u64(wire)?;
        let len = u32(wire)?;
        let command = match kind {
            0 if len <= LONGEST => Command::Read,
            1 if len <= LONGEST => {
                let mut data = vec![0; len as usize];
                wire.read_exact(&mut data)?;
                Command::Write { data, through }
            }
            2 => Command::Disconnect,
            3 => Command::Flush,
            6 => Command::Zero { through },
            other => return Err(io::Error::other(format!("request {other} of {len} bytes"))),
        };
        Ok(Self {
            command,
            offset,
            len,
            handle,
        })
    }

    /// The answer: what was read, or nothing, or an error of the device.
    pub(super) fn reply(
        &self,
        wire: &mut impl Write,
        result: io::Result<Vec<u8>>,
    ) -> io::Result<()> {
        const EIO: u32 = 5;
        let (error, data) = match result {
            Ok(data) => (0, data),
            Err(_) => (EIO, Vec::new()),
        };
        let mut reply = REPLY.to_be_bytes().to_vec();
        reply.extend(error.to_be_bytes());
        reply.extend(self.handle.to_be_bytes());
        reply.extend(data);
        wire.write_all(&reply)
    }
}

fn bytes<const N: usize>(wire: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    wire.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn u16(wire: &mut impl Read) -> io::Result<u16> {
    Ok(u16::from_be_bytes(bytes(wire)?))
}

fn u32(wire: &mut impl Read) -> io::Result<u32> {
    Ok(u32::from_be_bytes(bytes(wire)?))
}

fn u64(wire: &mut impl Read) -> io::Result<u64> {
    Ok(u64::from_be_bytes(bytes(wire)?))
}
