//! The composition: from a configuration to an emulator that serves, and back to nothing.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};

use ebs_types::Region;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::backing::{Backing, BackingError, InstanceDirs, LoopBacking, NoBacking, holds_images};
use crate::config::{BackingKind, Config, OutpostConfig, Settings};
use crate::engine::{Engine, Fleet, Worker};
use crate::iam::Policy;
use crate::journal::{Journal, JournalError};
use crate::server::Front;
use crate::state::{Input, SetUp, World, zones};
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
    engine: Arc<Engine>,
    backing: Arc<dyn Backing>,
    worker: Worker,
    stop: CancellationToken,
    tasks: TaskTracker,
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
        let (engine, backing, worker, stop, tasks) = blocking(&config).await?;
        let running = Running {
            ec2: addresses.0,
            control: addresses.1,
            engine,
            backing,
            worker,
            stop,
            tasks,
        };
        if let Err(error) = running.set_up(&config).await {
            running.shutdown().await;
            return Err(error);
        }
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
        self.engine.views()
    }

    /// Stops serving and releases every device that is not in use; the state stays in the data directory.
    pub async fn shutdown(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        let (worker, backing) = (self.worker, self.backing);
        let released = tokio::task::spawn_blocking(move || {
            worker.stop();
            backing.release_all()
        });
        for used in released.await.unwrap_or_default() {
            tracing::warn!(volume.id = %used.volume, device = used.device, "a device is still in use and stays");
        }
    }

    /// Brings into being what the configuration asks for and the state doesn't have.
    async fn set_up(&self, config: &Config) -> Result<(), StartError> {
        let mut inputs = vec![Input::Configure(Settings::from(config))];
        for region in &config.regions {
            let asked = SetUp {
                region: region.clone(),
                zones: config.zones,
                instances: config.instances,
                instance_type: config.instance_type.clone(),
                cluster: config.cluster.clone(),
                outposts: outposts_of(config, region),
            };
            if let Some(made) = self.engine.inner().world.made_otherwise(&asked) {
                tracing::warn!(%region, %made, %asked, "the region is there already and stays as it was made");
            }
            inputs.push(Input::SetUp(asked));
        }
        for input in &inputs {
            let taken = self.engine.input(input).await;
            taken.map_err(|error| StartError::State(error.to_string()))?;
        }
        self.engine.resume();
        Ok(())
    }

    fn spawn(
        &self,
        config: &Config,
        policy: Option<Policy>,
        ec2: TcpListener,
        control: TcpListener,
    ) {
        if let Some(region) = config.regions.first() {
            let front = Front::new(Arc::clone(&self.engine), region.clone(), policy);
            let served = front.serve(ec2, self.stop.clone(), self.tasks.clone());
            self.tasks.spawn(served);
        }
        let stop = self.stop.clone();
        let router = control::router(Arc::clone(&self.engine));
        self.tasks.spawn(async move {
            // Not gracefully: an idle connection of a client must not hold up the end.
            tokio::select! {
                ended = axum::serve(control, router) => if let Err(error) = ended {
                    tracing::error!(error = %error, "the control endpoint ended");
                },
                () = stop.cancelled() => {}
            }
        });
        let (engine, stop) = (Arc::clone(&self.engine), self.stop.clone());
        self.tasks.spawn(async move {
            tokio::select! {
                () = engine.tick() => {}
                () = stop.cancelled() => {}
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
fn check(config: &Config) -> Result<Option<Policy>, StartError> {
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

/// Those in a region's zones.
fn outposts_of(config: &Config, region: &Region) -> Vec<OutpostConfig> {
    let zones = zones(region, config.zones);
    let mut outposts = config.outposts.clone();
    outposts.retain(|outpost| zones.iter().any(|zone| zone.name == outpost.zone));
    outposts
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

/// What [`blocking`] makes.
type Parts = (
    Arc<Engine>,
    Arc<dyn Backing>,
    Worker,
    CancellationToken,
    TaskTracker,
);

/// The part of the start that reads files and waits for the kernel.
async fn blocking(config: &Config) -> Result<Parts, StartError> {
    let (config, runtime) = (config.clone(), Handle::current());
    let parts = tokio::task::spawn_blocking(move || assemble(&config, runtime));
    parts
        .await
        .map_err(|error| StartError::State(error.to_string()))?
}

fn assemble(config: &Config, runtime: Handle) -> Result<Parts, StartError> {
    let backing: Arc<dyn Backing> = match (config.backing, &config.data) {
        (BackingKind::Loop, Some(data)) => Arc::new(LoopBacking::open(data)?),
        _ => Arc::new(NoBacking),
    };
    let mut world = World::new(config.seed, Settings::from(config));
    let mut journal = None;
    if let Some(data) = &config.data {
        if !Journal::is_in(data) && holds_images(data)? {
            return Err(StartError::StateLost { path: data.clone() });
        }
        let (opened, replayed) = Journal::open(data, world)?;
        (journal, world) = (Some(opened), replayed);
    }
    backing.reconcile(&world.inventory())?;
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let address = config.listen.ip();
    let data = config.data.as_deref();
    let fleet = Fleet::new(address, data, runtime, stop.child_token(), tasks.clone());
    let known: Vec<_> = world.instances().into_iter().cloned().collect();
    let (jobs, queue) = mpsc::channel();
    let engine = Engine::new(world, journal, jobs, fleet);
    for instance in known {
        let dirs: InstanceDirs = backing.add_instance(&instance.id, &instance.root)?;
        engine.fleet.add(&engine, &instance.id, dirs);
    }
    let worker = Worker::start(Arc::clone(&engine), Arc::clone(&backing), queue);
    let worker = worker.map_err(StartError::Thread)?;
    Ok((engine, backing, worker, stop, tasks))
}

#[cfg(test)]
mod tests;
