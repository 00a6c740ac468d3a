//! `spec.rateLimit` of a TrafficPolicy: how many requests may be sent.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ExtensionRef;
use crate::validation;

/// `spec.rateLimit` of a TrafficPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TrafficRateLimit {
    /// A limit that this process keeps itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<LocalRateLimitSpec>,
    /// Limits that a service keeps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub global: Option<GlobalRateLimitSpec>,
}

/// `spec.rateLimit.local` of a TrafficPolicy. Without a bucket it takes a wider limit away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LocalRateLimitSpec {
    /// The bucket of which each request takes a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_bucket: Option<TokenBucketSpec>,
    /// How many of a hundred requests take a token; all by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::percentage")]
    pub percent_enabled: Option<i64>,
    /// How many of a hundred requests without a token are refused; all by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::percentage")]
    pub percent_enforced: Option<i64>,
}

/// A token bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenBucketSpec {
    /// The most tokens that the bucket holds. It begins full.
    #[schemars(with = "i32", range(min = 1))]
    pub max_tokens: i64,
    /// The tokens that it gets in each interval; 1 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i32", range(min = 1), extend("default" = 1))]
    pub tokens_per_fill: Option<i64>,
    /// The interval, at least 50ms, in which tokens come continuously: 4 in 1s are one every 250ms.
    #[schemars(schema_with = "validation::duration", extend("x-kubernetes-validations" = [validation::at_least("50ms", "must be at least 50ms")]))]
    pub fill_interval: String,
}

/// `spec.rateLimit.global` of a TrafficPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GlobalRateLimitSpec {
    /// What the service counts a request under: each descriptor of which every entry has a value.
    #[schemars(length(min = 1, max = 64))]
    pub descriptors: Vec<RateLimitDescriptorSpec>,
    /// The GatewayExtension with `rateLimit`.
    pub extension_ref: ExtensionRef,
}

/// What a request is counted under.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RateLimitDescriptorSpec {
    /// The entries, in the order in which the service has them.
    #[schemars(length(min = 1, max = 64))]
    pub entries: Vec<RateLimitEntrySpec>,
}

/// One entry of a descriptor. The field that its type needs must be set, and no other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = [validation::rule(
    "has(self.generic) == (self.type == 'Generic') && has(self.header) == (self.type == 'Header')",
    "exactly one entry type must be specified",
)]))]
pub struct RateLimitEntrySpec {
    /// What the entry says: `Generic` a fixed key and value; `Header` a header under its name; `RemoteAddress` the
    /// client's address under `remote_address`; `Path` the path with its query under `path`, which a tunnel does not
    /// have.
    #[serde(rename = "type")]
    pub entry_type: RateLimitEntryType,
    /// A fixed entry, for `Generic`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generic: Option<GenericEntry>,
    /// The name of a header, for `Header`, of which the first of several counts; `:authority`, `:method`, `:path` and
    /// `:scheme` are known too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub header: Option<String>,
}

/// What an entry of a descriptor says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RateLimitEntryType {
    /// A fixed key and value.
    #[default]
    Generic,
    /// The value of a header, under its name.
    Header,
    /// The client's address, under `remote_address`.
    RemoteAddress,
    /// The path with its query, under `path`.
    Path,
}

/// A fixed entry of a descriptor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GenericEntry {
    /// The key.
    #[schemars(length(min = 1))]
    pub key: String,
    /// The value.
    #[schemars(length(min = 1))]
    pub value: String,
}
