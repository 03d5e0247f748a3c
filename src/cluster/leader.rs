//! Which of several processes leads: the one that holds a lease.
//!
//! Answers for: at most one leader as long as clocks run equally fast, a new one once the last is not heard of any more, and work
//! that goes on only while this process leads. Doesn't answer for: work that must never be done twice; a process that stands
//! still for longer than the lease lasts notices late that another leads.
//!
//! No clock is compared with another machine's: a lease has run out when it has not changed for as long as it lasts, by this
//! process' own clock.

use std::future::Future;
use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use tokio::time::{Instant, sleep, timeout_at};

use super::{host_name, kernel_says};
use crate::kubernetes::{Connection, Kubernetes, KubernetesError, Lease, LeaseName};

/// One who would lead.
#[derive(Debug)]
pub(super) struct Candidate {
    kubernetes: Kubernetes,
    lease: LeaseName,
    identity: String,
    lasts: Duration,
    connection: Option<Connection>,
    /// The lease as it was last seen, and since when it has been so.
    seen: Option<(Lease, Instant)>,
    told: String,
    leads: Gauge,
}

impl Candidate {
    /// One who renews the lease for `lasts` each time, and shows by `leads` whether it does.
    pub(super) fn new(
        kubernetes: Kubernetes,
        lease: LeaseName,
        lasts: Duration,
        leads: Gauge,
    ) -> Self {
        Self {
            kubernetes,
            lease,
            identity: identity(),
            lasts,
            connection: None,
            seen: None,
            told: String::new(),
            leads,
        }
    }

    /// Does `work` whenever this process leads, from its beginning each time, until `stop` is over.
    pub(super) async fn run<F>(mut self, work: impl Fn() -> F, stop: impl Future<Output = ()>)
    where
        F: Future<Output = ()>,
    {
        let standing = async {
            loop {
                if self.step_or_tell().await == Some(true) {
                    tracing::info!(lease = self.lease.name, identity = %self.identity, "this process leads");
                    self.leads.set(1);
                    tokio::select! {
                        () = work() => {}
                        () = self.renew() => {}
                    }
                    self.leads.set(0);
                    tracing::warn!(
                        lease = self.lease.name,
                        "this process does not lead any more"
                    );
                }
                sleep(self.pause()).await;
            }
        };
        tokio::select! {
            () = standing => {}
            () = stop => {}
        }
        self.give_back().await;
    }

    /// Goes on as long as this process leads.
    async fn renew(&mut self) {
        // Others wait for the whole time, by their clocks.
        let reserve = self.lasts / 3;
        let mut until = Instant::now() + self.lasts - reserve;
        loop {
            sleep(self.pause()).await;
            let begin = Instant::now();
            match timeout_at(until, self.step_or_tell()).await {
                Ok(Some(true)) => until = begin + self.lasts - reserve,
                Ok(Some(false)) | Err(_) => return,
                // It is tried again until it is too late.
                Ok(None) => {}
            }
            if Instant::now() >= until {
                return;
            }
        }
    }

    /// Whether this process leads now; `None` where that could not be found out.
    async fn step_or_tell(&mut self) -> Option<bool> {
        match self.step().await {
            Ok(leads) => {
                self.told.clear();
                Some(leads)
            }
            Err(error) => {
                // Perhaps with another certificate the next time.
                self.connection = None;
                let words = error.to_string();
                if self.told == words {
                    tracing::debug!(%error, "it stays open who leads");
                } else {
                    tracing::warn!(%error, "it stays open who leads, attachment limits of new instance types, the health of volumes and nodes of terminated instances wait for it");
                    self.told = words;
                }
                None
            }
        }
    }

    async fn step(&mut self) -> Result<bool, KubernetesError> {
        let connection = match &self.connection {
            Some(connection) => connection,
            None => self.connection.insert(self.kubernetes.connect()?),
        };
        let found = connection.lease(&self.lease).await?;
        let now = Instant::now();
        if let Some(found) = &found {
            let since = match &self.seen {
                Some((seen, since)) if seen == found => *since,
                _ => now,
            };
            self.seen = Some((found.clone(), since));
            let others = found.holder().is_some_and(|holder| holder != self.identity);
            if others && now - since < found.lasts().unwrap_or(self.lasts) {
                return Ok(false);
            }
        }
        let held = connection.hold_lease(&self.lease, found.as_ref(), &self.identity, self.lasts);
        match held.await {
            Ok(held) => {
                self.seen = Some((held, now));
                Ok(true)
            }
            Err(KubernetesError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Lets others lead at once.
    async fn give_back(&self) {
        let (Some(connection), Some((lease, _))) = (&self.connection, &self.seen) else {
            return;
        };
        if lease.holder() != Some(&self.identity) {
            return;
        }
        let back = connection.hold_lease(&self.lease, Some(lease), "", self.lasts);
        if let Err(error) = back.await {
            tracing::debug!(%error, "the lease was not given back, it ends by itself");
        }
    }

    /// Between two looks: renewals have several attempts.
    fn pause(&self) -> Duration {
        self.lasts / 5
    }
}

/// A name that no other process has.
fn identity() -> String {
    format!("{}_{}", host_name(), kernel_says("random/uuid"))
}
