//! The DNS cache: what is known about names, and when they must be queried again.
//!
//! A pure core: time and settings are arguments, nothing waits and nothing locks. [`DnsCache::lookup`] says what its
//! caller gets and what the caller owes: [`CacheLookup::Start`], and the refresh of a [`CacheLookup::Hit`] or
//! [`CacheLookup::Stale`], hand out an [`InFlightQuery`], which must come back through [`DnsCache::complete`]. A name
//! never has more than one query in flight that lookups can join. The part of an answer that comes late is handed in
//! through [`DnsCache::merge_addresses`] and [`DnsCache::merge_https_record`], and ends with [`DnsCache::finish`].
//!
//! Queries in flight are kept apart from the entries, so that evicting or flushing a name never disturbs those who wait
//! for it. Whether an entry is fresh, stale or dead is computed from its age at each lookup, so that a change of
//! settings applies at once to what is cached already.

use std::sync::Arc;
use std::time::Instant;

use egret_config::name::DnsName;
use egret_config::snapshot::ResolverSettings;
use lru::LruCache;

use crate::dns::listing::ListedName;

use backoff::JitterSource;
use entry::CacheEntry;
use in_flight::InFlightTable;
use positive::CacheState;

pub(crate) use in_flight::{InFlightQuery, LateQuery};
pub(crate) use lookup::{CacheLookup, CachedAnswer, ServedAnswer};
pub(crate) use outcome::{QueryOutcome, RemainingAnswers, SweepProgress};
pub(crate) use saved::SavedEntry;

mod backoff;
mod completion;
mod entry;
mod in_flight;
mod lookup;
mod outcome;
mod persist;
mod positive;
mod saved;

/// Names and what is known about them. `W` is the handle that all who wait for one query share, made when it starts.
#[derive(Debug)]
pub(crate) struct DnsCache<W = ()> {
    /// The entries in the order of their last use, so that both eviction and idle expiry take from one end.
    entries: LruCache<DnsName, CacheEntry>,
    in_flight: InFlightTable<W>,
    jitter: JitterSource,
    /// Counts answers that were stored or forgotten.
    revision: u64,
}

