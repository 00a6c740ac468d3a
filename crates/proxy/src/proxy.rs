//! The proxy as a whole: starts it, applies configurations to it, and stops it.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};
use std::time::Duration;

use egret_config::compile::CompiledConfig;
use egret_config::report::Report;
use egret_config::resources::Resources;
use egret_config::snapshot::{BindAddress, Snapshot};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::admin::{AdminParts, AdminServer, AdminToken};
use crate::clock;
use crate::context::SharedContext;
use crate::dns::CacheStore;
use crate::dns::ResolverSet;
use crate::dns::SAVE_INTERVAL;
use crate::dns::hickory::HickoryClient;
use crate::dns::hosts_file;
use crate::dns::query::DnsClientFactory;
use crate::listen::{Bind, BindError, ListenerSet};
use crate::message::trace::TracePropagation;
use crate::metrics::ProcessCounters;
use crate::overload::QueueLimits;
use crate::push::{self, MetricsPush, MetricsPusher};
use crate::status::{ConfigStatus, SourceState};
use crate::task;
use crate::telemetry::access_log::LogFiles;
use crate::tls::{RootCertificates, TlsClients};
use crate::upstream::SharedUpstreams;
use crate::worker::{self, WorkerCommand, WorkerHandle};

/// How long workers may take to abort, and the access log to write its last lines.
const ABORT_TIMEOUT: Duration = Duration::from_secs(1);

/// Interval between sweeps of the state of destinations.
const DESTINATION_SWEEP_INTERVAL: Duration = Duration::from_secs(10);

/// The options a proxy is started with.
pub struct ProxyOptions {
    /// Number of threads that serve requests; 0 counts as 1.
    pub workers: usize,
    /// Where listeners are bound.
    pub bind: Bind,
    /// The address of the admin server; `None` starts none.
    pub admin: Option<SocketAddr>,
    /// The address of a server for probes and metrics alone, which needs no token; `None` starts none.
    pub probes: Option<SocketAddr>,
    /// The token that the admin server asks for; an address that other machines reach does not do without.
    pub admin_token: Option<AdminToken>,
    /// Where the access log goes, and the lines of policies for `/dev/stdout`.
    pub access_log: Box<dyn Write + Send>,
    /// The file that the default access log is appended to instead.
    pub access_log_file: Option<PathBuf>,
    /// Creates the clients that send DNS queries.
    pub queries: DnsClientFactory,
    /// The hosts file, which is looked up before the system's DNS servers are queried; `None` uses none.
    pub hosts_file: Option<PathBuf>,
    /// The CAs that upstream certificates are validated against where the configuration names no others; `None` uses the
    /// system's, which are read once, at the start.
    pub roots: Option<RootCertificates>,
    /// Most connections from clients of each listener, over all workers; `None` is no limit.
    pub max_connections: Option<usize>,
    /// Most idle connections to upstreams that each worker keeps.
    pub max_idle: usize,
    /// What the queue of a worker may be like all the time before it refuses requests; `None` is anything.
    pub queue_limits: Option<QueueLimits>,
    /// The folder that keeps the entries of the DNS caches across restarts; `None` keeps none.
    pub state_dir: Option<PathBuf>,
    /// The most destinations that metrics name; the others are told by their domain, and the rest together.
    pub top_destinations: usize,
    /// How traces are told from one process to the next.
    pub trace_propagation: TracePropagation,
    /// To whom metrics are pushed; `None` is nobody.
    pub metrics_push: Option<MetricsPush>,
    /// What the program that runs the proxy counts.
    pub process: Arc<ProcessCounters>,
}

/// A running proxy.
pub struct Proxy {
    shared: Arc<SharedContext>,
    status: Arc<ConfigStatus>,
    listeners: ListenerSet,
    /// The newest configuration. If a listener cannot be bound, what is served differs.
    wanted: Snapshot,
    admin: Option<AdminServer>,
    probes: Option<AdminServer>,
    pusher: Option<Arc<MetricsPusher>>,
    workers: Vec<WorkerHandle>,
    /// Notified when a worker has ended.
    worker_ended: Arc<Notify>,
}

