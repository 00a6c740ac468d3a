//! `spec.basicAuth` and `spec.apiKeyAuth` of a TrafficPolicy: which clients may send requests.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::validation;

/// `spec.basicAuth` of a TrafficPolicy. Exactly one of the fields must be set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [validation::exactly_one(&["users", "secretRef", "disable"])]))]
pub struct TrafficBasicAuth {
    /// Lines in the format of `htpasswd -B`, `name:$2y$...`, with a cost of 4 to 14, or of `htpasswd -s`,
    /// `name:{SHA}...`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), extend("x-egret-differs" = "hashes of bcrypt too"))]
    pub users: Option<Vec<String>>,
    /// A Secret with such lines. Blank lines and lines that begin with `#` are ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<UsersSecret>,
    /// No credentials are required. On a route this does not lift what its Gateway or listener requires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disable: Option<PolicyDisable>,
}

/// `spec.basicAuth.secretRef` of a TrafficPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UsersSecret {
    /// The name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The namespace of the Secret; the policy's by default, and another needs a ReferenceGrant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = validation::NAMESPACE))]
    pub namespace: Option<String>,
    /// The entry of the Secret; `.htpasswd` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), extend("default" = ".htpasswd"))]
    pub key: Option<String>,
}

/// `spec.apiKeyAuth` of a TrafficPolicy. Exactly one of `secretRef`, `secretSelector` and `disable` must be set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [validation::exactly_one(&["secretRef", "secretSelector", "disable"])]))]
pub struct TrafficApiKeyAuth {
    /// Where the key is read from. The first source that has a key decides; the header `api-key` by default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub key_sources: Vec<ApiKeySource>,
    /// A Secret in which every entry is named for a client and has the client's key as its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<KeysSecret>,
    /// All Secrets of the policy's namespace with these labels: at least one requirement and at least one Secret. A
    /// client may have keys in several Secrets; two clients cannot have the same key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_selector: Option<SecretSelector>,
    /// Whether the upstream gets the key; `false` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forward_credential: Option<bool>,
    /// A header that names the client to the upstream, and replaces any value that the client sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id_header: Option<String>,
    /// No key is required. On a route this does not lift what its Gateway or listener requires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disable: Option<PolicyDisable>,
}

/// `spec.apiKeyAuth.keySources[]` of a TrafficPolicy. At least one of the fields must be set; they are tried in this
/// order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = [validation::at_least_one(&["header", "query", "cookie"])]))]
pub struct ApiKeySource {
    /// The name of a header, with the key, or `Bearer` and the key. The fields of one source are tried in the order
    /// `header`, `query`, `cookie`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub header: Option<String>,
    /// The name of a query parameter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub query: Option<String>,
    /// The name of a cookie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub cookie: Option<String>,
}

/// `spec.apiKeyAuth.secretRef` of a TrafficPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeysSecret {
    /// The API group of a Secret, which is the empty core group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253), regex(pattern = validation::GROUP), extend("default" = ""))]
    pub group: Option<String>,
    /// Only `Secret` is supported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = validation::KIND), extend("default" = "Secret"))]
    pub kind: Option<String>,
    /// The name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The namespace of the Secret; the policy's by default, and another needs a ReferenceGrant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = validation::NAMESPACE))]
    pub namespace: Option<String>,
}

/// `spec.apiKeyAuth.secretSelector` of a TrafficPolicy: selects Secrets of the policy's namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretSelector {
    /// The labels that the Secrets must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub match_labels: BTreeMap<String, String>,
    /// What else the labels of the Secrets must be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub match_expressions: Vec<LabelExpressionSpec>,
}

/// `spec.apiKeyAuth.secretSelector.matchExpressions[]` of a TrafficPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LabelExpressionSpec {
    /// The name of the label.
    pub key: String,
    /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
    pub operator: String,
    /// The values, for `In` and `NotIn`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

/// `disable: {}` of a field of a TrafficPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct PolicyDisable {}
