//! Compiles `retry` of a TrafficPolicy to [`RetryPolicy`].

use std::time::Duration;

use egret_api::kgateway::{RateLimitedBackOffSpec, TrafficPolicySpec, TrafficRetry};
use http::HeaderName;

use super::reader::{FieldReading, PolicyReader, ReadPolicy};
use crate::compile::retry::{BACKOFF, number_of, statuses};
use crate::compile::value::{MAX_NUMBER, ONE_MILLISECOND, SpecFields};
use crate::policy::retry::{ResetFormat, ResetHeader, ResetHeaders, RetryOn, RetryPolicy};

/// The longest delay that a header field may ask for by default.
const MOST: Duration = Duration::from_mins(5);

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
            rate_limited_back_off,
            retry_host_predicates,
            host_selection_attempts,
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
        check_predicates(retry_host_predicates.as_deref(), fields);
        fields.number::<u32>(
            "hostSelectionAttempts",
            *host_selection_attempts,
            &(0..=MAX_NUMBER),
        );
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
            reset: rate_limited_back_off
                .as_ref()
                .map(|spec| reset(spec, &mut fields.nested("rateLimitedBackOff"))),
        })
    }
}

/// Both predicates ask for what is so anyway.
fn check_predicates(predicates: Option<&[String]>, fields: &mut SpecFields<'_>) {
    for (index, predicate) in predicates.unwrap_or_default().iter().enumerate() {
        if !["PreviousHosts", "OmitCanaryHosts"].contains(&predicate.as_str()) {
            let field = format!("retryHostPredicates[{index}]");
            fields.fault(&field, "PreviousHosts or OmitCanaryHosts is needed");
        }
    }
}

fn reset(spec: &RateLimitedBackOffSpec, fields: &mut SpecFields<'_>) -> ResetHeaders {
    let RateLimitedBackOffSpec {
        reset_headers,
        max_interval,
    } = spec;
    if reset_headers.is_empty() {
        fields.fault("resetHeaders", "at least one is needed");
    }
    let mut headers = Vec::new();
    for (index, header) in reset_headers.iter().enumerate() {
        let at = |field| format!("resetHeaders[{index}].{field}");
        let name = HeaderName::from_bytes(header.name.as_bytes()).ok();
        if name.is_none() {
            fields.fault(&at("name"), "not the name of a header");
        }
        let format = match header.format.as_str() {
            "Seconds" => Some(ResetFormat::Seconds),
            "UnixTimestamp" => Some(ResetFormat::UnixTimestamp),
            _ => {
                fields.fault(&at("format"), "Seconds or UnixTimestamp is needed");
                None
            }
        };
        headers.extend(
            name.zip(format)
                .map(|(name, format)| ResetHeader { name, format }),
        );
    }
    ResetHeaders {
        headers,
        most: fields
            .time("maxInterval", max_interval.as_deref(), ONE_MILLISECOND)
            .unwrap_or(MOST),
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
