//! `spec.rateLimit` of a GatewayExtension: a service that counts requests for several gateways.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::GrpcServiceSpec;
use crate::api::validation;

/// `spec.rateLimit` of a GatewayExtension.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RateLimitExtension {
    /// The domain under which the service has its limits.
    pub domain: String,
    /// Whether requests are let through if the service gives no answer; `true` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = true))]
    pub fail_open: Option<bool>,
    /// The service.
    pub grpc_service: GrpcServiceSpec,
    /// The longest time that a request waits for the answer; 100ms by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::duration", extend("default" = "100ms"))]
    pub timeout: Option<String>,
    /// Whether responses have `x-ratelimit` fields; `Off` by default.
    #[serde(
        default,
        rename = "xRateLimitHeaders",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(extend("default" = "Off"))]
    pub x_rate_limit_headers: Option<XRateLimitHeaders>,
}

/// Which `x-ratelimit` fields responses have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum XRateLimitHeaders {
    /// None.
    #[default]
    Off,
    /// Those of draft-polli-ratelimit-headers-03.
    DraftVersion03,
}
