//! What the health checks say about addresses, for all workers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use egret_config::name::Host;
use egret_config::resources::ObjectRef;

use super::table::CheckedAddress;
use crate::plan::destination::DestinationKey;

/// The results of the checks.
#[derive(Debug, Default)]
pub(crate) struct CheckResults {
    by_backend: Mutex<BTreeMap<ObjectRef, Vec<CheckResult>>>,
    /// Whether there are any, which is read without the lock.
    has_any: AtomicBool,
}

#[derive(Debug)]
struct CheckResult {
    host: Host,
    address: SocketAddr,
    is_failing: bool,
}

impl CheckResults {
    /// Replaces all results.
    pub(in crate::upstream) fn set<'a>(
        &self,
        results: impl Iterator<Item = (&'a CheckedAddress, bool)>,
    ) {
        let mut by_backend: BTreeMap<ObjectRef, Vec<CheckResult>> = BTreeMap::new();
        for (checked, is_failing) in results {
            let CheckedAddress {
                backend,
                host,
                address,
            } = checked;
            let of_backend = by_backend.entry(backend.clone()).or_default();
            of_backend.push(CheckResult {
                host: host.clone(),
                address: *address,
                is_failing,
            });
        }
        let mut known = self.known();
        self.has_any.store(!by_backend.is_empty(), Relaxed);
        *known = by_backend;
    }

    /// Whether an address of a destination fails its checks; `None` if it is not checked.
    pub(crate) fn of(&self, destination: &DestinationKey, address: SocketAddr) -> Option<bool> {
        self.find(destination, |results| {
            let mut of_address = results.iter().filter(|result| result.address == address);
            of_address.next().map(|result| result.is_failing)
        })
    }

    /// Whether every checked address of a host fails its checks.
    pub(crate) fn is_down(&self, destination: &DestinationKey) -> bool {
        let found = self.find(destination, |results| {
            let is_of = |result: &&CheckResult| {
                result.host == destination.host && result.address.port() == destination.port.get()
            };
            let mut of_host = results.iter().filter(is_of).peekable();
            of_host.peek()?;
            Some(of_host.all(|result| result.is_failing))
        });
        found == Some(true)
    }

    fn find<T>(
        &self,
        destination: &DestinationKey,
        within: impl FnOnce(&[CheckResult]) -> Option<T>,
    ) -> Option<T> {
        let backend = destination.configured.as_ref()?;
        if !self.has_any.load(Relaxed) {
            return None;
        }
        within(self.known().get(backend)?)
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<ObjectRef, Vec<CheckResult>>> {
        self.by_backend
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use egret_config::resources::Kind;

    use super::*;

    #[test]
    fn a_host_is_down_if_all_its_addresses_are() {
        let backend = ObjectRef::new(Kind::Backend, "apps", "b");
        let results = CheckResults::default();
        let key = |host: &str| DestinationKey {
            configured: Some(backend.clone()),
            ..DestinationKey::example(host)
        };
        let checked = |host: &str, last: u8| CheckedAddress {
            backend: backend.clone(),
            host: host.parse().unwrap(),
            address: SocketAddr::from(([192, 0, 2, last], 80)),
        };
        let all = [
            (checked("a.example", 1), true),
            (checked("a.example", 2), false),
            (checked("b.example", 3), true),
        ];
        results.set(all.iter().map(|(checked, failing)| (checked, *failing)));
        let down = ["a.example", "b.example", "c.example"].map(|host| results.is_down(&key(host)));
        assert_eq!(down, [false, true, false]);
        let of = |address: SocketAddr| results.of(&key("a.example"), address);
        assert_eq!(of(all[0].0.address), Some(true));
        assert_eq!(of(all[1].0.address), Some(false));
        assert_eq!(of(SocketAddr::from(([192, 0, 2, 4], 80))), None);
        // Another backend shares nothing with this one.
        let other = DestinationKey::example("b.example");
        assert!(!results.is_down(&other));
        results.set(std::iter::empty());
        assert!(!results.is_down(&key("b.example")));
    }
}
