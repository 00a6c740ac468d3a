//! What the resolvers know, from one process to the next.

use std::collections::HashMap;
use std::fs;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use egret_config::snapshot::{ResolverId, ResolverSettings};

use super::{Resolver, Resolvers};
use crate::dns::cache::Kept;
use crate::dns::store::{MAX_NAMES, Owner, Store, encode};
use crate::meter::Counter;

/// How often it is written, if it has changed.
pub const SAVE_INTERVAL: Duration = Duration::from_secs(60);
/// What the system says about its servers.
const SYSTEM: &str = "/etc/resolv.conf";

/// Where it is kept, and what of it nobody has taken yet.
pub(super) struct Saved {
    store: Store,
    left: Mutex<HashMap<Owner, Vec<Kept>>>,
    /// What the caches had come to when they were written. Held while they are.
    written: Mutex<Vec<(ResolverId, u64)>>,
    failures: Counter,
}

impl Saved {
    pub(super) fn open(store: Store, wall: SystemTime) -> Self {
        let names = store.load(wall).names;
        Self {
            store,
            left: Mutex::new(names),
            written: Mutex::default(),
            failures: Counter::default(),
        }
    }

    /// Gives a new resolver what one like it knew.
    pub(super) fn restore(&self, id: &ResolverId, settings: &ResolverSettings, to: &Resolver) {
        let mut left = self.left();
        if left.is_empty() {
            return;
        }
        let names = left.remove(&Owner::new(id, settings, &system()));
        if let Some(names) = names {
            let taken = to.restore(names);
            tracing::info!("{taken} names are known from before");
        }
    }

    /// Nobody is going to ask for the rest.
    pub(super) fn forget(&self) {
        *self.left() = HashMap::new();
    }

    fn written(&self) -> MutexGuard<'_, Vec<(ResolverId, u64)>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn left(&self) -> MutexGuard<'_, HashMap<Owner, Vec<Kept>>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Resolvers {
    /// Does what [`Resolvers::save`] does, unless the caches are as they were written last.
    pub fn save_if_changed(&self, wall: SystemTime) {
        if let Some(saved) = &self.saved
            && *saved.written() != self.changes()
        {
            self.save(wall);
        }
    }

    /// Writes what the caches know to the state folder, if there is one. Blocks. A failure is told and counted, and ends
    /// nothing.
    pub fn save(&self, wall: SystemTime) {
        let Some(saved) = &self.saved else { return };
        let mut written = saved.written();
        let all = self.all();
        // Before the caches are read, so that what changes meanwhile is written the next time.
        let changes = self.changes();
        let system = system();
        let owners = all.iter().map(|(id, resolver)| {
            let owner = Owner::new(id, &resolver.settings(), &system);
            (owner, resolver.kept(MAX_NAMES))
        });
        let owners: Vec<_> = owners.collect();
        let names = owners.iter().flat_map(|(owner, names)| {
            let names = names.iter().cloned();
            names.map(move |kept| (owner, kept))
        });
        match saved.store.save(&encode(names.collect(), wall)) {
            Ok(()) => *written = changes,
            Err(error) => {
                saved.failures.increment();
                let path = saved.store.path();
                tracing::warn!("cannot write {}: {error}", path.display());
            }
        }
    }

    fn changes(&self) -> Vec<(ResolverId, u64)> {
        let all = self.all();
        let changes = all
            .iter()
            .map(|(id, resolver)| (id.clone(), resolver.changes()));
        changes.collect()
    }

    /// How often what the caches know could not be written.
    #[must_use]
    pub fn save_failures(&self) -> u64 {
        let saved = self.saved.as_ref();
        saved.map_or(0, |saved| saved.failures.get())
    }
}

/// Empty when it cannot be read.
fn system() -> Vec<u8> {
    fs::read(SYSTEM).unwrap_or_default()
}
