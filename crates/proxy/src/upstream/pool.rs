//! The connections of one worker to upstreams, by destination.
//!
//! A pool belongs to one thread, so that taking a warm connection locks nothing. What is taken out is checked again
//! under the rule that takes it: a connection carries no permission from one rule to another, nor from last month's
//! policies to today's.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant};

use egret_config::resources::ObjectRef;
use egret_config::snapshot::{BackendSettings, LoadBalancing};

use super::balance::{Candidate, Choice};
use super::metrics::UpstreamMetrics;
use super::host_pool::Shelf;
use super::destination_state::Sites;
use crate::dns::family::Family;
use crate::plan::destination::Destination;

/// How long a connection may wait in the pool, unless the destination's settings say otherwise.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Most connections that may wait in one worker's pool; more are closed instead.
const MAX_IDLE: usize = 4096;

/// Shelves before it is worth looking for empty ones between two sweeps.
const MANY: usize = 8192;

/// What one worker holds of every destination.
pub(crate) struct Pool {
    shelves: RefCell<HashMap<Arc<Destination>, Rc<Shelf>>>,
    /// Whose turn it is among the hosts of a backend.
    turns: RefCell<HashMap<ObjectRef, usize>>,
    idle: Cell<usize>,
    /// How many shelves there may be before those that hold nothing go, sweep or not.
    limit: Cell<usize>,
    sites: Arc<Sites>,
    metrics: Arc<UpstreamMetrics>,
    this: Weak<Self>,
}

/// What a sweep found.
pub(crate) struct Swept {
    pub(crate) shelf: Rc<Shelf>,
    /// Whether connections are out, or were since the last time.
    pub(crate) in_use: bool,
}

impl Pool {
    pub(crate) fn new(sites: Arc<Sites>, metrics: Arc<UpstreamMetrics>) -> Rc<Self> {
        Rc::new_cyclic(|this| Self {
            shelves: RefCell::default(),
            turns: RefCell::default(),
            idle: Cell::default(),
            limit: Cell::new(MANY),
            sites,
            metrics,
            this: this.clone(),
        })
    }

    /// The place of a destination, under the settings that now hold for it.
    pub(crate) fn shelf(
        &self,
        destination: &Destination,
        settings: &Arc<BackendSettings>,
    ) -> Rc<Shelf> {
        let mut shelves = self.shelves.borrow_mut();
        if let Some(shelf) = shelves.get(destination) {
            shelf.follow(settings);
            return Rc::clone(shelf);
        }
        self.limit_shelves(&mut shelves);
        let site = self.sites.get(destination);
        let key = Arc::clone(&site.destination);
        let shelf = Rc::new(Shelf::new(site, Arc::clone(settings), self.this.clone()));
        shelves.insert(key, Rc::clone(&shelf));
        shelf
    }

    /// Clients choose the destinations, and many of them may lead nowhere.
    fn limit_shelves(&self, shelves: &mut HashMap<Arc<Destination>, Rc<Shelf>>) {
        if shelves.len() >= self.limit.get() {
            shelves.retain(|_, shelf| Rc::strong_count(shelf) > 1 || shelf.has_idle());
            self.limit.set(MANY.max(2 * shelves.len()));
        }
    }

    /// Which of a backend's hosts is next: each in its turn, those that are unwell last.
    pub(crate) fn next_host(
        &self,
        backend: &ObjectRef,
        hosts: impl Iterator<Item = Destination>,
        load_balancing: LoadBalancing,
        now: Instant,
    ) -> usize {
        let shelves = self.shelves.borrow();
        let candidate = |(index, host): (usize, Destination)| match shelves.get(&host) {
            Some(shelf) => shelf.as_candidate(index, now),
            None => Candidate::unknown(index),
        };
        let candidates: Vec<_> = hosts
            .enumerate()
            .map(candidate)
            // They are no addresses: which family they are reached by says nothing about them.
            .map(|candidate| Candidate {
                family: Family::V4,
                ..candidate
            })
            .collect();
        let mut choice = Choice {
            load_balancing,
            leading: Family::V4,
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

    /// Closes what has waited too long or was closed by its upstream, and gives the destinations that have connections.
    pub(crate) fn sweep(&self, now: Instant) -> Vec<Swept> {
        let mut kept = Vec::new();
        let mut shelves = self.shelves.borrow_mut();
        shelves.retain(|_, shelf| {
            shelf.sweep(now);
            let in_use = shelf.was_used();
            let keep = in_use || shelf.has_idle();
            if keep {
                let shelf = Rc::clone(shelf);
                kept.push(Swept { shelf, in_use });
            }
            keep
        });
        if shelves.capacity() > 4 * shelves.len() + 1024 {
            shelves.shrink_to_fit();
        }
        kept
    }

    /// Closes everything that waits.
    pub(crate) fn clear(&self) {
        let shelves = self.shelves.borrow();
        shelves.values().for_each(|shelf| shelf.clear());
    }

    /// Closes what waits for one destination, unless requests here wait for it too: another worker has requests for it
    /// and may open no more.
    pub(crate) fn give_up(&self, destination: &Destination) {
        let shelf = self.shelves.borrow().get(destination).cloned();
        if let Some(shelf) = shelf.filter(|shelf| !shelf.is_queued_for()) {
            shelf.clear();
        }
    }

    /// Whether one more connection may wait.
    pub(super) fn has_room(&self) -> bool {
        self.idle.get() < MAX_IDLE
    }

    pub(super) fn came(&self) {
        self.idle.set(self.idle.get() + 1);
        self.metrics.idle_connections.add(1);
    }

    pub(super) fn left(&self, count: usize) {
        self.idle.set(self.idle.get() - count);
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.metrics.idle_connections.add(-count);
    }
}

#[cfg(test)]
mod tests;
