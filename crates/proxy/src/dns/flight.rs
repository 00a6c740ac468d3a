//! One query for one name: both families at once, in one search domain after the other, on the control runtime, so that
//! nobody who goes away ends it.

use std::sync::Arc;
use std::time::Duration;

use egret_config::name::DnsName;
use tokio::time::{Instant, sleep_until};

use crate::clock;
use crate::dns::cache::Flight;
use crate::dns::family::RESOLUTION_DELAY;
use crate::dns::query::QueryError;
use crate::dns::resolver::{Setup, Shared};

use asked::Asked;
use combine::{single, worse};
use landing::Landing;
pub(super) use landing::{Told, Waiters};
use search::candidates;

mod asked;
mod combine;
mod landing;
mod search;
mod slot;

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
    let mut asked = Asked::ask(landing, name, left);
    until_told(landing, &mut asked).await;
    landing.land_unless_nothing(asked.outcome())?;
    while landing.is_awaited() {
        asked.next().await;
        landing.take_late(&mut asked);
    }
    Ok(())
}

/// Waits until there is enough to tell those who wait: addresses of the preferred family, or what has come a moment after
/// the first addresses. While an old answer serves, everything is worth waiting for; the queries themselves end in time.
async fn until_told(landing: &Landing, asked: &mut Asked) {
    let mut moment = None;
    let mut over = false;
    loop {
        if moment.is_none() && asked.has_addresses() {
            moment = Some(Instant::from_std(clock::now() + RESOLUTION_DELAY));
        }
        let enough = asked.is_complete() || (asked.is_enough(over) && landing.is_wanted());
        tokio::select! {
            biased;
            // First, so that what has come at the same time is told together.
            () = asked.next() => {}
            () = std::future::ready(()), if enough => return,
            () = until(moment) => {
                over = true;
                moment = Some(Instant::from_std(clock::now() + RESOLUTION_DELAY));
            }
        }
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
