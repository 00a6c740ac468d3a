//! `spec.rateLimit` of a TrafficPolicy: how many requests may be sent.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::kgateway::UnsupportedValue;
use crate::api::validation;

recognised! {
    /// `spec.rateLimit` of a TrafficPolicy.
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
    TrafficRateLimit {
        /// A limit that this process keeps itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        local: Option<LocalRateLimitSpec>,
    }
    unsupported {
        global = "global",
    }
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
    /// The interval; at least 50ms.
    #[schemars(schema_with = "validation::duration", extend("x-kubernetes-validations" = [validation::at_least("50ms", "must be at least 50ms")]))]
    pub fill_interval: String,
}
