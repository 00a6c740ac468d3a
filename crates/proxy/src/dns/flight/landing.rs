//! How a flight ends: the cache takes it back, and those who wait are told.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::combine::single;
use crate::dns::cache::{Flight, Late, Outcome};
use crate::dns::failure::Failure;
use crate::dns::family::arrange;
use crate::dns::query::QueryError;
use crate::dns::resolver::{Setup, Shared};
use crate::telemetry::clock;

/// What those who wait share: where they are told.
pub(in crate::dns) type Waiters = watch::Sender<Option<Told>>;

/// What they are told.
#[derive(Clone, Debug)]
pub(in crate::dns) struct Told {
    pub(in crate::dns) result: Result<Arc<[IpAddr]>, Failure>,
    /// Whether this is all. If not, they are told once more.
    pub(in crate::dns) complete: bool,
}

/// Gives the flight back to the cache, and tells those who wait. It does so even when the task panics, or is dropped
/// with its runtime, so that no name is ever blocked and nobody waits for ever.
pub(super) struct Landing {
    pub(super) shared: Arc<Shared>,
    /// As it was when the query was made; the cache has to know what was asked for.
    pub(super) setup: Arc<Setup>,
    waiters: Waiters,
    flight: Option<Flight<Waiters>>,
    /// What is left of the flight after its first addresses have landed, and those.
    late: Option<(Late, Arc<[IpAddr]>)>,
}

impl Landing {
    pub(super) fn new(shared: Arc<Shared>, setup: Arc<Setup>, flight: Flight<Waiters>) -> Self {
        Self {
            shared,
            setup,
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

    /// Returns whether there is more to come, for [`Landing::finish`].
    pub(super) fn land(&mut self, outcome: Outcome) -> bool {
        let Some(flight) = self.flight.take() else {
            return false;
        };
        let now = clock::now();
        let landed = self
            .shared
            .cache()
            .complete(flight, outcome, &self.setup.settings, now);
        self.shared.stats.evicted.add(landed.evicted as u64);
        if let (Some(late), Ok(first)) = (landed.late, &landed.told) {
            self.late = Some((late, Arc::clone(first)));
        }
        self.tell(landed.told, self.late.is_none());
        self.late.is_some()
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

    /// Ends the wait for what is late: with its addresses and the TTL of the whole answer, or `None` if it failed.
    pub(super) fn finish(&mut self, brought: Option<(&[IpAddr], Duration)>) {
        let Some((late, first)) = self.late.take() else {
            return;
        };
        let merged = self.shared.cache().merge(&late, brought);
        if merged.is_some() && brought.is_some_and(|(addresses, _)| !addresses.is_empty()) {
            self.shared.stats.late_answers.increment();
        }
        // A newer answer may be in the cache by now. Whoever waits for this one still gets it.
        let all = merged.unwrap_or_else(|| {
            let (addresses, _) = brought.unwrap_or_default();
            arrange(&[&first, addresses].concat(), self.setup.settings.family)
        });
        self.tell(Ok(all), true);
    }

    fn tell(&self, result: Result<Arc<[IpAddr]>, Failure>, complete: bool) {
        self.waiters.send_replace(Some(Told { result, complete }));
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        let failure = Failure::Network("the query was given up".into());
        self.land(single(Err(failure.into())));
        self.finish(None);
    }
}
