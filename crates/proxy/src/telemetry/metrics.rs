//! What is counted on the path of a request. Every worker counts for itself, so that no two cores share a cache line;
//! the sums are made when somebody asks ([`export`]).

use http::StatusCode;

use crate::dial::failure::ConnectFailure;
use crate::dial::race::AttemptOutcome;
use crate::meter::{Counter, CountersByLabel, Gauge, Histogram};
use crate::refusal::Reason;
use handshakes::HandshakeMetrics;
use tunnels::TunnelMetrics;

pub mod export;
pub mod handshakes;
pub mod tunnels;

/// What one worker counts.
#[derive(Debug, Default)]
pub struct WorkerMetrics {
    /// By status code.
    responses: StatusCounters,
    /// Exchanges that ended before there was a response: the client went away.
    pub unanswered: Counter,
    /// Requests and connections refused, by reason.
    pub refusals: CountersByLabel<Reason>,
    /// What an EgressPolicy in audit mode would have refused.
    pub audited: Counter,
    /// Addresses of names that were resolved to and not dialled, because they are denied.
    pub addresses_denied: Counter,
    /// From the request's head to the end of the response.
    pub duration: Histogram,
    /// Octets of request bodies forwarded.
    pub request_bytes: Counter,
    /// Octets of response bodies forwarded.
    pub response_bytes: Counter,
    /// Connections accepted.
    pub accepted: Counter,
    /// Connections open now.
    pub connections: Gauge,
    /// Requests that took an open connection from the pool.
    pub reused: Counter,
    /// Connections made.
    pub connected: Counter,
    /// How long that took, all addresses together.
    pub connect_duration: Histogram,
    /// Destinations of which no address could be connected to, by cause.
    pub connect_failures: CountersByLabel<ConnectFailure>,
    /// Attempts to connect to one address, by outcome.
    pub connect_attempts: CountersByLabel<AttemptOutcome>,
    /// Handshakes of TLS with upstreams.
    pub upstream_tls: HandshakeMetrics,
    /// Those with clients.
    pub downstream_tls: HandshakeMetrics,
    /// Requests sent again.
    pub retries: Counter,
    /// Requests not sent again because too many were.
    pub retries_limited: Counter,
    /// Addresses ejected by outlier detection.
    pub ejections: Counter,
    /// Requests without a connection yet.
    pub pending_requests: Gauge,
    /// Connections to upstreams open now.
    pub upstream_connections: Gauge,
    /// Of those, the ones that wait in the pool.
    pub idle_connections: Gauge,
    /// Streams of HTTP/2 to upstreams: requests that share connections.
    pub upstream_streams: Gauge,
    /// Requests sent again because their upstream had not processed them.
    pub unprocessed: Counter,
    /// Tunnels.
    pub tunnels: TunnelMetrics,
}

/// One counter for each status code that a response can have: 100 to 599 (RFC 9110 15).
#[derive(Debug)]
struct StatusCounters([Counter; 500]);

impl Default for StatusCounters {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Counter::default()))
    }
}

impl WorkerMetrics {
    /// Counts a response by its status code.
    pub fn response(&self, status: StatusCode) {
        if let Some(counter) = self.responses.0.get(usize::from(status.as_u16()) - 100) {
            counter.increment();
        }
    }
}
