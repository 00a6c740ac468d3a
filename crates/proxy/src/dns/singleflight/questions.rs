//! Asks the questions about one name at once, and collects the answers as they come.

use std::sync::Arc;
use std::time::Duration;

use egret_config::name::DnsName;
use tokio::time::timeout;

use super::combine::{combined, early, single, with_https_record};
use super::shared::ClientSettings;
use super::slot::AnswerSlot;
use crate::clock;
use crate::dns::cache::{QueryOutcome, RemainingAnswers};
use crate::dns::failure::DnsFailure;
use crate::dns::family::queried_families;
use crate::dns::query::{AddressRecords, HttpsRecord, HttpsRecords, QueryError, QueryFuture};
use crate::dns::stats::DnsStats;

/// The questions about one name, and the answers that have come so far.
pub(super) struct NameQuestions {
    /// The preferred family, or the only one.
    preferred: AnswerSlot<AddressRecords>,
    other: AnswerSlot<AddressRecords>,
    https: AnswerSlot<HttpsRecords>,
    /// The least TTL of the answers that were taken.
    pub(super) ttl: Duration,
}

impl NameQuestions {
    /// Asks for the addresses of a name, and for HTTPS records if `https` is set, within `query_timeout` and the time
    /// that is `left`.
    pub(super) fn ask(
        stats: &Arc<DnsStats>,
        using: &ClientSettings,
        (name, https): (&DnsName, bool),
        left: Duration,
    ) -> Self {
        let ClientSettings { settings, client } = using;
        let limit = settings.query_timeout.min(left);
        let mut families = queried_families(settings.family).iter().map(|&family| {
            let query = client.query_addresses(name.clone(), family);
            AnswerSlot::Awaited(addresses(stats, measured(stats, limit, query)))
        });
        Self {
            preferred: families.next().unwrap_or(AnswerSlot::Unasked),
            other: families.next().unwrap_or(AnswerSlot::Unasked),
            https: if https {
                let query = client.query_https(name.clone());
                AnswerSlot::Awaited(https_records(stats, measured(stats, limit, query)))
            } else {
                AnswerSlot::Unasked
            },
            ttl: Duration::MAX,
        }
    }

    /// Waits for one more answer.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            biased;
            () = self.preferred.wait() => {}
            () = self.other.wait() => {}
            () = self.https.wait() => {}
        }
    }

    pub(super) fn has_addresses(&self) -> bool {
        self.preferred.records().is_some() || self.other.records().is_some()
    }

    /// Whether no answer that is still to come could change the outcome.
    pub(super) fn is_decided(&self) -> bool {
        let families = !self.preferred.is_awaited() && !self.other.is_awaited();
        families && !(self.has_addresses() && self.https.is_awaited())
    }

    /// Whether every answer has come.
    pub(super) fn is_complete(&self) -> bool {
        let awaited = self.preferred.is_awaited() || self.other.is_awaited();
        !awaited && !self.https.is_awaited()
    }

    /// Whether there is enough to connect with; `delay_over` when the other answers were waited for long enough.
    pub(super) fn is_enough(&self, delay_over: bool) -> bool {
        let preferred = self.preferred.records().is_some() && !self.https.is_awaited();
        preferred || (delay_over && self.has_addresses())
    }

    /// Takes the answers that have come, as the outcome of the query.
    pub(super) fn outcome(&mut self) -> QueryOutcome {
        let remaining = if self.preferred.is_awaited() || self.other.is_awaited() {
            RemainingAnswers::Addresses
        } else if self.https.is_awaited() {
            RemainingAnswers::HttpsRecord
        } else {
            RemainingAnswers::Nothing
        };
        let addresses = match (self.take_family(), self.take_family()) {
            (Some(one), Some(other)) => combined(one, other),
            (Some(only), None) if remaining == RemainingAnswers::Addresses => early(only),
            (Some(only), None) => single(only),
            // No family is queried: there is no such setting.
            (None, _) => single(Err(DnsFailure::NoData.into())),
        };
        with_https_record(addresses, self.take_https_record(), remaining)
    }

    /// Takes the answer of a family that has come and was not taken before.
    pub(super) fn take_family(&mut self) -> Option<Result<AddressRecords, QueryError>> {
        let answer = self.preferred.take().or_else(|| self.other.take())?;
        if let Ok(records) = &answer {
            self.ttl = self.ttl.min(records.ttl);
        }
        Some(answer)
    }

    /// Takes the HTTPS record of the highest priority and its TTL, if it has come and was not taken before.
    pub(super) fn take_https_record(&mut self) -> Option<(Arc<HttpsRecord>, Duration)> {
        let HttpsRecords { records, ttl } = self.https.take()?.ok()?;
        let best = records.into_iter().next()?;
        self.ttl = self.ttl.min(ttl);
        Some((Arc::new(best), ttl))
    }
}

/// Counts failures. An answer without addresses becomes NODATA.
fn addresses(
    stats: &Arc<DnsStats>,
    query: QueryFuture<AddressRecords>,
) -> QueryFuture<AddressRecords> {
    let stats = Arc::clone(stats);
    Box::pin(async move {
        let answer = match query.await {
            Ok(records) if records.addresses.is_empty() => Err(DnsFailure::NoData.into()),
            answer => answer,
        };
        if let Err(error) = &answer {
            stats.query_failures.increment(error.failure.kind());
        }
        answer
    })
}

/// Counts failures. Most names have no HTTPS records, so a negative answer is not counted.
fn https_records(
    stats: &Arc<DnsStats>,
    query: QueryFuture<HttpsRecords>,
) -> QueryFuture<HttpsRecords> {
    let stats = Arc::clone(stats);
    Box::pin(async move {
        let answer = query.await;
        if let Err(QueryError { failure, .. }) = &answer
            && !failure.is_answer()
        {
            stats.query_failures.increment(failure.kind());
        }
        answer
    })
}

/// Counts the query and measures how long it takes, `limit` at most.
fn measured<T: Send + 'static>(
    stats: &Arc<DnsStats>,
    limit: Duration,
    query: QueryFuture<T>,
) -> QueryFuture<T> {
    let stats = Arc::clone(stats);
    Box::pin(async move {
        let start = clock::now();
        stats.queries.increment();
        let answer = timeout(limit, query).await;
        let answer = answer.unwrap_or_else(|_| Err(QueryError::from(DnsFailure::Timeout)));
        let took = clock::now().saturating_duration_since(start);
        stats.query_duration.observe(took);
        answer
    })
}
