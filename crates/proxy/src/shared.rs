//! What all threads of the proxy share, and what outlives a reload.

use std::sync::Arc;

use arc_swap::ArcSwap;
use egret_config::snapshot::Snapshot;
use tokio::sync::watch;

use crate::dial::egress::OwnAddresses;
use crate::dns::Resolvers;
use crate::forward::Via;
use crate::telemetry::access_log::AccessLog;
use crate::telemetry::metrics::WorkerMetrics;

/// Shared by the workers, the admin server and the control side.
pub(crate) struct Shared {
    /// What is served.
    pub(crate) current: ArcSwap<Snapshot>,
    /// Every resolver, each with its cache.
    pub(crate) resolvers: Resolvers,
    /// The sockets that requests must not come back through.
    pub(crate) own: ArcSwap<OwnAddresses>,
    /// This process's entry in `Via`.
    pub(crate) via: Via,
    /// One for each worker.
    pub(crate) metrics: Vec<Arc<WorkerMetrics>>,
    pub(crate) access_log: Arc<AccessLog>,
    drain: watch::Sender<bool>,
}

impl Shared {
    pub(crate) fn new(workers: usize, resolvers: Resolvers, access_log: Arc<AccessLog>) -> Self {
        Self {
            current: ArcSwap::default(),
            resolvers,
            own: ArcSwap::default(),
            via: Via::new(rand::random()),
            metrics: (0..workers).map(|_| Arc::default()).collect(),
            access_log,
            drain: watch::Sender::new(false),
        }
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Becomes true when the proxy is to stop.
    pub(crate) fn draining(&self) -> watch::Receiver<bool> {
        self.drain.subscribe()
    }

    pub(crate) fn is_draining(&self) -> bool {
        *self.drain.borrow()
    }

    pub(crate) fn drain(&self) {
        self.drain.send_replace(true);
    }
}
