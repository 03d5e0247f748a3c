//! What all tests share: the machine's files, a directory for what runs, the seed, how much is done.
//!
//! Answers for: reading the settings that scripts/nvme.sh makes, and one saved state for each shape of machine.
//! Doesn't answer for: machines.

use std::env;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use tempfile::TempDir;
use tokio::sync::Mutex;

use crate::machine::Machine;
use crate::random::Random;

/// States that were saved, by the number of slots; one test at a time makes one.
static STATES: Mutex<Vec<(usize, PathBuf)>> = Mutex::const_new(Vec::new());

/// The files that a machine is started from.
#[derive(Clone, Debug)]
pub struct Files {
    dir: PathBuf,
    accelerator: String,
}

/// A test's place.
#[derive(Debug)]
pub struct Lab {
    files: Files,
    run: PathBuf,
    dir: TempDir,
    seed: u64,
    test: String,
}

impl Files {
    /// qemu.
    pub(crate) fn qemu(&self) -> PathBuf {
        self.dir.join("debian/usr/bin/qemu-system-x86_64")
    }

    /// What qemu is linked to.
    pub(crate) fn libraries(&self) -> PathBuf {
        self.dir.join("debian/usr/lib/x86_64-linux-gnu")
    }

    /// Where qemu looks for its machine's firmware.
    pub(crate) fn firmware(&self) -> [PathBuf; 2] {
        ["seabios", "qemu"].map(|name| self.dir.join("debian/usr/share").join(name))
    }

    /// The guest's kernel.
    pub(crate) fn kernel(&self) -> PathBuf {
        self.dir.join("kernel")
    }

    /// The guest's root directory, packed.
    pub(crate) fn initrd(&self) -> PathBuf {
        self.dir.join("initrd")
    }

    /// What executes the guest's instructions.
    pub(crate) fn accelerator(&self) -> &str {
        &self.accelerator
    }
}

impl Lab {
    /// The place of a test of this name.
    ///
    /// The settings are `EBS_CSI_NVME` (the machine's files), `EBS_CSI_NVME_RUN` (the directory for what runs),
    /// `EBS_CSI_NVME_ACCELERATOR`, and `EBS_CSI_SEED`, without which the clock chooses one.
    pub fn of(test: &str) -> Result<Self> {
        let dir =
            setting("EBS_CSI_NVME").context("EBS_CSI_NVME is not set: scripts/nvme.sh sets it")?;
        let run =
            PathBuf::from(setting("EBS_CSI_NVME_RUN").context("EBS_CSI_NVME_RUN is not set")?);
        let seed = match setting("EBS_CSI_SEED") {
            Some(seed) => seed
                .parse()
                .with_context(|| format!("EBS_CSI_SEED={seed:?} is no number"))?,
            None => {
                u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos() % (1 << 48))?
            }
        };
        println!("{test}: EBS_CSI_SEED={seed}");
        Ok(Self {
            files: Files {
                dir: dir.into(),
                accelerator: setting("EBS_CSI_NVME_ACCELERATOR")
                    .unwrap_or_else(|| "tcg".to_owned()),
            },
            dir: TempDir::with_prefix_in(format!("{test}."), &run)?,
            run,
            seed,
            test: test.to_owned(),
        })
    }

    /// Whether as much is done as before a release, not as in every run.
    #[must_use]
    pub fn soaks() -> bool {
        setting("EBS_CSI_NVME_SOAK").is_some()
    }

    /// Where the test keeps its disks and machines. It goes with the lab.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The test's chance: the same for the same seed, another one for each test.
    #[must_use]
    pub fn random(&self) -> Random {
        let name = self.test.bytes().fold(0u64, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(u64::from(byte))
        });
        Random::new(self.seed ^ name.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// A machine with so many slots that has just booted, with the driver running.
    pub async fn machine(&self, slots: usize) -> Result<Machine> {
        let state = self.state(slots).await?;
        let dir = TempDir::with_prefix_in("machine.", self.dir())?.keep();
        Machine::restore(&self.files, &dir, slots, &state).await
    }

    async fn state(&self, slots: usize) -> Result<PathBuf> {
        let mut states = STATES.lock().await;
        if let Some((_, state)) = states.iter().find(|(of, _)| *of == slots) {
            return Ok(state.clone());
        }
        let state = self.run.join(format!("state-{slots}"));
        let dir = self.run.join(format!("boot-{slots}"));
        let machine = Machine::boot(&self.files, &dir, slots).await?;
        machine.save(&state).await?;
        states.push((slots, state.clone()));
        Ok(state)
    }
}

fn setting(name: &str) -> Option<String> {
    env::var_os(name)
        .and_then(|value| value.into_string().ok())
        .filter(|value| !value.is_empty())
}
