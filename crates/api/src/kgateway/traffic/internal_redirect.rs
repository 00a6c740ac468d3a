//! `spec.internalRedirect` of a TrafficPolicy: redirects that the gateway follows in place of the client.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::validation;

/// `spec.internalRedirect` of a TrafficPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrafficInternalRedirect {
    /// The statuses of responses whose `Location` is followed; 302 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "redirect_statuses")]
    pub redirect_response_codes: Option<Vec<i64>>,
    /// How many redirects of one request are followed; 1 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i32", range(min = 1), extend("default" = 1))]
    pub max_redirects: Option<i64>,
    /// Whether a redirect from `http` to `https`, or back, is followed; `false` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-egret-differs" = "compared with the scheme by which the upstream was asked, where the request chooses the upstream"))]
    pub allow_cross_scheme_redirect: Option<bool>,
    /// Header fields of the redirect that the next request has, in place of its own of these names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "copied_headers")]
    pub response_headers_to_copy: Option<Vec<String>>,
}

/// Statuses of redirects.
fn redirect_statuses(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "minItems": 1,
        "maxItems": 5,
        "items": { "type": "integer", "format": "int32", "enum": [301, 302, 303, 307, 308] },
        "x-kubernetes-validations": [validation::rule(
            "self.all(code, self.exists_one(other, other == code))",
            "redirectResponseCodes must not contain duplicates",
        )],
    })
}

/// Names of header fields.
fn copied_headers(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "minItems": 1,
        "maxItems": 16,
        "items": validation::header_name(generator),
        "x-kubernetes-validations": [validation::rule(
            "self.all(name, self.exists_one(other, other.lowerAscii() == name.lowerAscii()))",
            "responseHeadersToCopy must not contain duplicates",
        )],
    })
}
