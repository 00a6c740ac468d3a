//! `spec.jwt` of a GatewayExtension: whose tokens are accepted.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ServiceBackoff, ServiceRef, has_port};
use crate::validation;

/// `spec.jwt` of a GatewayExtension.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JwtExtension {
    /// 1 to 32 issuers: the token of one of them is enough. Of several errors, that about a token of a provider's own
    /// is told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub providers: Vec<JwtProviderSpec>,
    /// What becomes of requests without a token: `AllowMissing` lets them through, and refuses a token that is not
    /// valid in any case; `Strict` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_mode: Option<JwtValidationMode>,
}

/// What becomes of requests without a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum JwtValidationMode {
    /// They are refused.
    #[default]
    Strict,
    /// They are let through. A token that is not valid is refused in any case.
    AllowMissing,
}

/// Who issues tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JwtProviderSpec {
    /// The name, which differs from those of the others.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The `iss` of the tokens; any by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub issuer: Option<String>,
    /// A list of which `aud` must have one, whose scheme and last slash do not count; any by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    pub audiences: Option<Vec<String>>,
    /// Where the token is in a request, in every form of request; after `Bearer` in `Authorization`, or `access_token`
    /// in the query by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_source: Option<JwtTokenSource>,
    /// The request headers that tell the upstream what the token says: texts, numbers and `true` as they are, lists and
    /// objects as JSON in Base64. Such a header of a client itself is removed in any case. Not for what is inside a
    /// tunnel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    pub claims_to_headers: Option<Vec<ClaimToHeader>>,
    /// The keys that tokens are signed with.
    pub jwks: JwksSpec,
    /// Whether the upstream gets the token; `false` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forward_token: Option<bool>,
}

/// Where the token is in a request. Exactly one of the fields must be set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [validation::exactly_one(&["header", "queryParameter"])]))]
pub struct JwtTokenSource {
    /// A header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<JwtTokenHeader>,
    /// The name of a query parameter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub query_parameter: Option<String>,
}

/// A header with a token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JwtTokenHeader {
    /// The name.
    #[schemars(length(min = 1, max = 2048))]
    pub header: String,
    /// What comes before the token; nothing by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub prefix: Option<String>,
}

/// A request header that tells the upstream what the token says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClaimToHeader {
    /// The name of the claim, or a path such as `team.name`.
    #[schemars(length(min = 1, max = 2048))]
    pub name: String,
    /// The name of the header.
    #[schemars(length(min = 1, max = 2048))]
    pub header: String,
}

/// The keys that tokens are signed with. Exactly one of the fields must be set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = [validation::exactly_one(&["local", "remote"])]))]
pub struct JwksSpec {
    /// Keys that the configuration has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<LocalJwks>,
    /// Keys that a server has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<RemoteJwksSpec>,
}

/// Keys that the configuration has. Exactly one of the fields must be set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [validation::exactly_one(&["inline", "configMapRef"])]))]
pub struct LocalJwks {
    /// A JSON Web Key Set (RFC 7517 5), or a public key in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16384))]
    pub inline: Option<String>,
    /// A ConfigMap of the namespace, with such a text in its entry `jwks`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_ref: Option<ConfigMapName>,
}

/// The name of a ConfigMap.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigMapName {
    /// The name.
    #[serde(default)]
    #[schemars(length(max = 253), extend("default" = ""))]
    pub name: String,
}

/// Keys that a server has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RemoteJwksSpec {
    /// The URL, whose host and path are asked for. With `https` the server is reached over TLS.
    #[schemars(length(min = 1, max = 2048))]
    pub url: String,
    /// The server: a Service and its port, or a Static Backend.
    #[schemars(extend("x-kubernetes-validations" = [has_port()]))]
    pub backend_ref: ServiceRef,
    /// How long keys are used before they are fetched again; 5m by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::duration", extend("x-kubernetes-validations" = [validation::at_least("1ms", "cacheDuration must be at least 1ms.")]))]
    pub cache_duration: Option<String>,
    /// When keys are fetched that no request waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub async_fetch: Option<JwksAsyncFetch>,
    /// When the server is asked again within one fetch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_policy: Option<JwksRetryPolicy>,
}

/// When keys are fetched that no request waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JwksAsyncFetch {
    /// Means nothing: keys are fetched when the configuration is loaded, and listeners do not wait for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-egret-differs" = "keys are fetched when the configuration is loaded, and listeners do not wait for them"))]
    pub fast_listener: Option<bool>,
    /// How long after a failed fetch the next one begins; 1s by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::duration", extend("x-kubernetes-validations" = [validation::at_least("1ms", "failedRefetchDuration must be at least 1ms.")]))]
    pub failed_refetch_duration: Option<String>,
}

/// When the server is asked again within one fetch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JwksRetryPolicy {
    /// How often; 1 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<i32>", range(min = 1), extend("default" = 1))]
    pub num_retries: Option<i64>,
    /// The pauses before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = [validation::rule(
        "has(self.baseInterval) && has(self.maxInterval) ? duration(self.maxInterval) >= duration(self.baseInterval) : true",
        "maxInterval must be greater than or equal to baseInterval",
    )]))]
    pub back_off: Option<ServiceBackoff>,
}
