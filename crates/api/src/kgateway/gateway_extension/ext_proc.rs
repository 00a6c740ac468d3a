//! `spec.extProc` of a GatewayExtension: a service that reads and changes requests and responses.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::GrpcServiceSpec;
use crate::validation;

/// `spec.extProc` of a GatewayExtension.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExtProcExtension {
    /// A service that speaks `envoy.service.ext_proc.v3` over gRPC. Its `requestTimeout` is that of the whole
    /// conversation about a request; none by default.
    pub grpc_service: GrpcServiceSpec,
    /// Whether a request goes on without the service if that gives no answer, or one that makes no sense; `true` by
    /// default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = true))]
    pub fail_open: Option<bool>,
    /// What of requests and responses the service gets; their headers by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processing_mode: Option<ProcessingModeSpec>,
    /// The longest time for each answer; 200ms by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::duration", extend("x-kubernetes-validations" = [validation::at_least("1ms", "timeout must be at least 1ms.")]))]
    pub message_timeout: Option<String>,
    /// The longest time that the service may ask for in place of that (`override_message_timeout`), once for each
    /// answer; none by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::duration", extend("x-kubernetes-validations" = [validation::at_least("1ms", "timeout must be at least 1ms.")]))]
    pub max_message_timeout: Option<String>,
    /// Whether the service may choose another mode (`mode_override`) in an answer about headers; `false` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub allow_processing_mode_override: Option<bool>,
    /// The modes that it may choose then; any by default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_processing_mode_overrides: Vec<ProcessingModeSpec>,
    /// Attributes of the request that the service is told in its first question, or expressions over them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-egret-differs" = "texts, numbers, and what is true or false: no lists and maps"))]
    pub request_attributes: Vec<String>,
    /// Means nothing: the route is chosen before the service is asked, and not again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "FromResponse", "x-egret-no-effect" = "the route is chosen before the service is asked, and not again"))]
    pub route_cache_action: Option<RouteCacheAction>,
    /// The metadata of the request that the service is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata_options: Option<ProcessingMetadata>,
    /// Means nothing: policies have one order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-egret-no-effect" = "policies have one order, in which the service is asked after the limits"))]
    pub filter_stage: Option<FilterStageSpec>,
    /// A name for statistics of Envoy, which is read and has no effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("x-egret-no-effect" = "what is counted has the route and the rule as labels"))]
    pub stat_prefix: Option<String>,
}

/// What of a request and its response a service gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProcessingModeSpec {
    /// Whether the service gets the header of the request; `SEND` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "SEND"))]
    pub request_header_mode: Option<HeaderSendMode>,
    /// Whether it gets the header of the response; `SEND` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "SEND"))]
    pub response_header_mode: Option<HeaderSendMode>,
    /// How it gets the body of the request: `STREAMED`, piece by piece as it comes; `BUFFERED`, as a whole before
    /// anything is sent on; `BUFFERED_PARTIAL`, of a larger body the beginning; `NONE` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "NONE", "x-egret-differs" = "not `FULL_DUPLEX_STREAMED`, in which no answer belongs to a piece, so that neither `failOpen` nor `messageTimeout` could be kept"))]
    pub request_body_mode: Option<BodySendMode>,
    /// How it gets the body of the response, likewise; `NONE` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "NONE", "x-egret-differs" = "not `FULL_DUPLEX_STREAMED`, in which no answer belongs to a piece, so that neither `failOpen` nor `messageTimeout` could be kept"))]
    pub response_body_mode: Option<BodySendMode>,
    /// Whether it gets the trailers of the request, if there are any; `SKIP` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "SKIP"))]
    pub request_trailer_mode: Option<HeaderSendMode>,
    /// Whether it gets the trailers of the response, if there are any; `SKIP` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "SKIP"))]
    pub response_trailer_mode: Option<HeaderSendMode>,
}

/// Whether a service gets fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum HeaderSendMode {
    /// It gets headers, and no trailers.
    #[default]
    Default,
    /// It does.
    Send,
    /// It does not.
    Skip,
}

/// How a service gets a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BodySendMode {
    /// It does not.
    #[default]
    None,
    /// Piece by piece, as it comes.
    Streamed,
    /// As a whole.
    Buffered,
    /// As a whole, or of a body that is too large the beginning.
    BufferedPartial,
    /// Piece by piece, with answers that are no answers to the pieces; which is not supported.
    FullDuplexStreamed,
}

/// What becomes of Envoy's choice of a route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RouteCacheAction {
    /// The service decides.
    #[default]
    FromResponse,
    /// The route is chosen again.
    Clear,
    /// It stays.
    Retain,
}

/// The metadata of a request that a service is told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProcessingMetadata {
    /// The namespaces of the metadata.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forwarding: Option<ForwardedMetadata>,
}

/// The namespaces of metadata that a service is told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ForwardedMetadata {
    /// Those of metadata with types, which there is none of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("x-egret-no-effect" = "there is no metadata with types"))]
    pub typed: Option<Vec<String>>,
    /// Those of other metadata: `envoy.filters.http.jwt_authn` has what the client's token says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("x-egret-differs" = "only `envoy.filters.http.jwt_authn` and `envoy.filters.http.ext_authz` have something"))]
    pub untyped: Option<Vec<String>>,
}

/// Where in Envoy's filters the service is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FilterStageSpec {
    /// The stage.
    pub stage: FilterStage,
    /// Before, in or after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "During"))]
    pub predicate: Option<FilterPredicate>,
    /// The order among others of the stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<i32>", extend("default" = 0))]
    pub weight: Option<i64>,
}

/// A stage of Envoy's filters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FilterStage {
    /// Faults.
    Fault,
    /// Authentication.
    #[serde(rename = "AuthN")]
    Authentication,
    /// Authorization.
    #[default]
    #[serde(rename = "AuthZ")]
    Authorization,
    /// Limits.
    RateLimit,
    /// Routing.
    Route,
}

/// Before, in or after a stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FilterPredicate {
    /// Before it.
    Before,
    /// In it.
    #[default]
    During,
    /// After it.
    After,
}
