//! `ResolverPolicy`: how host names are resolved.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PolicyStatus;
use crate::target::TargetRef;
use crate::validation;

/// How the host names of requests through a Gateway or to a Backend are resolved.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "egret.dev",
    version = "v1alpha1",
    kind = "ResolverPolicy",
    plural = "resolverpolicies"
)]
#[kube(
    namespaced,
    status = "PolicyStatus",
    schema = "disabled",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct ResolverPolicySpec {
    /// Gateways or Backends. A policy on a Backend takes precedence over one on its Gateway.
    #[schemars(length(min = 1, max = 16), extend("x-kubernetes-validations" = [targets_only()]))]
    pub target_refs: Vec<TargetRef>,
    /// DNS servers; the fastest healthy server is queried first. The system's servers are queried in their order; those
    /// of the system by default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<ResolverServer>,
    /// Search domains, at most 32. A name without a dot is tried in them first, any other name only after it was found
    /// not to exist; none by default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub search: Vec<String>,
    /// Whether HTTPS records (RFC 9460) are queried along with the addresses of destinations that are reached over TLS;
    /// `true` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub https_records: Option<bool>,
    /// Host names with fixed addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<ResolverHost>,
    /// The address families: `Auto` races both; `V4Only`, `V6Only`, `V4Preferred`, `V6Preferred`; `Auto` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lookup_family: Option<LookupFamily>,
    /// The time limit of one query; 5s by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::duration")]
    pub query_timeout: Option<String>,
    /// The shortest time that an answer is cached, whatever its TTL; 1s by default.
    #[serde(default, rename = "minTTL", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::duration")]
    pub min_ttl: Option<String>,
    /// The longest time that an answer is cached, whatever its TTL; 1h by default.
    #[serde(default, rename = "maxTTL", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::duration")]
    pub max_ttl: Option<String>,
    /// The longest time that a negative answer ("no such name") is cached. The zone's SOA record may set a shorter one
    /// (RFC 2308); 30s by default.
    #[serde(
        default,
        rename = "negativeTTL",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(schema_with = "validation::duration")]
    pub negative_ttl: Option<String>,
    /// How long past its TTL an answer is served while it is queried again (RFC 8767). `0s` is never; 1h by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::duration")]
    pub stale_for: Option<String>,
    /// A name that is not used for this long is evicted; 5m by default.
    #[serde(default, rename = "idleTTL", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::duration")]
    pub idle_ttl: Option<String>,
    /// The most cached names; the least recently used are evicted first; 100000 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_hosts: Option<i64>,
    /// The most names being resolved at once. A request for one more is refused with 503; 1024 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_pending: Option<i64>,
    /// Names that are resolved when the policy is applied, and kept resolved even if unused; at most `maxHosts`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub preresolve: Vec<String>,
}

/// A DNS server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResolverServer {
    /// The IP address of the server, with or without a port; the default port is 53, 853 for `TLS` and 443 for `HTTPS`.
    pub address: String,
    /// The transport: `UDP` (TCP when truncated), `TCP`, `TLS` (RFC 7858), `HTTPS` (RFC 8484); `UDP` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<ResolverProtocol>,
    /// The name in the server's certificate, for `TLS` and `HTTPS`; the IP address by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// The path of the URL, for `HTTPS`; `/dns-query` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// The transport of a DNS server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum ResolverProtocol {
    /// UDP, with TCP for truncated answers.
    #[default]
    Udp,
    /// TCP only.
    Tcp,
    /// DNS over TLS (RFC 7858).
    Tls,
    /// DNS over HTTPS (RFC 8484).
    Https,
}

/// A host name with fixed addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResolverHost {
    /// The host name.
    pub hostname: String,
    /// The addresses of the host; at least one.
    #[schemars(length(min = 1))]
    pub addresses: Vec<String>,
}

/// Which address families are queried, and which is tried first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LookupFamily {
    /// Both, raced (RFC 8305) with IPv6 first.
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

/// The rule for the targets of a ResolverPolicy.
fn targets_only() -> serde_json::Value {
    validation::targets_only(
        &[
            ("gateway.networking.k8s.io", &["Gateway"]),
            ("gateway.kgateway.dev", &["Backend"]),
        ],
        "targetRefs may only reference Gateway or Backend resources",
    )
}
