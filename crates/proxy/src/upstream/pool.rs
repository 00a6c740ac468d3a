//! The connections of one worker to upstreams, by destination.
//!
//! A pool belongs to one thread, so that taking an idle connection locks nothing. A connection that is taken is checked
//! again under the rule of its request: a connection carries no permission from one rule to another, nor from older
//! policies to today's.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use egret_config::resources::ObjectRef;
use egret_config::snapshot::{BackendSettings, LoadBalancing};

use super::balance::{EndpointCandidate, EndpointChoice, EndpointStatus};
use super::destination_state::DestinationStates;
use super::host_pool::HostPool;
use super::idle_count::IdleCount;
use super::metrics::UpstreamMetrics;
use crate::dns::family::AddressFamily;
use crate::plan::affinity::AffinityKey;
use crate::plan::destination::DestinationKey;

/// Number of host pools from which empty ones are evicted between two sweeps.
const MANY: usize = 8192;

/// One worker's connections to all destinations.
pub(crate) struct UpstreamPool {
    host_pools: RefCell<HashMap<Arc<DestinationKey>, Rc<HostPool>>>,
    /// The turn of each backend's hosts.
    turns: RefCell<HashMap<ObjectRef, usize>>,
    idle: Rc<IdleCount>,
    /// The number of host pools at which empty ones are evicted.
    limit: Cell<usize>,
    destination_states: Arc<DestinationStates>,
}

/// A choice among the hosts of a backend.
pub(crate) struct HostTurn<'a> {
    pub(crate) backend: &'a ObjectRef,
    pub(crate) load_balancing: LoadBalancing,
    /// What the request has in common with others that go to the same host.
    pub(crate) affinity: Option<AffinityKey>,
}

/// A host pool that a sweep kept.
pub(crate) struct SweptPool {
    pub(crate) host_pool: Rc<HostPool>,
    /// Whether connections are leased, or were since the last sweep.
    pub(crate) in_use: bool,
}

impl UpstreamPool {
    pub(crate) fn new(
        max_idle: usize,
        destination_states: Arc<DestinationStates>,
        metrics: Arc<UpstreamMetrics>,
    ) -> Rc<Self> {
        Rc::new(Self {
            host_pools: RefCell::default(),
            turns: RefCell::default(),
            idle: Rc::new(IdleCount::new(max_idle, metrics)),
            limit: Cell::new(MANY),
            destination_states,
        })
    }

    /// The pool of a destination, under the settings that now hold for it.
    pub(crate) fn host_pool(
        &self,
        destination: &DestinationKey,
        settings: &Arc<BackendSettings>,
    ) -> Rc<HostPool> {
        let mut host_pools = self.host_pools.borrow_mut();
        if let Some(host_pool) = host_pools.get(destination) {
            host_pool.update_settings(settings);
            return Rc::clone(host_pool);
        }
        self.evict_unused(&mut host_pools);
        let state = self.destination_states.get(destination);
        let key = match &destination.announced {
            None => Arc::clone(&state.destination),
            Some(_) => Arc::new(destination.clone()),
        };
        let host_pool = Rc::new(HostPool::new(
            (state, destination.announced.as_deref().copied()),
            Arc::clone(settings),
            Rc::downgrade(&self.idle),
        ));
        host_pools.insert(key, Rc::clone(&host_pool));
        host_pool
    }

    /// Clients choose the destinations, and many of them may lead nowhere.
    fn evict_unused(&self, host_pools: &mut HashMap<Arc<DestinationKey>, Rc<HostPool>>) {
        if host_pools.len() >= self.limit.get() {
            host_pools.retain(|_, host_pool| {
                Rc::strong_count(host_pool) > 1 || host_pool.has_connections()
            });
            self.limit.set(MANY.max(2 * host_pools.len()));
        }
    }

    /// Chooses among a backend's hosts: each in its turn, unhealthy ones last.
    pub(crate) fn next_host(
        &self,
        turn: HostTurn<'_>,
        hosts: impl Iterator<Item = DestinationKey>,
        now: Instant,
    ) -> usize {
        let HostTurn {
            backend,
            load_balancing,
            affinity,
        } = turn;
        let host_pools = self.host_pools.borrow();
        let candidate = |(index, host): (usize, DestinationKey)| {
            let candidate = match host_pools.get(&host) {
                Some(host_pool) => host_pool.as_candidate(index, now),
                None => EndpointCandidate {
                    status: match self.destination_states.is_down(&host) {
                        true => EndpointStatus::Unhealthy,
                        false => EndpointStatus::Healthy,
                    },
                    ..EndpointCandidate::unknown(index)
                },
            };
            let score = affinity.map(|key| key.score_of_host(&host.host, host.port));
            EndpointCandidate { score, ..candidate }
        };
        let candidates: Vec<_> = hosts
            .enumerate()
            .map(candidate)
            // They are no addresses: which family they are reached by says nothing about them.
            .map(|candidate| EndpointCandidate {
                family: AddressFamily::V4,
                ..candidate
            })
            .collect();
        let mut choice = EndpointChoice {
            load_balancing,
            leading: AddressFamily::V4,
            turn: self.turn(backend),
            draw: &mut |below| rand::random_range(0..below),
        };
        choice.first(&candidates).unwrap_or_default()
    }

    fn turn(&self, backend: &ObjectRef) -> usize {
        let mut turns = self.turns.borrow_mut();
        if let Some(turn) = turns.get_mut(backend) {
            *turn = turn.wrapping_add(1);
            return *turn;
        }
        let turn = rand::random_range(0..usize::MAX / 2);
        turns.insert(backend.clone(), turn);
        turn
    }

    /// Closes connections that were idle for too long or were closed by their upstream, and returns the host pools that
    /// have connections.
    pub(crate) fn sweep(&self, now: Instant) -> Vec<SweptPool> {
        let mut kept = Vec::new();
        let mut host_pools = self.host_pools.borrow_mut();
        host_pools.retain(|_, host_pool| {
            host_pool.sweep(now);
            let in_use = host_pool.was_used();
            let keep = in_use || host_pool.has_connections();
            if keep {
                let host_pool = Rc::clone(host_pool);
                kept.push(SweptPool { host_pool, in_use });
            } else {
                host_pool.forget();
            }
            keep
        });
        if host_pools.capacity() > 4 * host_pools.len() + 1024 {
            host_pools.shrink_to_fit();
        }
        kept
    }

    /// Closes all idle connections.
    pub(crate) fn close_all_idle(&self) {
        let host_pools = self.host_pools.borrow();
        host_pools
            .values()
            .for_each(|host_pool| host_pool.close_idle());
    }

    /// Closes the idle connections to one destination, unless requests here wait for it too. Another worker has
    /// requests for it and may open no more connections.
    pub(crate) fn close_idle(&self, destination: &DestinationKey) {
        let meant: Vec<Rc<HostPool>> = {
            let host_pools = self.host_pools.borrow();
            match host_pools.get(destination) {
                Some(host_pool) => vec![Rc::clone(host_pool)],
                // Each client may have connections of its own.
                None => {
                    let all = host_pools.values().cloned();
                    all.filter(|one| *one.state.destination == *destination)
                        .collect()
                }
            }
        };
        for host_pool in meant.iter().filter(|host_pool| !host_pool.is_queued_for()) {
            host_pool.close_idle();
        }
    }
}

#[cfg(test)]
mod tests;
