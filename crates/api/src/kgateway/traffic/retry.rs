//! `spec.retry` of a TrafficPolicy: when a request is retried.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::validation;

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
    /// Header fields of responses that say when to send the request again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limited_back_off: Option<RateLimitedBackOffSpec>,
    /// Which addresses a retry is not sent to: those that the request has tried, if there are others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "host_predicates", extend("x-egret-differs" = "addresses that the request has tried are always tried last, and none is a canary"))]
    pub retry_host_predicates: Option<Vec<String>>,
    /// Has no effect: an address is chosen once, among those that the request has not tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i32", range(min = 0), extend("x-egret-no-effect" = "addresses that the request has tried are always tried last"))]
    pub host_selection_attempts: Option<i64>,
}

/// `spec.retry.rateLimitedBackOff` of a TrafficPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RateLimitedBackOffSpec {
    /// The header fields, of which the first that can be read decides.
    #[schemars(length(min = 1, max = 16))]
    pub reset_headers: Vec<ResetHeaderSpec>,
    /// A field that asks for more is passed over; 300s by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::duration", extend("default" = "300s", "x-kubernetes-validations" = [validation::at_least("1ms", "rateLimitedBackOff.maxInterval must be at least 1ms.")]))]
    pub max_interval: Option<String>,
}

/// A header field that says when to send the request again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResetHeaderSpec {
    /// The name of the field.
    #[schemars(schema_with = "validation::header_name")]
    pub name: String,
    /// What its number means: `Seconds` from now, or a `UnixTimestamp`.
    #[schemars(schema_with = "reset_format")]
    pub format: String,
}

/// What the number in a header field means.
fn reset_format(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": ["Seconds", "UnixTimestamp"] })
}

/// The predicates of addresses that kgateway admits.
fn host_predicates(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "minItems": 1,
        "maxItems": 2,
        "items": { "type": "string", "enum": ["PreviousHosts", "OmitCanaryHosts"] },
    })
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
