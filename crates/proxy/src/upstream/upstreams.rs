//! The entry to this module for a worker, and what all workers share.

use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use arc_swap::ArcSwap;
use egret_config::name::Host;
use tokio::sync::Notify;
use tokio::sync::mpsc::Sender;

use super::destination_state::DestinationStates;
use super::families::FamilyHistory;
use super::metrics::UpstreamMetrics;
use super::pool::{HostTurn, SweptPool, UpstreamPool};
use crate::clock;
use crate::dial::egress::OwnAddresses;
use crate::dns::ResolverSet;
use crate::plan::ForwardPlan;
use crate::plan::destination::DestinationKey;
use crate::policy::credentials::CredentialStore;
use crate::tls::TlsClients;

/// One worker's access to upstreams: its connection pool, and what it shares with the other workers.
pub(crate) struct Upstreams {
    pub(super) pool: Rc<UpstreamPool>,
    pub(crate) metrics: Arc<UpstreamMetrics>,
    pub(super) shared: Arc<SharedUpstreams>,
}

/// What all workers share to reach upstreams. It outlives a change of the configuration.
pub(crate) struct SharedUpstreams {
    /// Every resolver, each with its cache.
    pub(crate) resolvers: ResolverSet,
    /// The TLS settings of connections to upstreams.
    pub(crate) tls: TlsClients,
    /// The listening sockets, to which requests must not be sent.
    pub(crate) own_addresses: ArcSwap<OwnAddresses>,
    /// What is known of credentials beside the configuration.
    pub(crate) credentials: CredentialStore,
    /// The states of all destinations.
    pub(crate) destination_states: Arc<DestinationStates>,
    /// Most idle connections of each worker.
    max_idle: usize,
    /// Which address family works from here.
    families: Mutex<FamilyHistory>,
    /// The way to every worker's pool, once the workers run.
    neighbours: OnceLock<Vec<NeighbourPool>>,
}

/// The way to the pool of another worker.
#[derive(Clone, Debug)]
pub(crate) struct NeighbourPool {
    /// Destinations whose idle connections are to be closed: another worker may open no more.
    pub(crate) close_idle: Sender<Arc<DestinationKey>>,
    /// Notified when every idle connection and pipe is to be closed: this process has no descriptors left.
    pub(crate) make_room: Arc<Notify>,
}

impl Upstreams {
    pub(crate) fn new(shared: Arc<SharedUpstreams>, metrics: Arc<UpstreamMetrics>) -> Rc<Self> {
        Rc::new(Self {
            pool: UpstreamPool::new(
                shared.max_idle,
                Arc::clone(&shared.destination_states),
                Arc::clone(&metrics),
            ),
            metrics,
            shared,
        })
    }

    /// Chooses one of the hosts of the plan's backend, if it has several.
    pub(crate) fn choose_host(&self, plan: &mut ForwardPlan<'_>) {
        if plan.hosts().len() < 2 {
            return;
        }
        let hosts = plan.hosts().iter().map(|(host, port)| DestinationKey {
            host: host.clone(),
            port: *port,
            ..plan.destination.clone()
        });
        let load_balancing = plan.settings.load_balancing;
        let turn = HostTurn {
            backend: plan.backend,
            load_balancing,
            affinity: plan.affinity(),
        };
        let at = self.pool.next_host(turn, hosts, clock::now());
        plan.turn_to(at);
    }

    /// Closes the idle connections of this worker, and asks every worker to close its idle connections and pipes: this
    /// process has no descriptors left.
    pub(crate) fn make_room(&self) {
        self.close_idle();
        for worker in self.shared.neighbours.get().into_iter().flatten() {
            // However often it is asked before it gets to it, it does so once.
            worker.make_room.notify_one();
        }
    }

    /// Closes every idle connection of this worker.
    pub(crate) fn close_idle(&self) {
        if self.metrics.idle_connections.get() > 0 {
            self.pool.close_all_idle();
        }
    }

    /// Closes the idle connections of this worker to a destination: another worker may open no more.
    pub(crate) fn close_idle_to(&self, destination: &DestinationKey) {
        self.pool.close_idle(destination);
    }

    /// Closes connections that were idle for too long, and tells the resolvers which names are in use. A request over
    /// an idle connection does not resolve its name, so that names in use would otherwise be forgotten or expire. Pools
    /// are updated to what their names resolve to now.
    pub(crate) fn sweep(&self) {
        let resolvers = self.shared.resolvers.all();
        let now = clock::now();
        for SweptPool { host_pool, in_use } in self.pool.sweep(now) {
            let destination = &host_pool.state.destination;
            if let Host::Name(name) = destination.dialled().0
                && destination.is_resolved()
                && let Some(resolver) = resolvers.get(&destination.resolver)
            {
                if in_use {
                    resolver.touch(name);
                }
                if let Some(known) = resolver.peek(name, destination.dialled_scheme()) {
                    let family = resolver.settings().family;
                    host_pool.resolved(&known, family, &self.shared.families(), now);
                } else if resolver.has_no_answer(name) {
                    host_pool.clear_addresses(now);
                }
            }
        }
    }
}

impl SharedUpstreams {
    /// Each worker keeps up to `max_idle` idle connections.
    pub(crate) fn new(resolvers: ResolverSet, tls: TlsClients, max_idle: usize) -> Arc<Self> {
        Arc::new(Self {
            resolvers,
            tls,
            credentials: CredentialStore::default(),
            own_addresses: ArcSwap::default(),
            destination_states: Arc::default(),
            max_idle,
            families: Mutex::default(),
            neighbours: OnceLock::new(),
        })
    }

    /// Sets the channels to the pools of all workers, once.
    pub(crate) fn introduce(&self, neighbours: Vec<NeighbourPool>) {
        let known = self.neighbours.set(neighbours);
        debug_assert!(known.is_ok(), "the workers are started once");
    }

    /// Which address family works from here.
    pub(super) fn families(&self) -> MutexGuard<'_, FamilyHistory> {
        self.families.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks every worker to close the idle connections to a destination.
    pub(super) fn release(&self, destination: &Arc<DestinationKey>) {
        for worker in self.neighbours.get().into_iter().flatten() {
            // A worker that is too busy to be asked now is asked again by the next request that waits.
            let _ = worker.close_idle.try_send(Arc::clone(destination));
        }
    }
}
