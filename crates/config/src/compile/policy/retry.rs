//! Compiles `retry` of a TrafficPolicy to [`RetryPolicy`].

use super::reader::{FieldReading, PolicyReader, ReadPolicy};
use crate::api::kgateway::{TrafficPolicySpec, TrafficRetry};
use crate::compile::retry::{BACKOFF, number_of, statuses};
use crate::compile::value::{ONE_MILLISECOND, SpecFields};
use crate::policy::retry::{RetryOn, RetryPolicy};

impl ReadPolicy for RetryPolicy {
    type Spec = TrafficRetry;

    fn of(spec: &TrafficPolicySpec) -> Option<&TrafficRetry> {
        spec.retry.as_ref()
    }

    fn read(
        spec: &TrafficRetry,
        fields: &mut SpecFields<'_>,
        _reader: PolicyReader<'_>,
    ) -> FieldReading<Self> {
        let TrafficRetry {
            attempts,
            backoff_base_interval,
            per_try_timeout,
            retry_on,
            status_codes,
        } = spec;
        if retry_on.is_none() && status_codes.is_none() {
            fields.struct_fault("retryOn or statusCodes must be set.");
        }
        let lists = [
            ("retryOn", retry_on.as_ref().map(Vec::len)),
            ("statusCodes", status_codes.as_ref().map(Vec::len)),
        ];
        for (name, length) in lists {
            if length == Some(0) {
                fields.fault(name, "at least one is needed");
            }
        }
        let mut on = words(retry_on.as_deref().unwrap_or_default(), fields);
        // Status codes count even without the word `retriable-status-codes`, because they have no other use.
        let codes = status_codes.as_deref().unwrap_or_default();
        on.statuses
            .append(&mut statuses("statusCodes", codes, fields));
        let backoff = backoff_base_interval.as_deref();
        let per_try = per_try_timeout.as_deref();
        FieldReading::Set(Self {
            attempts: number_of(*attempts, fields),
            on,
            backoff: fields
                .time("backoffBaseInterval", backoff, ONE_MILLISECOND)
                .unwrap_or(BACKOFF),
            per_try_timeout: fields.time("perTryTimeout", per_try, ONE_MILLISECOND),
        })
    }
}

fn words(words: &[String], fields: &mut SpecFields<'_>) -> RetryOn {
    let mut on = RetryOn::default();
    for (index, word) in words.iter().enumerate() {
        let field = format!("retryOn[{index}]");
        if words[..index].contains(word) {
            fields.fault(&field, "given twice");
        } else if !add(&mut on, word) {
            fields.fault(&field, format!("{word} is not a condition for a retry"));
        }
    }
    on
}

/// Adds the meaning of a word of Envoy (`x-envoy-retry-on`, `x-envoy-retry-grpc-on`); false if the word is not known.
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
        // The first is what `statusCodes` says already, and the second cannot happen without HTTP/3.
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

/// Adds every failure that leaves a request without a response.
fn no_response(on: &mut RetryOn) {
    on.connect_failure = true;
    on.reset = true;
    on.reset_before_request = true;
    on.refused_stream = true;
}
