//! The virtual machine.
//!
//! Answers for: starting it, from the beginning or from a saved state; plugging and unplugging NVMe controllers; cutting its
//! power. Dropping it kills it.
//! Doesn't answer for: the disks behind the controllers, and what runs in it.

use std::ffi::OsString;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use lab::process::Process;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::debugger::Debugger;
use crate::disk::Disk;
use crate::lab::Files;
use crate::memory::{Memory, QEMU_MODEL};
use crate::plugin::Plugin;
use crate::qmp::Qmp;
use crate::shell::Shell;
use crate::slot;

/// How long anything in the machine may take to appear. Emulation on a busy machine is slow.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often one looks.
const TICK: Duration = Duration::from_millis(10);

/// Bytes of a block of qemu's namespaces.
const BLOCK: u64 = 512;

/// Where the driver listens in the guest.
const PLUGIN_PORT: u16 = 50051;

/// A running machine.
#[derive(Debug)]
pub struct Machine {
    process: Process,
    qmp: Qmp,
    dir: PathBuf,
    shell: Shell,
    plugin: Plugin,
    plugged: u32,
}

/// How a controller looks, besides what qemu makes of its serial number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Everything as EBS has it; otherwise qemu's own model, which the driver is told to take for EBS's.
    pub ebs: bool,
    /// The serial number of another one.
    pub serial: Option<String>,
}

/// A controller in the machine.
#[derive(Clone, Debug)]
pub struct Controller {
    /// Its serial number.
    pub serial: String,
    id: String,
    node: String,
    /// Where its Identify page is in qemu's memory, if that was rewritten.
    page: Option<u64>,
    slot: usize,
    /// Whether its slot has lost its power.
    dark: bool,
}

impl Machine {
    /// Boots a machine with so many slots: its directory holds what it says.
    pub async fn boot(files: &Files, dir: &Path, slots: usize) -> Result<Self> {
        let mut machine = Self::start(files, dir, slots, &[]).await?;
        machine.wait_for_console("GUEST ready").await?;
        machine.forget_forced_writes().await?;
        machine
            .start_driver(&["--nvme-model", &format!("'{QEMU_MODEL}'")])
            .await?;
        Ok(machine)
    }

    /// Continues from a state that was saved by a machine with as many slots and nothing plugged.
    pub async fn restore(files: &Files, dir: &Path, slots: usize, state: &Path) -> Result<Self> {
        let incoming = format!("exec:cat '{}'", state.display());
        let arguments = ["-incoming".into(), incoming.into()];
        let mut machine = Self::start(files, dir, slots, &arguments).await?;
        let begin = Instant::now();
        while machine.qmp.run("query-status", json!({})).await?["status"] == "inmigrate" {
            ensure!(begin.elapsed() < PATIENCE, "the saved state was not loaded");
            sleep(TICK).await;
        }
        machine.qmp.run("cont", json!({})).await?;
        Ok(machine)
    }

    /// Saves the state and ends.
    pub async fn save(mut self, state: &Path) -> Result<()> {
        self.qmp.run("stop", json!({})).await?;
        let fast = json!({ "max-bandwidth": 1u64 << 40 });
        self.qmp.run("migrate-set-parameters", fast).await?;
        let uri = format!("exec:cat > '{}'", state.display());
        self.qmp.run("migrate", json!({ "uri": uri })).await?;
        let begin = Instant::now();
        loop {
            let progress = self.qmp.run("query-migrate", json!({})).await?;
            match progress["status"].as_str() {
                Some("completed") => break,
                Some("failed") => bail!("the state cannot be saved: {progress}"),
                _ => ensure!(
                    begin.elapsed() < PATIENCE,
                    "the state was not saved: {progress}"
                ),
            }
            sleep(TICK).await;
        }
        self.cut_power().await
    }

