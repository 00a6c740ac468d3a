//! Compiles `retry` of an HTTPRoute rule to [`RetryPolicy`], with helpers for `retry` of a TrafficPolicy.

use std::collections::BTreeSet;
use std::time::Duration;

use egret_api::gateway::RuleRetry;

use super::log::FieldFault;
use super::value::{MAX_NUMBER, ONE_MILLISECOND, SpecFields};
use crate::policy::retry::{RetryOn, RetryPolicy};

/// The default number of retries.
const ATTEMPTS: u32 = 1;

/// The default delay before a retry.
pub(super) const BACKOFF: Duration = Duration::from_millis(25);

/// Compiles `retry` of a rule (GEP-1731): retries connection failures, resets, and the listed status codes.
pub(super) fn of_rule(spec: &RuleRetry, at: &str, faults: &mut Vec<FieldFault>) -> RetryPolicy {
    let RuleRetry {
        attempts,
        backoff,
        codes,
    } = spec;
    let mut fields = SpecFields::new(at, faults);
    RetryPolicy {
        attempts: number_of(*attempts, &mut fields),
        on: RetryOn {
            connect_failure: true,
            reset: true,
            statuses: statuses("codes", codes.as_deref().unwrap_or_default(), &mut fields),
            ..RetryOn::default()
        },
        // A rule may set a delay of zero. The shortest delay complies too, because the value is a minimum.
        backoff: fields
            .time("backoff", backoff.as_deref(), Duration::ZERO)
            .map_or(BACKOFF, |backoff| backoff.max(ONE_MILLISECOND)),
        per_try_timeout: None,
        reset: None,
    }
}

/// Compiles `attempts`, which both resources have.
pub(super) fn number_of(attempts: Option<i64>, fields: &mut SpecFields<'_>) -> u32 {
    fields
        .number("attempts", attempts, &(0..=MAX_NUMBER))
        .unwrap_or(ATTEMPTS)
}

/// Compiles a list of status codes.
pub(super) fn statuses(name: &str, codes: &[i64], fields: &mut SpecFields<'_>) -> BTreeSet<u16> {
    let mut statuses = BTreeSet::new();
    for (index, code) in codes.iter().enumerate() {
        statuses.extend(fields.number(&format!("{name}[{index}]"), Some(*code), &(400..=599)));
    }
    statuses
}
