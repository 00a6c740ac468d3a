//! What the HTTP settings of a ListenerPolicy or HTTPListenerPolicy say of proxies before the gateway.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::validation;

/// `earlyRequestHeaderModifier`: changes to the headers of requests before anything is decided about them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EarlyHeaderModifier {
    /// Headers that replace those of the same name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub set: Option<Vec<EarlyHeader>>,
    /// Headers that are added to those of the same name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub add: Option<Vec<EarlyHeader>>,
    /// Names of headers that are removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub remove: Option<Vec<String>>,
}

/// An entry of `set` or `add` in `earlyRequestHeaderModifier`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EarlyHeader {
    /// The name.
    #[schemars(length(min = 1, max = 256))]
    pub name: String,
    /// The value.
    #[schemars(length(min = 1, max = 4096))]
    pub value: String,
}

/// `forwardClientCertDetails`: what becomes of `X-Forwarded-Client-Cert`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = [validation::rule("!has(self.details) || !has(self.mode) || self.mode in ['AppendForward', 'SanitizeSet']", "forwardClientCertDetails.details requires mode to be AppendForward or SanitizeSet (or unset)")]))]
pub struct ForwardClientCertSpec {
    /// What is told of the client's certificate, beside its hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<ClientCertDetailsSpec>,
    /// What becomes of the field; `SanitizeSet` with `details`, else `Sanitize`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["Sanitize", "ForwardOnly", "AppendForward", "SanitizeSet", "AlwaysForwardOnly"]))]
    pub mode: Option<String>,
}

/// `details` of `forwardClientCertDetails`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClientCertDetailsSpec {
    /// The certificate itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert: Option<bool>,
    /// The certificate and those that signed it, as the client sent them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<bool>,
    /// Its DNS names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns: Option<bool>,
    /// Its subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<bool>,
    /// Its URIs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<bool>,
}
