//! `spec.transformation` of a TrafficPolicy: templates that change requests and responses.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kgateway::unsupported::IdleValue;

/// `spec.transformation` of a TrafficPolicy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TrafficTransformation {
    /// Changes to requests, made before they are forwarded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<MessageTransformation>,
    /// Changes to responses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<MessageTransformation>,
}

/// `spec.transformation.request` or `response` of a TrafficPolicy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessageTransformation {
    /// Headers that replace those of the same name. One whose value is empty, or whose template fails, is removed.
    /// `:method` and `:path` of a request and `:status` of a response can be set too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16), extend("x-egret-differs" = "of pseudo headers, `:method` and `:path` of requests and `:status` of responses; EgressPolicies are asked about a new method and path"))]
    pub set: Option<Vec<HeaderTemplateSpec>>,
    /// Headers that are added, unless their value is empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub add: Option<Vec<HeaderTemplateSpec>>,
    /// Names of headers that are removed after that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub remove: Option<Vec<String>>,
    /// The body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-egret-differs" = "a body whose template fails is refused, and not emptied"))]
    pub body: Option<BodyTemplateSpec>,
    /// Has no effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-egret-no-effect" = "there is no dynamic metadata outside Envoy"))]
    pub dynamic_metadata: Option<IdleValue>,
}

/// An entry of `set` or `add` in `spec.transformation` of a TrafficPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeaderTemplateSpec {
    /// The name of the header.
    pub name: String,
    /// A template of the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// `body` in `spec.transformation` of a TrafficPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BodyTemplateSpec {
    /// `AsString`: `body()` is the text of the body. `AsJson`: the fields of a JSON object are variables, and
    /// `context()` is all of it; a body that is not JSON is answered with 400. `None`: the body is neither read nor
    /// changed; `AsString` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "AsString"))]
    pub parse_as: Option<BodyParsing>,
    /// A template of the new body; without it the body stays as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// How a body is read for templates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum BodyParsing {
    /// As text, which `body()` gives.
    #[default]
    AsString,
    /// As JSON, whose fields are variables.
    AsJson,
    /// Not at all: the body passes as it comes.
    None,
}
