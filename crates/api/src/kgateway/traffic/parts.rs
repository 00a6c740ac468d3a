//! The small fields of a TrafficPolicy.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PolicyDisable;
use crate::quantity::Quantity;
use crate::validation;

/// `spec.timeouts` of a TrafficPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrafficTimeouts {
    /// From the first byte of the request to the last byte of the response. `0s` is no limit. A tunnel is not ended by
    /// it; that of the rule by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::duration")]
    pub request: Option<String>,
    /// How long nothing of the request, the response or the tunnel may move. `0s` is no limit; that of the listener by
    /// default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::duration")]
    pub stream_idle: Option<String>,
}

/// `spec.urlRewrite` of a TrafficPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrafficUrlRewrite {
    /// Rewrites the path by a regular expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_regex: Option<PathRegexRewrite>,
}

/// `spec.urlRewrite.pathRegex` of a TrafficPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PathRegexRewrite {
    /// A regular expression. Each part of the path, without its query, that it matches is replaced. Policies and
    /// upstreams see the new path.
    #[schemars(length(min = 1, max = 1024))]
    pub pattern: String,
    /// What takes the place of each match: `\1` to `\9` are its groups, `\0` is all of it, `\\` a backslash.
    #[schemars(length(min = 1, max = 1024))]
    pub substitution: String,
}

/// `spec.buffer` of a TrafficPolicy. Exactly one of the fields must be set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [validation::exactly_one(&["maxRequestSize", "disable"])]))]
pub struct TrafficBuffer {
    /// The most bytes of a request body, below 4Gi, which is read as a whole before anything is sent on. A larger one
    /// is refused with 413 and `Payload Too Large`, at once if its length is given. Tunnels and upgrades are not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::quantity")]
    pub max_request_size: Option<Quantity>,
    /// Buffers nothing, even if a wider policy does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disable: Option<PolicyDisable>,
}
