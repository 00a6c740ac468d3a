//! `spec.headerModifiers` of a TrafficPolicy: changes to the headers of requests and responses.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::validation;

/// `spec.headerModifiers` of a TrafficPolicy: `request`, `response` or both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = [validation::at_least_one(&["request", "response"])]))]
pub struct TrafficHeaderModifiers {
    /// Changes to the headers of requests, made before they are forwarded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<HeaderModifier>,
    /// Changes to the headers of responses, made before they are forwarded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<HeaderModifier>,
}

/// `spec.headerModifiers.request` or `response` of a TrafficPolicy. At least one of the fields must be set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = [validation::at_least_one(&["set", "add", "remove"])]))]
pub struct HeaderModifier {
    /// Headers that replace those of the same name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub set: Option<Vec<HeaderSource>>,
    /// Headers that are added to those of the same name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub add: Option<Vec<HeaderSource>>,
    /// Names of headers that are removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub remove: Option<Vec<String>>,
}

/// An entry of `set` or `add` in `spec.headerModifiers` of a TrafficPolicy. Exactly one of `value` and `secretRef` must
/// be set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [validation::exactly_one(&["value", "secretRef"]), validation::rule("!has(self.value) || has(self.name)", "name is required when using an inline value")]))]
pub struct HeaderSource {
    /// The name of the header. With `secretRef` it may be omitted, and is then `key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::header_name")]
    pub name: Option<String>,
    /// The value itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 4096),
        regex(pattern = r"^[!-~]+([\t ]?[!-~]+)*$")
    )]
    pub value: Option<String>,
    /// A Secret with the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<HeaderSecret>,
}

/// `secretRef` of a header in `spec.headerModifiers` of a TrafficPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeaderSecret {
    /// The name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The namespace of the Secret; the policy's by default, and another needs a ReferenceGrant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = validation::NAMESPACE))]
    pub namespace: Option<String>,
    /// The entry of the Secret; the header's name by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = "^[-._a-zA-Z0-9]+$"))]
    pub key: Option<String>,
}
