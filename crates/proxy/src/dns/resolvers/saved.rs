//! Holds what the resolvers of the last process knew, and where this one saves its caches.

use std::collections::HashMap;
use std::fs;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use egret_config::snapshot::{ResolverId, ResolverSettings};

use crate::dns::cache::SavedEntry;
use crate::dns::resolver::Resolver;
use crate::dns::store::{CacheOwner, CacheStore};
use crate::meter::Counter;

/// The file with the system's servers.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Where the caches are saved, and what was read from there and not restored yet.
pub(super) struct SavedCaches {
    pub(super) store: CacheStore,
    unclaimed: Mutex<HashMap<CacheOwner, Vec<SavedEntry>>>,
    /// The revisions of the caches that were saved last. Locked while they are saved.
    revisions: Mutex<Vec<(ResolverId, u64)>>,
    pub(super) failures: Counter,
}

impl SavedCaches {
    pub(super) fn open(store: CacheStore, wall: SystemTime) -> Self {
        let names = store.load(wall).names;
        Self {
            store,
            unclaimed: Mutex::new(names),
            revisions: Mutex::default(),
            failures: Counter::default(),
        }
    }

    /// Restores in a new resolver what one of the same identity knew.
    pub(super) fn restore(&self, id: &ResolverId, settings: &ResolverSettings, to: &Resolver) {
        let mut unclaimed = self.unclaimed();
        if unclaimed.is_empty() {
            return;
        }
        let names = unclaimed.remove(&CacheOwner::new(id, settings, &system_servers()));
        if let Some(names) = names {
            let restored = to.restore(names);
            tracing::info!("{restored} names are known from before");
        }
    }

    /// Drops what no resolver has claimed.
    pub(super) fn drop_unclaimed(&self) {
        *self.unclaimed() = HashMap::new();
    }

    pub(super) fn revisions(&self) -> MutexGuard<'_, Vec<(ResolverId, u64)>> {
        self.revisions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn unclaimed(&self) -> MutexGuard<'_, HashMap<CacheOwner, Vec<SavedEntry>>> {
        self.unclaimed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The system's configuration of its servers; empty when it cannot be read.
pub(super) fn system_servers() -> Vec<u8> {
    fs::read(RESOLV_CONF).unwrap_or_default()
}
