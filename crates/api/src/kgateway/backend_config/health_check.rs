//! `spec.healthCheck` of a BackendConfigPolicy: how its addresses are asked whether they can serve.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::validation;

/// Bytes in hexadecimal digits.
const HEX: &str = "^([0-9A-Fa-f]{2})+$";

/// `spec.healthCheck` of a BackendConfigPolicy. Exactly one of `http`, `grpc` and `tcp` must be set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [validation::exactly_one(&["http", "grpc", "tcp"])]))]
pub struct HealthCheckSpec {
    /// How long one check may take.
    #[schemars(schema_with = "validation::duration")]
    pub timeout: String,
    /// The time from the end of a check to the next one.
    #[schemars(schema_with = "validation::duration")]
    pub interval: String,
    /// After how many checks in a row that brought no answer an address counts as unhealthy. A wrong answer counts at once.
    #[schemars(with = "i32", range(min = 0))]
    pub unhealthy_threshold: i64,
    /// After how many good checks in a row an unhealthy address counts as healthy.
    #[schemars(with = "i32", range(min = 0))]
    pub healthy_threshold: i64,
    /// Sends an HTTP request, which a healthy address answers with 200.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpHealthCheckSpec>,
    /// Asks the health service of gRPC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grpc: Option<GrpcHealthCheckSpec>,
    /// Connects, and sends and receives bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp: Option<TcpHealthCheckSpec>,
}

/// `spec.healthCheck.http` of a BackendConfigPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HttpHealthCheckSpec {
    /// The `Host` of the request; that of the backend by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-egret-differs" = "the host of the backend by default, in place of a name of Envoy's"))]
    pub host: Option<String>,
    /// The path, with its query.
    pub path: String,
    /// The method; `GET` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"]))]
    pub method: Option<String>,
}

/// `spec.healthCheck.grpc` of a BackendConfigPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GrpcHealthCheckSpec {
    /// The name of the service that is asked about; by default the server as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_name: Option<String>,
    /// The authority of the call; that of the backend by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-egret-differs" = "the host of the backend by default, in place of a name of Envoy's"))]
    pub authority: Option<String>,
}

/// `spec.healthCheck.tcp` of a BackendConfigPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = [validation::rule("has(self.send) || !has(self.receive)", "receive requires send to be set")]))]
pub struct TcpHealthCheckSpec {
    /// What is sent, in hexadecimal digits; nothing by default, and it is enough that there is a connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "hex")]
    pub send: Option<String>,
    /// What the answer must contain, one after the other, in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "hex_list")]
    pub receive: Option<Vec<String>>,
}

fn hex(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "minLength": 1, "maxLength": 1024, "pattern": HEX })
}

fn hex_list(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "minItems": 1, "maxItems": 16, "items": hex(generator) })
}
