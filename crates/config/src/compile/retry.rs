//! `retry` of an HTTPRoute rule to [`RetryPolicy`], and what `retry` of a TrafficPolicy shares with it.

use std::collections::BTreeSet;
use std::time::Duration;

use super::log::Fault;
use super::value::{MOST, ONE_MILLISECOND, SpecFields};
use crate::api::gateway::RuleRetry;
use crate::policy::retry::{RetryOn, RetryPolicy};

/// How often, when nobody says so.
const ATTEMPTS: u32 = 1;

/// How soon, when nobody says so.
pub(super) const BACKOFF: Duration = Duration::from_millis(25);

/// `retry` of a rule (GEP-1731): after a connection that could not be made or broke, and after the statuses it names.
pub(super) fn of_rule(spec: &RuleRetry, at: &str, faults: &mut Vec<Fault>) -> RetryPolicy {
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
        // A rule may ask for no time at all; a pause of the shortest time keeps its word, which is "at least".
        backoff: fields
            .time("backoff", backoff.as_deref(), Duration::ZERO)
            .map_or(BACKOFF, |backoff| backoff.max(ONE_MILLISECOND)),
        per_try_timeout: None,
    }
}

/// `attempts`, which both name alike.
pub(super) fn number_of(attempts: Option<i64>, fields: &mut SpecFields<'_>) -> u32 {
    fields
        .number("attempts", attempts, &(0..=MOST))
        .unwrap_or(ATTEMPTS)
}

/// A list of statuses.
pub(super) fn statuses(name: &str, codes: &[i64], fields: &mut SpecFields<'_>) -> BTreeSet<u16> {
    let mut statuses = BTreeSet::new();
    for (index, code) in codes.iter().enumerate() {
        statuses.extend(fields.number(&format!("{name}[{index}]"), Some(*code), &(400..=599)));
    }
    statuses
}
