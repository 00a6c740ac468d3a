//! `spec.acl` of a TrafficPolicy: which clients may send requests.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `spec.acl` of a TrafficPolicy. The rule with the longest prefix that contains the client's address decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrafficAcl {
    /// What happens to clients that no rule names.
    pub default_action: AclAction,
    /// The rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub rules: Option<Vec<AclRule>>,
    /// The response to clients that are denied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deny_response: Option<AclDenyResponse>,
}

/// What happens to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AclAction {
    /// The policy lets its requests through.
    Allow,
    /// Its requests are refused.
    Deny,
}

/// `spec.acl.rules[]` of a TrafficPolicy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AclRule {
    /// The name in refusals and the log; `rule-<index>` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub name: Option<String>,
    /// What happens to clients of these networks.
    pub action: AclAction,
    /// Addresses and networks. The longest prefix that contains the client's address decides, and of equal ones the
    /// first.
    #[schemars(length(min = 1, max = 256))]
    pub cidrs: Vec<String>,
}

/// `spec.acl.denyResponse` of a TrafficPolicy. At least one of the fields must be set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [crate::validation::at_least_one(&["statusCode", "headers", "blockedByHeaderName"])]))]
pub struct AclDenyResponse {
    /// The status, 200 to 599; 403 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i32", range(min = 100, max = 599))]
    pub status_code: Option<i64>,
    /// Fields of the response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub headers: Option<Vec<AclHeader>>,
    /// The field of the response that has the name of the rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub blocked_by_header_name: Option<String>,
}

/// `spec.acl.denyResponse.headers[]` of a TrafficPolicy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AclHeader {
    /// The name.
    #[schemars(length(min = 1, max = 256))]
    pub name: String,
    /// The value.
    #[schemars(length(max = 4096))]
    pub value: String,
}
