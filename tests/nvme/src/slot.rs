//! The power of a slot: a controller whose slot has none is gone at once, for the guest's processor and for its disk alike.
//!
//! Answers for: the switch, which is a bit in the configuration of the slot's port (PCI Express Base Specification, "Slot Control
//! Register"), moved by the two I/O ports of the configuration space, from outside of the guest. Doesn't answer for: the guest's
//! hearing of it, which ACPI's removal brings afterwards.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use crate::qmp::Qmp;

/// The I/O ports through which the configuration space is reached (PCI Local Bus Specification 3.0, 3.2.2.3.2).
const ADDRESS: u16 = 0xcf8;
const DATA: u16 = 0xcfc;
/// Where a device's list of capabilities begins.
const CAPABILITIES: u8 = 0x34;
/// The id of the PCI Express capability, and where the slot's control register is in it.
const EXPRESS: u32 = 0x10;
const SLOT_CONTROL: u8 = 0x18;
/// The bit of that register that is set while the power is off.
const POWER_OFF: u32 = 1 << 10;
/// A list of capabilities has fewer entries: there is room for no more.
const MOST: usize = 48;

/// Where a slot's port is: bus 0, the device's number and the function's.
pub(crate) const fn place(slot: usize) -> (usize, usize) {
    (4 + slot / 8, slot % 8)
}

/// Turns a slot's power on or off. The machine must stand still: the guest uses the same two ports.
pub(crate) async fn power(qmp: &mut Qmp, slot: usize, on: bool) -> Result<()> {
    let kept = read(qmp, ADDRESS).await?;
    let done = switch(&mut Port { qmp, slot }, on).await;
    write(qmp, ADDRESS, kept).await?;
    done
}

async fn switch(port: &mut Port<'_>, on: bool) -> Result<()> {
    let mut at = port.get(CAPABILITIES).await? & 0xfc;
    for _ in 0..MOST {
        ensure!(at != 0, "the slot's port has no PCI Express capability");
        let place = u8::try_from(at)?;
        let head = port.get(place).await?;
        if head & 0xff == EXPRESS {
            // The upper half has the slot's events, which are cleared by ones: none is written.
            let control = port.get(place + SLOT_CONTROL).await? & 0xffff & !POWER_OFF;
            let control = if on { control } else { control | POWER_OFF };
            return port.put(place + SLOT_CONTROL, control).await;
        }
        at = head >> 8 & 0xfc;
    }
    anyhow::bail!("the slot's port has an endless list of capabilities")
}

/// The configuration space of a slot's port.
struct Port<'a> {
    qmp: &'a mut Qmp,
    slot: usize,
}

impl Port<'_> {
    async fn get(&mut self, place: u8) -> Result<u32> {
        self.turn_to(place).await?;
        read(self.qmp, DATA).await
    }

    async fn put(&mut self, place: u8, value: u32) -> Result<()> {
        self.turn_to(place).await?;
        write(self.qmp, DATA, value).await
    }

    async fn turn_to(&mut self, place: u8) -> Result<()> {
        let (device, function) = self::place(self.slot);
        let address = 1 << 31 | device << 11 | function << 8 | usize::from(place & 0xfc);
        write(self.qmp, ADDRESS, u32::try_from(address)?).await
    }
}

async fn write(qmp: &mut Qmp, port: u16, value: u32) -> Result<()> {
    monitor(qmp, format!("o/w {port:#x} {value:#x}")).await?;
    Ok(())
}

async fn read(qmp: &mut Qmp, port: u16) -> Result<u32> {
    let said = monitor(qmp, format!("i/w {port:#x}")).await?;
    let value = said.trim().rsplit("0x").next().unwrap_or_default();
    u32::from_str_radix(value, 16).with_context(|| format!("qemu, a port: {said:?}"))
}

async fn monitor(qmp: &mut Qmp, command: String) -> Result<String> {
    let command = json!({ "command-line": command });
    let said = qmp.run("human-monitor-command", command).await?;
    Ok(said.as_str().unwrap_or_default().to_owned())
}
