//! Ends a query: gives it back to the cache, and the answer to the lookups that wait.

use std::sync::Arc;
use std::time::Duration;

use super::combine::single;
use super::questions::NameQuestions;
use super::shared::{AnswerSender, ClientSettings, SharedAnswer, SharedCache};
use crate::clock;
use crate::dns::cache::{InFlightQuery, LateQuery, QueryOutcome, RemainingAnswers};
use crate::dns::failure::DnsFailure;
use crate::dns::family::order_by_family;
use crate::dns::query::{AddressRecords, QueryError};

/// Gives the query back to the cache and the answer to the lookups that wait. It does so even when the task panics, or
/// is dropped with its runtime, so that no name is ever blocked and no lookup waits forever.
pub(super) struct QueryCompletion {
    pub(super) cache: Arc<SharedCache>,
    /// The settings that the query was made under, which the cache needs as they were.
    pub(super) client: ClientSettings,
    /// Whether HTTPS records are to be queried.
    pub(super) https: bool,
    waiters: AnswerSender,
    query: Option<InFlightQuery<AnswerSender>>,
    /// The late part of the query, after its first addresses were sent.
    late: Option<LateAnswer>,
}

struct LateAnswer {
    query: LateQuery,
    /// The answer that was sent last.
    sent: SharedAnswer,
}

impl QueryCompletion {
    pub(super) fn new(
        cache: Arc<SharedCache>,
        client: ClientSettings,
        query: InFlightQuery<AnswerSender>,
    ) -> Self {
        Self {
            cache,
            client,
            https: query.https,
            waiters: query.waiters.clone(),
            query: Some(query),
            late: None,
        }
    }

    /// Whether a lookup waits for the query, or will be served by nothing but its answer.
    pub(super) fn is_wanted(&self) -> bool {
        let cache = self.cache.lock();
        let query = self.query.as_ref();
        query.is_some_and(|query| cache.is_wanted(query))
    }

    /// Completes the query with this outcome, unless it is completed.
    pub(super) fn complete(&mut self, outcome: QueryOutcome) {
        let Some(query) = self.query.take() else {
            return;
        };
        let remaining = match outcome {
            QueryOutcome::Found { remaining, .. } => remaining,
            QueryOutcome::Failed { .. } => RemainingAnswers::Nothing,
        };
        let (settings, now) = (&self.client.settings, clock::now());
        let completed = self.cache.lock().complete(query, outcome, settings, now);
        self.cache.stats.evicted.add(completed.evicted as u64);
        let sent = SharedAnswer {
            result: completed.result,
            https_record: completed.https_record,
            complete: completed.late.is_none() || remaining != RemainingAnswers::Addresses,
        };
        self.waiters.send_replace(Some(sent.clone()));
        self.late = completed.late.map(|query| LateAnswer { query, sent });
    }

    /// Completes the query, unless the outcome is a negative answer.
    pub(super) fn complete_unless_negative(
        &mut self,
        outcome: QueryOutcome,
    ) -> Result<(), QueryError> {
        match outcome {
            QueryOutcome::Failed { failure, ttl } if failure.is_answer() => {
                Err(QueryError { failure, ttl })
            }
            outcome => {
                self.complete(outcome);
                Ok(())
            }
        }
    }

    /// Whether a part of the query is late.
    pub(super) fn is_late(&self) -> bool {
        self.late.is_some()
    }

    /// Takes the answers that have come late, and ends the query when all have come.
    pub(super) fn take_late(&mut self, questions: &mut NameQuestions) {
        if let Some(late) = &self.late
            && let Some((record, ttl)) = questions.take_https_record()
        {
            let mut cache = self.cache.lock();
            cache.merge_https_record(&late.query, record, ttl);
        }
        if let Some(answer) = questions.take_family() {
            self.take_family(answer, questions.ttl);
        }
        if questions.is_complete() {
            self.finish();
        }
    }

    /// Takes the answer of the late family; `ttl` is that of the whole answer, if this completes it.
    fn take_family(&mut self, answer: Result<AddressRecords, QueryError>, ttl: Duration) {
        let Some(late) = &mut self.late else { return };
        let addresses = match answer {
            Ok(records) => Some(records.addresses),
            Err(error) if error.failure.is_answer() => Some(Vec::new()),
            Err(_) => None,
        };
        let whole = addresses.as_deref().map(|addresses| (addresses, ttl));
        let merged = self.cache.lock().merge_addresses(&late.query, whole);
        let more = whole.is_some_and(|(addresses, _)| !addresses.is_empty());
        if merged.is_some() && more {
            self.cache.stats.late_answers.increment();
        }
        // A newer answer may be in the cache by now. Lookups that wait for this one still get it.
        if let (Some((addresses, _)), Ok(first)) = (whole, &late.sent.result) {
            let family = self.client.settings.family;
            let all = || order_by_family(&[first, addresses].concat(), family);
            late.sent.result = Ok(merged.unwrap_or_else(all));
        }
        late.sent.complete = true;
        self.waiters.send_replace(Some(late.sent.clone()));
    }

    fn finish(&mut self) {
        if let Some(late) = self.late.take() {
            self.cache.lock().finish(late.query);
        }
    }
}

impl Drop for QueryCompletion {
    fn drop(&mut self) {
        let aborted = || QueryError::from(DnsFailure::Network("the query was given up".into()));
        self.complete(single(Err(aborted())));
        if self.late.as_ref().is_some_and(|late| !late.sent.complete) {
            self.take_family(Err(aborted()), Duration::ZERO);
        }
        self.finish();
    }
}
