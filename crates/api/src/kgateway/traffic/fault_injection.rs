//! `spec.faultInjection` of a TrafficPolicy: delays and failures on purpose.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PolicyDisable;
use crate::validation;

/// `spec.faultInjection` of a TrafficPolicy. At least one of the fields but `maxActiveFaults` must be set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [validation::at_least_one(&["delay", "abort", "responseRateLimit", "disable"])]))]
pub struct TrafficFaultInjection {
    /// Makes requests wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<FaultDelay>,
    /// Answers requests with a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abort: Option<FaultAbort>,
    /// Sends the bodies of responses slowly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_rate_limit: Option<FaultRateLimit>,
    /// How many delays and slow responses there may be in the process when another fault is due. 0 injects nothing; any
    /// number by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i32", range(min = 0))]
    pub max_active_faults: Option<i64>,
    /// Injects nothing, even if a wider policy does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disable: Option<PolicyDisable>,
}

/// `spec.faultInjection.delay` of a TrafficPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FaultDelay {
    /// How long a request waits: 1ms to 1h.
    #[schemars(schema_with = "validation::duration", extend("x-kubernetes-validations" = [
        validation::at_least("1ms", "must be at least 1ms"),
        validation::rule("duration(self) <= duration('1h')", "must not exceed 1h"),
    ]))]
    pub fixed_delay: String,
    /// How many of a hundred requests wait; all by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::percentage")]
    pub percentage: Option<i64>,
}

/// `spec.faultInjection.abort` of a TrafficPolicy. Exactly one of the statuses must be set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [validation::exactly_one(&["httpStatus", "grpcStatus"])]))]
pub struct FaultAbort {
    /// The status of a response of the gateway's own, with the body `fault filter abort`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i32", range(min = 200, max = 599))]
    pub http_status: Option<i64>,
    /// In place of `httpStatus`: a gRPC call gets this status, other requests get 200.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i32", range(min = 0, max = 16))]
    pub grpc_status: Option<i64>,
    /// How many of a hundred requests fail; all by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::percentage")]
    pub percentage: Option<i64>,
}

/// `spec.faultInjection.responseRateLimit` of a TrafficPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FaultRateLimit {
    /// How many thousand bits of a body are sent in a second.
    #[schemars(range(min = 1))]
    pub kbits_per_second: i64,
    /// How many of a hundred responses are sent slowly; all by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::percentage")]
    pub percentage: Option<i64>,
}
