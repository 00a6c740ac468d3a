//! `ResolverPolicy`: how names are resolved.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PolicyStatus;
use crate::api::target::TargetRef;

/// How the names that requests of a Gateway or to a Backend carry are resolved.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "egret.dev",
    version = "v1alpha1",
    kind = "ResolverPolicy",
    plural = "resolverpolicies"
)]
#[kube(
    namespaced,
    category = "egret",
    status = "PolicyStatus",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct ResolverPolicySpec {
    /// Gateways or Backends; a Backend's policy goes before its Gateway's.
    #[schemars(length(min = 1, max = 16))]
    pub target_refs: Vec<TargetRef>,
    /// DNS servers: the fastest that is well is asked first. Without any, the system's in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<ResolverServer>,
    /// Domains that names are looked for in: one without a dot before it is taken as it is, any other after it was found
    /// not to exist. None by default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub search: Vec<String>,
    /// Whether HTTPS records (RFC 9460) are asked for beside the addresses of what is reached over TLS; true by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub https_records: Option<bool>,
    /// Names whose addresses are given here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<ResolverHost>,
    /// Which addresses are asked for; `Auto` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lookup_family: Option<LookupFamily>,
    /// How long a query may take; 5s by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"))]
    pub query_timeout: Option<String>,
    /// Shortest time an answer is kept; 1s by default.
    #[serde(default, rename = "minTTL", skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"))]
    pub min_ttl: Option<String>,
    /// Longest time an answer is kept; 1h by default.
    #[serde(default, rename = "maxTTL", skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"))]
    pub max_ttl: Option<String>,
    /// Longest time "no such name" is kept; 30s by default.
    #[serde(
        default,
        rename = "negativeTTL",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(regex(pattern = r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"))]
    pub negative_ttl: Option<String>,
    /// How long past its time an answer may serve while it cannot be refreshed; 1h by default, 0s is never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"))]
    pub stale_for: Option<String>,
    /// A name unused this long is forgotten; 5m by default.
    #[serde(default, rename = "idleTTL", skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"))]
    pub idle_ttl: Option<String>,
    /// Most names remembered; 100000 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_hosts: Option<i64>,
    /// Most names asked for at once; 1024 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_pending: Option<i64>,
    /// Names resolved before anybody asks, and kept resolved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub preresolve: Vec<String>,
}

/// A DNS server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResolverServer {
    /// An IP address, with or without a port; by default 53, 853 for `TLS` and 443 for `HTTPS`.
    pub address: String,
    /// `UDP` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<ResolverProtocol>,
    /// The name in the server's certificate, for `TLS` and `HTTPS`; its address by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// The path of the query, for `HTTPS`; `/dns-query` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// How a DNS server is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum ResolverProtocol {
    /// UDP, and TCP for what was truncated.
    #[default]
    Udp,
    /// TCP only.
    Tcp,
    /// DNS over TLS (RFC 7858).
    Tls,
    /// DNS over HTTPS (RFC 8484).
    Https,
}

/// A name and its addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResolverHost {
    /// The name.
    pub hostname: String,
    /// Its addresses; at least one.
    pub addresses: Vec<String>,
}

/// Which families are asked for, and which is tried first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LookupFamily {
    /// Both, raced.
    #[default]
    Auto,
    /// IPv4 only.
    V4Only,
    /// IPv6 only.
    V6Only,
    /// Both, IPv4 first.
    V4Preferred,
    /// Both, IPv6 first.
    V6Preferred,
}
