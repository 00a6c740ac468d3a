//! Whether and when a request is retried. Pure.

use std::time::Duration;

use egret_config::snapshot::{ResetFormat, ResetHeaders, RetryOn, RetryPolicy};
use http::{HeaderMap, HeaderName, Method, StatusCode};

const RATE_LIMITED: HeaderName = HeaderName::from_static("x-envoy-ratelimited");
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// The stage at which a request failed without a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailureStage {
    /// No connection could be made.
    Connect,
    /// The connection failed before any of the request was sent.
    BeforeRequest,
    /// The upstream refused the stream without processing the request (RFC 9113 8.7).
    Refused,
    /// The connection failed, sent what is not HTTP, or stayed silent for too long.
    BeforeResponse,
}

/// Whether the policy retries a request that failed at this stage.
pub(crate) fn after_failure(on: &RetryOn, broken: FailureStage) -> bool {
    match broken {
        FailureStage::Connect => on.connect_failure,
        FailureStage::BeforeRequest => on.reset || on.reset_before_request,
        FailureStage::Refused => on.reset || on.reset_before_request || on.refused_stream,
        FailureStage::BeforeResponse => on.reset,
    }
}

/// Whether the policy retries a request that got this response.
pub(crate) fn after_response(on: &RetryOn, status: StatusCode, headers: &HeaderMap) -> bool {
    if on.statuses.contains(&status.as_u16())
        || on.rate_limited && headers.contains_key(RATE_LIMITED)
    {
        return true;
    }
    if on.grpc_statuses.is_empty() {
        return false;
    }
    let grpc = headers.get(GRPC_STATUS);
    let grpc = grpc.and_then(|value| value.to_str().ok()?.parse().ok());
    grpc.is_some_and(|code: u16| on.grpc_statuses.contains(&code))
}

/// The delay before the nth retry, counted from 1. `draw` is any number, which decides the jitter.
pub(crate) fn delay(policy: &RetryPolicy, nth: u32, draw: u32) -> Duration {
    let doublings = nth.saturating_sub(1).min(31);
    let most = policy.backoff.saturating_mul(10);
    let delay = policy.backoff.saturating_mul(1 << doublings).min(most);
    delay + delay / 4 / 256 * (draw % 257)
}

/// The delay that a response asks for, by the first field that can be read. `draw` decides the jitter: up to half of it.
pub(crate) fn asked_delay(
    reset: &ResetHeaders,
    headers: &HeaderMap,
    unix_time: i64,
    draw: u32,
) -> Option<Duration> {
    let asked = reset.headers.iter().filter_map(|header| {
        let value = headers.get(&header.name)?.to_str().ok()?;
        let number: i64 = value.trim().parse().ok()?;
        let seconds = match header.format {
            ResetFormat::Seconds => number,
            ResetFormat::UnixTimestamp => number.checked_sub(unix_time)?,
        };
        let delay = Duration::from_secs(u64::try_from(seconds).ok()?);
        (!delay.is_zero() && delay <= reset.most).then_some(delay)
    });
    let delay = asked.into_iter().next()?;
    Some(delay + delay / 2 / 256 * (draw % 257))
}

/// Whether a method is idempotent (RFC 9110 9.2.2), so that its requests may be retried without a policy.
pub(crate) fn is_idempotent(method: &Method) -> bool {
    [
        Method::GET,
        Method::HEAD,
        Method::OPTIONS,
        Method::PUT,
        Method::DELETE,
        Method::TRACE,
    ]
    .contains(method)
}

#[cfg(test)]
mod tests {
    use egret_config::snapshot::ResetHeader;
    use http::HeaderValue;

    use super::*;

    fn policy(backoff: u64) -> RetryPolicy {
        RetryPolicy {
            attempts: 3,
            on: RetryOn::default(),
            backoff: Duration::from_millis(backoff),
            per_try_timeout: None,
            reset: None,
        }
    }

