//! When a request is sent again: `retry` of an HTTPRoute rule (GEP-1731) or of a TrafficPolicy.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;

/// When, how often and how soon a request is sent again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RetryPolicy {
    /// How often at most, the first sending not counted.
    pub attempts: u32,
    /// After what.
    pub on: RetryOn,
    /// Least time between two; it doubles up to ten times this, and up to a quarter more is added at random.
    pub backoff: Duration,
    /// How long each sending may take until the response's head (`perTryTimeout`); `None` is as long as the request may.
    pub per_try_timeout: Option<Duration>,
}

/// What makes a request worth sending again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RetryOn {
    /// No connection could be made.
    pub connect_failure: bool,
    /// The upstream broke off, or did not answer in time, before its response.
    pub reset: bool,
    /// The upstream broke off before any of the request was sent.
    pub reset_before_request: bool,
    /// The upstream refused the stream (HTTP/2 REFUSED_STREAM).
    pub refused_stream: bool,
    /// The response says `x-envoy-ratelimited`.
    pub rate_limited: bool,
    /// Statuses of the response.
    pub statuses: BTreeSet<u16>,
    /// Values of `grpc-status` in the response's head.
    pub grpc_statuses: BTreeSet<u16>,
}
