//! One query for one name: both families at once, on the control runtime, so that nobody who goes away ends it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use egret_config::name::DnsName;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::dns::cache::{Flight, Late, Outcome};
use crate::dns::failure::Failure;
use crate::dns::family::{Family, wanted};
use crate::dns::query::Answering;
use crate::dns::resolver::{Setup, Shared};
use crate::telemetry::clock;

use combine::{combined, single};

mod combine;

/// How long one family is waited for once the other has answered with addresses (RFC 8305 3).
const RESOLUTION_DELAY: Duration = Duration::from_millis(50);
/// What those who wait share: where they are told.
pub(super) type Waiters = watch::Sender<Option<Told>>;
/// What they are told.
pub(super) type Told = Result<Arc<[IpAddr]>, Failure>;

/// Gives the flight back to the cache, and tells those who wait. It does so even when the task panics, or is dropped
/// with its runtime, so that no name is ever blocked and nobody waits for ever.
struct Landing {
    shared: Arc<Shared>,
    /// As it was when the query was made; the cache has to know what was asked for.
    setup: Arc<Setup>,
    flight: Option<Flight<Waiters>>,
}

/// Runs the flight.
pub(super) fn launch(shared: &Arc<Shared>, setup: Arc<Setup>, flight: Flight<Waiters>) {
    let name = flight.name().clone();
    let landing = Landing {
        shared: Arc::clone(shared),
        setup,
        flight: Some(flight),
    };
    shared.control.spawn(fly(landing, name));
}

async fn fly(mut landing: Landing, name: DnsName) {
    let mut queries = wanted(landing.setup.settings.family)
        .iter()
        .map(|&family| ask(&landing, name.clone(), family));
    let (first, second) = (queries.next(), queries.next());
    drop(queries);
    match (first, second) {
        (Some(first), Some(second)) => fly_both(landing, first, second).await,
        (Some(only), None) => {
            let answer = only.await;
            landing.land(single(answer));
        }
        // No family is wanted: there is no such setting.
        (None, _) => {}
    }
}

async fn fly_both(mut landing: Landing, mut one: Answering, mut other: Answering) {
    let (early, mut other) = tokio::select! {
        answer = &mut one => (answer, other),
        answer = &mut other => (answer, one),
    };
    let Ok(early) = early else {
        let outcome = combined(early, other.await);
        landing.land(outcome);
        return;
    };
    loop {
        if let Ok(answer) = timeout(RESOLUTION_DELAY, &mut other).await {
            landing.land(combined(Ok(early), answer));
            return;
        }
        // While the old answer serves, a complete one is worth waiting for; the query itself ends in time.
        if landing.is_wanted() {
            break;
        }
    }
    let ttl = early.ttl;
    let incomplete = combined(Ok(early), Err(Failure::Timeout.into()));
    if let Some(late) = landing.land(incomplete) {
        merge_late(&landing.shared, &landing.setup, (late, ttl), other).await;
    }
}

/// Waits for the family that is late, and adds it to what has been told already.
async fn merge_late(
    shared: &Shared,
    setup: &Setup,
    (late, ttl): (Late, Duration),
    other: Answering,
) {
    // A server that drops one family would otherwise let these pile up: nobody waits for them, so nothing holds them
    // back.
    let Some(_slot) = shared.late_slot(setup.settings.max_pending) else {
        return;
    };
    let (addresses, ttl) = match other.await {
        Ok(records) => (records.addresses, ttl.min(records.ttl)),
        Err(error) if error.failure.is_answer() => (Vec::new(), ttl),
        Err(_) => return,
    };
    if shared.cache().merge(&late, &addresses, ttl) && !addresses.is_empty() {
        shared.stats.late_answers.increment();
    }
}

/// One query, within `query_timeout`, and counted.
fn ask(landing: &Landing, name: DnsName, family: Family) -> Answering {
    let shared = Arc::clone(&landing.shared);
    let setup = Arc::clone(&landing.setup);
    Box::pin(async move {
        let start = clock::now();
        shared.stats.queries.increment();
        let answer = timeout(
            setup.settings.query_timeout,
            setup.query.query(name, family),
        )
        .await;
        let answer = match answer {
            Ok(Ok(records)) if records.addresses.is_empty() => Err(Failure::NoData.into()),
            Ok(answer) => answer,
            Err(_) => Err(Failure::Timeout.into()),
        };
        let took = clock::now().saturating_duration_since(start);
        shared.stats.query_duration.observe(took);
        if let Err(error) = &answer {
            shared.stats.query_failures[error.failure.kind()].increment();
        }
        answer
    })
}

impl Landing {
    fn is_wanted(&self) -> bool {
        let cache = self.shared.cache();
        self.flight
            .as_ref()
            .is_some_and(|flight| cache.is_wanted(flight))
    }

    /// `None` when it has landed before.
    fn land(&mut self, outcome: Outcome) -> Option<Late> {
        let flight = self.flight.take()?;
        let waiters = flight.waiters.clone();
        let now = clock::now();
        let landed = self
            .shared
            .cache()
            .complete(flight, outcome, &self.setup.settings, now);
        self.shared.stats.evicted.add(landed.evicted as u64);
        waiters.send_replace(Some(landed.told));
        Some(landed.late)
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.land(single(Err(Failure::Network(
            "the query was given up".into(),
        )
        .into())));
    }
}
