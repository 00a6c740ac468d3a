//! `spec.rateLimit` of a GatewayExtension: a service that counts requests for several gateways.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::GrpcServiceSpec;
use crate::validation;

/// `spec.rateLimit` of a GatewayExtension.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RateLimitExtension {
    /// The domain under which the service has its limits.
    pub domain: String,
    /// Whether a request is let through if there is no answer in time, or one that cannot be understood; else it is
    /// refused with 500 (`rate_limit_unavailable`); `true` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = true))]
    pub fail_open: Option<bool>,
    /// The service, which speaks Envoy's rate limit protocol. It is spoken to over HTTP/2, in the clear unless a policy
    /// says TLS.
    pub grpc_service: GrpcServiceSpec,
    /// How long a request waits for the answer, connecting and retries included; 100ms by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::duration", extend("default" = "100ms"))]
    pub timeout: Option<String>,
    /// `DraftVersion03`: responses and refusals have `x-ratelimit-limit`, `x-ratelimit-remaining` and
    /// `x-ratelimit-reset` of the limit that is the closest; `Off` by default.
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
