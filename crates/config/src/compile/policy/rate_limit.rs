//! Compiles `rateLimit.local` of a TrafficPolicy to [`LocalRateLimits`], and token buckets of every policy.

use std::time::Duration;

use egret_api::kgateway::{LocalRateLimitSpec, TokenBucketSpec, TrafficPolicySpec};

use super::reader::{FieldReading, PolicyReader, ReadPolicy};
use crate::compile::value::{MAX_NUMBER, SpecFields};
use crate::policy::limit::{LimitId, LocalRateLimit, LocalRateLimits, TokenBucket};

/// The shortest interval.
const SHORTEST_FILL: Duration = Duration::from_millis(50);

impl ReadPolicy for LocalRateLimits {
    type Spec = LocalRateLimitSpec;

    fn of(spec: &TrafficPolicySpec) -> Option<&LocalRateLimitSpec> {
        spec.rate_limit.as_ref()?.local.as_ref()
    }

    fn read(
        spec: &LocalRateLimitSpec,
        fields: &mut SpecFields<'_>,
        reader: PolicyReader<'_>,
    ) -> FieldReading<Self> {
        let LocalRateLimitSpec {
            token_bucket,
            percent_enabled,
            percent_enforced,
        } = spec;
        let mut percentage = |name, given| fields.number(name, given, &(0..=100)).unwrap_or(100);
        let enabled = percentage("percentEnabled", *percent_enabled);
        let enforced = percentage("percentEnforced", *percent_enforced);
        let Some(bucket) = token_bucket else {
            return FieldReading::Disabled;
        };
        FieldReading::Set(Self(vec![LocalRateLimit {
            // Each target gets an identity of its own when the policy is attached to it.
            id: LimitId::new(reader.policy, ""),
            policy: reader.policy.clone(),
            bucket: token_bucket_of(bucket, &mut fields.nested("tokenBucket")),
            enabled,
            enforced,
        }]))
    }
}

/// Reads a token bucket. What has a fault is never used.
pub(super) fn token_bucket_of(spec: &TokenBucketSpec, fields: &mut SpecFields<'_>) -> TokenBucket {
    let TokenBucketSpec {
        max_tokens,
        tokens_per_fill,
        fill_interval,
    } = spec;
    let mut count = |name, given| fields.number(name, given, &(1..=MAX_NUMBER)).unwrap_or(1);
    TokenBucket {
        max_tokens: count("maxTokens", Some(*max_tokens)),
        tokens_per_fill: count("tokensPerFill", *tokens_per_fill),
        fill_interval: fields
            .time("fillInterval", Some(fill_interval), SHORTEST_FILL)
            .unwrap_or(SHORTEST_FILL),
    }
}
