//! `spec.cors` of a TrafficPolicy: what pages of other origins may do.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::PolicyDisable;
use crate::validation;

/// `spec.cors` of a TrafficPolicy: the fields of the Gateway API's `CORS` filter, and `disable`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrafficCors {
    /// The origins whose pages may send requests and read the responses: `*`, or a scheme, a host and perhaps a port,
    /// such as `https://*.example.com`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "origins")]
    pub allow_origins: Option<Vec<String>>,
    /// Whether such requests may carry credentials; `false` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_credentials: Option<bool>,
    /// The methods of such requests, or `*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "methods")]
    pub allow_methods: Option<Vec<String>>,
    /// The header fields of such requests, or `*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "allowed_headers")]
    pub allow_headers: Option<Vec<String>>,
    /// The header fields of responses that pages may read, or `*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "headers")]
    pub expose_headers: Option<Vec<String>>,
    /// How many seconds a browser may rely on the answer to a preflight request; 5 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i32", range(min = 1), extend("default" = 5))]
    pub max_age: Option<i32>,
    /// Disables sharing, even if a wider policy allows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disable: Option<PolicyDisable>,
}

/// The Gateway API's origins (CORSOrigin).
const ORIGIN: &str =
    r"(^\*$)|(^(http(s)?):\/\/(((\*\.)?([a-zA-Z0-9\-]+\.)*[a-zA-Z0-9-]+|\*)(:([0-9]{1,5}))?)$)";

fn alone(field: &str, others: &str) -> serde_json::Value {
    let message = format!("{field} cannot contain '*' alongside other {others}");
    validation::rule("!('*' in self && self.size() > 1)", &message)
}

fn origins(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 64,
        "x-kubernetes-list-type": "set",
        "x-kubernetes-validations": [alone("AllowOrigins", "origins")],
        "items": { "type": "string", "minLength": 1, "maxLength": 253, "pattern": ORIGIN },
    })
}

fn methods(_: &mut SchemaGenerator) -> Schema {
    let methods = json!([
        "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "*"
    ]);
    json_schema!({
        "type": "array",
        "maxItems": 9,
        "x-kubernetes-list-type": "set",
        "x-kubernetes-validations": [alone("AllowMethods", "methods")],
        "items": { "type": "string", "maxLength": 7, "enum": methods },
    })
}

fn allowed_headers(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = headers(generator);
    schema.insert(
        "x-kubernetes-validations".to_owned(),
        json!([alone("AllowHeaders", "headers")]),
    );
    schema
}

fn headers(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 64,
        "x-kubernetes-list-type": "set",
        "items": validation::header_name(generator),
    })
}