impl Default for ProxyOptions {
    /// One worker, the configured addresses, no admin server, the access log on stdout, hickory for DNS, the system's hosts
    /// file and CAs, no limit of connections or waits, 4096 idle connections to upstreams, no state folder, a hundred
    /// destinations in metrics.
    fn default() -> Self {
        Self {
            workers: 1,
            bind: Bind::AsConfigured,
            admin: None,
            probes: None,
            admin_token: None,
            access_log: Box::new(io::stdout()),
            access_log_file: None,
            queries: HickoryClient::factory(),
            hosts_file: Some(hosts_file::PATH.into()),
            roots: None,
            max_connections: None,
            max_idle: 4096,
            queue_limits: None,
            state_dir: None,
            top_destinations: 100,
            trace_propagation: TracePropagation::default(),
            metrics_push: None,
            process: Arc::default(),
        }
    }
}

impl Proxy {
    /// Starts the workers and the admin server. No listener is bound until [`Proxy::apply`].
    ///
    /// `control` runs DNS queries and the admin server; it must outlive the proxy.
    ///
    /// # Errors
    /// If threads cannot be started, the admin address cannot be bound, or the state folder cannot be written to.
    pub fn start(options: ProxyOptions, control: &Handle) -> io::Result<Self> {
        let logs = LogFiles::start(options.access_log, options.access_log_file)?;
        let mut resolvers = ResolverSet::new(options.queries, options.hosts_file, control.clone());
        let has_store = options.state_dir.is_some();
        if let Some(folder) = options.state_dir {
            let wall = clock::wall();
            resolvers = resolvers.with_store(CacheStore::open(folder, wall)?, wall);
        }
        let tls = TlsClients::new(options.roots.unwrap_or_else(RootCertificates::system));
        let upstreams = SharedUpstreams::new(resolvers, tls, options.max_idle);
        let shared = SharedContext::new(
            options.workers.max(1),
            upstreams,
            logs,
            options.trace_propagation,
            options.queue_limits,
        );
        if has_store {
            let shared = Arc::downgrade(&shared);
            let saving = async move || save_caches(shared.clone()).await;
            control.spawn(task::restarting("saving the DNS caches", saving));
        }
        let status = Arc::new(ConfigStatus::default());
        let worker_ended = Arc::new(Notify::new());
        let workers = (0..shared.metrics.len())
            .map(|index| worker::start(index, Arc::clone(&shared), Arc::clone(&worker_ended)))
            .collect::<io::Result<Vec<_>>>()?;
        let commands: Vec<_> = workers
            .iter()
            .map(|worker| worker.commands.clone())
            .collect();
        let parts = Arc::new(AdminParts {
            shared: Arc::clone(&shared),
            status: Arc::clone(&status),
            process: options.process,
            workers: commands.clone(),
            top_destinations: options.top_destinations,
        });
        let pusher = options.metrics_push.map(|push| {
            let pusher = Arc::new(MetricsPusher::new(push, Arc::clone(&parts)));
            let (pushed, interval) = (Arc::downgrade(&pusher), pusher.interval());
            let pushing = async move || push::keep_pushing(&pushed, interval).await;
            control.spawn(task::restarting("pushing metrics", pushing));
            pusher
        });
        let admin = options.admin.map(|address| {
            AdminServer::start(address, options.admin_token, Arc::clone(&parts), control)
        });
        let admin = admin.transpose()?;
        let probes = options.probes;
        let probes = probes.map(|address| AdminServer::start_for_probes(address, parts, control));
        let probes = probes.transpose()?;
        let pools = workers.iter().map(|worker| worker.pool.clone());
        shared.upstreams.introduce(pools.collect());
        let swept = Arc::downgrade(&shared);
        let sweeping = async move || sweep_destinations(swept.clone()).await;
        control.spawn(task::restarting("sweeping destinations", sweeping));
        let listeners = ListenerSet::new(
            options.bind,
            commands,
            admin
                .iter()
                .chain(&probes)
                .map(AdminServer::address)
                .collect(),
            options.max_connections,
        );
        Ok(Self {
            shared,
            status,
            listeners,
            wanted: Snapshot::default(),
            admin,
            probes,
            pusher,
            workers,
            worker_ended,
        })
    }

