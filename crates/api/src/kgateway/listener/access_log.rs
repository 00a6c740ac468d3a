//! `accessLog` of the HTTP settings of a ListenerPolicy or HTTPListenerPolicy.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

mod filter;

pub use filter::{
    CelFilterSpec, ComparisonFilterSpec, GrpcStatusFilterSpec, HeaderFilterSpec, HeaderMatchSpec,
    LogFilterSpec, OneFilterSpec, ResponseFlagFilterSpec, RuntimeFilterSpec, SampledSpec,
};

use super::collector::{LogServiceSpec, OpenTelemetrySpec};
use crate::validation;

/// What command operators tell otherwise than in Envoy.
const DIFFERS: &str = "`RESPONSE_CODE` is Egret's, 502 and 504 where Envoy has 503; `ROUTE_NAME`, `FILTER_CHAIN_NAME` and `UPSTREAM_CLUSTER` are the names of rules, listeners and backends; metadata, filter state, TLS to upstreams and bytes on the wire are always missing; `CEL` is refused";

/// `accessLog[]`: a sink of the access log.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessLogSpec {
    /// Writes lines to a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_sink: Option<FileSinkSpec>,
    /// Tells an access log service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-egret-differs" = "the path is told without its query"))]
    pub grpc_service: Option<LogServiceSpec>,
    /// Tells a collector of OpenTelemetry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_telemetry: Option<OpenTelemetrySpec>,
    /// Which exchanges are written; all by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<LogFilterSpec>,
}

/// `fileSink` of a sink.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [validation::exactly_one(&["stringFormat", "jsonFormat"])]))]
pub struct FileSinkSpec {
    /// The file: `/dev/stdout`, `/dev/stderr`, or the path of one that lines are appended to.
    pub path: String,
    /// Text with command operators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-egret-differs" = DIFFERS))]
    pub string_format: Option<String>,
    /// A JSON object whose strings have command operators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::any_object", extend("x-egret-differs" = DIFFERS))]
    pub json_format: Option<Map<String, Value>>,
}
