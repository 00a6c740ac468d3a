//! `spec.headerModifiers` of a TrafficPolicy: changes to the headers of requests and responses.

use serde::{Deserialize, Serialize};

/// `spec.headerModifiers` of a TrafficPolicy: `request`, `response` or both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrafficHeaderModifiers {
    /// Changes to the headers of requests, before they are sent on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<HeaderModifier>,
    /// Changes to the headers of responses, before they are sent on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<HeaderModifier>,
}

/// `spec.headerModifiers.request` or `response` of a TrafficPolicy: at least one of the three.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderModifier {
    /// Headers that replace those of the same name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<Vec<HeaderSource>>,
    /// Headers that are added to those of the same name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub add: Option<Vec<HeaderSource>>,
    /// Names of headers that are removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remove: Option<Vec<String>>,
}

/// `spec.headerModifiers.request.set[]` of a TrafficPolicy and its like: a header with a value from one of two sources.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeaderSource {
    /// The name of the header; `secretRef.key` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The value itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// A Secret that has the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<HeaderSecret>,
}

/// `spec.headerModifiers.request.set[].secretRef` of a TrafficPolicy and its like.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderSecret {
    /// The name of the Secret.
    pub name: String,
    /// The namespace of the Secret: the policy's by default, and another needs a ReferenceGrant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The entry of the Secret; the name of the header by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}
