//! One query for one name: both families at once, in one search domain after the other, on the control runtime, so that
//! nobody who goes away ends it.

use std::sync::Arc;
use std::time::Duration;

use egret_config::name::DnsName;
use tokio::time::timeout;

use crate::dns::cache::Flight;
use crate::dns::failure::Failure;
use crate::dns::family::{Family, wanted};
use crate::dns::query::{Answering, QueryError, Records};
use crate::dns::resolver::{Setup, Shared};
use crate::telemetry::clock;

use combine::{combined, early, single, worse};
use landing::Landing;
pub(super) use landing::{Told, Waiters};
use search::candidates;

mod combine;
mod landing;
mod search;

/// How long the preferred family is waited for once the other has answered with addresses (RFC 8305 3).
const RESOLUTION_DELAY: Duration = Duration::from_millis(50);
/// Most times `query_timeout` that a flight may take, however many search domains there are: somebody waits for it.
const LONGEST: u32 = 2;

/// Runs the flight.
pub(super) fn launch(shared: &Arc<Shared>, setup: Arc<Setup>, flight: Flight<Waiters>) {
    let name = flight.name().clone();
    let landing = Landing::new(Arc::clone(shared), setup, flight);
    shared.control.spawn(fly(landing, name));
}

async fn fly(mut landing: Landing, name: DnsName) {
    let settings = Arc::clone(&landing.setup.settings);
    let limit = settings.query_timeout.saturating_mul(LONGEST);
    let start = clock::now();
    let mut nothing: Option<QueryError> = None;
    for candidate in candidates(&name, &settings.search) {
        let left = limit.saturating_sub(clock::now().saturating_duration_since(start));
        let Err(error) = attempt(&mut landing, &candidate, left).await else {
            return;
        };
        nothing = Some(match nothing {
            Some(before) => worse(before, error),
            None => error,
        });
    }
    if let Some(error) = nothing {
        landing.land(single(Err(error)));
    }
}

/// Asks for one name within this time, and lands with what comes of it. Where that is the answer that there is nothing,
/// the flight can go on.
async fn attempt(landing: &mut Landing, name: &DnsName, left: Duration) -> Result<(), QueryError> {
    let mut queries = wanted(landing.setup.settings.family)
        .iter()
        .map(|&family| ask(landing, name.clone(), family, left));
    let (first, second) = (queries.next(), queries.next());
    drop(queries);
    match (first, second) {
        (Some(first), Some(second)) => both(landing, first, second).await,
        (Some(only), None) => {
            let answer = only.await;
            landing.land_unless_nothing(single(answer))
        }
        // No family is wanted: there is no such setting.
        (None, _) => Ok(()),
    }
}

/// Those who wait are told as soon as the preferred family has addresses. When the other has them first, the preferred
/// one has a moment to come.
async fn both(
    landing: &mut Landing,
    mut preferred: Answering,
    mut other: Answering,
) -> Result<(), QueryError> {
    let (first, mut rest, mut delay) = tokio::select! {
        answer = &mut preferred => (answer, other, Duration::ZERO),
        answer = &mut other => (answer, preferred, RESOLUTION_DELAY),
    };
    let Ok(first) = first else {
        let outcome = combined(first, rest.await);
        return landing.land_unless_nothing(outcome);
    };
    loop {
        if let Ok(answer) = timeout(delay, &mut rest).await {
            landing.land(combined(Ok(first), answer));
            return Ok(());
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
    Ok(())
}

/// One query, within `query_timeout` and the time that is left, and counted.
fn ask(landing: &Landing, name: DnsName, family: Family, left: Duration) -> Answering {
    let shared = Arc::clone(&landing.shared);
    let setup = Arc::clone(&landing.setup);
    Box::pin(async move {
        let start = clock::now();
        shared.stats.queries.increment();
        let limit = setup.settings.query_timeout.min(left);
        let answer = timeout(limit, setup.query.query(name, family)).await;
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
