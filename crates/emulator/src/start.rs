//! The composition: from a configuration to an emulator that serves, and back to nothing.

mod parts;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpListener;

pub(crate) use self::parts::Parts;
use crate::backing::BackingError;
use crate::config::{BackingKind, Config, OutpostConfig};
use crate::iam::Policy;
use crate::journal::JournalError;
use crate::server::Front;
use crate::state::zones;
use crate::{InstanceView, control};

/// The emulator.
#[derive(Debug)]
pub struct Emulator;

/// An emulator that serves. Dropping it without [`Running::shutdown`] leaves it serving until its runtime ends, and its
/// devices behind.
#[derive(Debug)]
pub struct Running {
    ec2: SocketAddr,
    control: SocketAddr,
    parts: Parts,
}

/// Why the emulator could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration names something that cannot be.
    #[error("{0}")]
    Config(String),
    /// The data directory cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Volumes without a state that knows them: starting would take them for leftovers.
    #[error(
        "data directory {path:?} holds images of volumes or snapshots but no state: restore its state.json and journal.jsonl, \
         or, to begin anew, remove its volumes and snapshots directories or choose another directory"
    )]
    StateLost {
        /// The directory.
        path: PathBuf,
    },
    /// Files and devices cannot be brought to the state.
    #[error("the backing cannot be made ready: {0}")]
    Backing(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The machine has no room for another thread.
    #[error("cannot start the backing's thread: {0}")]
    Thread(io::Error),
    /// The state could not be set up.
    #[error("cannot set up the state: {0}")]
    State(String),
}

impl Emulator {
    /// Starts serving, from the state in the data directory if there is one.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running then.
    pub async fn start(config: Config) -> Result<Running, StartError> {
        let policy = check(&config)?;
        let ec2 = listen(config.listen).await?;
        let control = listen(config.control).await?;
        let addresses = (
            address(&ec2, config.listen)?,
            address(&control, config.control)?,
        );
        let metadata = config.metadata.then_some(config.listen.ip());
        let running = Running {
            ec2: addresses.0,
            control: addresses.1,
            parts: Parts::assemble(&config, metadata).await?,
        };
        running.spawn(&config, policy, ec2, control);
        Ok(running)
    }
}

impl Running {
    /// Where the EC2 API is served: `http://ADDRESS:PORT`.
    #[must_use]
    pub fn ec2_url(&self) -> String {
        format!("http://{}", self.ec2)
    }

    /// Where the control endpoint is served: `http://ADDRESS:PORT`.
    #[must_use]
    pub fn control_url(&self) -> String {
        format!("http://{}", self.control)
    }

    /// The instances that are not terminated, in the order of their start.
    #[must_use]
    pub fn instances(&self) -> Vec<InstanceView> {
        self.parts.engine.views()
    }

    /// Stops serving and releases every device that is not in use; the state stays in the data directory.
    pub async fn shutdown(self) {
        self.parts.shut_down().await;
    }

    fn spawn(
        &self,
        config: &Config,
        policy: Option<Policy>,
        ec2: TcpListener,
        control: TcpListener,
    ) {
        let Parts { stop, tasks, .. } = &self.parts;
        if let Some(region) = config.regions.first() {
            let front = Front::new(Arc::clone(&self.parts.engine), region.clone(), policy);
            tasks.spawn(front.serve(ec2, stop.clone(), tasks.clone()));
        }
        let stopped = stop.clone();
        let router = control::router(Arc::clone(&self.parts.engine));
        tasks.spawn(async move {
            // Not gracefully: an idle connection of a client must not hold up the end.
            tokio::select! {
                ended = axum::serve(control, router) => if let Err(error) = ended {
                    tracing::error!(error = %error, "the control endpoint ended");
                },
                () = stopped.cancelled() => {}
            }
        });
    }
}

impl From<BackingError> for StartError {
    fn from(error: BackingError) -> Self {
        Self::Backing(Box::new(error))
    }
}

/// Refuses what cannot be, and reads the policy.
pub(crate) fn check(config: &Config) -> Result<Option<Policy>, StartError> {
    let wrong = |text: &str| Err(StartError::Config(text.to_owned()));
    if config.regions.is_empty() {
        return wrong("no region is given: name at least one, as in eu-central-1");
    }
    if !(1..=26).contains(&config.zones) {
        return wrong("a region has 1 to 26 zones");
    }
    let nowhere = |outpost: &&OutpostConfig| {
        let zones = |region| zones(region, config.zones);
        let mut there = config.regions.iter().flat_map(zones);
        outpost.volume_types.is_empty() || !there.any(|zone| zone.name == outpost.zone)
    };
    if let Some(outpost) = config.outposts.iter().find(nowhere) {
        return wrong(&format!(
            "the Outpost {outpost} needs a zone of a region that is served, and a type of volumes"
        ));
    }
    if config.backing == BackingKind::Loop && config.data.is_none() {
        return wrong("a backing by loop devices needs a data directory");
    }
    let policy = config.policy.as_deref().map(str::parse).transpose();
    policy.map_err(|error: String| StartError::Config(format!("the policy: {error}")))
}

async fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    let listening = TcpListener::bind(address).await;
    listening.map_err(|source| StartError::Listen { address, source })
}

fn address(listener: &TcpListener, asked: SocketAddr) -> Result<SocketAddr, StartError> {
    let local = listener.local_addr();
    local.map_err(|source| StartError::Listen {
        address: asked,
        source,
    })
}

#[cfg(test)]
mod tests;
