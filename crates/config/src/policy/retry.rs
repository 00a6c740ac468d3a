//! When a request is retried: `retry` of an HTTPRoute rule (GEP-1731) or of a TrafficPolicy.

use std::collections::BTreeSet;
use std::time::Duration;

use http::HeaderName;
use serde::{Serialize, Serializer};

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
    /// Header fields of responses that say when to send the request again, in place of `backoff`.
    pub reset: Option<ResetHeaders>,
}

/// Header fields that say when to send a request again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ResetHeaders {
    /// The fields, of which the first that can be read decides.
    pub headers: Vec<ResetHeader>,
    /// A field that asks for more is passed over.
    pub most: Duration,
}

/// A header field that says when to send a request again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ResetHeader {
    /// The name of the field.
    #[serde(serialize_with = "as_name")]
    pub name: HeaderName,
    /// What its number means.
    pub format: ResetFormat,
}

/// What the number in a header field means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum ResetFormat {
    /// Seconds from now.
    Seconds,
    /// Seconds of Unix time.
    UnixTimestamp,
}

fn as_name<S: Serializer>(name: &HeaderName, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name.as_str())
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
