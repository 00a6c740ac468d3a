//! `spec.basicAuth` and `spec.apiKeyAuth` of a TrafficPolicy: who may send requests.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// `spec.basicAuth` of a TrafficPolicy: exactly one of the three.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrafficBasicAuth {
    /// Lines as `htpasswd -s` writes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<Vec<String>>,
    /// The same in a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<UsersSecret>,
    /// Switches off what a wider policy says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disable: Option<Disable>,
}

/// `spec.basicAuth.secretRef` of a TrafficPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsersSecret {
    /// Its name.
    pub name: String,
    /// The policy's by default; another needs a ReferenceGrant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The entry; `.htpasswd` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// `spec.apiKeyAuth` of a TrafficPolicy: exactly one of `secretRef`, `secretSelector` and `disable`, and the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrafficApiKeyAuth {
    /// Where keys are looked for; the field `api-key` by default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key_sources: Vec<ApiKeySource>,
    /// A Secret of keys by client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<KeysSecret>,
    /// Several of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_selector: Option<SecretSelector>,
    /// Whether the upstream gets the key; `false` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forward_credential: Option<bool>,
    /// A field that tells the upstream whose key it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id_header: Option<String>,
    /// Switches off what a wider policy says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disable: Option<Disable>,
}

/// `spec.apiKeyAuth.keySources[]` of a TrafficPolicy: at least one, looked at in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKeySource {
    /// The name of a field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// The name of a parameter of the query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// The name of a cookie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie: Option<String>,
}

/// `spec.apiKeyAuth.secretRef` of a TrafficPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeysSecret {
    /// Only that of Secret, which is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Only `Secret`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Its name.
    pub name: String,
    /// The policy's by default; another needs a ReferenceGrant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// `spec.apiKeyAuth.secretSelector` of a TrafficPolicy: Secrets of its namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretSelector {
    /// The labels that they have.
    pub match_labels: BTreeMap<String, String>,
}

/// `disable: {}` of a part of a TrafficPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disable {}
