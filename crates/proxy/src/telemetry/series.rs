//! Counters by the operator's words: the listener, the policy and the rule that decided about an exchange.
//!
//! The configuration bounds the values, not the client. Each worker finds the counter of a response by the addresses of the
//! words, without a lock; only words that it has not seen lately are looked up.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use egret_config::resources::ObjectRef;
use egret_config::snapshot::{ListenerSocket, RouteRule};

use crate::meter::Counter;
use crate::record::Verdict;

/// The most series of one worker. More, which only many changes of large configurations can bring, are counted without the
/// operator's words.
const MAX_SERIES: usize = 20_000;
/// The counters of responses that a worker has at hand.
const SLOTS: usize = 64;

/// What decided about an exchange, as far as that is known.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DecisionLabels<'a> {
    /// The full name of the listener.
    pub(crate) listener: Option<&'a Arc<str>>,
    /// The rule of a route that the request fell under.
    pub(crate) route: Option<&'a RouteRule>,
    /// The backend that the request was planned for.
    pub(crate) backend: Option<&'a ObjectRef>,
    /// The policy.
    pub(crate) policy: Option<&'a ObjectRef>,
    /// Its rule.
    pub(crate) rule: Option<&'a Arc<str>>,
}

/// The labels of one series, as they are exported.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SeriesLabels {
    /// `namespace/gateway/listener`; empty if it is not known.
    pub(crate) listener: Arc<str>,
    /// `namespace/route/rule`; empty if none was found.
    pub(crate) route: Arc<str>,
    /// `namespace/name`; empty if the request was not planned for one.
    pub(crate) backend: Arc<str>,
    /// `namespace/name`; empty if no policy decided.
    pub(crate) policy: Arc<str>,
    /// The name of the rule; empty if no rule decided.
    pub(crate) rule: Arc<str>,
}

/// Counters of events of one kind, by labels.
#[derive(Debug)]
pub(crate) struct CountersByDecision<E>(Mutex<BTreeMap<(E, SeriesLabels), Arc<Counter>>>);

impl<E> Default for CountersByDecision<E> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<E: Copy + Ord> CountersByDecision<E> {
    /// Adds one to the counter of an event.
    pub(crate) fn increment(&self, event: E, labels: DecisionLabels<'_>) {
        self.counter(event, labels).increment();
    }

    /// The counter of an event.
    pub(crate) fn counter(&self, event: E, labels: DecisionLabels<'_>) -> Arc<Counter> {
        let mut series = self.lock();
        let key = (event, SeriesLabels::from(labels));
        if series.len() >= MAX_SERIES && !series.contains_key(&key) {
            return Arc::clone(series.entry((event, SeriesLabels::default())).or_default());
        }
        Arc::clone(series.entry(key).or_default())
    }

