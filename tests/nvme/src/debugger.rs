//! A debugger on the machine, for the one thing that takes it.
//!
//! Answers for: reading and writing a few bytes of the guest's kernel by gdb's remote protocol.
//! <https://sourceware.org/gdb/current/onlinedocs/gdb.html/Remote-Protocol.html>
//! Doesn't answer for: what they mean.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::timeout;

/// How long qemu may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A debugger. The machine stands still until it is detached.
#[derive(Debug)]
pub(crate) struct Debugger {
    stream: UnixStream,
}

impl Debugger {
    /// Connects to a qemu that listens for one.
    pub(crate) async fn connect(socket: &Path) -> Result<Self> {
        let stream = UnixStream::connect(socket).await?;
        Ok(Self { stream })
    }

    /// Replaces bytes at an address of the kernel, which must be what they are expected to be.
    pub(crate) async fn replace<const N: usize>(
        &mut self,
        address: u64,
        old: [u8; N],
        new: [u8; N],
    ) -> Result<()> {
        let found = self.ask(&format!("m{address:x},{N:x}")).await?;
        ensure!(
            found == hex(&old),
            "at {address:x} the guest's kernel has {found}, not {}",
            hex(&old)
        );
        let done = self
            .ask(&format!("M{address:x},{N:x}:{}", hex(&new)))
            .await?;
        ensure!(
            done == "OK",
            "qemu does not write the guest's memory: {done}"
        );
        Ok(())
    }

    /// Lets the machine go on.
    pub(crate) async fn detach(mut self) -> Result<()> {
        self.ask("D").await?;
        Ok(())
    }

    /// A packet, and the packet that answers it.
    async fn ask(&mut self, packet: &str) -> Result<String> {
        let sum = packet.bytes().fold(0u8, u8::wrapping_add);
        let message = format!("${packet}#{sum:02x}");
        self.stream.write_all(message.as_bytes()).await?;
        loop {
            let said = timeout(PATIENCE, self.packet())
                .await
                .context("qemu's debugger does not answer")??;
            // That the machine stopped is told whenever it does so.
            if !said.starts_with('T') {
                return Ok(said);
            }
        }
    }

    /// What comes next between `$` and `#`, which two digits of a sum follow.
    async fn packet(&mut self) -> Result<String> {
        let mut said = Vec::new();
        loop {
            match self.stream.read_u8().await? {
                b'$' => said.clear(),
                b'#' => break,
                byte => said.push(byte),
            }
        }
        self.stream.read_u16().await?;
        self.stream.write_all(b"+").await?;
        Ok(String::from_utf8(said)?)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
