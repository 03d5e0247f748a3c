//! What an emulator is made of, whether it is served over sockets or not: state, journal, backing and their clock.

use std::net::IpAddr;
use std::sync::{Arc, mpsc};

use ebs_types::Region;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::StartError;
use crate::backing::{Backing, InstanceDirs, LoopBacking, NoBacking, holds_images};
use crate::config::{BackingKind, Config, OutpostConfig, Settings};
use crate::engine::{Engine, Fleet, Hands, Worker};
use crate::faults::{Buckets, Faults};
use crate::journal::Journal;
use crate::state::{Input, SetUp, World, zones};

/// An emulator that runs: what is due happens.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) engine: Arc<Engine>,
    backing: Arc<dyn Backing>,
    /// The backing's thread, if it has one.
    worker: Option<Worker>,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

impl Parts {
    /// Puts them together, from the state in the data directory if there is one. The instances' metadata services listen on
    /// `address`; without one there are none.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running then.
    pub(crate) async fn assemble(
        config: &Config,
        address: Option<IpAddr>,
    ) -> Result<Self, StartError> {
        let (given, runtime) = (config.clone(), Handle::current());
        // Reads files and waits for the kernel.
        let parts = tokio::task::spawn_blocking(move || blocking(&given, address, runtime)).await;
        let parts = parts.map_err(|error| StartError::State(error.to_string()))??;
        if let Err(error) = parts.set_up(config).await {
            parts.shut_down().await;
            return Err(error);
        }
        let (engine, stop) = (Arc::clone(&parts.engine), parts.stop.clone());
        parts.tasks.spawn(async move {
            tokio::select! {
                () = engine.tick() => {}
                () = stop.cancelled() => {}
            }
        });
        Ok(parts)
    }

    /// Stops what runs and releases every device that is not in use.
    pub(crate) async fn shut_down(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        let (worker, backing) = (self.worker, self.backing);
        let released = tokio::task::spawn_blocking(move || {
            if let Some(worker) = worker {
                worker.stop();
            }
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
}

fn blocking(
    config: &Config,
    address: Option<IpAddr>,
    runtime: Handle,
) -> Result<Parts, StartError> {
    let (backing, queue): (Arc<dyn Backing>, _) = match (config.backing, &config.data) {
        (BackingKind::Loop, Some(data)) => {
            (Arc::new(LoopBacking::open(data)?), Some(mpsc::channel()))
        }
        _ => (Arc::new(NoBacking), None),
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
    let data = config.data.as_deref();
    let fleet = Fleet::new(
        address,
        config.imds_port,
        data,
        runtime,
        stop.child_token(),
        tasks.clone(),
    );
    let known: Vec<_> = world.instances().into_iter().cloned().collect();
    let hands = match &queue {
        Some((jobs, _)) => Hands::Thread(jobs.clone()),
        None => Hands::Own,
    };
    let engine = Engine::new(world, journal, hands, fleet);
    {
        let mut inner = engine.inner();
        inner.buckets = Buckets::of(config.buckets);
        inner.faults = Faults::new(config.seed, &config.fault_rates).map_err(StartError::Config)?;
    }
    for instance in known {
        let dirs: InstanceDirs = backing.add_instance(&instance.id, &instance.root)?;
        engine.admit(&instance.id, dirs);
    }
    let start = |queue| Worker::start(Arc::clone(&engine), Arc::clone(&backing), queue);
    let worker = queue.map(start).transpose().map_err(StartError::Thread)?;
    Ok(Parts {
        engine,
        backing,
        worker,
        stop,
        tasks,
    })
}

/// Those in a region's zones.
fn outposts_of(config: &Config, region: &Region) -> Vec<OutpostConfig> {
    let zones = zones(region, config.zones);
    let mut outposts = config.outposts.clone();
    outposts.retain(|outpost| zones.iter().any(|zone| zone.name == outpost.zone));
    outposts
}
