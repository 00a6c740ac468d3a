//! `spec.extAuth` of a GatewayExtension: a service that says which requests are let through.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{GrpcServiceSpec, ServiceRef, ServiceRetry, has_port};
use crate::validation;

/// `spec.extAuth` of a GatewayExtension. Exactly one of `grpcService` and `httpService` must be set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [validation::exactly_one(&["grpcService", "httpService"])]))]
pub struct ExtAuthExtension {
    /// A service that speaks `envoy.service.auth.v3` over gRPC, within 200ms if `requestTimeout` says nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grpc_service: Option<GrpcServiceSpec>,
    /// A service that speaks HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_service: Option<HttpAuthServiceSpec>,
    /// Whether a request is let through if there is no answer in time, or one that cannot be understood; `false` by
    /// default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub fail_open: Option<bool>,
    /// Means nothing: the route is chosen before the service is asked, and not again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false, "x-egret-no-effect" = "the route is chosen before the service is asked, and not again"))]
    pub clear_route_cache: Option<bool>,
    /// Whether the service gets the request's body, and how much of it; none by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with_request_body: Option<AuthRequestBody>,
    /// The status of the refusal otherwise, 200 to 511 (`ext_auth_unavailable`); 403 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<i32>", range(min = 100, max = 511), extend("default" = 403))]
    pub status_on_error: Option<i64>,
    /// The headers of the request that the service gets. Over HTTP `Authorization` is always among them; over gRPC all
    /// but `Proxy-Authorization`, over HTTP none by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers_to_forward: Option<Vec<String>>,
    /// A name for statistics of Envoy, which is read and has no effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("x-egret-no-effect" = "what is counted has the route and the rule as labels"))]
    pub stat_prefix: Option<String>,
}

/// How much of a request's body the service gets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthRequestBody {
    /// How much of the body the service gets, decompressed if `compression` says so. A larger body is refused with 413.
    #[schemars(with = "i32", range(min = 1))]
    pub max_request_bytes: i64,
    /// Whether of a larger body the beginning is sent; `false` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub allow_partial_message: Option<bool>,
    /// Whether it is sent as bytes in place of text, over gRPC; `false` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub pack_as_bytes: Option<bool>,
}

/// A service that is asked over HTTP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpAuthServiceSpec {
    /// The service: a Service and its port, or a Static Backend.
    #[schemars(extend("x-kubernetes-validations" = [has_port()]))]
    pub backend_ref: ServiceRef,
    /// What comes before the path of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_prefix: Option<String>,
    /// The longest time that the answer may take; 2s by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::duration", extend("x-kubernetes-validations" = [validation::at_least("1ms", "timeout must be at least 1ms.")]))]
    pub request_timeout: Option<String>,
    /// When the service is asked again, within that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<ServiceRetry>,
    /// What the service is asked with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization_request: Option<AuthorizationRequest>,
    /// What of its answer is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization_response: Option<AuthorizationResponse>,
}

/// What a service is asked with over HTTP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthorizationRequest {
    /// Further headers of the question, without format commands.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers_to_add: BTreeMap<String, String>,
}

/// What of the answer of a service over HTTP is used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthorizationResponse {
    /// The headers of an answer of 200 that the upstream gets in place of the client's; none by default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers_to_backend: Vec<String>,
    /// The headers of another answer that the client gets; `WWW-Authenticate`, `Proxy-Authenticate` and `Location` are
    /// always among them; all by default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers_to_client: Vec<String>,
    /// The headers of an answer of 200 that are added to the response; none by default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers_to_client_on_success: Vec<String>,
}
