//! `spec.rbac` of a TrafficPolicy: which requests are let through, by expressions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `spec.rbac` of a TrafficPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TrafficRbac {
    /// What becomes of the requests that match; `Allow` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "Allow"))]
    pub action: Option<RbacAction>,
    /// The requests that match.
    pub policy: RbacPolicy,
}

/// What becomes of the requests that match.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RbacAction {
    /// They are let through, and all others are refused.
    #[default]
    Allow,
    /// They are refused, and all others are let through.
    Deny,
}

/// `spec.rbac.policy` of a TrafficPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RbacPolicy {
    /// Expressions in CEL: a request matches if one of them is true. Without expressions, every request is refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        required,
        length(min = 1, max = 256),
        inner(length(min = 1, max = 16384))
    )]
    pub match_expressions: Vec<String>,
}
