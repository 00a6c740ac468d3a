//! `GatewayExtension`: what policies ask about requests, and how it is reached.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::UnsupportedValue;
use crate::validation;

mod ext_auth;
mod ext_proc;
mod jwt;
mod rate_limit;
mod service;

pub use ext_auth::{
    AuthRequestBody, AuthorizationRequest, AuthorizationResponse, ExtAuthExtension,
    HttpAuthServiceSpec,
};
pub use ext_proc::{
    BodySendMode, ExtProcExtension, FilterPredicate, FilterStage, FilterStageSpec,
    ForwardedMetadata, HeaderSendMode, ProcessingMetadata, ProcessingModeSpec, RouteCacheAction,
};
pub use jwt::{
    ClaimToHeader, ConfigMapName, JwksAsyncFetch, JwksRetryPolicy, JwksSpec, JwtExtension,
    JwtProviderSpec, JwtTokenHeader, JwtTokenSource, JwtValidationMode, LocalJwks, RemoteJwksSpec,
};
pub use rate_limit::{RateLimitExtension, XRateLimitHeaders};
pub use service::{GrpcServiceSpec, ServiceBackoff, ServiceRetry};

recognised! {
    /// `spec` of a GatewayExtension. Exactly one of the members is set.
    #[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[kube(group = "gateway.kgateway.dev", version = "v1alpha1", kind = "GatewayExtension", namespaced)]
    #[kube(schema = "disabled", derive = "PartialEq")]
    GatewayExtensionSpec {
        /// The member that is set, which need not be said.
        #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
        extension_type: Option<ExtensionType>,
        /// Whose tokens are accepted, for `jwtAuth` of a TrafficPolicy.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        jwt: Option<JwtExtension>,
        /// A service that says which requests are let through, for `extAuth` of a TrafficPolicy.
        #[serde(default, rename = "extAuth", skip_serializing_if = "Option::is_none")]
        ext_auth: Option<ExtAuthExtension>,
        /// A service that reads and changes requests and responses, for `extProc` of a TrafficPolicy.
        #[serde(default, rename = "extProc", skip_serializing_if = "Option::is_none")]
        ext_proc: Option<ExtProcExtension>,
        /// A service that counts requests for several gateways, for `rateLimit.global` of a TrafficPolicy.
        #[serde(default, rename = "rateLimit", skip_serializing_if = "Option::is_none")]
        rate_limit: Option<RateLimitExtension>,
    }
    unsupported {
        oauth2 = "oauth2",
    }
}

/// The member of a GatewayExtension that is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ExtensionType {
    /// `extAuth`
    ExtAuth,
    /// `extProc`
    ExtProc,
    /// `rateLimit`
    RateLimit,
    /// `jwt`
    #[serde(rename = "JWT")]
    Jwt,
    /// `oauth2`
    OAuth2,
}

/// A reference to a Service, or to a Backend of type `Static`, that the gateway itself sends requests to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceRef {
    /// The API group; the core group by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253), regex(pattern = validation::GROUP), extend("default" = ""))]
    pub group: Option<String>,
    /// The kind; `Service` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = validation::KIND), extend("default" = "Service"))]
    pub kind: Option<String>,
    /// The name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The namespace; that of the object that refers by default. Another needs a ReferenceGrant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = validation::NAMESPACE))]
    pub namespace: Option<String>,
    /// The port, which a Service needs and a Backend has itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i32>,
    /// There is only one reference, so that this means nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000), extend("default" = 1))]
    pub weight: Option<i32>,
}

/// The rule that a reference to a Service has a port.
pub(in crate::kgateway) fn has_port() -> serde_json::Value {
    validation::rule(
        "(!has(self.group) || size(self.group) == 0) && (!has(self.kind) || self.kind == 'Service') ? \
         has(self.port) : true",
        "Must have port for Service reference",
    )
}
