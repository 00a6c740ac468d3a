//! Limits of requests: `rateLimit.local` of TrafficPolicies, and `limits` of EgressPolicies. A request that is allowed takes
//! from each limit that is for it; one that a later limit refuses gives back what it took.

use std::sync::Arc;
use std::time::Duration;

use egret_config::policy::egress::{
    EgressClient, EgressLimit, EgressMode, EgressPolicySet, EgressRules,
};
use egret_config::policy::limit::{LimitId, LocalRateLimit};
use egret_config::policy::traffic::TrafficSettings;
use egret_config::resources::ObjectRef;
use http::header::RETRY_AFTER;
use http::{HeaderName, HeaderValue, StatusCode};

use super::draw::is_drawn;
use crate::plan::destination::DestinationKey;
use crate::refusal::{DenyingField, PolicyDenial, Refusal};

mod rate;
mod store;
mod table;

pub(crate) use store::{LimitStore, WorkerLimits};

use rate::TokenRate;
use table::{LimitReached, LimitRule, LimitTable, TakenFrom};

pub(super) const X_RATELIMIT_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
pub(super) const X_RATELIMIT_REMAINING: HeaderName =
    HeaderName::from_static("x-ratelimit-remaining");
pub(super) const X_RATELIMIT_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
/// The body of a response to a request beyond `rateLimit.local`, which is Envoy's.
const LOCAL_BODY: &str = "local_rate_limited";

/// What a request took from the limits. Its place among the open ones is free again when this is dropped.
#[derive(Default)]
pub(crate) struct LimitShare {
    taken: Vec<TakenToken>,
    audited: Option<LimitAudit>,
}

/// A limit of a policy in audit mode that would have refused a request.
pub(crate) struct LimitAudit {
    /// The policy.
    pub(crate) policy: ObjectRef,
    /// The limit.
    pub(crate) limit: Arc<str>,
}

struct TakenToken {
    table: Arc<LimitTable>,
    key: u64,
    from: TakenFrom,
    rule: LimitRule,
}

/// A worker's way to the buckets, and the time at which a request takes from them.
struct Buckets<'a> {
    limits: &'a WorkerLimits,
    now: Duration,
}

/// What is asked of the limits.
pub(super) struct LimitedRequest<'a, 'r> {
    pub(super) policies: &'a TrafficSettings,
    pub(super) egress: &'a EgressPolicySet,
    pub(super) destination: &'r DestinationKey,
    pub(super) client: EgressClient<'r>,
}

impl LimitedRequest<'_, '_> {
    /// Takes from each limit. `None` if there is no limit, which costs nothing else.
    ///
    /// # Errors
    /// [`Refusal::Denied`] by the first limit that is reached.
    pub(super) fn take(
        &self,
        limits: &WorkerLimits,
        generation: u64,
    ) -> Result<Option<LimitShare>, Refusal> {
        let mut egress = self.egress.policies.iter();
        let is_local = self.policies.rate_limit_local.value().is_some();
        if !is_local && egress.all(|rules| rules.limits.is_empty()) {
            return Ok(None);
        }
        limits.enter(generation);
        let buckets = Buckets {
            limits,
            now: limits.now(),
        };
        let mut share = LimitShare::default();
        let taken = self.take_each(&mut share, &buckets);
        if taken.is_err() {
            share.give_back();
        }
        taken.map(|()| Some(share))
    }

    fn take_each(&self, share: &mut LimitShare, buckets: &Buckets<'_>) -> Result<(), Refusal> {
        let local = self.policies.rate_limit_local.value();
        for limit in local.iter().flat_map(|local| &local.0) {
            share.take_local(limit, buckets)?;
        }
        for rules in &self.egress.policies {
            for limit in &rules.limits {
                self.take_egress(share, rules, limit, buckets)?;
            }
        }
        Ok(())
    }

    fn take_egress(
        &self,
        share: &mut LimitShare,
        rules: &EgressRules,
        limit: &EgressLimit,
        buckets: &Buckets<'_>,
    ) -> Result<(), Refusal> {
        let Some(key) = limit.key(&self.destination.host, self.client) else {
            return Ok(());
        };
        let rule = LimitRule {
            rate: limit.bucket.map(TokenRate::from),
            max_concurrent: limit.max_concurrent,
        };
        let taken = share.take(limit.id, buckets.limits.hash(key), rule, buckets);
        match taken {
            Ok(()) => Ok(()),
            Err(reached) if rules.mode == EgressMode::Enforce => Err(egress_denial(
                &rules.policy,
                limit,
                reached,
                self.destination,
            )),
            Err(_) => {
                share.audited.get_or_insert_with(|| LimitAudit {
                    policy: rules.policy.clone(),
                    limit: limit.name.clone(),
                });
                Ok(())
            }
        }
    }
}