    /// Adds the values of all counters to these sums.
    pub(crate) fn add_to(&self, sums: &mut BTreeMap<(E, SeriesLabels), u64>) {
        for (key, counter) in &*self.lock() {
            *sums.entry(key.clone()).or_default() += counter.get();
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(E, SeriesLabels), Arc<Counter>>> {
        // A counter is either in the map or not, so that a poisoned lock is harmless.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> DecisionLabels<'a> {
    /// The labels of an exchange that a listener took, with this verdict.
    pub(crate) fn of(listener: Option<&'a Arc<str>>, verdict: Option<&'a Verdict>) -> Self {
        Self {
            listener,
            policy: verdict.and_then(Verdict::policy),
            rule: verdict.and_then(Verdict::rule),
            ..Self::default()
        }
    }

    /// Adds where the request was to go.
    pub(crate) fn towards(
        self,
        route: Option<&'a RouteRule>,
        backend: Option<&'a ObjectRef>,
    ) -> Self {
        Self {
            route,
            backend,
            ..self
        }
    }

    /// The labels of a connection before a listener took it: the listener of its socket, if there is only one.
    pub(crate) fn of_socket(socket: Option<&'a ListenerSocket>) -> Self {
        let listener = match socket.map(|socket| &*socket.listeners) {
            Some([only]) => Some(&only.full_name),
            _ => None,
        };
        Self::of(listener, None)
    }

    /// Whether the words are at the same addresses.
    fn are(&self, other: &OwnedLabels) -> bool {
        fn same(one: Option<&Arc<str>>, other: Option<&Arc<str>>) -> bool {
            match (one, other) {
                (Some(one), Some(other)) => Arc::ptr_eq(one, other),
                (None, None) => true,
                _ => false,
            }
        }
        fn same_object(one: Option<&ObjectRef>, other: Option<&ObjectRef>) -> bool {
            same(one.map(|it| &it.name), other.map(|it| &it.name))
                && same(one.map(|it| &it.namespace), other.map(|it| &it.namespace))
        }
        same(self.listener, other.listener.as_ref())
            && same_object(self.policy, other.policy.as_ref())
            && same(self.rule, other.rule.as_ref())
            && same_object(self.backend, other.backend.as_ref())
            && match (self.route, &other.route) {
                (None, None) => true,
                (Some(rule), Some(known)) => {
                    same_object(Some(&rule.route), Some(&known.route))
                        && (rule.index, &rule.name) == (known.index, &known.name)
                }
                _ => false,
            }
    }

    /// The slot of a status under these labels.
    fn slot(&self, status: u16) -> usize {
        let at = |text: Option<&Arc<str>>| text.map_or(0, |text| Arc::as_ptr(text).addr() >> 4);
        let words = at(self.listener)
            ^ at(self.policy.map(|it| &it.name))
            ^ at(self.rule)
            ^ at(self.backend.map(|it| &it.name))
            ^ self
                .route
                .map_or(0, |rule| at(Some(&rule.route.name)) ^ rule.index);
        (words ^ usize::from(status)) % SLOTS
    }
}

impl From<DecisionLabels<'_>> for SeriesLabels {
    fn from(labels: DecisionLabels<'_>) -> Self {
        let DecisionLabels {
            listener,
            route,
            backend,
            policy,
            rule,
        } = labels;
        let name = |object: &ObjectRef| format!("{}/{}", object.namespace, object.name);
        Self {
            listener: listener.cloned().unwrap_or_default(),
            route: route.map(RouteRule::full_name).unwrap_or_default().into(),
            backend: backend.map(name).unwrap_or_default().into(),
            policy: policy.map(name).unwrap_or_default().into(),
            rule: rule.cloned().unwrap_or_default(),
        }
    }
}

/// The counters of responses that one worker used lately.
pub(super) struct ResponseCounters {
    shared: Arc<CountersByDecision<u16>>,
    slots: RefCell<Vec<Option<CachedCounter>>>,
}

/// A counter with the words that it is found by, which stay at their addresses as long as they are here.
struct CachedCounter {
    labels: OwnedLabels,
    status: u16,
    counter: Arc<Counter>,
}

/// As [`DecisionLabels`], apart from the exchange.
struct OwnedLabels {
    listener: Option<Arc<str>>,
    route: Option<OwnedRoute>,
    backend: Option<ObjectRef>,
    policy: Option<ObjectRef>,
    rule: Option<Arc<str>>,
}

/// What a rule of a route is known by.
struct OwnedRoute {
    route: ObjectRef,
    index: usize,
    name: Option<String>,
}

impl ResponseCounters {
    pub(super) fn new(shared: Arc<CountersByDecision<u16>>) -> Self {
        Self {
            shared,
            slots: RefCell::new((0..SLOTS).map(|_| None).collect()),
        }
    }

    /// Counts a response.
    pub(super) fn increment(&self, status: u16, labels: DecisionLabels<'_>) {
        let mut slots = self.slots.borrow_mut();
        let slot = &mut slots[labels.slot(status)];
        match slot {
            Some(cached) if cached.status == status && labels.are(&cached.labels) => {
                cached.counter.increment();
            }
            _ => {
                let counter = self.shared.counter(status, labels);
                counter.increment();
                *slot = Some(CachedCounter {
                    labels: OwnedLabels {
                        listener: labels.listener.cloned(),
                        route: labels.route.map(|rule| OwnedRoute {
                            route: rule.route.clone(),
                            index: rule.index,
                            name: rule.name.clone(),
                        }),
                        backend: labels.backend.cloned(),
                        policy: labels.policy.cloned(),
                        rule: labels.rule.cloned(),
                    },
                    status,
                    counter,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests;
