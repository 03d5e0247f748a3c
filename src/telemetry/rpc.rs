//! What the log lines of one RPC share: its method and what it is about.
//!
//! Answers for: that every line written in an RPC's task says what it belongs to. Doesn't answer for: how a line looks (`lines`).
//!
//! `tracing`'s own spans would do the same. Their registry keeps some ten KiB for each thread that ever begins one, and a node's
//! worker moves from thread to thread (`host::blocking`).

use std::fmt::Display;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

tokio::task_local! {
    static RPC: Rpc;
}

/// One RPC; clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct Rpc {
    method: Arc<str>,
    about: Arc<Mutex<Vec<(&'static str, String)>>>,
}

impl Rpc {
    /// An RPC of which nothing but its method is known yet.
    pub(crate) fn new(method: &str) -> Self {
        Self {
            method: method.into(),
            about: Arc::default(),
        }
    }

    /// The one whose task this is, if any.
    pub(super) fn current() -> Option<Self> {
        RPC.try_with(Clone::clone).ok()
    }

    /// Does the work as part of this RPC.
    pub(crate) async fn scope<F: Future>(self, work: F) -> F::Output {
        RPC.scope(self, work).await
    }

    /// Does a step of the work, which doesn't wait, as part of this RPC.
    pub(crate) fn enter<T>(&self, work: impl FnOnce() -> T) -> T {
        RPC.sync_scope(self.clone(), work)
    }

    /// Adds what it is about; of two values for one field the later counts.
    pub(super) fn about(&self, field: &'static str, value: &dyn Display) {
        let mut about = self.about.lock().unwrap_or_else(PoisonError::into_inner);
        about.retain(|(known, _)| *known != field);
        about.push((field, value.to_string()));
    }

    /// Its fields: the method first.
    pub(super) fn fields(&self) -> Vec<(&'static str, String)> {
        let about = self.about.lock().unwrap_or_else(PoisonError::into_inner);
        let method = ("rpc.method", self.method.to_string());
        std::iter::once(method)
            .chain(about.iter().cloned())
            .collect()
    }
}

/// The work as a part of the current RPC, though it goes on in a task of its own. Outside an RPC it is what it was.
pub(crate) async fn in_current_rpc<F: Future>(work: F) -> F::Output {
    match Rpc::current() {
        Some(rpc) => rpc.scope(work).await,
        None => work.await,
    }
}
