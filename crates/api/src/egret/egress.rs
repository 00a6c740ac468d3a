//! `EgressPolicy`: which destinations requests may be sent to.

use std::borrow::Cow;

use kube::CustomResource;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

use super::PolicyStatus;
use super::limits::EgressLimitSpec;
use crate::target::TargetRef;
use crate::validation;

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
    /// The objects that the policy applies to, in its namespace: a Gateway or a ListenerSet (or one of their
    /// listeners), an HTTPRoute, GRPCRoute or TLSRoute (or one of its named rules), or a Backend.
    #[schemars(length(min = 1, max = 16), extend("x-kubernetes-validations" = [targets_only()]))]
    pub target_refs: Vec<TargetRef>,
    /// Whether denials are enforced: `Audit` serves requests that would have been denied, and logs and counts them;
    /// `Enforce` by default.
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
    /// Whether open tunnels and upgraded connections are closed if a change of the policy denies them; `Close` by
    /// default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tunnels: Option<EgressTunnels>,
    /// What the server name (SNI) in the ClientHello inside the tunnel of a CONNECT has to be: `Log` logs it,
    /// `MustMatch` closes the tunnel if it is not the host of the CONNECT; `Log` by default.
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
    /// The name of the rule in the log, in metrics and in responses: visible ASCII, with blanks between; `rule-<index>`
    /// by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100))]
    pub name: Option<String>,
    /// The action when the rule matches.
    pub action: EgressAction,
    /// Hosts: `api.example.com`; `*.example.com` for one or more labels, never the name itself; an address or network
    /// for requests that name an address; any by default.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Vec<String>", length(min = 1), extend("nullable" = true))]
    pub hosts: Option<Vec<String>>,
    /// Ports, as numbers, and ranges of ports, as `"8000-8999"`; any by default.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Vec<PortText>", length(min = 1), extend("nullable" = true))]
    pub ports: Option<Vec<PortText>>,
    /// Methods. A rule with methods never matches inside a tunnel; any by default.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Vec<String>", length(min = 1), extend("nullable" = true))]
    pub methods: Option<Vec<String>>,
    /// Path prefixes, compared by whole segments: `/v1` matches `/v1/x`, not `/v10`. A rule with paths never matches
    /// inside a tunnel; any by default.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Vec<String>", length(min = 1), extend("nullable" = true))]
    pub paths: Option<Vec<String>>,
    /// Who may use the rule: a list of clients, one of which must have sent the request; any by default.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Vec<EgressClientSpec>", length(min = 1), extend("nullable" = true))]
    pub clients: Option<Vec<EgressClientSpec>>,
    /// Exceptions to the built-in deny list for the names that this rule allows: addresses and networks. Only in an
    /// `Allow` rule of a policy on a Gateway, and only in mode `Enforce`; none by default.
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
    /// Why the rule is there: `rule_reason` in the access log, and told in refusals.
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
    /// The user of `basicAuth`, the client of `apiKeyAuth` or the `sub` of `jwtAuth`; a `*` at the end stands for any
    /// rest, so that `"*"` is everyone who is authenticated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// A subject alternative name of the validated client certificate, compared with names of its own type; or
    /// attributes of the subject (`CN=api`, or `CN=api,O=Example`), of which the certificate must have exactly these
    /// values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// The client's address or network, after the PROXY protocol.
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
    /// Exceptions to the built-in deny list for every name and every listener of the Gateway: an address or network, or
    /// an object with `cidr`, `expires` and `reason`. Only in a policy on a Gateway, and only in mode `Enforce`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<AllowedAddress>,
    /// Addresses and networks that are denied in addition to the built-in list.
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
