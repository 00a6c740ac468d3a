//! When which address is checked, and what the outcomes say about it. Pure: the time is an argument.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

use egret_config::name::Host;
use egret_config::resources::ObjectRef;
use egret_config::snapshot::HealthCheck;

use crate::meter::label_values;

/// The most checks that run at the same time.
const MAX_RUNNING: usize = 64;

label_values! {
    /// The outcome of one check.
    pub(crate) enum CheckOutcome {
        /// The address says that it can serve.
        Good = "good",
        /// It answers something else.
        Wrong = "wrong",
        /// It does not answer in time, or not at all.
        Unanswered = "unanswered",
    }
}

/// An address of a backend that is checked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CheckedAddress {
    /// The Backend or Service.
    pub(crate) backend: ObjectRef,
    /// The host of it that has the address.
    pub(crate) host: Host,
    pub(crate) address: SocketAddr,
}

/// The addresses that are checked, each with what is needed to ask it.
#[derive(Debug)]
pub(super) struct CheckTable<P> {
    checks: BTreeMap<CheckedAddress, AddressCheck<P>>,
    running: usize,
}

#[derive(Debug)]
struct AddressCheck<P> {
    probe: P,
    state: CheckState,
    /// When it is checked next; `None` while a check runs.
    due: Option<Instant>,
}

/// What the checks of an address say about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct CheckState {
    /// Whether it was ever checked.
    is_new: bool,
    is_failing: bool,
    /// Good checks in a row of an address that fails.
    good: u32,
    /// Checks in a row that brought no answer.
    unanswered: u32,
}

impl CheckState {
    /// An address that was not checked yet counts as unhealthy, so that one that is added to others does not get requests
    /// before it can serve them.
    const NEW: Self = Self {
        is_new: true,
        is_failing: true,
        good: 0,
        unanswered: 0,
    };

    /// The state after a check. A single good check is enough at the beginning, and a single wrong answer at any time.
    fn after(mut self, outcome: CheckOutcome, settings: &HealthCheck) -> Self {
        let was_new = std::mem::take(&mut self.is_new);
        match outcome {
            CheckOutcome::Good => {
                self.unanswered = 0;
                if self.is_failing {
                    self.good += 1;
                    self.is_failing = !was_new && self.good < settings.healthy_threshold;
                }
            }
            CheckOutcome::Wrong => self.is_failing = true,
            CheckOutcome::Unanswered => {
                self.unanswered = self.unanswered.saturating_add(1);
                self.is_failing |= self.unanswered >= settings.unhealthy_threshold;
            }
        }
        if outcome != CheckOutcome::Good || !self.is_failing {
            self.good = 0;
        }
        self
    }
}

impl<P> Default for CheckTable<P> {
    fn default() -> Self {
        Self {
            checks: BTreeMap::new(),
            running: 0,
        }
    }
}

impl<P: Clone> CheckTable<P> {
    /// Checks exactly these addresses from now on: those that are new at once, and the others as before. Returns whether they
    /// are others than before.
    pub(super) fn keep(&mut self, wanted: BTreeMap<CheckedAddress, P>, now: Instant) -> bool {
        let has_changed = !wanted.keys().eq(self.checks.keys());
        let mut known = std::mem::take(&mut self.checks);
        for (address, probe) in wanted {
            let check = match known.remove(&address) {
                Some(check) => AddressCheck { probe, ..check },
                None => AddressCheck {
                    probe,
                    state: CheckState::NEW,
                    due: Some(now),
                },
            };
            self.checks.insert(address, check);
        }
        has_changed
    }

    /// Begins the checks that are due, as far as there may be more at the same time.
    pub(super) fn begin(&mut self, now: Instant) -> Vec<(CheckedAddress, P)> {
        let mut begun = Vec::new();
        for (address, check) in &mut self.checks {
            if self.running == MAX_RUNNING {
                break;
            }
            if check.due.take_if(|due| *due <= now).is_some() {
                self.running += 1;
                begun.push((address.clone(), check.probe.clone()));
            }
        }
        begun
    }

    /// A check has ended. The next one is due after the interval. Returns whether the address begins to fail its checks, or
    /// ends to.
    pub(super) fn ended(
        &mut self,
        address: &CheckedAddress,
        outcome: CheckOutcome,
        settings: &HealthCheck,
        now: Instant,
    ) -> bool {
        self.running -= 1;
        let Some(check) = self.checks.get_mut(address) else {
            return false;
        };
        let was_failing = check.state.is_failing;
        check.state = check.state.after(outcome, settings);
        check.due = Some(now + settings.interval);
        check.state.is_failing != was_failing
    }

    /// When the next check is due; `None` if none is, or as many run as may.
    pub(super) fn next(&self) -> Option<Instant> {
        let due = self.checks.values().filter_map(|check| check.due).min();
        due.filter(|_| self.running < MAX_RUNNING)
    }

