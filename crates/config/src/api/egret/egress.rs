//! `EgressPolicy`: which destinations requests may be sent to.

use std::borrow::Cow;

use kube::CustomResource;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

use super::PolicyStatus;
use super::limits::EgressLimitSpec;
use crate::api::target::TargetRef;
use crate::api::validation;

/// Which destinations the requests of a Gateway, listener, route, rule or Backend may be sent to. Every policy that
/// applies must allow a request.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "egret.dev",
    version = "v1alpha1",
    kind = "EgressPolicy",
    plural = "egresspolicies"
)]
#[kube(
    namespaced,
    status = "PolicyStatus",
    schema = "disabled",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct EgressPolicySpec {
    /// The objects that the policy applies to: a Gateway (or one of its listeners), an HTTPRoute, GRPCRoute or TLSRoute
    /// (or one of its rules), or a Backend.
    #[schemars(length(min = 1, max = 16), extend("x-kubernetes-validations" = [targets_only()]))]
    pub target_refs: Vec<TargetRef>,
    /// Whether denials are enforced; `Enforce` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<EgressMode>,
    /// The action when no rule matches; `Allow` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_action: Option<EgressAction>,
    /// The rules; the first rule that matches decides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<EgressRuleSpec>,
    /// Rules for IP addresses: the addresses that names resolve to, and IP literals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addresses: Option<EgressAddresses>,
    /// Limits of the requests that the rules allow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub limits: Vec<EgressLimitSpec>,
    /// What happens to open tunnels that a changed policy would deny; `Close` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tunnels: Option<EgressTunnels>,
    /// What the server name (SNI) inside the tunnel of a CONNECT has to be; `Log` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sni: Option<EgressSni>,
}

/// What the server name (SNI) in the ClientHello inside the tunnel of a CONNECT has to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum EgressSni {
    /// Any name; it is logged.
    #[default]
    Log,
    /// The host of the CONNECT. A tunnel whose ClientHello names another host is closed.
    MustMatch,
}

/// Whether denials are enforced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum EgressMode {
    /// Denied requests are refused.
    #[default]
    Enforce,
    /// Requests that would be denied are served, logged and counted. The built-in deny list applies all the same.
    Audit,
}

/// What happens to tunnels and upgraded connections that a changed policy denies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum EgressTunnels {
    /// The tunnels are closed.
    #[default]
    Close,
    /// The tunnels stay open until an endpoint closes them.
    Keep,
}

/// The action of a rule, or of a policy when no rule matches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum EgressAction {
    /// The request may be sent.
    #[default]
    Allow,
    /// The request may not be sent.
    Deny,
}

/// One rule of an EgressPolicy. A condition that is not set holds for every request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EgressRuleSpec {
    /// The name of the rule in the access log; `rule-<index>` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100))]
    pub name: Option<String>,
    /// The action when the rule matches.
    pub action: EgressAction,
    /// Hosts: names, wildcards such as `*.example.com` for all names below one, IP addresses, and networks.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Vec<String>", length(min = 1), extend("nullable" = true))]
    pub hosts: Option<Vec<String>>,
    /// Ports, and ranges of ports such as `"8000-8999"`.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Vec<PortText>", length(min = 1), extend("nullable" = true))]
    pub ports: Option<Vec<PortText>>,
    /// Methods. A rule with methods never matches inside a tunnel.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Vec<String>", length(min = 1), extend("nullable" = true))]
    pub methods: Option<Vec<String>>,
    /// Path prefixes, compared by whole segments. A rule with paths never matches inside a tunnel.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Vec<String>", length(min = 1), extend("nullable" = true))]
    pub paths: Option<Vec<String>>,
    /// Clients: the rule matches if one of them sent the request.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Vec<EgressClientSpec>", length(min = 1), extend("nullable" = true))]
    pub clients: Option<Vec<EgressClientSpec>>,
    /// Addresses and networks that the names of this rule may resolve to although the built-in list denies them. Only in a
    /// rule that allows, of a policy on a Gateway, and only in mode `Enforce`.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Vec<String>", length(min = 1), extend("nullable" = true))]
    pub addresses: Option<Vec<String>>,
    /// An expression in CEL over what is known of a request before DNS. It must be true for the rule to match; where it
    /// cannot be evaluated, the request is denied.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "String", length(min = 1, max = 16384), extend("nullable" = true))]
    pub when: Option<String>,
    /// The time (RFC 3339) from which the rule matches nothing.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "String", extend("format" = "date-time", "nullable" = true))]
    pub expires: Option<String>,
    /// Why the rule is there. It is told in the access log, and in refusals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200))]
    pub reason: Option<String>,
}

/// An address or network that is allowed although the built-in list denies it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum AllowedAddress {
    /// For good.
    Net(String),
    /// With an end, or a reason.
    Described(DescribedAddress),
    /// Neither, which a schema of Kubernetes cannot exclude. It makes the policy invalid.
    Unknown(serde_json::Value),
}

/// An address or network with the time from which it is not allowed any more, and why it is allowed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DescribedAddress {
    /// The address or network.
    pub cidr: String,
    /// The time (RFC 3339) from which it is not allowed any more.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    pub expires: Option<String>,
    /// Why it is allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl AllowedAddress {
    /// The address or network, as it is written; `None` if there is none.
    #[must_use]
    pub fn cidr(&self) -> Option<&str> {
        match self {
            Self::Net(cidr) | Self::Described(DescribedAddress { cidr, .. }) => Some(cidr),
            Self::Unknown(_) => None,
        }
    }
}

/// A client, by one of its properties.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub struct EgressClientSpec {
    /// The user of `basicAuth`, or the client of `apiKeyAuth`; `*` at the end stands for any rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// A subject alternative name of the validated client certificate, or attributes of its subject, as `CN=name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// The client's address, or a network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
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
    /// A range of ports, or one port.
    Text(String),
}

/// Exceptions to the built-in deny list and additions to it: addresses or networks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EgressAddresses {
    /// Addresses that are allowed although the built-in list denies them, each as text, or as an object with `cidr` and
    /// `expires` or `reason`. Only in a policy on a Gateway, and only in mode `Enforce`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<AllowedAddress>,
    /// Addresses that are denied in addition to the built-in list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<String>,
}

/// The rule for the targets of an EgressPolicy.
fn targets_only() -> serde_json::Value {
    validation::targets_only(
        &[
            (
                "gateway.networking.k8s.io",
                &[
                    "Gateway",
                    "ListenerSet",
                    "HTTPRoute",
                    "GRPCRoute",
                    "TLSRoute",
                ],
            ),
            ("gateway.kgateway.dev", &["Backend"]),
        ],
        "targetRefs may only reference Gateway, ListenerSet, HTTPRoute, GRPCRoute, TLSRoute, or Backend resources",
    )
}

/// Deserializes a field that may be left out, but may not be `null`: `hosts:` with no value must not mean every host.
/// Its schema is nullable, because an API server would else remove the `null` in silence.
fn given<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// A string or an object, which a schema of Kubernetes cannot express.
impl JsonSchema for AllowedAddress {
    fn schema_name() -> Cow<'static, str> {
        "AllowedAddress".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        validation::anything(generator)
    }
}

/// Kubernetes' int-or-string, which a derived schema cannot express.
impl JsonSchema for PortText {
    fn schema_name() -> Cow<'static, str> {
        "PortText".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "x-kubernetes-int-or-string": true })
    }
}
