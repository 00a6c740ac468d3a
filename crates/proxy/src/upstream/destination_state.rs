//! What all workers share about one destination: the health of its addresses, and the use of its limits.
//!
//! The state outlives reloads and connections. A worker looks it up once and keeps it with its own pool, so that a
//! request over an idle connection takes no lock that workers share.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use egret_config::name::Host;
use egret_config::snapshot::{BackendSettings, OutlierDetection};

use super::health::{EndpointHealth, ObservedOutcome, ToldHealth};
use super::health_check::{CheckResults, CheckedAddress};
use super::limits::DestinationLimits;
use super::metrics::UpstreamMetrics;
use crate::clock;
use crate::dial::failure::ConnectFailure;
use crate::plan::destination::DestinationKey;

/// Number of states from which unused ones are evicted between two sweeps.
const MANY: usize = 16_384;

/// The states of all destinations.
#[derive(Debug, Default)]
pub(crate) struct DestinationStates {
    table: Mutex<StateTable>,
    /// What the health checks say.
    checks: Arc<CheckResults>,
}

#[derive(Debug, Default)]
struct StateTable {
    states: HashMap<Arc<DestinationKey>, Arc<DestinationState>>,
    /// The number of states at which unused ones are evicted.
    limit: usize,
}

/// What people are told of one address of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AddressState {
    pub(crate) address: SocketAddr,
    /// Whether it is not tried last.
    pub(crate) is_healthy: bool,
    /// Failures to connect and errors in a row.
    pub(crate) failures: u32,
    /// Requests in progress there.
    pub(crate) active: u32,
    /// Why there was no connection the last time that there was none.
    pub(crate) last_failure: Option<ConnectFailure>,
    /// Whether the address fails its health checks; `None` if it is not checked.
    pub(crate) fails_checks: Option<bool>,
}

/// The state of one destination.
#[derive(Debug)]
pub(crate) struct DestinationState {
    pub(crate) destination: Arc<DestinationKey>,
    pub(crate) limits: Arc<DestinationLimits>,
    checks: Arc<CheckResults>,
    addresses: Mutex<Vec<(SocketAddr, Arc<EndpointHealth>)>>,
}

impl DestinationStates {
    /// The state of a destination, which is created if it does not exist. All clients share it.
    pub(crate) fn get(&self, destination: &DestinationKey) -> Arc<DestinationState> {
        let destination = destination.for_all_clients();
        let mut table = self.table();
        if let Some(state) = table.states.get(&*destination) {
            return Arc::clone(state);
        }
        // Clients choose the destinations, and many of them may lead nowhere.
        if table.states.len() >= table.limit.max(MANY) {
            table.sweep(clock::now());
        }
        let destination = Arc::new(destination.into_owned());
        let state = Arc::new(DestinationState {
            destination: Arc::clone(&destination),
            limits: Arc::default(),
            checks: Arc::clone(&self.checks),
            addresses: Mutex::default(),
        });
        table.states.insert(destination, Arc::clone(&state));
        state
    }

    /// What is known of the addresses of a host, by address; an address that several destinations share is told once.
    pub(crate) fn addresses_of(&self, host: &Host) -> Vec<AddressState> {
        let now = clock::now();
        let mut known = BTreeMap::new();
        for (destination, state) in &self.table().states {
            if destination.host == *host {
                state.tell(now, &mut known);
            }
        }
        known.into_values().collect()
    }

    /// Forgets the states that no worker uses and that hold nothing worth keeping.
    pub(crate) fn sweep(&self, now: Instant) {
        self.table().sweep(now);
    }

    /// The health checks say this about addresses. Returns how many fail them.
    pub(super) fn checked<'a, R: Iterator<Item = (&'a CheckedAddress, bool)>>(
        &self,
        results: impl Fn() -> R,
    ) -> i64 {
        self.checks.set(results());
        for state in self.table().states.values() {
            state.check();
        }
        let failing = results().filter(|(_, is_failing)| *is_failing).count();
        i64::try_from(failing).unwrap_or(i64::MAX)
    }

    /// Whether every checked address of a destination fails its health checks.
    pub(super) fn is_down(&self, destination: &DestinationKey) -> bool {
        self.checks.is_down(destination)
    }

    fn table(&self) -> MutexGuard<'_, StateTable> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.table().states.len()
    }
}

impl StateTable {
    fn sweep(&mut self, now: Instant) {
        let states = &mut self.states;
        states.retain(|_, state| Arc::strong_count(state) > 1 || state.is_worth_keeping(now));
        if states.capacity() > 4 * states.len() + 1024 {
            states.shrink_to_fit();
        }
        self.limit = 2 * states.len();
    }
}

