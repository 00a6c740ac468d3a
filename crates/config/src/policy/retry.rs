//! When a request is retried: `retry` of an HTTPRoute rule (GEP-1731) or of a TrafficPolicy.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;

/// When a request is retried, how often, and after what delay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RetryPolicy {
    /// Maximum number of retries; the first attempt is not counted.
    pub attempts: u32,
    /// The failures and responses that are retried.
    pub on: RetryOn,
    /// Minimum delay before a retry. It doubles with each retry, up to ten times this value, and up to a quarter more
    /// is added at random.
    pub backoff: Duration,
    /// The time limit of each attempt, until the head of the response (`perTryTimeout`); `None` is the limit of the
    /// request.
    pub per_try_timeout: Option<Duration>,
}

/// The failures and responses that are retried.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RetryOn {
    /// No connection could be made.
    pub connect_failure: bool,
    /// The upstream closed the connection, or did not respond in time, before its response.
    pub reset: bool,
    /// The upstream closed the connection before any of the request was sent.
    pub reset_before_request: bool,
    /// The upstream refused the stream (HTTP/2 REFUSED_STREAM).
    pub refused_stream: bool,
    /// The response has the header `x-envoy-ratelimited`.
    pub rate_limited: bool,
    /// The response has one of these status codes.
    pub statuses: BTreeSet<u16>,
    /// The head of the response has one of these values of `grpc-status`.
    pub grpc_statuses: BTreeSet<u16>,
}
