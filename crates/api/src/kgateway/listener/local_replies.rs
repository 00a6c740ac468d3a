//! `localReplies` of the HTTP settings of a ListenerPolicy or HTTPListenerPolicy.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::access_log::LogFilterSpec;
use crate::kgateway::HeaderSource;
use crate::kgateway::body_format::BodyFormatSpec;
use crate::validation;

/// `localReplies`: what becomes of the responses that the gateway makes itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [validation::at_least_one(&["mappers", "defaultBodyFormat"])]))]
pub struct LocalRepliesSpec {
    /// The body of responses for which no mapper has a format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_body_format: Option<BodyFormatSpec>,
    /// Changes of the responses that a filter lets through; the first that does changes the response.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 16))]
    pub mappers: Vec<LocalReplyMapperSpec>,
}

/// `mappers[]`: a change of responses.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [validation::at_least_one(&["statusCode", "body", "bodyFormatOverride", "headers"])]))]
pub struct LocalReplyMapperSpec {
    /// Which responses are changed: a filter of access logs.
    pub filter: LogFilterSpec,
    /// The status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<i32>", range(min = 100, max = 599))]
    pub status_code: Option<i64>,
    /// The body, which formats tell as `%LOCAL_REPLY_BODY%`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The format of the body, in place of `defaultBodyFormat`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_format_override: Option<BodyFormatSpec>,
    /// Fields of the response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<LocalReplyHeadersSpec>,
}

/// `headers` of a mapper.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = [validation::rule("!has(self.remove)", "Local reply mappers may only add or modify headers, not remove them"), validation::at_least_one(&["set", "add", "remove"])]))]
pub struct LocalReplyHeadersSpec {
    /// Fields that replace those of the same name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub set: Option<Vec<HeaderSource>>,
    /// Fields that are added to those of the same name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub add: Option<Vec<HeaderSource>>,
    /// Must not be set: fields are not removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub remove: Option<Vec<String>>,
}
