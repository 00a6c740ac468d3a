//! How a flight ends: the cache takes it back, and those who wait are told.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::asked::Asked;
use super::combine::single;
use crate::clock;
use crate::dns::cache::{Flight, Late, Outcome, Rest};
use crate::dns::failure::Failure;
use crate::dns::family::arrange;
use crate::dns::query::{QueryError, Records, Service};
use crate::dns::resolver::{Setup, Shared};

/// What those who wait share: where they are told.
pub(in crate::dns) type Waiters = watch::Sender<Option<Told>>;

/// What they are told.
#[derive(Clone, Debug)]
pub(in crate::dns) struct Told {
    pub(in crate::dns) result: Result<Arc<[IpAddr]>, Failure>,
    pub(in crate::dns) service: Option<Arc<Service>>,
    /// Whether this is all. If not, they are told once more.
    pub(in crate::dns) complete: bool,
}

/// Gives the flight back to the cache, and tells those who wait. It does so even when the task panics, or is dropped
/// with its runtime, so that no name is ever blocked and nobody waits for ever.
pub(super) struct Landing {
    pub(super) shared: Arc<Shared>,
    /// As it was when the query was made; the cache has to know what was asked for.
    pub(super) setup: Arc<Setup>,
    /// Whether HTTPS records are to be asked for.
    pub(super) https: bool,
    waiters: Waiters,
    flight: Option<Flight<Waiters>>,
    /// What is left of the flight after its first addresses have landed.
    late: Option<Rear>,
}

struct Rear {
    late: Late,
    told: Told,
}

impl Landing {
    pub(super) fn new(shared: Arc<Shared>, setup: Arc<Setup>, flight: Flight<Waiters>) -> Self {
        Self {
            shared,
            setup,
            https: flight.https,
            waiters: flight.waiters.clone(),
            flight: Some(flight),
            late: None,
        }
    }

    pub(super) fn is_wanted(&self) -> bool {
        let cache = self.shared.cache();
        self.flight
            .as_ref()
            .is_some_and(|flight| cache.is_wanted(flight))
    }

    pub(super) fn land(&mut self, outcome: Outcome) {
        let Some(flight) = self.flight.take() else {
            return;
        };
        let rest = match outcome {
            Outcome::Found { rest, .. } => rest,
            Outcome::Failed { .. } => Rest::Nothing,
        };
        let now = clock::now();
        let landed = self
            .shared
            .cache()
            .complete(flight, outcome, &self.setup.settings, now);
        self.shared.stats.evicted.add(landed.evicted as u64);
        let told = Told {
            result: landed.told,
            service: landed.service,
            complete: landed.late.is_none() || rest != Rest::Addresses,
        };
        self.waiters.send_replace(Some(told.clone()));
        self.late = landed.late.map(|late| Rear { late, told });
    }

    /// Lands, unless the outcome is the answer that there is nothing.
    pub(super) fn land_unless_nothing(&mut self, outcome: Outcome) -> Result<(), QueryError> {
        match outcome {
            Outcome::Failed { failure, ttl } if failure.is_answer() => {
                Err(QueryError { failure, ttl })
            }
            outcome => {
                self.land(outcome);
                Ok(())
            }
        }
    }

    /// Whether something is late.
    pub(super) fn is_awaited(&self) -> bool {
        self.late.is_some()
    }

    /// Takes what has come late, and ends the wait when that was all.
    pub(super) fn take_late(&mut self, asked: &mut Asked) {
        if let Some(rear) = &self.late
            && let Some((service, ttl)) = asked.take_service()
        {
            self.shared.cache().merge_service(&rear.late, service, ttl);
        }
        if let Some(answer) = asked.take_family() {
            self.take_family(answer, asked.ttl);
        }
        if asked.is_all_here() {
            self.end();
        }
    }

    /// `ttl` is that of the whole answer, if this completes it.
    fn take_family(&mut self, answer: Result<Records, QueryError>, ttl: Duration) {
        let Some(rear) = &mut self.late else { return };
        let addresses = match answer {
            Ok(records) => Some(records.addresses),
            Err(error) if error.failure.is_answer() => Some(Vec::new()),
            Err(_) => None,
        };
        let whole = addresses.as_deref().map(|addresses| (addresses, ttl));
        let merged = self.shared.cache().merge(&rear.late, whole);
        let more = whole.is_some_and(|(addresses, _)| !addresses.is_empty());
        if merged.is_some() && more {
            self.shared.stats.late_answers.increment();
        }
        // A newer answer may be in the cache by now. Whoever waits for this one still gets it.
        if let (Some((addresses, _)), Ok(first)) = (whole, &rear.told.result) {
            let all = || arrange(&[first, addresses].concat(), self.setup.settings.family);
            rear.told.result = Ok(merged.unwrap_or_else(all));
        }
        rear.told.complete = true;
        self.waiters.send_replace(Some(rear.told.clone()));
    }

    fn end(&mut self) {
        if let Some(rear) = self.late.take() {
            self.shared.cache().end(rear.late);
        }
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        let given_up = || QueryError::from(Failure::Network("the query was given up".into()));
        self.land(single(Err(given_up())));
        if self.late.as_ref().is_some_and(|rear| !rear.told.complete) {
            self.take_family(Err(given_up()), Duration::ZERO);
        }
        self.end();
    }
}