    async fn start(files: &Files, dir: &Path, slots: usize, more: &[OsString]) -> Result<Self> {
        fs::create_dir_all(dir)?;
        let (shell_port, plugin_port) = (free_port()?, free_port()?);
        let arguments: Vec<OsString> = arguments(files, dir, slots, shell_port, plugin_port)
            .into_iter()
            .map(OsString::from)
            .chain(more.iter().cloned())
            .collect();
        let libraries = files.libraries().into_os_string();
        let environment = [("LD_LIBRARY_PATH".to_owned(), libraries)];
        let log = dir.join("qemu.log");
        let mut process = Process::start(&files.qemu(), &arguments, &environment, &log)?;
        // Whoever cleans up after this process was killed finds the machine by it.
        fs::write(dir.join("pid"), process.pid().unwrap_or(0).to_string())?;
        let begin = Instant::now();
        let qmp = loop {
            if let Some(end) = process.end() {
                let said = fs::read_to_string(&log).unwrap_or_default();
                bail!("qemu ended ({end}): {said}");
            }
            match Qmp::connect(&dir.join("qmp")).await {
                Ok(qmp) => break qmp,
                Err(error) if begin.elapsed() > PATIENCE => return Err(error),
                Err(_) => sleep(TICK).await,
            }
        };
        Ok(Self {
            process,
            qmp,
            dir: dir.to_owned(),
            shell: Shell::at(shell_port),
            plugin: Plugin::at(plugin_port)?,
            plugged: 0,
        })
    }

    /// The shell in it.
    pub fn shell(&self) -> Shell {
        self.shell.clone()
    }

    /// The node plugin in it.
    pub fn plugin(&self) -> Plugin {
        self.plugin.clone()
    }

    /// What it said on its console: the kernel's and the driver's words.
    pub fn console(&self) -> String {
        let said = fs::read(self.dir.join("console")).unwrap_or_default();
        String::from_utf8_lossy(&said).into_owned()
    }

    /// Starts the driver, in place of one that runs, and waits until it answers.
    pub async fn start_driver(&self, flags: &[&str]) -> Result<()> {
        let flags = flags.join(" ");
        self.shell
            .run(&format!(
                "killall ebs-csi; while pidof ebs-csi >/dev/null; do usleep 10000; done
                 ebs-csi node --endpoint tcp://10.0.2.15:{PLUGIN_PORT} --insecure-tcp --imds-endpoint http://127.0.0.1:9 \
                    --metadata-sources imds {flags} </dev/null >/dev/ttyS0 2>&1 &"
            ))
            .await?;
        self.plugin.wait().await
    }

    /// Plugs a controller for the first `size` bytes of a disk into a slot. The guest must not see two subsystems with
    /// one name, which qemu makes of the `serial` number; the guest is shown another number if the look has one.
    pub async fn plug(
        &mut self,
        disk: &Disk,
        size: u64,
        serial: &str,
        slot: usize,
        look: &Look,
    ) -> Result<Controller> {
        self.plugged += 1;
        let (id, name) = (
            format!("nvme-{}", self.plugged),
            format!("disk-{}", self.plugged),
        );
        let server = json!({ "type": "unix", "path": disk.socket() });
        let node = json!({ "driver": "nbd", "node-name": name, "server": server });
        self.qmp.run("blockdev-add", node).await?;
        let device = json!({
            "driver": "nvme", "id": id, "bus": format!("slot{slot}"), "serial": serial, "drive": name,
            // One interrupt each: a processor has hardly two hundred.
            "msix_qsize": 1,
        });
        let mut rewritten = None;
        if *look == Look::default() && size == disk.size() {
            self.qmp.run("device_add", device).await?;
        } else {
            // The guest must not have read the pages before they are right.
            self.qmp.run("stop", json!({})).await?;
            self.qmp.run("device_add", device).await?;
            let memory = self.memory()?;
            let page = memory.identify_page(serial)?;
            page.resize(disk.size() / BLOCK, size / BLOCK)?;
            if look.ebs {
                page.make_ebs("/dev/xvdba")?;
            }
            if let Some(serial) = &look.serial {
                page.set_serial(serial)?;
            }
            rewritten = Some(page.address());
            self.qmp.run("cont", json!({})).await?;
        }
        Ok(Controller {
            serial: serial.to_owned(),
            id,
            node: name,
            page: rewritten,
            slot,
            dark: false,
        })
    }

