//! `spec.limits` of an EgressPolicy: how many requests may be sent.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kgateway::TokenBucketSpec;
use crate::validation;

/// A limit of the requests that the rules allow. At least one of `tokenBucket` and `maxConcurrent` must be set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [validation::at_least_one(&["tokenBucket", "maxConcurrent"])]))]
pub struct EgressLimitSpec {
    /// The name of the limit in refusals and the log; `limit-<index>` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100))]
    pub name: Option<String>,
    /// The destinations that the limit is for, as in a rule; every destination by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub hosts: Option<Vec<String>>,
    /// What has a limit of its own: each `Destination` (a host, whatever the port), each `Client` (the user who is
    /// proven, else the certificate, else the address), or each pair; one limit for all by default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2))]
    pub per: Vec<EgressLimitPer>,
    /// The bucket of which each request takes a token. `tokenBucket`, `maxConcurrent` or both are needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_bucket: Option<TokenBucketSpec>,
    /// The most requests and tunnels that are open at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i32", range(min = 1))]
    pub max_concurrent: Option<i64>,
}

/// What has a limit of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum EgressLimitPer {
    /// Each host, whatever the port.
    Destination,
    /// Each client: the user who is proven, else the certificate, else the address.
    Client,
}
