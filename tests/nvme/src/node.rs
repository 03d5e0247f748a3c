//! A node: a machine with its plugin, the controllers in its slots, and what kubelet does besides calling the plugin.
//!
//! Answers for: plugging volumes into free slots, the directories that kubelet makes, and a report of what failed.
//! Doesn't answer for: what the plugin must do; the tests say that.

use std::collections::BTreeMap;
use std::thread;

use anyhow::{Context as _, Result};

use crate::disk::Loss;
use crate::lab::Lab;
use crate::machine::{Controller, Look, Machine};
use crate::plugin::{Plugin, staging_path, target_path};
use crate::random::Random;
use crate::shell::Shell;
use crate::volume::Volume;

/// How many of its last lines a machine's console shows when a test fails.
const LINES: usize = 60;

/// A machine that volumes come to and go from.
#[derive(Debug)]
pub struct Node {
    machine: Machine,
    slots: Vec<bool>,
    plugged: BTreeMap<String, (usize, Controller)>,
}

impl Node {
    /// A node with so many slots that has just booted.
    pub async fn boot(lab: &Lab, slots: usize) -> Result<Self> {
        Ok(Self {
            machine: lab.machine(slots).await?,
            slots: vec![false; slots],
            plugged: BTreeMap::new(),
        })
    }

    /// The machine.
    pub const fn machine(&self) -> &Machine {
        &self.machine
    }

    /// The shell in it.
    pub fn shell(&self) -> Shell {
        self.machine.shell()
    }

    /// Its plugin.
    pub fn plugin(&self) -> Plugin {
        self.machine.plugin()
    }

    /// Plugs a volume into any free slot; the guest sees it a moment later.
    pub async fn plug(&mut self, volume: &Volume, random: &mut Random) -> Result<()> {
        self.plug_as(volume, random, &Look::default()).await
    }

    /// The same with a choice of how its controller looks.
    pub async fn plug_as(
        &mut self,
        volume: &Volume,
        random: &mut Random,
        look: &Look,
    ) -> Result<()> {
        let plugged = self.put(volume, random, look).await?;
        self.plugged.insert(volume.id.clone(), plugged);
        Ok(())
    }

    async fn put(
        &mut self,
        volume: &Volume,
        random: &mut Random,
        look: &Look,
    ) -> Result<(usize, Controller)> {
        let free: Vec<usize> = (0..self.slots.len())
            .filter(|slot| !self.slots[*slot])
            .collect();
        let slot = *random.one_of(&free);
        let (disk, serial) = (&volume.disk, volume.serial());
        let controller = self
            .machine
            .plug(disk, volume.size, &serial, slot, look)
            .await?;
        self.slots[slot] = true;
        Ok((slot, controller))
    }

    /// Plugs a volume and waits until the guest sees its device: its name there.
    pub async fn plug_and_wait(&mut self, volume: &Volume, random: &mut Random) -> Result<String> {
        self.plug(volume, random).await?;
        self.machine.device(&volume.serial()).await
    }

    /// Takes a volume's controller out.
    pub async fn unplug(&mut self, volume: &Volume) -> Result<()> {
        let (slot, controller) = self
            .plugged
            .remove(&volume.id)
            .context("it is not plugged")?;
        self.machine.unplug(&controller).await?;
        self.slots[slot] = false;
        Ok(())
    }

    /// The volume's controller vanishes; the guest is told by [`Self::unplug`] alone.
    pub async fn vanish(&mut self, volume: &Volume) -> Result<()> {
        let plugged = self.plugged.get_mut(&volume.id);
        let (_, controller) = plugged.context("it is not plugged")?;
        self.machine.vanish(controller).await
    }

    /// Makes the device of a volume that is plugged larger. Its disk has room for it.
    pub async fn grow(&mut self, volume: &mut Volume, size: u64) -> Result<()> {
        let (_, controller) = self.plugged.get(&volume.id).context("it is not plugged")?;
        self.machine.resize(controller, volume.size, size).await?;
        volume.size = size;
        Ok(())
    }

    /// Stages as kubelet does: it makes the directory.
    pub async fn stage(&self, volume: &Volume) -> Result<()> {
        self.shell()
            .run(&format!("mkdir -p {}", staging_path(volume)))
            .await?;
        self.plugin().stage(volume).await
    }

    /// Publishes as kubelet does: it makes the directory above. Where the pod sees the volume.
    pub async fn publish(&self, volume: &Volume, pod: &str) -> Result<String> {
        let target = target_path(volume, pod);
        self.shell()
            .run(&format!("mkdir -p {}", target.trim_end_matches("/volume")))
            .await?;
        self.plugin().publish(volume, pod).await?;
        Ok(target)
    }

    /// The power fails, and with it the caches of these disks.
    pub async fn cut_power(mut self, volumes: &[&Volume], random: &mut Random) -> Result<Loss> {
        self.machine.cut_power().await?;
        let mut sum = Loss::default();
        for volume in volumes {
            let loss = volume.disk.cut_power(random)?;
            sum.unflushed += loss.unflushed;
            sum.lost += loss.lost;
        }
        Ok(sum)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if thread::panicking() {
            let console = self.machine.console();
            let lines: Vec<&str> = console.lines().collect();
            let last = lines
                .get(lines.len().saturating_sub(LINES)..)
                .unwrap_or_default();
            println!("--- the machine's console\n{}", last.join("\n"));
        }
    }
}
