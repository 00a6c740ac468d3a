//! `accessLog` of the HTTP settings of a ListenerPolicy or HTTPListenerPolicy.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

mod filter;

pub use filter::{
    CelFilterSpec, ComparisonFilterSpec, GrpcStatusFilterSpec, HeaderFilterSpec, HeaderMatchSpec,
    LogFilterSpec, OneFilterSpec, ResponseFlagFilterSpec, RuntimeFilterSpec, SampledSpec,
};

use crate::api::kgateway::UnsupportedValue;
use crate::api::validation;

recognised! {
    /// `accessLog[]`: a sink of the access log.
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
    AccessLogSpec {
        /// Writes lines to a file.
        #[serde(default, rename = "fileSink", skip_serializing_if = "Option::is_none")]
        file_sink: Option<FileSinkSpec>,
        /// Which exchanges are written; all by default.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        filter: Option<LogFilterSpec>,
    }
    unsupported {
        grpc_service = "grpcService",
        open_telemetry = "openTelemetry",
    }
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
    pub string_format: Option<String>,
    /// A JSON object whose strings have command operators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::any_object")]
    pub json_format: Option<Map<String, Value>>,
}
