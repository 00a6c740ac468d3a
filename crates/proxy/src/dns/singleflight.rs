//! Runs one query for all lookups of a name that come while it is in flight.
//!
//! A query asks for both address families at once, in one search domain after the other. It runs on the control
//! runtime, so that it goes on when a lookup that waited for it is dropped.

use std::sync::Arc;
use std::time::Duration;

use egret_config::name::DnsName;
use tokio::time::{Instant, sleep_until};

use crate::clock;
use crate::dns::cache::InFlightQuery;
use crate::dns::family::RESOLUTION_DELAY;
use crate::dns::query::QueryError;

use combine::{single, worse};
use completion::QueryCompletion;
use questions::NameQuestions;
use search::candidates;
pub(super) use shared::{AnswerSender, ClientSettings, SharedAnswer, SharedCache};

mod combine;
mod completion;
mod questions;
mod search;
mod shared;
mod slot;

/// The time limit of a query over all search domains, as a multiple of `query_timeout`: a lookup may be waiting for it.
const MAX_TIMEOUTS: u32 = 2;

/// Spawns the query on the control runtime.
pub(super) fn spawn_query(
    cache: &Arc<SharedCache>,
    client: ClientSettings,
    query: InFlightQuery<AnswerSender>,
) {
    let name = query.name().clone();
    let completion = QueryCompletion::new(Arc::clone(cache), client, query);
    cache.control.spawn(run(completion, name));
}

async fn run(mut completion: QueryCompletion, name: DnsName) {
    let settings = Arc::clone(&completion.client.settings);
    let limit = settings.query_timeout.saturating_mul(MAX_TIMEOUTS);
    let start = clock::now();
    let mut negative: Option<QueryError> = None;
    for candidate in candidates(&name, &settings.search) {
        let left = limit.saturating_sub(clock::now().saturating_duration_since(start));
        let Err(error) = query_candidate(&mut completion, &candidate, left).await else {
            return;
        };
        negative = Some(match negative {
            Some(before) => worse(before, error),
            None => error,
        });
    }
    if let Some(error) = negative {
        completion.complete(single(Err(error)));
    }
}

/// Queries one candidate within the time that is `left`, and completes the query with the outcome. A negative answer
/// does not complete it but is returned as the error: another candidate may have addresses.
async fn query_candidate(
    completion: &mut QueryCompletion,
    name: &DnsName,
    left: Duration,
) -> Result<(), QueryError> {
    let mut questions = NameQuestions::ask(
        &completion.cache.stats,
        &completion.client,
        (name, completion.https),
        left,
    );
    wait_for_enough(completion, &mut questions).await;
    completion.complete_unless_negative(questions.outcome())?;
    while completion.is_late() {
        questions.next().await;
        completion.take_late(&mut questions);
    }
    Ok(())
}

/// Waits until there is enough for those who wait: addresses of the preferred family, or what has come within
/// [`RESOLUTION_DELAY`] after the first addresses. While an older answer is served, every answer is waited for; the
/// questions themselves end in time.
async fn wait_for_enough(completion: &QueryCompletion, questions: &mut NameQuestions) {
    let mut delay_ends = None;
    let mut delay_over = false;
    loop {
        if delay_ends.is_none() && questions.has_addresses() {
            delay_ends = Some(Instant::from_std(clock::now() + RESOLUTION_DELAY));
        }
        let enough =
            questions.is_decided() || (questions.is_enough(delay_over) && completion.is_wanted());
        tokio::select! {
            biased;
            // First, so that answers which come at the same time are told together.
            () = questions.next() => {}
            () = std::future::ready(()), if enough => return,
            () = sleep_until_some(delay_ends) => {
                delay_over = true;
                delay_ends = Some(Instant::from_std(clock::now() + RESOLUTION_DELAY));
            }
        }
    }
}

async fn sleep_until_some(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
