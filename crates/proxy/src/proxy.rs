//! The proxy as a whole, seen from the side that configures it.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use egret_config::compile::Compiled;
use egret_config::snapshot::BindAddress;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::admin::AdminServer;
use crate::clock;
use crate::context::SharedContext;
use crate::dns::Resolvers;
use crate::dns::hickory::HickoryQuery;
use crate::dns::hosts_file;
use crate::dns::resolver::QueryFactory;
use crate::dns::resolvers::SAVE_INTERVAL;
use crate::dns::store::Store;
use crate::listen::{Bind, BindError, Listeners};
use crate::status::ConfigStatus;
use crate::telemetry::access_log::AccessLog;
use crate::tls::{Clients, Roots};
use crate::upstream::SharedUpstreams;
use crate::worker::{self, WorkerCommand, WorkerHandle};

/// How long workers may take to break off what is in flight, and the log to write its last lines.
const LAST_TIMEOUT: Duration = Duration::from_secs(1);

/// How often what is known of destinations is looked through.
const SITES_SWEPT_EVERY: Duration = Duration::from_secs(10);

/// What a proxy is started with.
pub struct ProxyOptions {
    /// Threads that serve requests; at least 1.
    pub workers: usize,
    /// Where listeners are bound.
    pub bind: Bind,
    /// Where the admin server listens; `None` has none.
    pub admin: Option<SocketAddr>,
    /// Where the access log goes.
    pub access_log: Box<dyn Write + Send>,
    /// How names are asked for.
    pub queries: QueryFactory,
    /// Where names are looked for before the system's servers are asked; `None` is nowhere.
    pub hosts_file: Option<PathBuf>,
    /// The CAs whose certificates upstreams may have when the configuration names no others; `None` are the system's,
    /// which are read once, at the start.
    pub roots: Option<Roots>,
    /// Connections from clients that each listener may have, over all workers; `None` is no limit.
    pub max_connections: Option<usize>,
    /// The folder that keeps what the DNS caches know from one process to the next; `None` keeps nothing.
    pub state_dir: Option<PathBuf>,
}

/// A running proxy.
pub struct Proxy {
    shared: Arc<SharedContext>,
    status: Arc<ConfigStatus>,
    listeners: Listeners,
    admin: Option<AdminServer>,
    workers: Vec<WorkerHandle>,
    log_writer: JoinHandle<()>,
}

impl Default for ProxyOptions {
    /// One worker, the addresses of the configuration, no admin server, the log on stdout, hickory for DNS, the
    /// system's hosts file and CAs, nothing kept.
    fn default() -> Self {
        Self {
            workers: 1,
            bind: Bind::AsConfigured,
            admin: None,
            access_log: Box::new(io::stdout()),
            queries: HickoryQuery::factory(),
            hosts_file: Some(hosts_file::PATH.into()),
            roots: None,
            max_connections: None,
            state_dir: None,
        }
    }
}

impl Proxy {
    /// Starts the workers and the admin server. Nothing is listened to until [`Proxy::apply`].
    ///
    /// `control` runs DNS queries and the admin server; it must outlive the proxy.
    ///
    /// # Errors
    /// If threads cannot be started, the admin address cannot be bound, or the state folder cannot be written to.
    pub fn start(options: ProxyOptions, control: &Handle) -> io::Result<Self> {
        let (access_log, log_writer) = AccessLog::start(options.access_log)?;
        let mut resolvers = Resolvers::new(options.queries, options.hosts_file, control.clone());
        let is_kept = options.state_dir.is_some();
        if let Some(folder) = options.state_dir {
            let wall = clock::wall();
            resolvers = resolvers.with_store(Store::open(folder, wall)?, wall);
        }
        let tls = Clients::new(options.roots.unwrap_or_else(Roots::system));
        let upstreams = SharedUpstreams::new(resolvers, tls);
        let shared = SharedContext::new(options.workers.max(1), upstreams, access_log);
        if is_kept {
            control.spawn(keep_saved(Arc::downgrade(&shared)));
        }
        let status = Arc::new(ConfigStatus::default());
        let admin = options
            .admin
            .map(|address| AdminServer::start(address, &shared, &status, control))
            .transpose()?;
        let workers = (0..shared.metrics.len())
            .map(|index| worker::start(index, Arc::clone(&shared)))
            .collect::<io::Result<Vec<_>>>()?;
        let commands: Vec<_> = workers
            .iter()
            .map(|worker| worker.commands.clone())
            .collect();
        let pools = workers.iter().map(|worker| worker.pool.clone());
        shared.upstreams.introduce(pools.collect());
        control.spawn(forget_sites(Arc::downgrade(&shared)));
        let listeners = Listeners::new(
            options.bind,
            commands,
            admin.as_ref().map(AdminServer::address),
            options.max_connections,
        );
        Ok(Self {
            shared,
            status,
            listeners,
            admin,
            workers,
            log_writer,
        })
    }

