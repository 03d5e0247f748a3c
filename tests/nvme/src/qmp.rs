//! qemu's own control: its machine protocol.
//!
//! Answers for: commands and events of one qemu. <https://www.qemu.org/docs/master/interop/qmp-spec.html>
//! Doesn't answer for: what the commands are good for; see [`crate::machine`].

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

/// How long qemu may take for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection to a qemu.
#[derive(Debug)]
pub(crate) struct Qmp {
    lines: Lines<BufReader<OwnedReadHalf>>,
    writer: OwnedWriteHalf,
    events: Vec<Value>,
}

impl Qmp {
    /// Connects to a qemu that listens already.
    pub(crate) async fn connect(socket: &Path) -> Result<Self> {
        let (reader, writer) = UnixStream::connect(socket).await?.into_split();
        let lines = BufReader::new(reader).lines();
        let mut qmp = Self {
            lines,
            writer,
            events: Vec::new(),
        };
        qmp.next().await?;
        qmp.run("qmp_capabilities", json!({})).await?;
        Ok(qmp)
    }

    /// Runs a command: what it returned.
    pub(crate) async fn run(&mut self, command: &str, arguments: Value) -> Result<Value> {
        let line = format!(
            "{}\n",
            json!({ "execute": command, "arguments": arguments })
        );
        self.writer.write_all(line.as_bytes()).await?;
        loop {
            let mut answer = self
                .next()
                .await
                .with_context(|| format!("qemu, {command}"))?;
            if answer.get("event").is_some() {
                self.events.push(answer);
            } else if let Some(error) = answer.get("error") {
                bail!("qemu refuses {command} {arguments}: {error}");
            } else {
                return Ok(answer["return"].take());
            }
        }
    }

    /// Waits for an event of a device, which may have come already.
    pub(crate) async fn event(&mut self, name: &str, device: &str) -> Result<()> {
        let wanted = |event: &Value| event["event"] == name && event["data"]["device"] == device;
        if let Some(index) = self.events.iter().position(wanted) {
            self.events.remove(index);
            return Ok(());
        }
        loop {
            let event = self
                .next()
                .await
                .with_context(|| format!("no event {name} of {device}"))?;
            if wanted(&event) {
                return Ok(());
            }
            self.events.push(event);
        }
    }

    async fn next(&mut self) -> Result<Value> {
        let line = timeout(PATIENCE, self.lines.next_line())
            .await
            .context("qemu does not answer")??
            .context("qemu has gone")?;
        Ok(serde_json::from_str(&line)?)
    }
}
