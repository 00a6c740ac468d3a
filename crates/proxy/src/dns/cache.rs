//! What is known about names, and when it must be asked for again.
//!
//! A pure core: time and settings are arguments, nothing waits and nothing locks. A [`Cache::lookup`] says what its
//! caller gets and what it owes: [`Lookup::Start`] and the refresh of a [`Lookup::Hit`] or [`Lookup::Stale`] hand out a
//! [`Flight`], which must come back through [`Cache::complete`]. There is never more than one flight per name. What is
//! late of one when it lands comes back through [`Cache::end`].
//!
//! Flights live beside the entries, so that evicting or flushing a name never disturbs who waits for it. Whether an
//! entry is fresh, stale or dead is computed from its age at each lookup, so that a change of settings holds at once for
//! what is remembered already.

use std::sync::Arc;
use std::time::{Duration, Instant};

use egret_config::name::DnsName;
use egret_config::snapshot::ResolverSettings;
use lru::LruCache;

use crate::dns::listing::Listed;

use backoff::Jitter;
use entry::{Entry, Known};
use flights::Flights;

pub use flights::{Flight, Late};
pub use kept::Kept;
pub use lookup::{Lookup, Servable, Served};
pub use outcome::{Landed, Outcome, Rest, Swept};

mod backoff;
mod entry;
mod flights;
mod found;
mod kept;
mod landing;
mod lookup;
mod outcome;

/// How long a failure without an answer is remembered when there is nothing older to serve: long enough to spare a dead
/// server, short enough that nobody waits for its recovery.
pub const FAILURE_TTL: Duration = Duration::from_secs(1);

/// Names and what is known about them. `W` is what those who wait for a flight share, made when it starts.
#[derive(Debug)]
pub struct Cache<W = ()> {
    /// In the order of their last use, so that both eviction and idle expiry take from one end.
    entries: LruCache<DnsName, Entry>,
    flights: Flights<W>,
    jitter: Jitter,
    /// How often an answer was taken or forgotten.
    changes: u64,
}

