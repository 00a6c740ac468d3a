//! The buckets of all limits, which outlive changes of the configuration, and each worker's way to them.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use egret_config::policy::limit::LimitId;

use super::table::LimitTable;
use crate::clock;

/// The buckets of all limits.
pub(crate) struct LimitStore {
    began: Instant,
    hasher: RandomState,
    tables: Mutex<HashMap<LimitId, Arc<LimitTable>>>,
}

/// One worker's way to the buckets, without a lock that all limits share.
pub(crate) struct WorkerLimits {
    shared: Arc<LimitStore>,
    known: RefCell<HashMap<LimitId, Arc<LimitTable>>>,
    /// The generation of the configuration that the known limits are of.
    generation: Cell<u64>,
}

impl LimitStore {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            began: clock::now(),
            hasher: RandomState::new(),
            tables: Mutex::default(),
        })
    }

    /// The buckets of a limit. Buckets in which nothing is missing are let go when new ones are made.
    fn table(&self, id: LimitId, now: Duration) -> Arc<LimitTable> {
        let tables = self.tables.lock();
        let mut tables = tables.unwrap_or_else(PoisonError::into_inner);
        if !tables.contains_key(&id) {
            tables.retain(|_, table| Arc::strong_count(table) > 1 || !table.is_unused(now));
        }
        Arc::clone(tables.entry(id).or_default())
    }
}

impl WorkerLimits {
    pub(crate) fn new(shared: Arc<LimitStore>) -> Self {
        Self {
            shared,
            known: RefCell::default(),
            generation: Cell::default(),
        }
    }

    /// The time as buckets know it.
    pub(super) fn now(&self) -> Duration {
        clock::now() - self.shared.began
    }

    /// What has a bucket of its own, as a number.
    pub(super) fn hash(&self, key: impl Hash) -> u64 {
        self.shared.hasher.hash_one(key)
    }

    /// A request of this generation of the configuration is about to ask. Limits that are no longer configured must not be
    /// held here.
    pub(super) fn enter(&self, generation: u64) {
        if self.generation.replace(generation) != generation {
            self.known.borrow_mut().clear();
        }
    }

    /// The buckets of a limit.
    pub(super) fn table(&self, id: LimitId, now: Duration) -> Arc<LimitTable> {
        let mut known = self.known.borrow_mut();
        let table = known.entry(id);
        Arc::clone(table.or_insert_with(|| self.shared.table(id, now)))
    }
}

#[cfg(test)]
mod tests {
    use egret_config::resources::{Kind, ObjectRef};

    use super::*;
    use crate::policy::limit::table::LimitRule;

    fn id(name: &str) -> LimitId {
        LimitId::new(&ObjectRef::new(Kind::EgressPolicy, "edge", "p"), name)
    }

    #[test]
    fn workers_share_the_buckets_of_a_limit() {
        let store = LimitStore::new();
        let workers = [1, 2].map(|_| WorkerLimits::new(Arc::clone(&store)));
        let [one, other] = workers.map(|worker| worker.table(id("a"), Duration::ZERO));
        assert!(Arc::ptr_eq(&one, &other));
    }

    #[test]
    fn only_buckets_that_nobody_needs_are_let_go() {
        let store = LimitStore::new();
        let worker = WorkerLimits::new(Arc::clone(&store));
        let now = Duration::ZERO;
        let rule = LimitRule {
            rate: None,
            max_concurrent: Some(1),
        };
        let open = worker.table(id("open"), now);
        let taken = open.take(1, rule, now).unwrap();
        worker.table(id("unused"), now);
        drop(open);
        let count = || store.tables.lock().unwrap().len();
        worker.table(id("held"), now);
        assert_eq!(count(), 3, "the worker knows them all");
        worker.enter(2);
        worker.table(id("new"), now);
        assert_eq!(count(), 2, "one request is open still");
        worker.table(id("open"), now).closed(1, taken);
        worker.enter(3);
        worker.table(id("last"), now);
        assert_eq!(count(), 1);
    }
}