    #[test]
    fn failures_are_told_apart() {
        use FailureStage::{BeforeRequest, BeforeResponse, Connect, Refused};
        let none = RetryOn::default();
        let connect = RetryOn {
            connect_failure: true,
            ..none.clone()
        };
        let reset = RetryOn {
            reset: true,
            ..none.clone()
        };
        let unsent = RetryOn {
            reset_before_request: true,
            ..none.clone()
        };
        let refused = RetryOn {
            refused_stream: true,
            ..none.clone()
        };
        for (on, wanted) in [
            (none, [false, false, false, false]),
            (connect, [true, false, false, false]),
            (reset, [false, true, true, true]),
            (unsent, [false, true, true, false]),
            (refused, [false, false, true, false]),
        ] {
            let all = [Connect, BeforeRequest, Refused, BeforeResponse];
            assert_eq!(
                all.map(|broken| after_failure(&on, broken)),
                wanted,
                "{on:?}"
            );
        }
    }

    #[test]
    fn responses_are_judged_by_status_and_fields() {
        let on = RetryOn {
            statuses: [409, 503].into(),
            ..RetryOn::default()
        };
        let none = HeaderMap::new();
        let judge = |code| after_response(&on, StatusCode::from_u16(code).unwrap(), &none);
        assert_eq!([200, 409, 500, 503].map(judge), [false, true, false, true]);

        let mut headers = HeaderMap::new();
        headers.insert(RATE_LIMITED, HeaderValue::from_static("true"));
        headers.insert(GRPC_STATUS, HeaderValue::from_static("14"));
        let rate_limited = RetryOn {
            rate_limited: true,
            ..RetryOn::default()
        };
        let unavailable = RetryOn {
            grpc_statuses: [4, 14].into(),
            ..RetryOn::default()
        };
        for on in [rate_limited, unavailable] {
            assert!(after_response(&on, StatusCode::OK, &headers));
            assert!(!after_response(&on, StatusCode::OK, &none));
        }
        assert!(!after_response(&on, StatusCode::OK, &headers));
    }

    #[test]
    fn delays_double_to_ten_times_the_first_with_a_quarter_of_jitter() {
        let policy = policy(1024);
        let delays: Vec<_> = (1..=6)
            .map(|nth| delay(&policy, nth, 0).as_millis())
            .collect();
        assert_eq!(delays, [1024, 2048, 4096, 8192, 10240, 10240]);
        for draw in [1, 255, 256, u32::MAX] {
            let delay = delay(&policy, 1, draw).as_millis();
            assert!((1024..=1280).contains(&delay), "{draw}: {delay}");
        }
        assert_eq!(delay(&policy, u32::MAX, 256).as_millis(), 12800);
    }

    #[test]
    fn the_first_field_that_can_be_read_says_when() {
        let header = |name, format| ResetHeader {
            name: HeaderName::from_static(name),
            format,
        };
        let reset = ResetHeaders {
            headers: vec![
                header("retry-after", ResetFormat::Seconds),
                header("reset", ResetFormat::UnixTimestamp),
            ],
            most: Duration::from_secs(60),
        };
        let asked = |fields: &[(&'static str, &'static str)]| {
            let headers = fields.iter().map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            });
            let delay = asked_delay(&reset, &headers.collect(), 1000, 0)?;
            Some(delay.as_secs())
        };
        assert_eq!(asked(&[]), None);
        assert_eq!(asked(&[("retry-after", "7")]), Some(7));
        assert_eq!(asked(&[("reset", "1009")]), Some(9));
        assert_eq!(asked(&[("retry-after", "7"), ("reset", "1009")]), Some(7));
        for unread in ["soon", "0", "-1", "61", "99999999999999999999"] {
            let fields = [("retry-after", unread), ("reset", "1009")];
            assert_eq!(asked(&fields), Some(9), "{unread}");
        }
        for passed in ["1000", "999", "1061", "-9223372036854775808"] {
            assert_eq!(asked(&[("reset", passed)]), None, "{passed}");
        }
        let headers = [(
            HeaderName::from_static("retry-after"),
            HeaderValue::from_static("60"),
        )];
        let most = asked_delay(&reset, &headers.into_iter().collect(), 0, 256);
        assert_eq!(most, Some(Duration::from_secs(90)));
    }
}
