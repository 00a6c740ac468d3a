//! One query for one name: both families at once, on the control runtime, so that nobody who goes away ends it.

use std::sync::Arc;
use std::time::Duration;

use egret_config::name::DnsName;
use tokio::time::timeout;

use crate::dns::cache::Flight;
use crate::dns::failure::Failure;
use crate::dns::family::{Family, wanted};
use crate::dns::query::{Answering, Records};
use crate::dns::resolver::{Setup, Shared};
use crate::telemetry::clock;

use combine::{combined, early, single};
use landing::Landing;
pub(super) use landing::{Told, Waiters};

mod combine;
mod landing;

/// How long the preferred family is waited for once the other has answered with addresses (RFC 8305 3).
const RESOLUTION_DELAY: Duration = Duration::from_millis(50);

/// Runs the flight.
pub(super) fn launch(shared: &Arc<Shared>, setup: Arc<Setup>, flight: Flight<Waiters>) {
    let name = flight.name().clone();
    let landing = Landing::new(Arc::clone(shared), setup, flight);
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

/// Those who wait are told as soon as the preferred family has addresses. When the other has them first, the preferred
/// one has a moment to come.
async fn fly_both(mut landing: Landing, mut preferred: Answering, mut other: Answering) {
    let (first, mut rest, mut delay) = tokio::select! {
        answer = &mut preferred => (answer, other, Duration::ZERO),
        answer = &mut other => (answer, preferred, RESOLUTION_DELAY),
    };
    let Ok(first) = first else {
        let outcome = combined(first, rest.await);
        landing.land(outcome);
        return;
    };
    loop {
        if let Ok(answer) = timeout(delay, &mut rest).await {
            landing.land(combined(Ok(first), answer));
            return;
        }
        // While the old answer serves, a complete one is worth waiting for; the query itself ends in time.
        if landing.is_wanted() {
            break;
        }
        delay = RESOLUTION_DELAY;
    }
    let Records { addresses, ttl } = first;
    if landing.land(early(addresses, ttl)) {
        match rest.await {
            Ok(records) => landing.finish(Some((&records.addresses, ttl.min(records.ttl)))),
            Err(error) if error.failure.is_answer() => landing.finish(Some((&[], ttl))),
            Err(_) => landing.finish(None),
        }
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
