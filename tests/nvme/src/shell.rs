//! The shell in the machine.
//!
//! Answers for: running commands in the guest, and talking to one that answers line by line.
//! Doesn't answer for: what is run.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Mutex;
use tokio::time::timeout;

/// How long a command may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Stands before the status of a command, which no command prints.
const STATUS: &str = "\u{1}status ";

/// The way to the shell of a guest.
#[derive(Clone, Debug)]
pub struct Shell {
    port: u16,
    /// The guest takes one new connection at a time: others would be dropped, and tried again seconds later.
    door: Arc<Mutex<()>>,
}

/// A program in the guest that is talked to.
#[derive(Debug)]
pub struct Dialogue {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
}

impl Shell {
    /// The shell that qemu forwards a port of this machine to.
    pub(crate) fn at(port: u16) -> Self {
        Self {
            port,
            door: Arc::default(),
        }
    }

    /// Runs a command: what it printed. Fails if it does.
    pub async fn run(&self, command: &str) -> Result<String> {
        let (said, status) = self.status(command).await?;
        ensure!(
            status == "0",
            "in the guest, {command}: status {status}, {said}"
        );
        Ok(said)
    }

    /// Runs a command: whether it succeeded.
    pub async fn succeeds(&self, command: &str) -> Result<bool> {
        Ok(self.status(command).await?.1 == "0")
    }

    /// Starts a program that reads lines and answers each.
    pub async fn talk(&self, program: &str) -> Result<Dialogue> {
        let (reader, writer) = self.enter().await?.into_split();
        let reader = BufReader::new(reader);
        let mut dialogue = Dialogue { reader, writer };
        // What comes before the program runs would be the shell's to read.
        let ready = dialogue.say(&format!("echo ready; exec {program}")).await?;
        ensure!(ready == "ready", "the guest's shell says {ready:?}");
        Ok(dialogue)
    }

    /// A shell that listens.
    async fn enter(&self) -> Result<TcpStream> {
        let _door = self.door.lock().await;
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        stream.set_nodelay(true)?;
        stream.write_all(b"echo\n").await?;
        timeout(PATIENCE, stream.read_u8())
            .await
            .context("the guest's shell does not answer")??;
        Ok(stream)
    }

    async fn status(&self, command: &str) -> Result<(String, String)> {
        let mut stream = self.enter().await?;
        // The shell reads its script from the connection, which is not for the command to read.
        let script = format!("(\n{command}\n) 2>&1 </dev/null; printf '\\001status %s' $?; exit\n");
        stream.write_all(script.as_bytes()).await?;
        let mut said = Vec::new();
        let read = timeout(PATIENCE, stream.read_to_end(&mut said)).await;
        let said = String::from_utf8_lossy(&said).into_owned();
        match (read, said.rsplit_once(STATUS)) {
            (Ok(Ok(_)), Some((before, status))) => {
                Ok((before.trim_end().to_owned(), status.to_owned()))
            }
            (read, _) => bail!("in the guest, {command} did not end ({read:?}): {said}"),
        }
    }
}

impl Dialogue {
    /// Says a line and waits for the answer to it.
    pub async fn say(&mut self, line: &str) -> Result<String> {
        self.writer
            .write_all(format!("{line}\n").as_bytes())
            .await?;
        let mut answer = String::new();
        let len = timeout(PATIENCE, self.reader.read_line(&mut answer))
            .await
            .context("the guest does not answer")??;
        ensure!(len > 0, "the guest's program has ended");
        Ok(answer.trim_end().to_owned())
    }
}