    /// The addresses, and whether each fails its checks.
    pub(super) fn results(&self) -> impl Iterator<Item = (&CheckedAddress, bool)> {
        let checks = self.checks.iter();
        checks.map(|(address, check)| (address, check.state.is_failing))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use egret_config::resources::Kind;
    use egret_config::snapshot::HealthProbe;

    use super::CheckOutcome::{Good, Unanswered, Wrong};
    use super::*;
    use crate::clock;

    fn settings() -> HealthCheck {
        HealthCheck {
            timeout: Duration::from_secs(1),
            interval: Duration::from_secs(5),
            unhealthy_threshold: 3,
            healthy_threshold: 2,
            probe: HealthProbe::Tcp {
                send: Vec::new(),
                receive: Vec::new(),
            },
        }
    }

    fn addresses(count: u16) -> impl Iterator<Item = CheckedAddress> {
        (0..count).map(|port| CheckedAddress {
            backend: ObjectRef::new(Kind::Backend, "apps", "b"),
            host: "a.example".parse().unwrap(),
            address: SocketAddr::from(([192, 0, 2, 1], port + 1)),
        })
    }

    fn table(count: u16, now: Instant) -> CheckTable<()> {
        let mut table = CheckTable::default();
        assert!(table.keep(addresses(count).map(|one| (one, ())).collect(), now));
        table
    }

    fn failing(table: &CheckTable<()>) -> Vec<bool> {
        table.results().map(|(_, failing)| failing).collect()
    }

    #[test]
    fn thresholds_count_checks_in_a_row() {
        for (outcomes, expected) in [
            // New: one check decides.
            (&[][..], true),
            (&[Good], false),
            (&[Wrong], true),
            (&[Unanswered], true),
            // After a first bad check the thresholds hold.
            (&[Unanswered, Good], true),
            (&[Unanswered, Good, Good], false),
            (&[Unanswered, Good, Unanswered, Good], true),
            (&[Unanswered, Good, Wrong, Good, Good], false),
            // An address that serves.
            (&[Good, Wrong], true),
            (&[Good, Unanswered, Unanswered], false),
            (&[Good, Unanswered, Unanswered, Unanswered], true),
            (
                &[Good, Unanswered, Unanswered, Good, Unanswered, Unanswered],
                false,
            ),
            (&[Good, Wrong, Good], true),
            (&[Good, Wrong, Good, Good], false),
            (&[Good, Wrong, Good, Good, Wrong, Good], true),
        ] {
            let state = outcomes
                .iter()
                .fold(CheckState::NEW, |state, one| state.after(*one, &settings()));
            assert_eq!(state.is_failing, expected, "{outcomes:?}");
        }
    }

    #[test]
    fn the_first_check_is_at_once_and_the_next_after_the_interval() {
        let now = clock::now();
        let mut table = table(1, now);
        let settings = settings();
        let mut at = now;
        for _ in 0..3 {
            let begun = table.begin(at);
            assert_eq!(begun.len(), 1);
            // It runs.
            assert_eq!(table.next(), None);
            assert!(table.begin(at + settings.interval).is_empty());
            // However long it takes, the interval follows it.
            at += Duration::from_millis(300);
            let is_first = at < now + settings.interval;
            let has_changed = table.ended(&begun[0].0, Good, &settings, at);
            assert_eq!(has_changed, is_first);
            at += settings.interval;
            assert_eq!(table.next(), Some(at));
            assert!(table.begin(at - Duration::from_millis(1)).is_empty());
        }
        assert_eq!(failing(&table), [false]);
    }

    #[test]
    fn a_change_keeps_what_is_known_and_checks_what_is_new() {
        let now = clock::now();
        let mut table = table(2, now);
        let settings = settings();
        for (address, ()) in table.begin(now) {
            table.ended(&address, Good, &settings, now);
        }
        let same: BTreeMap<_, _> = addresses(2).map(|one| (one, ())).collect();
        assert!(!table.keep(same, now));
        assert!(table.keep(addresses(3).skip(1).map(|one| (one, ())).collect(), now));
        assert_eq!(failing(&table), [false, true]);
        let begun = table.begin(now);
        assert_eq!(begun.len(), 1);
        // A check of what is not checked any more says nothing.
        assert!(table.keep(BTreeMap::new(), now));
        assert!(!table.ended(&begun[0].0, Good, &settings, now));
        assert_eq!(failing(&table), [false; 0]);
        assert_eq!(table.next(), None);
    }

    #[test]
    fn only_so_many_checks_run_at_once() {
        let now = clock::now();
        let mut table = table(100, now);
        let first = table.begin(now);
        assert_eq!(first.len(), MAX_RUNNING);
        assert!(table.begin(now).is_empty());
        assert_eq!(table.next(), None);
        table.ended(&first[0].0, Good, &settings(), now);
        assert_eq!(table.next(), Some(now));
        assert_eq!(table.begin(now).len(), 1);
    }
}