    /// The controller is gone: nothing it is asked is answered any more, its own configuration included, and nobody has been told.
    pub async fn vanish(&mut self, controller: &mut Controller) -> Result<()> {
        let device = self.device(&controller.serial).await?;
        let parent = device.trim_end_matches("n1");
        controller.dark = true;
        self.power(controller.slot, false).await?;
        let seen = format!("hexdump -n 4 -e '1/4 \"%08x\"' /sys/class/nvme/{parent}/device/config");
        let seen = self.shell.run(&seen).await?;
        ensure!(seen == "ffffffff", "the controller still says {seen:?}");
        Ok(())
    }

    async fn power(&mut self, slot: usize, on: bool) -> Result<()> {
        self.qmp.run("stop", json!({})).await?;
        slot::power(&mut self.qmp, slot, on).await?;
        self.qmp.run("cont", json!({})).await?;
        Ok(())
    }

    /// Takes a controller out. The guest is asked to let go first, which takes it a moment.
    pub async fn unplug(&mut self, controller: &Controller) -> Result<()> {
        if let Some(page) = controller.page {
            self.memory()?.page_at(page).retire()?;
        }
        let id = json!({ "id": controller.id });
        self.qmp.run("device_del", id).await?;
        self.qmp.event("DEVICE_DELETED", &controller.id).await?;
        let node = json!({ "node-name": controller.node });
        self.qmp.run("blockdev-del", node).await?;
        if controller.dark {
            self.power(controller.slot, true).await?;
        }
        Ok(())
    }

    /// Changes the size of a controller's namespace, which no disk of qemu's NVMe can by itself, and lets the guest look again.
    pub async fn resize(&mut self, controller: &Controller, from: u64, to: u64) -> Result<()> {
        let page = controller.page.context("it has its disk's whole size")?;
        self.qmp.run("stop", json!({})).await?;
        let memory = self.memory()?;
        memory.page_at(page).resize(from / BLOCK, to / BLOCK)?;
        self.qmp.run("cont", json!({})).await?;
        let device = self.device(&controller.serial).await?;
        let parent = device.trim_end_matches("n1");
        self.shell
            .run(&format!(
                "echo 1 > /sys/class/nvme/{parent}/rescan_controller
                 until [ $(cat /sys/class/block/{device}/size) = {} ]; do usleep 10000; done",
                to / BLOCK
            ))
            .await?;
        Ok(())
    }

