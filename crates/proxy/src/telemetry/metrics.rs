//! What is counted on the path of a request. Every worker counts for itself, so that no two cores share a cache line;
//! the sums are made when somebody asks ([`export`]).

use http::StatusCode;

use crate::dial::race::Attempt;
use crate::meter::{Counter, Gauge, Histogram};
use crate::refusal::ConnectFailure;
use handshakes::HandshakeMetrics;
use tunnels::TunnelMetrics;

pub mod export;
pub mod handshakes;
pub mod tunnels;

/// What one worker counts.
#[derive(Debug)]
pub struct WorkerMetrics {
    /// By status from 100 to 599.
    responses: [Counter; 500],
    /// Exchanges that ended before there was a response: the client went away.
    pub unanswered: Counter,
    /// By [`REASONS`].
    refusals: [Counter; REASONS.len()],
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
    /// Connects that failed, by [`FAILURES`].
    failures: [Counter; FAILURES.len()],
    /// Attempts to connect to one address, by [`ATTEMPTS`].
    attempts: [Counter; ATTEMPTS.len()],
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

/// The reasons of [`crate::refusal::Refusal`]: the values of a metric label.
pub const REASONS: [&str; 36] = [
    "malformed_head",
    "head_too_large",
    "proxy_header",
    "not_tls",
    "malformed_hello",
    "no_server_name",
    "handshake_timeout",
    "too_many_connections",
    "client_tls",
    "client_http2",
    "malformed_target",
    "malformed_framing",
    "no_tunnel",
    "no_listener",
    "misdirected",
    "no_route",
    "misconfigured",
    "unauthenticated",
    "egress_policy",
    "address_denied",
    "dns_timeout",
    "dns_error",
    "dns_overload",
    "circuit_breaker",
    "connect_refused",
    "connect_terminated",
    "connect_unreachable",
    "connect_timeout",
    "no_descriptors",
    "tls_failed",
    "tls_certificate",
    "upstream_closed",
    "upstream_protocol",
    "response_timeout",
    "request_body",
    "loop",
];

/// The values of the label that says how connecting failed.
pub const FAILURES: [(ConnectFailure, &str); 5] = [
    (ConnectFailure::Refused, "refused"),
    (ConnectFailure::Terminated, "terminated"),
    (ConnectFailure::Unreachable, "unreachable"),
    (ConnectFailure::Timeout, "timeout"),
    (ConnectFailure::NoDescriptors, "no_descriptors"),
];

/// The values of the label that says what came of one attempt to connect.
pub const ATTEMPTS: [(Attempt, &str); 8] = [
    (Attempt::Connected, "connected"),
    (Attempt::Failed(ConnectFailure::Refused), "refused"),
    (Attempt::Failed(ConnectFailure::Terminated), "terminated"),
    (Attempt::Failed(ConnectFailure::Unreachable), "unreachable"),
    (Attempt::Failed(ConnectFailure::Timeout), "timeout"),
    (
        Attempt::Failed(ConnectFailure::NoDescriptors),
        "no_descriptors",
    ),
    (Attempt::Overtaken, "overtaken"),
    (Attempt::Abandoned, "abandoned"),
];

impl Default for WorkerMetrics {
    fn default() -> Self {
        Self {
            responses: std::array::from_fn(|_| Counter::default()),
            unanswered: Counter::default(),
            refusals: std::array::from_fn(|_| Counter::default()),
            audited: Counter::default(),
            addresses_denied: Counter::default(),
            duration: Histogram::default(),
            request_bytes: Counter::default(),
            response_bytes: Counter::default(),
            accepted: Counter::default(),
            connections: Gauge::default(),
            reused: Counter::default(),
            connected: Counter::default(),
            connect_duration: Histogram::default(),
            failures: std::array::from_fn(|_| Counter::default()),
            attempts: std::array::from_fn(|_| Counter::default()),
            upstream_tls: HandshakeMetrics::default(),
            downstream_tls: HandshakeMetrics::default(),
            retries: Counter::default(),
            retries_limited: Counter::default(),
            ejections: Counter::default(),
            pending_requests: Gauge::default(),
            upstream_connections: Gauge::default(),
            idle_connections: Gauge::default(),
            upstream_streams: Gauge::default(),
            unprocessed: Counter::default(),
            tunnels: TunnelMetrics::default(),
        }
    }
}

impl WorkerMetrics {
    /// Counts a response.
    pub fn response(&self, status: StatusCode) {
        if let Some(counter) = self.responses.get(usize::from(status.as_u16()) - 100) {
            counter.increment();
        }
    }

    /// Counts a refusal by its reason.
    pub fn refusal(&self, reason: &str) {
        if let Some(index) = REASONS.iter().position(|known| *known == reason) {
            self.refusals[index].increment();
        }
    }

    /// Counts what came of one attempt to connect.
    pub fn connect_attempt(&self, attempt: Attempt) {
        if let Some(index) = ATTEMPTS.iter().position(|(known, _)| *known == attempt) {
            self.attempts[index].increment();
        }
    }

    /// Counts a failure to connect.
    pub fn connect_failure(&self, failure: ConnectFailure) {
        if let Some(index) = FAILURES.iter().position(|(known, _)| *known == failure) {
            self.failures[index].increment();
        }
    }
}
