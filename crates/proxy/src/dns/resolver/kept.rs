//! What a resolver knows, for the process after this one.

use super::Resolver;
use crate::clock;
use crate::dns::cache::Kept;

/// How many names are read under one hold of the lock.
const STEP: usize = 256;

impl Resolver {
    /// The names in use that have addresses, the last used first, at most `limit`.
    #[must_use]
    pub fn kept(&self, limit: usize) -> Vec<Kept> {
        let settings = self.settings();
        // Allocated before the lock is held.
        let mut names = Vec::with_capacity(self.len().min(limit));
        let cache = || self.shared.cache();
        cache().in_use(&settings, clock::now(), &mut names);
        let mut kept = Vec::with_capacity(names.len());
        for names in names.chunks(STEP) {
            let (cache, now) = (cache(), clock::now());
            let known = names
                .iter()
                .filter_map(|name| cache.kept(name, &settings, now));
            kept.extend(known);
        }
        kept
    }

    /// Takes what another process knew, the last used last; returns how many names were taken.
    pub fn restore(&self, kept: Vec<Kept>) -> usize {
        let settings = self.settings();
        self.shared.cache().restore(kept, &settings, clock::now())
    }

    /// A number that is another when what would be kept is.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.shared.cache().changes()
    }
}
