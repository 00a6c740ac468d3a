//! The metrics of one worker's exchanges.

use http::StatusCode;

use crate::meter::{Counter, CountersByLabel, Histogram};
use crate::record::{ExchangeForm, Record};
use crate::refusal::Reason;

/// The metrics of one worker's exchanges, and of connections that were refused before an exchange.
#[derive(Debug, Default)]
pub(crate) struct ExchangeMetrics {
    /// Responses by status code.
    responses: StatusCounters,
    /// Exchanges that the client ended before the response.
    pub(crate) unanswered: Counter,
    /// Requests and connections refused, by reason.
    pub(crate) refusals: CountersByLabel<Reason>,
    /// Requests whose destination an EgressPolicy in audit mode would have denied by its name.
    pub(crate) audited: Counter,
    /// From the request's head to the end of the response.
    pub(crate) duration: Histogram,
    /// Bytes of request bodies forwarded.
    pub(crate) request_bytes: Counter,
    /// Bytes of response bodies forwarded.
    pub(crate) response_bytes: Counter,
}

/// One counter for each status code that a response can have: 100 to 599 (RFC 9110 15).
#[derive(Debug)]
struct StatusCounters([Counter; 500]);

impl Default for StatusCounters {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Counter::default()))
    }
}

impl ExchangeMetrics {
    /// Counts an exchange that has ended.
    pub(crate) fn count(&self, record: &Record<'_>) {
        match record.status {
            _ if record.form == ExchangeForm::Passthrough => return,
            Some(status) => self.response(status),
            None => self.unanswered.increment(),
        }
        if record.form == ExchangeForm::Tunnel {
            return;
        }
        self.duration.observe(record.duration);
        self.request_bytes.add(record.request_bytes);
        self.response_bytes.add(record.response_bytes);
    }

    /// Counts a response by its status code.
    pub(crate) fn response(&self, status: StatusCode) {
        if let Some(counter) = self.by_status(status.as_u16()) {
            counter.increment();
        }
    }

    /// The counter of a status code; `None` if it is not from 100 to 599.
    pub(crate) fn by_status(&self, code: u16) -> Option<&Counter> {
        self.responses.0.get(usize::from(code.checked_sub(100)?))
    }
}
