//! How a GatewayExtension reaches a service that speaks gRPC.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ServiceRef, has_port};
use crate::validation;

/// A service that speaks gRPC.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GrpcServiceSpec {
    /// `:authority` of the calls; the host and port of the service by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
    /// The service: a Service and its port, or a Static Backend.
    #[schemars(extend("x-kubernetes-validations" = [has_port()]))]
    pub backend_ref: ServiceRef,
    /// The longest time that a call may take; beside another time limit the shorter of the two holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::duration", extend("x-kubernetes-validations" = [validation::at_least("1ms", "timeout must be at least 1ms.")]))]
    pub request_timeout: Option<String>,
    /// When a call is made again, within that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<ServiceRetry>,
}

/// When a call is made again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceRetry {
    /// How often a call that failed for the moment is made again; 1 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<i32>", range(min = 0), extend("default" = 1))]
    pub attempts: Option<i64>,
    /// The pauses before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = [validation::rule(
        "has(self.baseInterval) && has(self.maxInterval) ? duration(self.maxInterval) >= duration(self.baseInterval) : true",
        "maxInterval must be greater than or equal to baseInterval",
    )]))]
    pub backoff: Option<ServiceBackoff>,
}

/// Pauses that grow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceBackoff {
    /// The first pause.
    #[schemars(schema_with = "validation::duration")]
    pub base_interval: String,
    /// The longest pause; ten times the first by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::duration")]
    pub max_interval: Option<String>,
}
