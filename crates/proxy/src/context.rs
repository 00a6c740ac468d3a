//! What the tasks of one worker share, and what all workers share.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arc_swap::ArcSwap;
use egret_config::snapshot::Snapshot;
use tokio::sync::Notify;

use crate::client::{ClientMetrics, ConnectionRegistry};
use crate::configuration::{SnapshotReader, WorkerSnapshot};
use crate::drain::DrainSignal;
use crate::message::trace::TracePropagation;
use crate::message::via::Via;
use crate::metrics::WorkerMetrics;
use crate::overload::{Overload, QueueLimits};
use crate::policy::fault::ActiveFaults;
use crate::policy::limit::{LimitStore, WorkerLimits};
use crate::telemetry::access_log::{LogFiles, WorkerLogs};
use crate::telemetry::outbox::{Outbox, OutboxTotals};
use crate::telemetry::{RecordReaders, RefusalLog, WorkerTelemetry};
use crate::tls::TlsServers;
use crate::transfer::CopyBudget;
use crate::tunnel::TunnelRegistry;
use crate::upstream::{SharedUpstreams, Upstreams};

/// What the workers, the admin server and the control side share. It outlives a change of the configuration.
pub(crate) struct SharedContext {
    /// The configuration that is served.
    pub(crate) snapshot: Arc<ArcSwap<Snapshot>>,
    /// The generation of that configuration, for the log.
    pub(crate) generation: Arc<AtomicU64>,
    /// The way to upstreams.
    pub(crate) upstreams: Arc<SharedUpstreams>,
    /// The settings by which the TLS of clients is terminated.
    pub(crate) tls_servers: TlsServers,
    /// This process's entry in `Via`.
    pub(crate) via: Via,
    /// What is counted, by worker.
    pub(crate) metrics: Vec<WorkerMetrics>,
    pub(crate) logs: Arc<LogFiles>,
    /// What was refused lately.
    pub(crate) refusals: Arc<RefusalLog>,
    /// What waits to be told to services.
    pub(crate) outboxes: Arc<OutboxTotals>,
    pub(crate) drain: Arc<DrainSignal>,
    /// What is left of the limits of requests.
    pub(crate) limits: Arc<LimitStore>,
    /// The faults that are injected now.
    pub(crate) faults: Arc<ActiveFaults>,
    /// How traces are told from one process to the next.
    pub(crate) trace_propagation: TracePropagation,
    /// What the queues of workers may be like all the time; `None` is anything.
    queue_limits: Option<QueueLimits>,
}

/// What the tasks of one worker share.
pub(crate) struct WorkerContext {
    pub(crate) shared: Arc<SharedContext>,
    pub(crate) upstreams: Rc<Upstreams>,
    pub(crate) tunnels: Rc<TunnelRegistry>,
    pub(crate) telemetry: Rc<WorkerTelemetry>,
    pub(crate) clients: Arc<ClientMetrics>,
    /// The connections of clients that are open.
    pub(crate) open_connections: Rc<ConnectionRegistry>,
    pub(crate) limits: WorkerLimits,
    pub(crate) overload: Overload,
    /// What the copies of request bodies may hold.
    pub(crate) copies: Rc<CopyBudget>,
    snapshots: Rc<SnapshotReader>,
    connections: Cell<usize>,
    /// Notified when the last connection has ended.
    none_left: Notify,
}

/// Counts a client's connection while it is open.
pub(crate) struct CountedConnection(Rc<WorkerContext>);

impl SharedContext {
    pub(crate) fn new(
        workers: usize,
        upstreams: Arc<SharedUpstreams>,
        logs: Arc<LogFiles>,
        trace_propagation: TracePropagation,
        queue_limits: Option<QueueLimits>,
    ) -> Arc<Self> {
        Arc::new(Self {
            snapshot: Arc::default(),
            generation: Arc::default(),
            upstreams,
            tls_servers: TlsServers::default(),
            via: Via::new(rand::random()),
            metrics: (0..workers)
                .map(|_| WorkerMetrics::of_worker_among(workers))
                .collect(),
            logs,
            refusals: Arc::default(),
            outboxes: Arc::default(),
            drain: Arc::default(),
            limits: LimitStore::new(),
            faults: Arc::default(),
            trace_propagation,
            queue_limits,
        })
    }
}

impl WorkerContext {
    /// The context of the worker with this index.
    pub(crate) fn new(index: usize, shared: Arc<SharedContext>) -> Rc<Self> {
        let WorkerMetrics {
            exchanges,
            upstreams,
            tunnels,
            clients,
        } = shared.metrics[index].clone();
        let snapshots = Rc::new(SnapshotReader::new(Arc::clone(&shared.snapshot)));
        let readers = RecordReaders {
            logs: WorkerLogs::new(Arc::clone(&shared.logs)),
            refusals: Arc::clone(&shared.refusals),
            outbox: Outbox::new(Arc::clone(&shared.outboxes)),
        };
        Rc::new(Self {
            upstreams: Upstreams::new(Arc::clone(&shared.upstreams), upstreams),
            tunnels: TunnelRegistry::new(
                Rc::clone(&snapshots),
                Arc::clone(&shared.upstreams),
                tunnels,
            ),
            telemetry: WorkerTelemetry::new(
                exchanges,
                readers,
                Arc::clone(&shared.drain),
                Arc::clone(&shared.generation),
            ),
            clients,
            open_connections: Rc::default(),
            limits: WorkerLimits::new(Arc::clone(&shared.limits)),
            overload: Overload::new(shared.queue_limits),
            copies: Rc::default(),
            snapshots,
            shared,
            connections: Cell::default(),
            none_left: Notify::new(),
        })
    }

    /// The configuration as of now. A request loads it once.
    pub(crate) fn snapshot(&self) -> WorkerSnapshot {
        self.snapshots.load()
    }

    /// Closes what waits in the pools of all workers: this process has no descriptors left.
    pub(crate) fn make_room(&self) {
        self.upstreams.make_room();
        self.tunnels.close_idle_pipes();
    }

    /// Counts a connection that was accepted.
    pub(crate) fn connected(self: &Rc<Self>) -> CountedConnection {
        self.connections.set(self.connections.get() + 1);
        self.clients.accepted.increment();
        self.clients.open.add(1);
        CountedConnection(Rc::clone(self))
    }

    /// Connections that are open.
    pub(crate) fn connections(&self) -> usize {
        self.connections.get()
    }

    /// Ends when the last connection has ended.
    pub(crate) async fn none_left(&self) {
        self.none_left.notified().await;
    }
}

impl Drop for CountedConnection {
    fn drop(&mut self) {
        let left = self.0.connections.get() - 1;
        self.0.connections.set(left);
        self.0.clients.open.add(-1);
        if left == 0 {
            self.0.none_left.notify_one();
        }
    }
}
