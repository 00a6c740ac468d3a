//! Limits of requests: token buckets, and the identity under which a running gateway keeps what is left in them.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use serde::Serialize;

use crate::resources::ObjectRef;

/// A token bucket, in kgateway's words. It begins full, and is refilled continuously: four tokens a second are one every
/// 250 ms, as in Envoy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TokenBucket {
    /// The most tokens that the bucket holds; at least 1.
    pub max_tokens: u32,
    /// The tokens that it gets in each interval; at least 1.
    pub tokens_per_fill: u32,
    /// The interval; at least 50 ms.
    pub fill_interval: Duration,
}

/// Which limit of which policy at which target this is. What is left of the limit stays through every change of the
/// configuration in which the limit has the same identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct LimitId(u64);

impl LimitId {
    /// The identity of a limit of a policy. `at` tells the limits of one policy apart: the target, or the name.
    #[must_use]
    pub fn new(policy: &ObjectRef, at: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        (policy, at).hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// `rateLimit.local` of the TrafficPolicies that apply to a rule: a request takes a token of each. That of a route does not
/// take the place of that of its Gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LocalRateLimits(pub Vec<LocalRateLimit>);

/// `rateLimit.local` of one TrafficPolicy at one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LocalRateLimit {
    /// The identity of the bucket.
    pub id: LimitId,
    /// The policy.
    pub policy: ObjectRef,
    /// The bucket.
    pub bucket: TokenBucket,
    /// How many of a hundred requests take a token (`percentEnabled`).
    pub enabled: u8,
    /// How many of a hundred requests without a token are refused (`percentEnforced`).
    pub enforced: u8,
}

impl LocalRateLimits {
    /// Gives each limit its identity at a target.
    pub fn attach_to(&mut self, target: &str) {
        for limit in &mut self.0 {
            limit.id = LimitId::new(&limit.policy, target);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::Kind;

    #[test]
    fn each_policy_has_a_bucket_at_each_target() {
        let policy = |name: &str| ObjectRef::new(Kind::TrafficPolicy, "apps", name);
        let id = LimitId::new(&policy("a"), "HTTPRoute apps/r");
        assert_eq!(id, LimitId::new(&policy("a"), "HTTPRoute apps/r"));
        assert_ne!(id, LimitId::new(&policy("b"), "HTTPRoute apps/r"));
        assert_ne!(id, LimitId::new(&policy("a"), "HTTPRoute apps/q"));
    }
}
