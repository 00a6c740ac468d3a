//! `DirectResponse`: a response that the gateway generates itself.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::body_format::BodyFormatSpec;

/// `spec` of a DirectResponse: a fixed response.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "gateway.kgateway.dev",
    version = "v1alpha1",
    kind = "DirectResponse",
    namespaced
)]
#[kube(schema = "disabled", derive = "PartialEq")]
pub struct DirectResponseSpec {
    /// The status code: 200 to 599.
    #[schemars(range(min = 200, max = 599))]
    pub status: i32,
    /// The body: 1 to 4096 characters; empty by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub body: Option<String>,
    /// What the body is made of by command operators, among which `%LOCAL_REPLY_BODY%` is `body`; `body` itself by default.
    #[serde(
        default,
        rename = "bodyFormat",
        skip_serializing_if = "Option::is_none"
    )]
    pub body_format: Option<BodyFormatSpec>,
}