impl LimitShare {
    /// The limit of a policy in audit mode that would have refused the request.
    pub(crate) fn audited(&self) -> Option<&LimitAudit> {
        self.audited.as_ref()
    }

    /// Whether nothing has to be kept until the request has ended.
    pub(crate) fn is_done(&self) -> bool {
        self.open().next().is_none()
    }

    /// The places among the requests that are open at once.
    fn open(&self) -> impl Iterator<Item = &TakenToken> {
        let taken = self.taken.iter();
        taken.filter(|taken| taken.rule.max_concurrent.is_some())
    }

    fn take_local(&mut self, limit: &LocalRateLimit, buckets: &Buckets<'_>) -> Result<(), Refusal> {
        if !is_drawn(limit.enabled) {
            return Ok(());
        }
        let rule = LimitRule {
            rate: Some(TokenRate::from(limit.bucket)),
            max_concurrent: None,
        };
        match self.take(limit.id, 0, rule, buckets) {
            Err(LimitReached::Tokens(wait)) if is_drawn(limit.enforced) => {
                Err(local_denial(limit, wait))
            }
            _ => Ok(()),
        }
    }

    fn take(
        &mut self,
        id: LimitId,
        key: u64,
        rule: LimitRule,
        buckets: &Buckets<'_>,
    ) -> Result<(), LimitReached> {
        let Buckets { limits, now } = *buckets;
        let table = limits.table(id, now);
        let from = table.take(key, rule, now)?;
        self.taken.push(TakenToken {
            table,
            key,
            from,
            rule,
        });
        Ok(())
    }

    /// Gives the tokens back: the request is refused by a limit.
    pub(super) fn give_back(&self) {
        let tokens = self.taken.iter().filter(|taken| taken.rule.rate.is_some());
        for taken in tokens {
            taken.table.give_back(taken.key, taken.from);
        }
    }
}

impl Drop for LimitShare {
    fn drop(&mut self) {
        for taken in self.open() {
            taken.table.closed(taken.key, taken.from);
        }
    }
}

fn local_denial(limit: &LocalRateLimit, wait: Duration) -> Refusal {
    let LocalRateLimit { policy, bucket, .. } = limit;
    let seconds = whole_seconds(wait);
    let details = format!(
        "rateLimit.local of {policy} is reached: {} per {:?}, at most {} at once",
        bucket.tokens_per_fill, bucket.fill_interval, bucket.max_tokens
    );
    Refusal::Denied(Box::new(PolicyDenial {
        policy: policy.clone(),
        by: DenyingField::LocalRateLimit,
        rule: None,
        status: StatusCode::TOO_MANY_REQUESTS,
        details,
        body: Some(LOCAL_BODY.into()),
        headers: vec![
            (X_RATELIMIT_LIMIT, bucket.max_tokens.into()),
            (X_RATELIMIT_REMAINING, HeaderValue::from_static("0")),
            (X_RATELIMIT_RESET, seconds.into()),
            (RETRY_AFTER, seconds.into()),
        ],
    }))
}

fn egress_denial(
    policy: &ObjectRef,
    limit: &EgressLimit,
    reached: LimitReached,
    destination: &DestinationKey,
) -> Refusal {
    let (what, wait) = match reached {
        LimitReached::Tokens(wait) => ("has no token", wait),
        // Nobody knows when a request ends.
        LimitReached::Concurrency => ("has as many requests open as it allows", Duration::ZERO),
    };
    let DestinationKey { host, port, .. } = destination;
    Refusal::Denied(Box::new(PolicyDenial {
        policy: policy.clone(),
        by: DenyingField::EgressLimit,
        rule: Some(limit.name.clone()),
        status: StatusCode::TOO_MANY_REQUESTS,
        details: format!("{host}:{port}: limit {} of {policy} {what}", limit.name),
        body: None,
        headers: vec![(RETRY_AFTER, whole_seconds(wait).into())],
    }))
}

/// Whole seconds, rounded up, and at least one.
fn whole_seconds(wait: Duration) -> u64 {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    seconds.max(1)
}

#[cfg(test)]
mod tests;
