//! `spec.retry` of a TrafficPolicy: when a request is retried.

use serde::{Deserialize, Serialize};

/// `spec.retry` of a TrafficPolicy. At least one of `retryOn` and `statusCodes` must be set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrafficRetry {
    /// Maximum number of retries; 1 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<i64>,
    /// Minimum time between two attempts; 25ms by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff_base_interval: Option<String>,
    /// The time limit of each attempt; by default that of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_try_timeout: Option<String>,
    /// Conditions for a retry, by the words that Envoy defines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_on: Option<Vec<String>>,
    /// Status codes that cause a retry: 400 to 599.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_codes: Option<Vec<i64>>,
}
