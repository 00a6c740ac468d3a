//! Saves the cache of a resolver, and restores it in another process.

use super::Resolver;
use crate::clock;
use crate::dns::cache::SavedEntry;

/// How many names are read under one hold of the lock.
const SAVE_STEP: usize = 256;

impl Resolver {
    /// The names in use that have addresses, the last used first, at most `limit`.
    #[must_use]
    pub(crate) fn saved_entries(&self, limit: usize) -> Vec<SavedEntry> {
        let settings = self.settings();
        // Allocated before the lock is held.
        let mut names = Vec::with_capacity(self.len().min(limit));
        let cache = || self.state.cache.lock();
        cache().names_in_use(&settings, clock::now(), &mut names);
        let mut saved = Vec::with_capacity(names.len());
        for names in names.chunks(SAVE_STEP) {
            let (cache, now) = (cache(), clock::now());
            let entries = names
                .iter()
                .filter_map(|name| cache.saved_entry(name, &settings, now));
            saved.extend(entries);
        }
        saved
    }

    /// Restores what another process saved, the last used last; returns how many names were restored.
    pub(crate) fn restore(&self, saved: Vec<SavedEntry>) -> usize {
        let settings = self.settings();
        let mut cache = self.state.cache.lock();
        cache.restore(saved, &settings, clock::now())
    }

    /// A number that changes whenever what would be saved changes.
    #[must_use]
    pub(crate) fn revision(&self) -> u64 {
        self.state.cache.lock().revision()
    }
}