    /// Applies a configuration. Requests that begin after the call use it as a whole, and requests before it the previous
    /// one. Unchanged parts keep their state: sockets, caches and connections.
    ///
    /// Returns the listeners that could not be bound. The others are served, and [`Proxy::rebind`] tries again. A listener
    /// that was to move and cannot be bound stays where it was.
    pub async fn apply(&mut self, compiled: CompiledConfig) -> Vec<BindError> {
        let CompiledConfig {
            snapshot,
            report,
            review,
        } = compiled;
        self.wanted = snapshot;
        if let Some(pusher) = &self.pusher {
            pusher.add_to(&mut self.wanted);
        }
        let next = self.status.generation() + 1;
        self.shared.generation.store(next, Relaxed);
        let unbound = self.serve_wanted().await;
        self.status
            .applied(report, review.unprotected, clock::wall());
        self.bound(&unbound);
        unbound
    }

    /// Tells the admin server which objects the current configuration is made of.
    pub fn serves(&self, resources: &Resources) {
        self.status.serves(resources, clock::wall());
    }

    /// Keeps serving the current configuration, because nothing of the newest one can be served. The report says why.
    pub fn keep(&self, report: Report) {
        self.status.kept(report);
    }

    /// Tries again to bind the listeners that could not be bound. Returns those that still cannot.
    pub async fn rebind(&mut self) -> Vec<BindError> {
        let unbound = self.serve_wanted().await;
        self.bound(&unbound);
        unbound
    }

    /// Serves the newest configuration, as far as its listeners can be bound.
    async fn serve_wanted(&mut self) -> Vec<BindError> {
        let served = self.shared.snapshot.load_full();
        let prepared = self.listeners.prepare(self.wanted.clone(), &served);
        let changed = *served != prepared.snapshot;
        if changed {
            self.shared.upstreams.resolvers.apply(&prepared.snapshot);
            self.shared
                .snapshot
                .store(Arc::new(prepared.snapshot.clone()));
        }
        let unbound = self.listeners.switch(&self.shared, prepared).await;
        if changed {
            for worker in &self.workers {
                // A worker that has ended has no tunnels.
                let _ = worker.commands.send(WorkerCommand::ReevaluateTunnels).await;
            }
        }
        unbound
    }

    fn bound(&self, unbound: &[BindError]) {
        let listening = self.listeners.addresses().keys().copied().collect();
        self.status.bound(listening, unbound);
    }

    /// Keeps serving the current configuration, and reports why the newest one is rejected.
    pub fn reject(&self, errors: Vec<String>) {
        self.status.rejected(errors);
    }

    /// Opens the files of access logs anew, because they may have been moved away.
    pub fn reopen_logs(&self) {
        self.shared.logs.reopen();
    }