impl<W: Clone + Default> DnsCache<W> {
    /// An empty cache; `seed` decides the jitter of its refreshes and back-offs.
    #[must_use]
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            entries: LruCache::unbounded(),
            in_flight: InFlightTable::new(),
            jitter: JitterSource::new(seed),
            revision: 0,
        }
    }

    /// What a lookup of `name` gets at `now`. A lookup over `https` wants HTTPS records too; they are then queried with
    /// every refresh of the name.
    pub(crate) fn lookup(
        &mut self,
        name: &DnsName,
        https: bool,
        settings: &ResolverSettings,
        now: Instant,
    ) -> CacheLookup<W> {
        let https = https && settings.https_records;
        let state = self
            .entries
            .get_mut(name)
            .map_or(CacheState::Unusable, |entry| {
                entry.lookup(https, settings, now)
            });
        match state {
            CacheState::Usable {
                addresses,
                https_record,
                query_id,
                fresh,
                refresh_due,
            } => {
                let served = ServedAnswer {
                    addresses,
                    https_record,
                    refresh: self.refresh_if(refresh_due, name, settings),
                    pending_family: self.in_flight.late_waiters(query_id).cloned(),
                };
                return if fresh {
                    CacheLookup::Hit(served)
                } else {
                    CacheLookup::Stale(served)
                };
            }
            CacheState::Failed(failure) => return CacheLookup::Negative(failure),
            CacheState::Unusable => {}
        }
        if let Some(waiters) = self.in_flight.join(name) {
            return CacheLookup::Join(waiters.clone());
        }
        match self.in_flight.start(name, https, settings) {
            Some(query) => CacheLookup::Start(query),
            None => CacheLookup::Overloaded,
        }
    }

    /// Marks `name` as used, if it is known, by somebody who needs no answer now; this is not a hit. Starts a refresh
    /// when one is due, within the bound of [`DnsCache::refresh`].
    pub(crate) fn touch(
        &mut self,
        name: &DnsName,
        settings: &ResolverSettings,
        now: Instant,
    ) -> Option<InFlightQuery<W>> {
        let refresh_due = self.entries.get_mut(name)?.touch(settings, now);
        self.refresh_if(refresh_due, name, settings)
    }

    /// The addresses of `name` that may be served, and its HTTPS record. This does not count as a use.
    pub(crate) fn peek(
        &mut self,
        name: &DnsName,
        settings: &ResolverSettings,
        now: Instant,
    ) -> Option<CachedAnswer> {
        let answer = self.entries.peek_mut(name)?.usable_answer(settings, now)?;
        Some(CachedAnswer {
            addresses: Arc::clone(&answer.addresses),
            https_record: answer.https_record.clone(),
        })
    }

    /// Whether `name` is known to have nothing that may be served; false for a name that is not known at all. This does
    /// not count as a use.
    #[must_use]
    pub(crate) fn has_no_answer(
        &self,
        name: &DnsName,
        settings: &ResolverSettings,
        now: Instant,
    ) -> bool {
        let entry = self.entries.peek(name);
        entry.is_some_and(|entry| entry.has_no_answer(settings, now))
    }

    /// Keeps `name` resolved: marks it as used as [`DnsCache::touch`] does, and starts a query if nothing is known. The
    /// answer is stored even if the name is forgotten meanwhile.
    pub(crate) fn preresolve(
        &mut self,
        name: &DnsName,
        settings: &ResolverSettings,
        now: Instant,
    ) -> Option<InFlightQuery<W>> {
        if self.entries.contains(name) {
            return self.touch(name, settings, now);
        }
        let query = self.refresh(name, settings);
        self.in_flight.join(name);
        query
    }

    /// Starts a query for `name` that no lookup waits for. `None` when a query for the name is in flight, or when as
    /// many refreshes are as the settings allow (`max_pending`, counted apart from queries that lookups wait for).
    pub(crate) fn refresh(
        &mut self,
        name: &DnsName,
        settings: &ResolverSettings,
    ) -> Option<InFlightQuery<W>> {
        let https = self.entries.peek(name).is_some_and(|entry| entry.https);
        let https = https && settings.https_records;
        self.in_flight.start_refresh(name, https, settings)
    }

    /// Forgets names that were not used for `idle_ttl`, and those over `max_hosts`; at most `limit` of them, so that a
    /// lock need not be held for long. The cost is proportional to the names that are forgotten.
    pub(crate) fn sweep(
        &mut self,
        settings: &ResolverSettings,
        now: Instant,
        limit: usize,
    ) -> SweepProgress {
        let mut removed = 0;
        while let Some((_, oldest)) = self.entries.peek_lru() {
            let idle = now.saturating_duration_since(oldest.last_used) >= settings.idle_ttl;
            if !idle && self.entries.len() <= settings.max_hosts.max(1) {
                break;
            }
            if removed == limit {
                return SweepProgress {
                    removed,
                    more: true,
                };
            }
            self.entries.pop_lru();
            self.revision += 1;
            removed += 1;
        }
        SweepProgress {
            removed,
            more: false,
        }
    }

    /// Forgets every name; returns how many. Queries in flight go on.
    pub(crate) fn flush(&mut self) -> usize {
        let count = self.entries.len();
        self.revision += 1;
        self.entries.clear();
        count
    }

    /// Forgets one name; returns whether it was known.
    pub(crate) fn flush_one(&mut self, name: &DnsName) -> bool {
        self.revision += 1;
        self.entries.pop(name).is_some()
    }

    /// Whether the name is known. This does not count as a use.
    #[must_use]
    pub(crate) fn contains(&self, name: &DnsName) -> bool {
        self.entries.contains(name)
    }

    /// How many names are known.
    #[must_use]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many queries are in flight: those that lookups wait for, refreshes, and those of which a part is late.
    #[must_use]
    pub(crate) fn in_flight_counts(&self) -> (usize, usize, usize) {
        self.in_flight.counts()
    }

    /// Every name and what is known about it, the last used first; then the names that are resolved for the first time.
    #[must_use]
    pub(crate) fn list(&self, settings: &ResolverSettings, now: Instant) -> Vec<ListedName> {
        let known = self.entries.iter().map(|(name, entry)| {
            let resolving = self.in_flight.contains(name);
            entry.listing(name, resolving, settings, now)
        });
        let unknown = self
            .in_flight
            .names()
            .filter(|name| !self.entries.contains(*name));
        known.chain(unknown.map(ListedName::unknown)).collect()
    }

    fn refresh_if(
        &mut self,
        refresh_due: bool,
        name: &DnsName,
        settings: &ResolverSettings,
    ) -> Option<InFlightQuery<W>> {
        if refresh_due {
            self.refresh(name, settings)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
