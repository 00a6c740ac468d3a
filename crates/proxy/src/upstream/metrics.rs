//! Metrics of connections and requests to upstreams.

use super::health_check::CheckOutcome;
use crate::dial::failure::ConnectFailure;
use crate::dial::race::AttemptOutcome;
use crate::meter::{Counter, CountersByLabel, Gauge, Histogram, label_values};
use crate::refusal::Refusal;
use crate::tls::HandshakeMetrics;

/// One worker's metrics of connections and requests to upstreams.
#[derive(Debug, Default)]
pub(crate) struct UpstreamMetrics {
    /// Addresses that names resolved to and that were not dialled, because they are denied.
    pub(crate) addresses_denied: Counter,
    /// Requests that took an open connection from the pool.
    pub(crate) reused: Counter,
    /// Connections made.
    pub(crate) connected: Counter,
    /// How long connecting took, all addresses of a destination together.
    pub(crate) connect_duration: Histogram,
    /// Destinations of which no address could be connected to, by cause.
    pub(crate) connect_failures: CountersByLabel<ConnectFailure>,
    /// Attempts to connect to one address, by outcome.
    pub(crate) connect_attempts: CountersByLabel<AttemptOutcome>,
    /// TLS handshakes with upstreams.
    pub(crate) tls: HandshakeMetrics,
    /// Requests retried.
    pub(crate) retries: Counter,
    /// Requests not retried because too many were being retried (`maxRetries`).
    pub(crate) retries_limited: Counter,
    /// Addresses ejected by outlier detection.
    pub(crate) ejections: Counter,
    /// Health checks of addresses, by outcome.
    pub(crate) health_checks: CountersByLabel<CheckOutcome>,
    /// Addresses that fail their health checks now.
    pub(crate) failing_checks: Gauge,
    /// Requests that have no connection yet.
    pub(crate) pending_requests: Gauge,
    /// Connections open now.
    pub(crate) connections: Gauge,
    /// Of those, the connections that are idle in the pool.
    pub(crate) idle_connections: Gauge,
    /// Of those, the connections that hold nothing of HTTP.
    pub(crate) dozing_connections: Gauge,
    /// HTTP/2 streams open now: requests that share connections.
    pub(crate) streams: Gauge,
    /// Requests sent again because their upstream said that it had not processed them.
    pub(crate) unprocessed: Counter,
    /// Copies of requests, by what became of them.
    pub(crate) mirrored: CountersByLabel<MirrorResult>,
}

label_values! {
    /// What became of a copy of a request.
    pub(crate) enum MirrorResult {
        /// It was answered, by whatever status.
        Answered = "answered",
        /// A policy, the egress check, a limit or the configuration refused it.
        Refused = "refused",
        /// It was not answered.
        Failed = "failed",
        /// Its body came faster than the upstream took it.
        Overflowed = "overflowed",
    }
}

impl From<Refusal> for MirrorResult {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Denied(_)
            | Refusal::Policy { .. }
            | Refusal::Address(_)
            | Refusal::Limit(_)
            | Refusal::DnsOverload
            | Refusal::Misconfigured(_) => Self::Refused,
            _ => Self::Failed,
        }
    }
}
