//! What all threads of the proxy share, and what outlives a reload.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use arc_swap::ArcSwap;
use egret_config::snapshot::Snapshot;
use tokio::sync::mpsc::Sender;
use tokio::sync::watch;

use crate::dial::egress::OwnAddresses;
use crate::dns::ResolverSet;
use crate::message::hop::Via;
use crate::plan::destination::Destination;
use crate::telemetry::access_log::AccessLog;
use crate::telemetry::metrics::WorkerMetrics;
use crate::tls::{TlsClients, TlsServers};
use crate::upstream::families::Families;
use crate::upstream::site::Sites;
use crate::worker::Command;

/// Shared by the workers, the admin server and the control side.
pub(crate) struct Shared {
    /// What is served.
    pub(crate) current: ArcSwap<Snapshot>,
    /// Every resolver, each with its cache.
    pub(crate) resolvers: ResolverSet,
    /// How TLS is spoken to upstreams.
    pub(crate) tls: TlsClients,
    /// How that of clients is ended.
    pub(crate) servers: TlsServers,
    /// The sockets that requests must not come back through.
    pub(crate) own: ArcSwap<OwnAddresses>,
    /// This process's entry in `Via`.
    pub(crate) via: Via,
    /// What is known of every destination.
    pub(crate) sites: Arc<Sites>,
    /// Which address family works from here.
    families: Mutex<Families>,
    /// The way to every worker, once they run.
    workers: OnceLock<Vec<Sender<Command>>>,
    /// One for each worker.
    pub(crate) metrics: Vec<Arc<WorkerMetrics>>,
    pub(crate) access_log: Arc<AccessLog>,
    drain: watch::Sender<bool>,
}

impl Shared {
    pub(crate) fn new(
        workers: usize,
        resolvers: ResolverSet,
        tls: TlsClients,
        access_log: Arc<AccessLog>,
    ) -> Self {
        Self {
            current: ArcSwap::default(),
            resolvers,
            tls,
            servers: TlsServers::default(),
            own: ArcSwap::default(),
            sites: Arc::default(),
            families: Mutex::default(),
            workers: OnceLock::new(),
            via: Via::new(rand::random()),
            metrics: (0..workers).map(|_| Arc::default()).collect(),
            access_log,
            drain: watch::Sender::new(false),
        }
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Which address family works from here.
    pub(crate) fn families(&self) -> MutexGuard<'_, Families> {
        self.families.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the way to every worker, once.
    pub(crate) fn know_workers(&self, workers: Vec<Sender<Command>>) {
        let known = self.workers.set(workers);
        debug_assert!(known.is_ok(), "the workers are started once");
    }

    /// Asks every worker to close the connections to a destination that it does not need. One that is too busy to be
    /// asked is asked again by the next who waits.
    pub(crate) fn give_up(&self, destination: &Arc<Destination>) {
        for worker in self.workers.get().into_iter().flatten() {
            let _ = worker.try_send(Command::GiveUp(Arc::clone(destination)));
        }
    }

    /// Asks every worker that has connections which no request needs to close them.
    pub(crate) fn make_room(&self) {
        let workers = self.workers.get().into_iter().flatten();
        for (worker, metrics) in workers.zip(&self.metrics) {
            if metrics.idle_connections.get() > 0 {
                // One that is too busy to be asked is asked again by the next who finds no descriptor.
                let _ = worker.try_send(Command::MakeRoom);
            }
        }
    }

    /// Ends when the proxy is to stop; at once if it is already.
    pub(crate) async fn draining(&self) {
        // The sender is ours, so there is no other end.
        let _ = self.drain.subscribe().wait_for(|drain| *drain).await;
    }

    pub(crate) fn is_draining(&self) -> bool {
        *self.drain.borrow()
    }

    pub(crate) fn drain(&self) {
        self.drain.send_replace(true);
    }
}
