//! `EgressPolicy`: where requests may go.

use std::borrow::Cow;

use kube::CustomResource;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

use super::PolicyStatus;
use crate::api::target::TargetRef;

/// Where the requests of a Gateway, listener, route, rule or Backend may go. Every policy that applies must allow.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "egret.dev",
    version = "v1alpha1",
    kind = "EgressPolicy",
    plural = "egresspolicies"
)]
#[kube(
    namespaced,
    category = "egret",
    status = "PolicyStatus",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct EgressPolicySpec {
    /// A Gateway (or its listener), an HTTPRoute, GRPCRoute or TLSRoute (or its rule), or a Backend.
    #[schemars(length(min = 1, max = 16))]
    pub target_refs: Vec<TargetRef>,
    /// `Enforce` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<EgressMode>,
    /// When no rule matches: `Allow` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_action: Option<EgressAction>,
    /// The first that matches decides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<EgressRule>,
    /// Of the addresses that names resolve to, and of IP literals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addresses: Option<EgressAddresses>,
    /// What becomes of open tunnels that this policy, as it was changed, would no longer let through: `Close` by
    /// default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tunnels: Option<EgressTunnels>,
}

/// Whether denials bind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum EgressMode {
    /// What is denied is refused.
    #[default]
    Enforce,
    /// What would be denied is served, logged and counted.
    Audit,
}

/// What a change of a policy does to tunnels, and to connections that were upgraded, if it denies them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum EgressTunnels {
    /// They are closed.
    #[default]
    Close,
    /// They go on until somebody closes them.
    Keep,
}

/// What a rule says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum EgressAction {
    /// May go.
    #[default]
    Allow,
    /// May not.
    Deny,
}

/// One rule. A condition that is not set holds for every request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EgressRule {
    /// For the access log; `rule-<index>` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it says.
    pub action: EgressAction,
    /// Names, `*.` and a name for all names below it, addresses, networks.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Vec<String>", length(min = 1))]
    pub hosts: Option<Vec<String>>,
    /// Ports, and ranges as `"8000-8999"`.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Vec<PortText>", length(min = 1))]
    pub ports: Option<Vec<PortText>>,
    /// Methods. A rule that has them never matches inside a tunnel.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Vec<String>", length(min = 1))]
    pub methods: Option<Vec<String>>,
    /// Path prefixes, by whole segments. A rule that has them never matches inside a tunnel.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Vec<String>", length(min = 1))]
    pub paths: Option<Vec<String>>,
}

/// A port or a range of ports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a port, or a range of ports as \"8000-8999\""
)]
pub enum PortText {
    /// One port.
    Number(i64),
    /// A range, or one port.
    Text(String),
}

/// Exceptions to the built-in deny list, and additions to it: addresses or networks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EgressAddresses {
    /// Allowed although the built-in list denies them. Only in a policy on a Gateway, and only in mode `Enforce`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
    /// Denied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<String>,
}

/// A field that may be left out, but not be `null`: who writes `hosts:` and nothing after it does not mean every host.
fn given<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// Kubernetes' int-or-string, which a derived schema cannot say.
impl JsonSchema for PortText {
    fn schema_name() -> Cow<'static, str> {
        "PortText".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "x-kubernetes-int-or-string": true })
    }
}