impl DestinationState {
    /// The health of resolved addresses, in their order. Forgets other addresses that hold nothing worth keeping.
    pub(crate) fn health(
        &self,
        addresses: &[SocketAddr],
        now: Instant,
    ) -> Vec<Arc<EndpointHealth>> {
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
            let health = Arc::new(EndpointHealth::new(now));
            health.checked(self.fails_checks(*address));
            known.push((*address, Arc::clone(&health)));
            health
        };
        addresses.iter().map(&mut of).collect()
    }

    fn fails_checks(&self, address: SocketAddr) -> bool {
        self.checks.of(&self.destination, address) == Some(true)
    }

    /// Tells the addresses what the health checks say about them.
    fn check(&self) {
        if self.destination.configured.is_none() {
            return;
        }
        let known = self
            .addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for (address, health) in &*known {
            health.checked(self.fails_checks(*address));
        }
    }

    /// Counts the outcome of a use of one of the addresses, if the settings have outlier detection.
    pub(crate) fn observe(
        &self,
        health: &EndpointHealth,
        observed: ObservedOutcome,
        settings: &BackendSettings,
        metrics: &UpstreamMetrics,
    ) {
        if let Some(detection) = &settings.outlier_detection
            && self.observe_at(health, observed, detection, clock::now())
        {
            metrics.ejections.increment();
        }
    }

    /// Counts the outcome of a request to one of the addresses. Returns whether the address was ejected for it.
    fn observe_at(
        &self,
        health: &EndpointHealth,
        observed: ObservedOutcome,
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

    /// Whether one more address may be ejected: the first always may, more up to the configured percentage.
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

    /// Adds what is known of the addresses.
    fn tell(&self, now: Instant, to: &mut BTreeMap<SocketAddr, AddressState>) {
        let known = self
            .addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for (address, health) in &*known {
            let ToldHealth {
                is_healthy,
                failures,
                last_failure,
            } = health.told(now);
            let told = to.entry(*address).or_insert(AddressState {
                address: *address,
                is_healthy: true,
                failures: 0,
                active: 0,
                last_failure: None,
                fails_checks: None,
            });
            told.is_healthy &= is_healthy;
            told.failures = told.failures.max(failures);
            told.active += health.active();
            told.last_failure = told.last_failure.or(last_failure);
            let checked = self.checks.of(&self.destination, *address);
            told.fails_checks = told.fails_checks.max(checked);
        }
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
        let (states, now) = (DestinationStates::default(), clock::now());
        let ejected = |count, max_ejection_percent| {
            let name = format!("{count}-{max_ejection_percent}.example");
            let state = states.get(&DestinationKey::example(&name));
            let detection = OutlierDetection {
                consecutive_5xx: 1,
                max_ejection_percent,
                ..OutlierDetection::default()
            };
            let error = ObservedOutcome::Response(StatusCode::INTERNAL_SERVER_ERROR);
            let all = state.health(&addresses(count), now);
            all.iter()
                .filter(|health| state.observe_at(health, error, &detection, now))
                .count()
        };
        assert_eq!([ejected(1, 10), ejected(3, 0), ejected(3, 10)], [1, 1, 1]);
        assert_eq!([ejected(4, 50), ejected(4, 74), ejected(4, 100)], [2, 2, 4]);
    }

    #[test]
    fn what_is_known_stays_while_it_is_used_or_worth_knowing() {
        let (states, now) = (DestinationStates::default(), clock::now());
        let destination = DestinationKey::example("a.example");
        let state = states.get(&destination);
        let first = state.health(&addresses(2), now);
        // The same, by whichever worker, in another order.
        let again = states.get(&destination).health(&addresses(2), now);
        assert!(Arc::ptr_eq(&first[0], &again[0]));
        first[0].connect_failed(now);
        drop((first, again));
        state.health(&addresses(1), now);
        assert_eq!(state.addresses.lock().unwrap().len(), 1);
        states.sweep(now);
        drop(state);
        states.sweep(now);
        assert_eq!(states.len(), 1);
        states.sweep(now + Duration::from_secs(1));
        assert_eq!(states.len(), 0);
    }

    #[test]
    fn errors_of_what_nobody_uses_are_forgotten_in_time() {
        let (states, now) = (DestinationStates::default(), clock::now());
        let state = states.get(&DestinationKey::example("a.example"));
        let health = state.health(&addresses(1), now);
        let error = ObservedOutcome::Response(StatusCode::BAD_GATEWAY);
        state.observe_at(&health[0], error, &OutlierDetection::default(), now);
        drop((health, state));
        states.sweep(now + Duration::from_secs(9 * 60));
        assert_eq!(states.len(), 1);
        states.sweep(now + Duration::from_secs(10 * 60));
        assert_eq!(states.len(), 0);
    }

    #[test]
    fn the_addresses_of_a_host_are_told_once_each() {
        let (states, now) = (DestinationStates::default(), clock::now());
        let state = states.get(&DestinationKey::example("a.example"));
        let known = state.health(&addresses(2), now);
        known[0].failed_by(ConnectFailure::Refused);
        known[0].connect_failed(now + Duration::from_secs(3600));
        known[1].request_started();
        states.get(&DestinationKey::example("b.example"));
        let told = states.addresses_of(&"a.example".parse().unwrap());
        let told = told.iter().map(|it| {
            let last = it.last_failure.map(ConnectFailure::details);
            (it.is_healthy, it.failures, it.active, last)
        });
        let refused = "the upstream refused the connection";
        assert_eq!(
            told.collect::<Vec<_>>(),
            [(false, 1, 0, Some(refused)), (true, 0, 1, None)]
        );
    }

    #[test]
    fn destinations_that_lead_nowhere_do_not_pile_up() {
        let states = DestinationStates::default();
        for number in 0..2 * MANY {
            states.get(&DestinationKey::example(&format!("{number}.example")));
            assert!(states.len() <= MANY);
        }
    }
}
