//! When a request is sent again: `retry` of an HTTPRoute rule and of a TrafficPolicy to [`RetryPolicy`].

use std::collections::BTreeSet;
use std::time::Duration;

use super::log::Fault;
use super::value::{Fields, MOST, ONE_MILLISECOND};
use crate::api::gateway::RuleRetry;
use crate::api::kgateway::TrafficRetry;
use crate::snapshot::{RetryOn, RetryPolicy};

/// How often, when nobody says so.
const ATTEMPTS: u32 = 1;

/// How soon, when nobody says so.
const BACKOFF: Duration = Duration::from_millis(25);

/// `retry` of a rule (GEP-1731): after a connection that could not be made or broke, and after the statuses it names.
pub(super) fn of_rule(spec: &RuleRetry, at: &str, faults: &mut Vec<Fault>) -> RetryPolicy {
    let RuleRetry {
        attempts,
        backoff,
        codes,
    } = spec;
    let mut fields = Fields::new(at, faults);
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

/// `spec.retry` of a TrafficPolicy.
pub(super) fn of_policy(spec: &TrafficRetry, faults: &mut Vec<Fault>) -> RetryPolicy {
    let TrafficRetry {
        attempts,
        backoff_base_interval,
        per_try_timeout,
        retry_on,
        status_codes,
    } = spec;
    if retry_on.is_none() && status_codes.is_none() {
        faults.push(Fault::new(
            "spec.retry",
            "retryOn or statusCodes must be set.",
        ));
    }
    let mut fields = Fields::new("spec.retry", faults);
    let lists = [
        ("retryOn", retry_on.as_ref().map(Vec::len)),
        ("statusCodes", status_codes.as_ref().map(Vec::len)),
    ];
    for (name, length) in lists {
        if length == Some(0) {
            fields.fault(name, "at least one is needed");
        }
    }
    let mut on = words(retry_on.as_deref().unwrap_or_default(), &mut fields);
    // Named statuses count without the word `retriable-status-codes` too: they can be meant for nothing else.
    let codes = status_codes.as_deref().unwrap_or_default();
    on.statuses
        .append(&mut statuses("statusCodes", codes, &mut fields));
    let backoff = backoff_base_interval.as_deref();
    let per_try = per_try_timeout.as_deref();
    RetryPolicy {
        attempts: number_of(*attempts, &mut fields),
        on,
        backoff: fields
            .time("backoffBaseInterval", backoff, ONE_MILLISECOND)
            .unwrap_or(BACKOFF),
        per_try_timeout: fields.time("perTryTimeout", per_try, ONE_MILLISECOND),
    }
}

fn number_of(attempts: Option<i64>, fields: &mut Fields<'_>) -> u32 {
    fields
        .number("attempts", attempts, &(0..=MOST))
        .unwrap_or(ATTEMPTS)
}

fn statuses(name: &str, codes: &[i64], fields: &mut Fields<'_>) -> BTreeSet<u16> {
    let mut statuses = BTreeSet::new();
    for (index, code) in codes.iter().enumerate() {
        statuses.extend(fields.number(&format!("{name}[{index}]"), Some(*code), &(400..=599)));
    }
    statuses
}

fn words(words: &[String], fields: &mut Fields<'_>) -> RetryOn {
    let mut on = RetryOn::default();
    for (index, word) in words.iter().enumerate() {
        let field = format!("retryOn[{index}]");
        if words[..index].contains(word) {
            fields.fault(&field, "given twice");
        } else if !add(&mut on, word) {
            fields.fault(&field, format!("{word} is not a word for a retry"));
        }
    }
    on
}

/// Adds what a word means to Envoy (`x-envoy-retry-on`, `x-envoy-retry-grpc-on`); false if it means nothing.
fn add(on: &mut RetryOn, word: &str) -> bool {
    match word {
        "5xx" => {
            no_response(on);
            on.statuses.extend(500..=599);
        }
        "gateway-error" => {
            no_response(on);
            on.statuses.extend([502, 503, 504]);
        }
        "reset" => no_response(on),
        "reset-before-request" => on.reset_before_request = true,
        "connect-failure" => on.connect_failure = true,
        "refused-stream" => on.refused_stream = true,
        "envoy-ratelimited" => on.rate_limited = true,
        "retriable-4xx" => on.statuses.extend([409]),
        // The one is said by `statusCodes` itself, and there is no HTTP/3 here that the other could happen to.
        "retriable-status-codes" | "http3-post-connect-failure" => {}
        "cancelled" => on.grpc_statuses.extend([1]),
        "deadline-exceeded" => on.grpc_statuses.extend([4]),
        "resource-exhausted" => on.grpc_statuses.extend([8]),
        "internal" => on.grpc_statuses.extend([13]),
        "unavailable" => on.grpc_statuses.extend([14]),
        _ => return false,
    }
    true
}

/// Every way to have none.
fn no_response(on: &mut RetryOn) {
    on.connect_failure = true;
    on.reset = true;
    on.reset_before_request = true;
    on.refused_stream = true;
}
