//! What all workers know together of one destination: how its addresses do, and how much is in progress there.
//!
//! It outlives reloads and connections. A worker looks it up once and keeps it with its own connections, so that a warm
//! request takes no lock of all workers.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use egret_config::snapshot::OutlierDetection;

use super::health::{Health, Observed};
use crate::clock;
use crate::plan::destination::Destination;

/// Sites before it is worth looking for those of no interest between two sweeps.
const MANY: usize = 16_384;
use super::limits::Limits;

/// Every destination.
#[derive(Debug, Default)]
pub(crate) struct Sites(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    sites: HashMap<Arc<Destination>, Arc<Site>>,
    /// How many there may be before those of no interest go, sweep or not.
    limit: usize,
}

/// One destination.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) destination: Arc<Destination>,
    pub(crate) limits: Arc<Limits>,
    addresses: Mutex<Vec<(SocketAddr, Arc<Health>)>>,
}

impl Sites {
    /// The site of a destination.
    pub(crate) fn get(&self, destination: &Destination) -> Arc<Site> {
        let mut table = self.table();
        if let Some(site) = table.sites.get(destination) {
            return Arc::clone(site);
        }
        // Clients choose the destinations, and many of them may lead nowhere.
        if table.sites.len() >= table.limit.max(MANY) {
            table.sweep(clock::now());
        }
        let destination = Arc::new(destination.clone());
        let site = Arc::new(Site {
            destination: Arc::clone(&destination),
            limits: Arc::default(),
            addresses: Mutex::default(),
        });
        table.sites.insert(destination, Arc::clone(&site));
        site
    }

    /// Forgets the sites that nobody uses and of which nothing is worth knowing.
    pub(crate) fn sweep(&self, now: Instant) {
        self.table().sweep(now);
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.table().sites.len()
    }
}

impl Table {
    fn sweep(&mut self, now: Instant) {
        let sites = &mut self.sites;
        sites.retain(|_, site| Arc::strong_count(site) > 1 || site.is_worth_keeping(now));
        if sites.capacity() > 4 * sites.len() + 1024 {
            sites.shrink_to_fit();
        }
        self.limit = 2 * sites.len();
    }
}

impl Site {
    /// How the addresses of an answer do, in their order. Forgets others that are of no use any more.
    pub(crate) fn health(&self, addresses: &[SocketAddr], now: Instant) -> Vec<Arc<Health>> {
        let mut known = self
            .addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        known.retain(|(address, health)| {
            addresses.contains(address)
                || Arc::strong_count(health) > 1
                || health.is_worth_keeping(now)
        });
        let mut of = |address: &SocketAddr| {
            let found = known.iter().find(|(other, _)| other == address);
            if let Some((_, health)) = found {
                return Arc::clone(health);
            }
            let health = Arc::new(Health::new(now));
            known.push((*address, Arc::clone(&health)));
            health
        };
        addresses.iter().map(&mut of).collect()
    }

    /// Counts what came of a request to one of the addresses. Returns whether that ejected it.
    pub(crate) fn observe(
        &self,
        health: &Health,
        observed: Observed,
        detection: &OutlierDetection,
        now: Instant,
    ) -> bool {
        let draw = |below| rand::random_range(0..below);
        let eject =
            health.observe(observed, detection, now, draw) && self.may_eject(detection, now);
        if eject {
            health.eject(detection, now);
        }
        eject
    }

    /// One address may always be ejected, more only up to the percentage.
    fn may_eject(&self, detection: &OutlierDetection, now: Instant) -> bool {
        let known = self
            .addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let ejected = known
            .iter()
            .filter(|(_, health)| health.is_ejected(now))
            .count();
        ejected == 0
            || (ejected + 1) * 100 <= known.len() * usize::from(detection.max_ejection_percent)
    }

    fn is_worth_keeping(&self, now: Instant) -> bool {
        let known = self
            .addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        known.iter().any(|(_, health)| health.is_worth_keeping(now))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::StatusCode;

    use super::*;

    fn addresses(count: u8) -> Vec<SocketAddr> {
        (0..count)
            .map(|last| SocketAddr::from(([192, 0, 2, last], 80)))
            .collect()
    }

    #[test]
    fn one_may_always_be_ejected_and_more_up_to_the_percentage() {
        let (sites, now) = (Sites::default(), clock::now());
        let ejected = |count, max_ejection_percent| {
            let name = format!("{count}-{max_ejection_percent}.example");
            let site = sites.get(&Destination::example(&name));
            let detection = OutlierDetection {
                consecutive_5xx: 1,
                max_ejection_percent,
                ..OutlierDetection::default()
            };
            let error = Observed::Response(StatusCode::INTERNAL_SERVER_ERROR);
            let all = site.health(&addresses(count), now);
            all.iter()
                .filter(|health| site.observe(health, error, &detection, now))
                .count()
        };
        assert_eq!([ejected(1, 10), ejected(3, 0), ejected(3, 10)], [1, 1, 1]);
        assert_eq!([ejected(4, 50), ejected(4, 74), ejected(4, 100)], [2, 2, 4]);
    }

    #[test]
    fn what_is_known_stays_while_it_is_used_or_worth_knowing() {
        let (sites, now) = (Sites::default(), clock::now());
        let destination = Destination::example("a.example");
        let site = sites.get(&destination);
        let first = site.health(&addresses(2), now);
        // The same, by whichever worker, in another order.
        let again = sites.get(&destination).health(&addresses(2), now);
        assert!(Arc::ptr_eq(&first[0], &again[0]));
        first[0].connect_failed(now);
        drop((first, again));
        site.health(&addresses(1), now);
        assert_eq!(site.addresses.lock().unwrap().len(), 1);
        sites.sweep(now);
        drop(site);
        sites.sweep(now);
        assert_eq!(sites.len(), 1);
        sites.sweep(now + Duration::from_secs(1));
        assert_eq!(sites.len(), 0);
    }

    #[test]
    fn errors_of_what_nobody_uses_are_forgotten_in_time() {
        let (sites, now) = (Sites::default(), clock::now());
        let site = sites.get(&Destination::example("a.example"));
        let health = site.health(&addresses(1), now);
        let error = Observed::Response(StatusCode::BAD_GATEWAY);
        site.observe(&health[0], error, &OutlierDetection::default(), now);
        drop((health, site));
        sites.sweep(now + Duration::from_secs(9 * 60));
        assert_eq!(sites.len(), 1);
        sites.sweep(now + Duration::from_secs(10 * 60));
        assert_eq!(sites.len(), 0);
    }

    #[test]
    fn destinations_that_lead_nowhere_do_not_pile_up() {
        let sites = Sites::default();
        for number in 0..2 * MANY {
            sites.get(&Destination::example(&format!("{number}.example")));
            assert!(sites.len() <= MANY);
        }
    }
}
