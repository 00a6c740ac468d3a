//! What flights bring.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use egret_config::name::DnsName;
use egret_config::snapshot::ResolverSettings;

use super::entry::{Brought, Entry};
use super::{Cache, Flight, Landed, Late, Outcome, Rest};
use crate::dns::failure::Failure;
use crate::dns::family::arrange;
use crate::dns::query::Service;

impl<W: Clone + Default> Cache<W> {
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
