//! What qemu's NVMe controllers say about themselves, where qemu has no setting for it.
//!
//! Answers for: finding the Identify pages in qemu's memory and rewriting them: model and vendor of Amazon's controllers, the
//! size of a namespace. NVM Express Base Specification 1.4, figures 245 and 247.
//! Doesn't answer for: when; the machine stands still meanwhile.
//!
//! A page is known by what is in it. Anything but exactly one match is an error: another qemu may keep its pages otherwise.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt as _;

use anyhow::{Context as _, Result, ensure};

/// The model of qemu's controllers.
pub(crate) const QEMU_MODEL: &str = "QEMU NVMe Ctrl";

/// The model of EBS's controllers. EBS user guide, "Map NVMe volumes".
const EBS_MODEL: &str = "Amazon Elastic Block Store";

/// Amazon's PCI vendor id.
const AMAZON: u16 = 0x1d0f;

/// Places in the Identify Controller page.
const SERIAL: u64 = 4;
const MODEL: u64 = 24;
const VENDOR_SPECIFIC: u64 = 3072;

/// How far from its controller's page a namespace's is.
const NEIGHBOURHOOD: u64 = 1 << 20;

/// The memory of a qemu.
#[derive(Debug)]
pub(crate) struct Memory {
    pid: u32,
    file: File,
}

/// A controller's Identify page.
#[derive(Debug)]
pub(crate) struct IdentifyPage<'a> {
    memory: &'a Memory,
    address: u64,
}

impl Memory {
    /// The memory of this process, which is a child of this one.
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(format!("/proc/{pid}/mem"))?;
        Ok(Self { pid, file })
    }

    /// The page of the controller with this serial number, which no other controller of the machine has.
    pub(crate) fn identify_page(&self, serial: &str) -> Result<IdentifyPage<'_>> {
        let mut pattern = padded(serial, 20);
        pattern.extend(padded(QEMU_MODEL, 40));
        let mut found = Vec::new();
        for (begin, end) in self.own_ranges()? {
            let bytes = self.read(begin, end)?;
            let here = places(&bytes, &pattern).into_iter();
            found.extend(here.map(|place| begin + place - SERIAL));
        }
        ensure!(
            found.len() == 1,
            "{} pages in qemu's memory look like that of {serial}, in {:x?}",
            found.len(),
            self.own_ranges()?
        );
        Ok(IdentifyPage {
            memory: self,
            address: found[0],
        })
    }

    /// A page that was found before, whose controller is still there.
    pub(crate) fn page_at(&self, address: u64) -> IdentifyPage<'_> {
        let memory = self;
        IdentifyPage { memory, address }
    }

    /// What is in a range, up to where it ends by now: qemu allocates and frees while it is looked at.
    fn read(&self, begin: u64, end: u64) -> Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(end - begin)?];
        let mut len = 0;
        while len < bytes.len() {
            match self.file.read_at(&mut bytes[len..], begin + len as u64) {
                Ok(0) | Err(_) => break,
                Ok(more) => len += more,
            }
        }
        bytes.truncate(len);
        Ok(bytes)
    }

    /// The ranges that are qemu's own: neither the guest's memory, which is shared, nor translated code.
    fn own_ranges(&self) -> Result<Vec<(u64, u64)>> {
        let maps = fs::read_to_string(format!("/proc/{}/maps", self.pid))?;
        let mut ranges = Vec::new();
        for line in maps.lines() {
            let mut words = line.split_whitespace();
            let (range, rights) = (words.next(), words.next().unwrap_or_default());
            let (begin, end) = range
                .and_then(|range| range.split_once('-'))
                .context("a line of maps without a range")?;
            let (begin, end) = (
                u64::from_str_radix(begin, 16)?,
                u64::from_str_radix(end, 16)?,
            );
            if rights == "rw-p" {
                ranges.push((begin, end));
            }
        }
        Ok(ranges)
    }
}

impl IdentifyPage<'_> {
    /// Where it is, for as long as the controller is there.
    pub(crate) const fn address(&self) -> u64 {
        self.address
    }

    /// Makes it no controller's page. qemu frees the memory of a controller that is taken out and leaves what is in it: a page that
    /// still looked like one would be found beside that of the same volume's next controller.
    pub(crate) fn retire(&self) -> Result<()> {
        self.put(SERIAL, &[0; 60])
    }

    /// Makes the controller one of Amazon's, with the device name that EC2 was asked for.
    pub(crate) fn make_ebs(&self, device_name: &str) -> Result<()> {
        let vendor = [AMAZON.to_le_bytes(), AMAZON.to_le_bytes()].concat();
        self.put(0, &vendor)?;
        self.put(MODEL, &padded(EBS_MODEL, 40))?;
        self.put(VENDOR_SPECIFIC, &padded(device_name, 32))
    }

    /// Gives the controller another serial number.
    pub(crate) fn set_serial(&self, serial: &str) -> Result<()> {
        self.put(SERIAL, &padded(serial, 20))
    }

    /// Changes the size of the controller's only namespace from so many blocks to so many.
    pub(crate) fn resize(&self, from: u64, to: u64) -> Result<()> {
        if from == to {
            return Ok(());
        }
        let (low, high) = self
            .memory
            .own_ranges()?
            .into_iter()
            .find(|(low, high)| (*low..*high).contains(&self.address))
            .context("the page has gone")?;
        let begin = low.max(self.address.saturating_sub(NEIGHBOURHOOD));
        let end = high.min(self.address + NEIGHBOURHOOD);
        let bytes = self.memory.read(begin, end)?;
        // Size, capacity and use, the first three fields of Identify Namespace.
        let found = places(&bytes, &from.to_le_bytes().repeat(3));
        ensure!(
            found.len() == 1,
            "{} places near the controller look like a namespace of {from} blocks",
            found.len()
        );
        let new = to.to_le_bytes().repeat(3);
        Ok(self.memory.file.write_all_at(&new, begin + found[0])?)
    }

    fn put(&self, place: u64, bytes: &[u8]) -> Result<()> {
        Ok(self.memory.file.write_all_at(bytes, self.address + place)?)
    }
}

/// Text as NVMe has it: filled up with blanks.
fn padded(text: &str, len: usize) -> Vec<u8> {
    format!("{text:len$}").into_bytes()
}

/// Where `pattern` begins in `bytes`.
fn places(bytes: &[u8], pattern: &[u8]) -> Vec<u64> {
    let windows = bytes.windows(pattern.len()).enumerate();
    windows
        .filter(|(_, window)| *window == pattern)
        .map(|(place, _)| place as u64)
        .collect()
}
