//! `spec.retry` of a TrafficPolicy: when a request is retried.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::api::validation;

/// `spec.retry` of a TrafficPolicy. At least one of `retryOn` and `statusCodes` must be set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [validation::rule("has(self.retryOn) || has(self.statusCodes)", "retryOn or statusCodes must be set.")]))]
pub struct TrafficRetry {
    /// The most retries of a request. 0 is never, and overrides a wider policy; 1 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i32", range(min = 0), extend("default" = 1))]
    pub attempts: Option<i64>,
    /// The least time between two attempts, 1ms or more. It doubles with each retry, up to ten times this, and up to a
    /// quarter is added at random; 25ms by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::duration", extend("default" = "25ms", "x-kubernetes-validations" = [validation::at_least("1ms", "retry.backoffBaseInterval must be at least 1ms.")]))]
    pub backoff_base_interval: Option<String>,
    /// How long each attempt may take; as long as the request may by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::duration", extend("x-kubernetes-validations" = [validation::at_least("1ms", "retry.perTryTimeout must be at least 1ms.")]))]
    pub per_try_timeout: Option<String>,
    /// Conditions. `retryOn` or `statusCodes` is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "retry_conditions")]
    pub retry_on: Option<Vec<String>>,
    /// Response statuses that are retried, 400 to 599, with or without the condition `retriable-status-codes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        with = "Vec<i32>",
        length(min = 1, max = 200),
        inner(range(min = 400, max = 599))
    )]
    pub status_codes: Option<Vec<i64>>,
}

/// The conditions that kgateway admits.
fn retry_conditions(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "minItems": 1,
        "maxItems": 32,
        "items": {
            "type": "string",
            "enum": [
                "5xx",
                "gateway-error",
                "reset",
                "reset-before-request",
                "connect-failure",
                "envoy-ratelimited",
                "retriable-4xx",
                "refused-stream",
                "retriable-status-codes",
                "http3-post-connect-failure",
                "cancelled",
                "deadline-exceeded",
                "internal",
                "resource-exhausted",
                "unavailable",
            ],
        },
    })
}
