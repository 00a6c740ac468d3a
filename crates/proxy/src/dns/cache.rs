//! What is known about names, and when it must be asked for again.
//!
//! A pure core: time and settings are arguments, nothing waits and nothing locks. A [`Cache::lookup`] says what its
//! caller gets and what it owes: [`Lookup::Start`] and the refresh of a [`Lookup::Hit`] or [`Lookup::Stale`] hand out a
//! [`Flight`], which must come back through [`Cache::complete`]. There is never more than one flight per name.
//!
//! Flights live beside the entries, so that evicting or flushing a name never disturbs who waits for it. Whether an
//! entry is fresh, stale or dead is computed from its age at each lookup, so that a change of settings holds at once for
//! what is remembered already.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use egret_config::name::DnsName;
use egret_config::snapshot::ResolverSettings;
use lru::LruCache;

use crate::dns::failure::Failure;
use crate::dns::family::arrange;
use crate::dns::listing::Listed;
use crate::dns::query::Service;

use backoff::Jitter;
use entry::{Brought, Entry, Known};
use flights::Flights;

pub use flights::{Flight, Late};
pub use kept::Kept;
pub use lookup::{Lookup, Served};
pub use outcome::{Landed, Outcome, Rest, Swept};

mod backoff;
mod entry;
mod flights;
mod kept;
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

    /// The addresses of `name` that may be served. No use of it.
    pub fn known(
        &mut self,
        name: &DnsName,
        settings: &ResolverSettings,
        now: Instant,
    ) -> Option<Arc<[IpAddr]>> {
        let found = self.entries.peek_mut(name)?.servable(settings, now)?;
        Some(Arc::clone(&found.addresses))
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

    /// Takes a flight back. Addresses and negative answers replace what is known; a failure that is no answer leaves
    /// addresses that can still serve as they are, and puts off the next refresh.
    pub fn complete(
        &mut self,
        flight: Flight<W>,
        outcome: Outcome,
        settings: &ResolverSettings,
        now: Instant,
    ) -> Landed {
        let wanted = self.flights.arrive(&flight.name);
        let (entry, rest) = match outcome {
            Outcome::Found {
                addresses,
                ttl,
                service,
                rest,
            } => {
                let ahead = self.jitter.draw();
                let brought = Brought {
                    flight: flight.number,
                    https: flight.https,
                    addresses,
                    ttl,
                    service,
                };
                (Entry::found(brought, ahead, settings, now), rest)
            }
            Outcome::Failed { failure, ttl } => {
                if !failure.is_answer()
                    && let Some(kept) = self.put_off(&flight.name, &failure, settings, now)
                {
                    return kept;
                }
                let entry = Entry::failed(failure, ttl, flight.https, (settings, now));
                (entry, Rest::Nothing)
            }
        };
        let (told, service) = (entry.told(), entry.service());
        let evicted = self.remember(&flight.name, entry, wanted, settings);
        let late = if rest == Rest::Nothing {
            None
        } else {
            self.flights
                .delay(flight, rest == Rest::Addresses, settings)
        };
        Landed {
            told,
            service,
            late,
            evicted,
        }
    }

    /// Whether a request waits for the flight, or will be served by nothing but its answer.
    #[must_use]
    pub fn is_wanted(&self, flight: &Flight<W>) -> bool {
        self.flights.is_wanted(&flight.name)
    }

    /// Takes the addresses that were late, with the TTL of the whole answer from here on, which counts from when the
    /// flight landed; `None` when the query failed. Returns all addresses, unless a newer answer has taken the place of
    /// the first ones.
    pub fn merge(
        &mut self,
        late: &Late,
        brought: Option<(&[IpAddr], Duration)>,
    ) -> Option<Arc<[IpAddr]>> {
        self.flights.complete(late);
        let (addresses, ttl) = brought?;
        let entry = self.entries.peek_mut(&late.name)?;
        let family = entry.family;
        let found = entry.addresses_of(late.number)?;
        let all: Vec<IpAddr> = found.addresses.iter().chain(addresses).copied().collect();
        found.addresses = arrange(&all, family);
        found.ttl = ttl;
        self.changes += 1;
        Some(Arc::clone(&found.addresses))
    }

    /// Takes the HTTPS record that was late, for those who come later; `ttl` is its own.
    pub fn merge_service(&mut self, late: &Late, service: Arc<Service>, ttl: Duration) {
        let entry = self.entries.peek_mut(&late.name);
        if let Some(found) = entry.and_then(|entry| entry.addresses_of(late.number)) {
            found.service = Some(service);
            found.ttl = found.ttl.min(ttl);
        }
    }

    /// Takes back a late part of a flight: nothing more comes.
    pub fn end(&mut self, late: Late) {
        self.flights.end(late);
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

    /// What serves on although its refresh failed, if there is anything.
    fn put_off(
        &mut self,
        name: &DnsName,
        failure: &Failure,
        settings: &ResolverSettings,
        now: Instant,
    ) -> Option<Landed> {
        let found = self.entries.peek_mut(name)?.servable(settings, now)?;
        found.put_off(failure, &mut self.jitter, now);
        Some(Landed {
            told: Ok(found.addresses.clone()),
            service: found.service.clone(),
            late: None,
            evicted: 0,
        })
    }

    /// Returns how many entries had to leave for it.
    fn remember(
        &mut self,
        name: &DnsName,
        mut entry: Entry,
        wanted: bool,
        settings: &ResolverSettings,
    ) -> usize {
        self.changes += 1;
        if let Some(old) = self.entries.peek_mut(name) {
            // A refresh is no use of the name, so its place in the order stays.
            entry.last_used = old.last_used;
            entry.hits = old.hits;
            entry.https |= old.https;
            *old = entry;
            return 0;
        }
        if !wanted {
            return 0;
        }
        self.entries.put(name.clone(), entry);
        let before = self.entries.len();
        while self.entries.len() > settings.max_hosts.max(1) {
            self.entries.pop_lru();
        }
        before - self.entries.len()
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