    /// The guest's name for the namespace of the only controller with this serial number, once it is there.
    pub async fn device(&self, serial: &str) -> Result<String> {
        let said = self
            .shell
            .run(&format!(
                "for try in $(seq 1 3000); do
                    for file in /sys/class/nvme/*/serial; do
                        read -r serial 2>/dev/null <$file || continue
                        [ \"$serial\" = {serial} ] || continue
                        device=${{file%/serial}}; device=${{device##*/}}n1
                        [ ! -b /dev/$device ] || {{ echo $device; exit 0; }}
                    done
                    usleep 20000
                 done; exit 1"
            ))
            .await?;
        ensure!(!said.is_empty(), "the guest shows no controller {serial}");
        Ok(said)
    }

    /// Waits until the guest shows so many controllers with this serial number, each with its device.
    pub async fn devices(&self, serial: &str, count: usize) -> Result<()> {
        self.shell
            .run(&format!(
                "for try in $(seq 1 3000); do
                    found=0
                    for file in /sys/class/nvme/*/serial; do
                        read -r serial 2>/dev/null <$file || continue
                        device=${{file%/serial}}; device=${{device##*/}}n1
                        [ \"$serial\" != {serial} ] || [ ! -b /dev/$device ] || found=$((found + 1))
                    done
                    [ $found -lt {count} ] || exit 0
                    usleep 20000
                 done; exit 1"
            ))
            .await?;
        Ok(())
    }

    /// The power fails: nothing of the machine is left but its disks.
    pub async fn cut_power(&mut self) -> Result<()> {
        Ok(self.process.kill().await?)
    }

    /// Takes from the guest's kernel what qemu's controllers promise and do not keep: that a write with the bit "force unit
    /// access" is durable when it is done. The kernel then flushes instead, which they do pass on. It would believe devices
    /// in `blk_queue_write_cache(queue, cache, forced)`; that function now begins with `forced = false`.
    async fn forget_forced_writes(&mut self) -> Result<()> {
        const TRACING: [u8; 5] = [0x0f, 0x1f, 0x44, 0x00, 0x00]; // the five bytes that ftrace has for itself
        const FALSE: [u8; 5] = [0x31, 0xd2, 0x90, 0x90, 0x90]; // xor edx, edx
        let symbol = "sed -n 's/ T blk_queue_write_cache$//p' /proc/kallsyms";
        let address = self.shell.run(symbol).await?;
        let address = u64::from_str_radix(&address, 16)
            .with_context(|| format!("the kernel's symbols: {address:?}"))?;
        let socket = self.dir.join("gdb");
        let command = format!("gdbserver unix:{},server=on,wait=off", socket.display());
        let command = json!({ "command-line": command });
        self.qmp.run("human-monitor-command", command).await?;
        let mut debugger = Debugger::connect(&socket).await?;
        debugger.replace(address, TRACING, FALSE).await?;
        debugger.detach().await
    }

    fn memory(&self) -> Result<Memory> {
        Memory::of(self.process.pid().context("qemu has ended")?)
    }

    async fn wait_for_console(&self, words: &str) -> Result<()> {
        let begin = Instant::now();
        while !self.console().contains(words) {
            ensure!(
                begin.elapsed() < PATIENCE,
                "the guest did not say {words:?}: {}",
                self.console()
            );
            sleep(TICK).await;
        }
        Ok(())
    }
}

/// A port of this machine that nobody listens at.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// qemu's arguments, the same for a state that is saved and for who continues from it, except for the ports outside.
fn arguments(files: &Files, dir: &Path, slots: usize, shell: u16, plugin: u16) -> Vec<String> {
    let dir = dir.display();
    // Megabytes. Many volumes have much to write back.
    let memory = if slots > 32 { 1024 } else { 512 };
    let mut words = vec![
        "-nodefaults -no-user-config -display none -no-reboot".to_owned(),
        format!("-accel {} -cpu max", files.accelerator()),
        // In a mapping of its own, that nobody looks for qemu's own data in.
        format!("-object memory-backend-memfd,id=memory,size={memory}M"),
        format!("-machine q35,memory-backend=memory -smp 1 -m {memory}"),
        format!("-serial file:{dir}/console -qmp unix:{dir}/qmp,server=on,wait=off"),
        // Nothing reaches the outside; two ports are let in.
        format!(
            "-netdev user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{shell}-:2323,hostfwd=tcp:127.0.0.1:{plugin}-:{PLUGIN_PORT}"
        ),
        "-device virtio-net-pci,netdev=net,romfile=,addr=2.0".to_owned(),
    ];
    for slot in 0..slots {
        // Eight to a place of the bus, as there are only so many places.
        let (device, function) = slot::place(slot);
        words.push(format!(
            "-device pcie-root-port,id=slot{slot},chassis={},slot={slot},addr={device:x}.{function},multifunction=on,io-reserve=0",
            slot + 1,
        ));
    }
    let mut arguments: Vec<String> = words
        .iter()
        .flat_map(|line| line.split(' '))
        .map(str::to_owned)
        .collect();
    for directory in files.firmware() {
        arguments.extend(["-L".to_owned(), directory.display().to_string()]);
    }
    arguments.extend(["-kernel".to_owned(), files.kernel().display().to_string()]);
    arguments.extend(["-initrd".to_owned(), files.initrd().display().to_string()]);
    // A device that does not answer is no device that failed: EBS's advice for the kernel's time limit. The slots' own
    // interrupts are of no use; ACPI tells of what is plugged.
    let command_line =
        "console=ttyS0 quiet panic=-1 nvme_core.io_timeout=4294967295 pcie_ports=compat";
    arguments.extend(["-append".to_owned(), command_line.to_owned()]);
    arguments
}
