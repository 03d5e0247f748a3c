//! Where each instance's devices and metadata are: its directories and the listener of its metadata service.

mod ports;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use ebs_types::InstanceId;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::ports::Ports;
use super::Engine;
use crate::backing::InstanceDirs;
use crate::imds;

/// The instances that are reachable.
#[derive(Debug)]
pub(crate) struct Fleet {
    /// Where metadata services listen, if there are to be any.
    address: Option<IpAddr>,
    runtime: Handle,
    stop: CancellationToken,
    tasks: TaskTracker,
    members: Mutex<BTreeMap<InstanceId, Member>>,
    ports: Mutex<Ports>,
}

/// One instance.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) dirs: InstanceDirs,
    /// Empty where there is none.
    pub(crate) imds_url: String,
    stop: CancellationToken,
}

impl Fleet {
    /// No instances yet. Metadata services will listen on this address until `stop`, each on the port it had before as far
    /// as the data directory tells, the first one else on `port`, or on a free one. Without an address there are none.
    pub(crate) fn new(
        address: Option<IpAddr>,
        port: Option<u16>,
        data: Option<&Path>,
        runtime: Handle,
        stop: CancellationToken,
        tasks: TaskTracker,
    ) -> Self {
        Self {
            address,
            runtime,
            stop,
            tasks,
            members: Mutex::default(),
            ports: Mutex::new(Ports::open(data, port)),
        }
    }

    /// Takes an instance in and serves its metadata.
    pub(super) fn add(&self, engine: &Weak<Engine>, id: &InstanceId, dirs: InstanceDirs) {
        let stop = self.stop.child_token();
        let imds_url = self.serve(engine, id, stop.clone()).unwrap_or_else(|error| {
            tracing::warn!(instance.id = %id, error = %error, "no metadata service for the instance");
            String::new()
        });
        let member = Member {
            dirs,
            imds_url,
            stop,
        };
        self.members().insert(id.clone(), member);
    }

    /// Lets an instance go.
    pub(crate) fn remove(&self, id: &InstanceId) {
        if let Some(member) = self.members().remove(id) {
            member.stop.cancel();
            self.ports().forget(id);
        }
    }

    /// What is known of an instance.
    pub(crate) fn get(&self, id: &InstanceId) -> Option<Member> {
        self.members().get(id).cloned()
    }

    fn serve(
        &self,
        engine: &Weak<Engine>,
        id: &InstanceId,
        stop: CancellationToken,
    ) -> std::io::Result<String> {
        let Some(address) = self.address else {
            return Ok(String::new());
        };
        let listener = self.listen(address, id)?;
        listener.set_nonblocking(true)?;
        let local = listener.local_addr()?;
        self.ports().set(id, local.port());
        let url = format!("http://{local}");
        let _context = self.runtime.enter();
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let (engine, id) = (Weak::clone(engine), id.clone());
        let asked = id.clone();
        let facts = Arc::new(move || engine.upgrade()?.facts(&asked));
        let served = async move {
            if let Err(error) = imds::serve(listener, facts, stop).await {
                tracing::warn!(instance.id = %id, error = %error, "the metadata service ended");
            }
        };
        self.tasks.spawn_on(served, &self.runtime);
        Ok(url)
    }

    /// Listens on the port that the instance's service had or is to have, or on a free one where that is taken or there is none.
    fn listen(&self, address: IpAddr, id: &InstanceId) -> std::io::Result<TcpListener> {
        let before = self.ports().of(id);
        if let Some(port) = before {
            match TcpListener::bind(SocketAddr::new(address, port)) {
                Ok(listener) => return Ok(listener),
                Err(error) => {
                    tracing::warn!(instance.id = %id, port, error = %error, "metadata service gets a new port");
                }
            }
        }
        TcpListener::bind(SocketAddr::new(address, 0))
    }

    fn ports(&self) -> MutexGuard<'_, Ports> {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn members(&self) -> MutexGuard<'_, BTreeMap<InstanceId, Member>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
