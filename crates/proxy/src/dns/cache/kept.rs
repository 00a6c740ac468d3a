//! What a cache keeps beyond its process: the names that are in use, with their addresses.
//!
//! In steps, so that whoever holds a lock around the cache need not hold it for long: first the names, then each by
//! itself.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use egret_config::name::DnsName;
use egret_config::snapshot::{LookupFamily, ResolverSettings};

use super::Cache;
use super::entry::Entry;

/// A name with addresses, in ages instead of points in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The name.
    pub name: DnsName,
    /// As they were answered.
    pub addresses: Arc<[IpAddr]>,
    /// The setting that they were asked for under.
    pub family: LookupFamily,
    /// Of the records, not clamped yet.
    pub ttl: Duration,
    /// Since the answer.
    pub age: Duration,
    /// Since the last use.
    pub idle: Duration,
}

impl<W: Clone + Default> Cache<W> {
    /// The names in use, the last used first, as many as there is room for in `names`.
    pub fn in_use(&self, settings: &ResolverSettings, now: Instant, names: &mut Vec<DnsName>) {
        let used =
            |entry: &Entry| now.saturating_duration_since(entry.last_used) < settings.idle_ttl;
        let in_use = self.entries.iter().take_while(|(_, entry)| used(entry));
        let room = names.capacity().min(settings.max_hosts);
        names.extend(in_use.take(room).map(|(name, _)| name.clone()));
    }

    /// The name, if it has addresses that may still serve. No use of it.
    #[must_use]
    pub fn kept(&self, name: &DnsName, settings: &ResolverSettings, now: Instant) -> Option<Kept> {
        let entry = self.entries.peek(name)?;
        entry.kept(name, settings, now)
    }

    /// Takes what was kept: the names in the order of their use, the last used last. What is known by now stays, and
    /// what may no longer serve or would not fit is left out. Returns how many were taken.
    pub fn restore(
        &mut self,
        kept: impl IntoIterator<Item = Kept>,
        settings: &ResolverSettings,
        now: Instant,
    ) -> usize {
        let mut taken = 0;
        for kept in kept {
            let name = kept.name.clone();
            let idle = kept.idle >= settings.idle_ttl;
            if idle || self.entries.contains(&name) {
                continue;
            }
            let ahead = self.jitter.draw();
            if let Some(entry) = Entry::restored(kept, ahead, settings, now) {
                self.entries.put(name, entry);
                taken += 1;
            }
            if self.entries.len() > settings.max_hosts.max(1) {
                self.entries.pop_lru();
            }
        }
        taken
    }

    /// A number that is another when what would be kept is.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes
    }
}