    /// The number of configurations that have been applied.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.status.generation()
    }

    /// The real address of each bound listener.
    #[must_use]
    pub fn addresses(&self) -> &BTreeMap<BindAddress, SocketAddr> {
        self.listeners.addresses()
    }

    /// The number of listeners that are served.
    #[must_use]
    pub fn listeners(&self) -> usize {
        let snapshot = self.shared.snapshot.load();
        let bound = self.listeners.addresses();
        let sockets = snapshot.sockets.iter();
        let sockets = sockets.filter(|(bind, _)| bound.contains_key(bind));
        let listeners = sockets.flat_map(|(_, socket)| &socket.listeners);
        let names = listeners.map(|listener| listener.identity());
        names.collect::<BTreeSet<_>>().len()
    }

    /// The number of problems of the newest configuration.
    #[must_use]
    pub fn problems(&self) -> usize {
        self.status.problems()
    }

    /// Whether a listener could not be bound, so that [`Proxy::rebind`] should be called.
    #[must_use]
    pub fn has_unbound_listeners(&self) -> bool {
        self.status.has_unbound()
    }

    /// The address of the admin server, if there is one.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(AdminServer::address)
    }

    /// The address of the server for probes, if there is one.
    #[must_use]
    pub fn probe_address(&self) -> Option<SocketAddr> {
        self.probes.as_ref().map(AdminServer::address)
    }

    /// Records whether the source of the configuration is there. It is told, and nothing else depends on it.
    pub fn has_source(&self, source: SourceState) {
        self.status.has_source(source);
    }

    /// Completes when a worker has ended although nobody asked for it, which is a defect: its share of the connections is
    /// not served any more, so that the process should end.
    pub async fn worker_ended(&self) {
        self.worker_ended.notified().await;
    }

    /// Announces that the proxy will stop: the readiness probe fails from now on, and everything is served as before.
    pub fn announce_stop(&self) {
        self.shared.drain.announce();
    }

    /// As [`Proxy::drain_until`], with a time limit.
    pub async fn drain(self, limit: Duration) -> usize {
        self.drain_until(sleep(limit)).await
    }

    /// Stops the proxy gracefully: the readiness probe fails at once, listeners close, and requests in progress may finish
    /// until `cut_off` completes. Returns the number of connections that did not finish.
    pub async fn drain_until(self, cut_off: impl Future<Output = ()>) -> usize {
        self.shared.drain.drain();
        if let Some(pusher) = &self.pusher {
            // While workers still take commands.
            pusher.push().await;
        }
        // Saved before requests have finished, because the process may be killed while they do.
        let saved = tokio::task::spawn_blocking({
            let shared = Arc::clone(&self.shared);
            move || shared.upstreams.resolvers.save(clock::wall())
        });
        for worker in &self.workers {
            // A worker that has ended needs no command.
            let _ = worker.commands.send(WorkerCommand::Drain).await;
        }
        let commands: Vec<_> = self
            .workers
            .iter()
            .map(|worker| worker.commands.clone())
            .collect();
        let threads = self.workers.into_iter().map(|worker| worker.thread);
        let mut all =
            tokio::task::spawn_blocking(move || threads.for_each(|thread| drop(thread.join())));
        let finished = tokio::select! {
            _ = &mut all => true,
            () = cut_off => false,
        };
        let metrics = self.shared.metrics.iter();
        let open: i64 = metrics.map(|metrics| metrics.clients.open.get()).sum();
        if !finished {
            self.shared.drain.cut_off();
            for worker in commands {
                let _ = worker.send(WorkerCommand::Abort).await;
            }
            let _ = timeout(ABORT_TIMEOUT, all).await;
        }
        let logs = Arc::clone(&self.shared.logs);
        let written = tokio::task::spawn_blocking(move || logs.end());
        // The reader of the log may have stalled, and a disk may hang.
        if timeout(ABORT_TIMEOUT, written).await.is_err() {
            tracing::warn!(
                "the last lines of an access log are lost: they could not be written in {ABORT_TIMEOUT:?}"
            );
        }
        let _ = timeout(ABORT_TIMEOUT, saved).await;
        usize::try_from(open).unwrap_or_default()
    }
}

/// Sweeps the state of unused destinations periodically, until the proxy is dropped.
async fn sweep_destinations(shared: Weak<SharedContext>) {
    loop {
        sleep(DESTINATION_SWEEP_INTERVAL).await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        shared.upstreams.destination_states.sweep(clock::now());
    }
}

/// Saves the entries of the DNS caches periodically, until the proxy is dropped.
async fn save_caches(shared: Weak<SharedContext>) {
    loop {
        sleep(SAVE_INTERVAL).await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        // Joining fails only if the runtime shuts down.
        let _ = tokio::task::spawn_blocking(move || {
            shared.upstreams.resolvers.save_if_changed(clock::wall())
        })
        .await;
    }
}