impl<W: Clone + Default> Cache<W> {
    /// An empty cache; `seed` decides the jitter of its refreshes and back-offs.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            entries: LruCache::unbounded(),
            flights: Flights::new(),
            jitter: Jitter::new(seed),
            changes: 0,
        }
    }

    /// What a request for `name` gets at `now`; one over `https` wants HTTPS records too, from here on.
    pub fn lookup(
        &mut self,
        name: &DnsName,
        https: bool,
        settings: &ResolverSettings,
        now: Instant,
    ) -> Lookup<W> {
        let https = https && settings.https_records;
        let known = self
            .entries
            .get_mut(name)
            .map_or(Known::Nothing, |entry| entry.consult(https, settings, now));
        match known {
            Known::Served {
                addresses,
                service,
                flight,
                fresh,
                due,
            } => {
                let served = Served {
                    addresses,
                    service,
                    refresh: self.renew_if(due, name, settings),
                    more: self.flights.late(flight).cloned(),
                };
                return if fresh {
                    Lookup::Hit(served)
                } else {
                    Lookup::Stale(served)
                };
            }
            Known::Failed(failure) => return Lookup::Negative(failure),
            Known::Nothing => {}
        }
        if let Some(waiters) = self.flights.join(name) {
            return Lookup::Join(waiters.clone());
        }
        match self.flights.start(name, https, settings) {
            Some(flight) => Lookup::Start(flight),
            None => Lookup::Overloaded,
        }
    }

    /// Uses `name`, if it is known, without need of an answer now: no hit, and nobody waits. Starts a query when one is
    /// due, under the bound of [`Cache::renew`].
    pub fn touch(
        &mut self,
        name: &DnsName,
        settings: &ResolverSettings,
        now: Instant,
    ) -> Option<Flight<W>> {
        let due = self.entries.get_mut(name)?.touch(settings, now);
        self.renew_if(due, name, settings)
    }

    /// The addresses of `name` that may be served, and its HTTPS record. No use of it.
    pub fn known(
        &mut self,
        name: &DnsName,
        settings: &ResolverSettings,
        now: Instant,
    ) -> Option<Servable> {
        let found = self.entries.peek_mut(name)?.servable(settings, now)?;
        Some(Servable {
            addresses: Arc::clone(&found.addresses),
            service: found.service.clone(),
        })
    }

    /// Whether it is known that there is nothing to be served for `name`: not if it is not known at all. No use of it.
    #[must_use]
    pub fn is_over(&self, name: &DnsName, settings: &ResolverSettings, now: Instant) -> bool {
        let entry = self.entries.peek(name);
        entry.is_some_and(|entry| entry.is_over(settings, now))
    }

    /// Uses `name` as [`Cache::touch`] does, and asks for it if nothing is known. The answer is kept.
    pub fn keep(
        &mut self,
        name: &DnsName,
        settings: &ResolverSettings,
        now: Instant,
    ) -> Option<Flight<W>> {
        if self.entries.contains(name) {
            return self.touch(name, settings, now);
        }
        let flight = self.renew(name, settings);
        self.flights.join(name);
        flight
    }

    /// Starts a query for `name` although nobody waits for it. `None` when one is running, or when as many are as are
    /// allowed to (`max_pending`, counted apart from those that requests wait for).
    pub fn renew(&mut self, name: &DnsName, settings: &ResolverSettings) -> Option<Flight<W>> {
        let https = self.entries.peek(name).is_some_and(|entry| entry.https);
        let https = https && settings.https_records;
        self.flights.renew(name, https, settings)
    }

    /// Forgets names that were not used for `idle_ttl`, and those over `max_hosts`; at most `limit` of them, so that a
    /// lock need not be held for long. The cost is that of the names that leave.
    pub fn sweep(&mut self, settings: &ResolverSettings, now: Instant, limit: usize) -> Swept {
        let mut removed = 0;
        while let Some((_, oldest)) = self.entries.peek_lru() {
            let idle = now.saturating_duration_since(oldest.last_used) >= settings.idle_ttl;
            if !idle && self.entries.len() <= settings.max_hosts.max(1) {
                break;
            }
            if removed == limit {
                return Swept {
                    removed,
                    more: true,
                };
            }
            self.entries.pop_lru();
            self.changes += 1;
            removed += 1;
        }
        Swept {
            removed,
            more: false,
        }
    }

    /// Forgets every name; returns how many. Queries that are running go on.
    pub fn flush(&mut self) -> usize {
        let count = self.entries.len();
        self.changes += 1;
        self.entries.clear();
        count
    }

    /// Forgets one name; returns whether it was known.
    pub fn flush_one(&mut self, name: &DnsName) -> bool {
        self.changes += 1;
        self.entries.pop(name).is_some()
    }

    /// Whether the name is known. No use of it.
    #[must_use]
    pub fn contains(&self, name: &DnsName) -> bool {
        self.entries.contains(name)
    }

    /// How many names are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no name is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many queries are running: those that requests wait for, refreshes, and those that are late.
    #[must_use]
    pub fn flying(&self) -> (usize, usize, usize) {
        self.flights.count()
    }

    /// Every name and what is known about it, the last used first; then the names asked for the first time.
    #[must_use]
    pub fn list(&self, settings: &ResolverSettings, now: Instant) -> Vec<Listed> {
        let known = self.entries.iter().map(|(name, entry)| {
            let resolving = self.flights.contains(name);
            entry.listed(name, resolving, settings, now)
        });
        let unknown = self
            .flights
            .names()
            .filter(|name| !self.entries.contains(*name));
        known.chain(unknown.map(Listed::unknown)).collect()
    }

    fn renew_if(
        &mut self,
        due: bool,
        name: &DnsName,
        settings: &ResolverSettings,
    ) -> Option<Flight<W>> {
        if due {
            self.renew(name, settings)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