    /// Serves this from now on: requests that begin after it see all of it, those before none. What is the same stays
    /// as it is, sockets, caches and connections included.
    ///
    /// Gives the listeners that could not be bound; the others are served, and [`Proxy::rebind`] tries again.
    pub async fn apply(&mut self, compiled: Compiled) -> Vec<BindError> {
        let Compiled { snapshot, report } = compiled;
        let changed = **self.shared.snapshot.load() != snapshot;
        if changed {
            self.shared.upstreams.resolvers.apply(&snapshot);
            self.shared.snapshot.store(Arc::new(snapshot));
        }
        let unbound = self.listeners.reconcile(&self.shared).await;
        if changed {
            for worker in &self.workers {
                // A worker that has ended has no tunnels.
                let _ = worker.commands.send(WorkerCommand::ReevaluateTunnels).await;
            }
        }
        self.status.applied(report, &unbound, clock::wall());
        unbound
    }

    /// Tries again to bind what could not be. Gives what still cannot.
    pub async fn rebind(&mut self) -> Vec<BindError> {
        let unbound = self.listeners.reconcile(&self.shared).await;
        self.status.bound(&unbound);
        unbound
    }

    /// Keeps what is served, and tells why what is configured is not.
    pub fn reject(&self, errors: Vec<String>) {
        self.status.rejected(errors);
    }

    /// How many configurations have been applied.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.status.generation()
    }

    /// Where each listener is really bound.
    #[must_use]
    pub fn addresses(&self) -> &BTreeMap<BindAddress, SocketAddr> {
        self.listeners.addresses()
    }

    /// Whether a listener could not be bound and should be tried again.
    #[must_use]
    pub fn has_unbound_listeners(&self) -> bool {
        self.status.has_unbound()
    }

    /// Where the admin server listens.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(AdminServer::address)
    }

    /// Stops: not ready at once, then no new connections, and requests in progress finish within `limit`. Gives how
    /// many connections did not.
    pub async fn drain(self, limit: Duration) -> usize {
        let deadline = Instant::from_std(clock::now() + limit);
        self.shared.drain.drain();
        // Before requests have finished: whoever wants this process to end may not wait for them.
        let saved = tokio::task::spawn_blocking({
            let shared = Arc::clone(&self.shared);
            move || shared.upstreams.resolvers.save(clock::wall())
        });
        for worker in &self.workers {
            // A worker that has ended needs no telling.
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
        let finished = timeout_at(deadline, &mut all).await.is_ok();
        let metrics = self.shared.metrics.iter();
        let open: i64 = metrics.map(|metrics| metrics.clients.open.get()).sum();
        if !finished {
            for worker in commands {
                let _ = worker.send(WorkerCommand::Abort).await;
            }
            let _ = timeout(LAST_TIMEOUT, all).await;
        }
        let log = Arc::clone(&self.shared.access_log);
        let written = tokio::task::spawn_blocking(move || {
            log.end();
            drop(self.log_writer.join());
        });
        // Whoever reads the log may have stopped reading, and a disk may hang.
        let _ = timeout(LAST_TIMEOUT, written).await;
        let _ = timeout(LAST_TIMEOUT, saved).await;
        usize::try_from(open).unwrap_or_default()
    }
}

/// Forgets destinations that are of no interest any more, until the proxy is gone.
async fn forget_sites(shared: Weak<SharedContext>) {
    loop {
        sleep(SITES_SWEPT_EVERY).await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        shared.upstreams.destination_states.sweep(clock::now());
    }
}

/// Writes what the caches know, now and then, until the proxy is gone.
async fn keep_saved(shared: Weak<SharedContext>) {
    loop {
        sleep(SAVE_INTERVAL).await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        // It fails only if the runtime ends.
        let _ = tokio::task::spawn_blocking(move || {
            shared.upstreams.resolvers.save_if_changed(clock::wall())
        })
        .await;
    }
}
