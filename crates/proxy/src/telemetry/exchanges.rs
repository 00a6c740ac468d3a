//! The metrics of one worker's exchanges.

use std::sync::Arc;
use std::time::Instant;

use egret_config::name::Host;

use super::destinations::DestinationTable;
use super::hour::HourTable;
use super::outcome::ExchangeOutcome;
use super::series::CountersByDecision;
use crate::meter::{Counter, CountersByLabel, Exemplar, Exemplars, Histogram};
use crate::record::{ExchangeForm, Record, RedirectResult};
use crate::refusal::Reason;

/// The metrics of one worker's exchanges, and of connections that were refused before an exchange.
#[derive(Debug, Default)]
pub(crate) struct ExchangeMetrics {
    /// Responses, by status code.
    pub(crate) responses: Arc<CountersByDecision<u16>>,
    /// Exchanges that the client ended before the response.
    pub(crate) unanswered: Counter,
    /// Requests and connections refused, by reason.
    pub(crate) refusals: CountersByDecision<Reason>,
    /// Requests that an EgressPolicy in audit mode would have denied: by name, by address, or by the ClientHello.
    pub(crate) audited: CountersByDecision<()>,
    /// Redirects whose status is one that a policy follows, by what became of them.
    pub(crate) redirects: CountersByLabel<RedirectResult>,
    /// From the request's head to the end of the response.
    pub(crate) duration: Histogram,
    /// Requests of traces that are kept, by that time.
    pub(crate) duration_exemplars: Exemplars,
    /// Bytes of request bodies forwarded.
    pub(crate) request_bytes: Counter,
    /// Bytes of response bodies forwarded.
    pub(crate) response_bytes: Counter,
    /// Exchanges by destination.
    pub(crate) destinations: DestinationTable,
    /// Exchanges by the minute.
    pub(crate) hour: HourTable,
}

impl ExchangeMetrics {
    /// The metrics of one of so many workers.
    pub(crate) fn of_worker_among(workers: usize) -> Self {
        Self {
            destinations: DestinationTable::of_worker_among(workers),
            ..Self::default()
        }
    }

    /// Remembers an exchange that belongs to this trace as an example of how long exchanges take.
    pub(crate) fn exemplify(&self, record: &Record<'_>, trace_id: [u8; 16]) {
        if record.form == ExchangeForm::Messages
            && let Some(started) = record.started
        {
            self.duration_exemplars.note(Exemplar {
                trace_id,
                duration: record.duration,
                at: started + record.duration,
            });
        }
    }

    /// Counts an exchange that has ended now: its destination, and its time and bytes.
    pub(crate) fn count(
        &self,
        record: &Record<'_>,
        host: Option<&Host>,
        outcome: Option<ExchangeOutcome>,
        now: Instant,
    ) {
        self.destinations.count(record, host, outcome, now);
        self.hour.count(record, outcome, now);
        // The bytes of the others are counted as a tunnel's.
        if record.form != ExchangeForm::Messages {
            return;
        }
        self.duration.observe(record.duration);
        self.request_bytes.add(record.request_bytes);
        self.response_bytes.add(record.response_bytes);
    }
}
