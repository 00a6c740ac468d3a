//! Saves the names in use with their addresses, and restores them in another process.
//!
//! Saving works in steps, first the list of names and then each name by itself, so that a lock around the cache need
//! not be held for long.

use std::time::Instant;

use egret_config::name::DnsName;
use egret_config::snapshot::ResolverSettings;

use super::DnsCache;
use super::entry::CacheEntry;
use super::saved::SavedEntry;

impl<W: Clone + Default> DnsCache<W> {
    /// Appends the names in use to `names`, the last used first, as many as fit into its capacity.
    pub(crate) fn names_in_use(
        &self,
        settings: &ResolverSettings,
        now: Instant,
        names: &mut Vec<DnsName>,
    ) {
        let used =
            |entry: &CacheEntry| now.saturating_duration_since(entry.last_used) < settings.idle_ttl;
        let in_use = self.entries.iter().take_while(|(_, entry)| used(entry));
        let room = names.capacity().min(settings.max_hosts);
        names.extend(in_use.take(room).map(|(name, _)| name.clone()));
    }

    /// What to save of `name`, if it has addresses that may still be served. This does not count as a use.
    #[must_use]
    pub(crate) fn saved_entry(
        &self,
        name: &DnsName,
        settings: &ResolverSettings,
        now: Instant,
    ) -> Option<SavedEntry> {
        let entry = self.entries.peek(name)?;
        entry.to_saved(name, settings, now)
    }

    /// Restores saved names, which come in the order of their use, the last used last. Names that are known by now are
    /// kept as they are; names that may no longer be served or do not fit are left out. Returns how many were restored.
    pub(crate) fn restore(
        &mut self,
        saved: impl IntoIterator<Item = SavedEntry>,
        settings: &ResolverSettings,
        now: Instant,
    ) -> usize {
        let mut restored = 0;
        for saved in saved {
            let name = saved.name.clone();
            let idle = saved.idle >= settings.idle_ttl;
            if idle || self.entries.contains(&name) {
                continue;
            }
            let refresh_jitter = self.jitter.draw();
            if let Some(entry) = CacheEntry::from_saved(saved, refresh_jitter, settings, now) {
                self.entries.put(name, entry);
                restored += 1;
            }
            if self.entries.len() > settings.max_hosts.max(1) {
                self.entries.pop_lru();
            }
        }
        restored
    }

    /// A number that changes whenever what would be saved changes, apart from ages.
    #[must_use]
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }
}
