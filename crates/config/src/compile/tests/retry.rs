//! `retry`, of HTTPRoute rules and of TrafficPolicies.

use std::time::Duration;

use super::{
    BASE, CompiledConfig, GATEWAY, ROUTE, TO_DFP, aged, condition, errors, get, kgateway_policy,
    problems, route, rule, run, warnings, with_base, with_route,
};
use crate::snapshot::{ResetFormat, ResetHeader, ResetHeaders, RetryOn, RetryPolicy};

const AT: &str = "TrafficPolicy apps/p";
const UNSUPPORTED: &str = "not supported yet";

/// A policy `p` on the route, with these lines of `spec`.
fn policy(line: &str) -> String {
    on(ROUTE, "p", line)
}

fn on(target: &str, name: &str, line: &str) -> String {
    let namespace = if target.contains("Gateway") {
        "infra"
    } else {
        "apps"
    };
    let spec = format!("  targetRefs: [{target}]\n  {line}\n");
    kgateway_policy("TrafficPolicy", name, namespace, &spec)
}

/// A policy with this number of attempts.
fn attempts_on(target: &str, name: &str, attempts: u32) -> String {
    on(
        target,
        name,
        &format!("retry: {{attempts: {attempts}, retryOn: [reset]}}"),
    )
}

/// The Gateway or the route as a target with `sectionName`.
fn section(target: &str, name: &str) -> String {
    target.replace('}', &format!(", sectionName: {name}}}"))
}

/// A route with a rule `main` that has this `retry`.
fn rule_with(retry: &str) -> String {
    route(&format!(
        "  rules:\n  - name: main\n    retry: {retry}\n    {TO_DFP}\n"
    ))
}

fn retry(compiled: &CompiledConfig) -> Option<RetryPolicy> {
    rule(compiled, 8080, "a.b", "/")
        .unwrap()
        .policies
        .retry
        .value()
        .map(|retry| (**retry).clone())
}

/// The compiled `retry: {}` of a rule.
fn of_rule() -> RetryPolicy {
    RetryPolicy {
        attempts: 1,
        on: RetryOn {
            connect_failure: true,
            reset: true,
            ..RetryOn::default()
        },
        backoff: Duration::from_millis(25),
        per_try_timeout: None,
        reset: None,
    }
}

type SettingsChange<T> = fn(&mut T);

#[test]
fn a_rule_says_when_it_is_retried() {
    assert_eq!(retry(&with_route("")), None);
    let cases: &[(&str, SettingsChange<RetryPolicy>)] = &[
        ("{}", |_| {}),
        ("{attempts: 0}", |r| r.attempts = 0),
        ("{attempts: 3, backoff: 1s}", |r| {
            r.attempts = 3;
            r.backoff = Duration::from_secs(1);
        }),
        ("{backoff: 0s}", |r| r.backoff = Duration::from_millis(1)),
        ("{codes: [400, 503, 599, 503]}", |r| {
            r.on.statuses = [400, 503, 599].into();
        }),
    ];
    for (text, change) in cases {
        let compiled = with_base(&rule_with(text));
        assert!(compiled.report.accepted(), "{}", compiled.report.table());
        let mut expected = of_rule();
        change(&mut expected);
        assert_eq!(retry(&compiled), Some(expected), "{text}");
    }
}

#[test]
fn a_wrong_retry_of_a_rule_refuses_the_rule() {
    let cases = [
        ("{attempts: -1}", "attempts: 0 to 2147483647 is allowed"),
        ("{backoff: 1d}", "backoff: not a duration"),
        ("{codes: [500, 200]}", "codes[1]: 400 to 599 is allowed"),
        ("{codes: [600]}", "codes[0]: 400 to 599 is allowed"),
    ];
    for (text, fault) in cases {
        let compiled = with_base(&rule_with(text));
        let fault = format!("spec.rules[0].retry.{fault}");
        let problem = format!("t.yaml:22: HTTPRoute apps/r: {fault}");
        assert!(problems(&compiled)[0].starts_with(&problem), "{text}");
        let refused = format!("refuse HTTPRoute apps/r: {fault}");
        assert!(get(&compiled, "a.b").starts_with(&refused), "{text}");
        assert!(
            condition(&compiled, "HTTPRoute apps/r", "Accepted")
                .starts_with(&format!("false UnsupportedValue: {fault}"))
        );
    }
}

/// Every word, and its meaning.
fn no_response(on: &mut RetryOn) {
    on.connect_failure = true;
    on.reset = true;
    on.reset_before_request = true;
    on.refused_stream = true;
}

const WORDS: &[(&str, SettingsChange<RetryOn>)] = &[
    ("5xx", |on| {
        no_response(on);
        on.statuses = (500..=599).collect();
    }),
    ("gateway-error", |on| {
        no_response(on);
        on.statuses = [502, 503, 504].into();
    }),
    ("reset", no_response),
    ("reset-before-request", |on| on.reset_before_request = true),
    ("connect-failure", |on| on.connect_failure = true),
    ("refused-stream", |on| on.refused_stream = true),
    ("envoy-ratelimited", |on| on.rate_limited = true),
    ("retriable-4xx", |on| on.statuses = [409].into()),
    ("retriable-status-codes", |_| {}),
    ("http3-post-connect-failure", |_| {}),
    ("cancelled", |on| on.grpc_statuses = [1].into()),
    ("deadline-exceeded", |on| on.grpc_statuses = [4].into()),
    ("resource-exhausted", |on| on.grpc_statuses = [8].into()),
    ("internal", |on| on.grpc_statuses = [13].into()),
    ("unavailable", |on| on.grpc_statuses = [14].into()),
];

#[test]
fn words_mean_what_they_mean_to_envoy() {
    for (word, change) in WORDS {
        let compiled = with_route(&policy(&format!("retry: {{retryOn: [{word}]}}")));
        assert!(compiled.report.accepted(), "{}", compiled.report.table());
        let mut on = RetryOn::default();
        change(&mut on);
        let expected = RetryPolicy {
            attempts: 1,
            on,
            backoff: Duration::from_millis(25),
            per_try_timeout: None,
            reset: None,
        };
        assert_eq!(retry(&compiled), Some(expected), "{word}");
    }
}

#[test]
fn a_policy_says_how_often_and_how_soon() {
    let line = "retry: {attempts: 0, backoffBaseInterval: 1ms, perTryTimeout: 2s, \
                retryOn: [retriable-4xx, unavailable], statusCodes: [400, 599]}";
    let compiled = with_route(&policy(line));
    let expected = RetryPolicy {
        attempts: 0,
        on: RetryOn {
            statuses: [400, 409, 599].into(),
            grpc_statuses: [14].into(),
            ..RetryOn::default()
        },
        backoff: Duration::from_millis(1),
        per_try_timeout: Some(Duration::from_secs(2)),
        reset: None,
    };
    assert_eq!(retry(&compiled), Some(expected));
    let compiled = with_route(&policy("retry: {statusCodes: [500]}"));
    assert_eq!(retry(&compiled).unwrap().on.statuses, [500].into());
    let compiled = with_route(&policy("# nothing"));
    assert!(compiled.report.accepted());
    assert_eq!(retry(&compiled), None);
}

#[test]
fn a_response_may_say_how_soon() {
    let line = |more: &str| {
        let headers =
            "[{name: Retry-After, format: Seconds}, {name: x-reset, format: UnixTimestamp}]";
        policy(&format!(
            "retry: {{retryOn: [envoy-ratelimited], retryHostPredicates: [PreviousHosts, OmitCanaryHosts], \
             hostSelectionAttempts: 4, rateLimitedBackOff: {{resetHeaders: {headers}{more}}}}}"
        ))
    };
    for (more, most) in [("", 300), (", maxInterval: 10s", 10)] {
        let compiled = with_route(&line(more));
        assert!(compiled.report.accepted(), "{}", compiled.report.table());
        let header = |name, format| ResetHeader {
            name: http::HeaderName::from_static(name),
            format,
        };
        let expected = ResetHeaders {
            headers: vec![
                header("retry-after", ResetFormat::Seconds),
                header("x-reset", ResetFormat::UnixTimestamp),
            ],
            most: Duration::from_secs(most),
        };
        assert_eq!(retry(&compiled).unwrap().reset, Some(expected));
    }
}

/// What is written, the field that is wrong, and what is said of it.
const WRONG: &[(&str, &str, &str)] = &[
    ("retry: {}", "retry", "retryOn or statusCodes must be set."),
    (
        "retry: {retryOn: []}",
        "retry.retryOn",
        "at least one is needed",
    ),
    (
        "retry: {retryOn: [5xx], statusCodes: []}",
        "retry.statusCodes",
        "at least one is needed",
    ),
    (
        "retry: {retryOn: [reset, 5xx, reset]}",
        "retry.retryOn[2]",
        "given twice",
    ),
    (
        "retry: {retryOn: [4xx]}",
        "retry.retryOn[0]",
        "4xx is not a condition for a retry",
    ),
    (
        "retry: {statusCodes: [503, 399]}",
        "retry.statusCodes[1]",
        "400 to 599 is allowed",
    ),
    (
        "retry: {attempts: -1, retryOn: [5xx]}",
        "retry.attempts",
        "0 to 2147483647 is allowed",
    ),
    (
        "retry: {backoffBaseInterval: 0s, retryOn: [5xx]}",
        "retry.backoffBaseInterval",
        "at least 1ms is needed",
    ),
    (
        "retry: {perTryTimeout: 0ms, retryOn: [5xx]}",
        "retry.perTryTimeout",
        "at least 1ms is needed",
    ),
    (
        "retry: {retryOn: [5xx], retryHostPredicates: [OmitHostMetadata]}",
        "retry.retryHostPredicates[0]",
        "PreviousHosts or OmitCanaryHosts is needed",
    ),
    (
        "retry: {retryOn: [5xx], hostSelectionAttempts: -1}",
        "retry.hostSelectionAttempts",
        "0 to 2147483647 is allowed",
    ),
    (
        "retry: {retryOn: [5xx], rateLimitedBackOff: {resetHeaders: []}}",
        "retry.rateLimitedBackOff.resetHeaders",
        "at least one is needed",
    ),
    (
        "retry: {retryOn: [5xx], rateLimitedBackOff: {resetHeaders: [{name: a, format: HttpDate}]}}",
        "retry.rateLimitedBackOff.resetHeaders[0].format",
        "Seconds or UnixTimestamp is needed",
    ),
    (
        "retry: {retryOn: [5xx], rateLimitedBackOff: {resetHeaders: [{name: a, format: Seconds}], maxInterval: 0s}}",
        "retry.rateLimitedBackOff.maxInterval",
        "at least 1ms is needed",
    ),
    ("oauth2: {disable: {}}", "oauth2", UNSUPPORTED),
];

#[test]
fn what_is_wrong_with_a_policy_is_named_and_fails_closed() {
    for (line, field, message) in WRONG {
        let compiled = with_route(&policy(line));
        let fault = format!("spec.{field}: {message}");
        let expected = format!("t.yaml:20: {AT}: {fault}");
        assert!(problems(&compiled).contains(&expected), "{line}");
        assert_eq!(get(&compiled, "a.b"), format!("refuse {AT}: {fault}"));
        assert_eq!(
            condition(&compiled, AT, "Accepted"),
            format!("false Invalid: {fault}")
        );
        for target in [GATEWAY.to_owned(), section(GATEWAY, "http")] {
            let compiled = with_route(&on(&target, "p", line));
            let socket = compiled.snapshot.sockets.values().next().unwrap();
            assert!(socket.listeners[0].refuse.is_some(), "{line}");
        }
    }
}

#[test]
fn what_kgateway_does_not_have_is_unknown() {
    let cases = [
        ("retries: {}", "retries: unknown field"),
        (
            "retry: {numRetries: 1, retryOn: [5xx]}",
            "retry.numRetries: unknown field; there are attempts, backoffBaseInterval, perTryTimeout, retryOn, statusCodes, \
             rateLimitedBackOff, retryHostPredicates, hostSelectionAttempts",
        ),
    ];
    for (line, error) in cases {
        let text = format!("{BASE}---\n{}", policy(line));
        assert_eq!(errors(&text), [format!("t.yaml:20: {AT}: spec.{error}")]);
    }
}

#[test]
fn the_narrowest_decides() {
    let gateway = attempts_on(GATEWAY, "gateway", 2);
    let listener = attempts_on(&section(GATEWAY, "http"), "listener", 3);
    let route = attempts_on(ROUTE, "route", 4);
    let rule = attempts_on(&section(ROUTE, "main"), "rule", 5);
    let mut text = String::new();
    for (policy, expected) in [(gateway, 2), (listener, 3), (route, 4), (rule, 5)] {
        text = format!("{text}{policy}");
        let compiled = with_route(&text);
        assert!(compiled.report.accepted(), "{}", compiled.report.table());
        assert_eq!(retry(&compiled).unwrap().attempts, expected);
    }
    let own = with_base(&format!("{text}{}", rule_with("{attempts: 6}")));
    assert_eq!(retry(&own).unwrap().attempts, 6);
}

#[test]
fn other_listeners_and_rules_are_not_meant() {
    let listener = attempts_on(&section(GATEWAY, "other"), "p", 3);
    let base = BASE.replace(
        "  - {name: http,",
        "  - {name: other, protocol: HTTP, port: 8081, allowedRoutes: {namespaces: {from: All}}}\n  - {name: http,",
    );
    let rules = route(&format!(
        "  rules:\n  - name: main\n    {TO_DFP}\n  - name: side\n    matches: [{{path: {{value: /side}}}}]\n    {TO_DFP}\n"
    ));
    let side = attempts_on(&section(ROUTE, "side"), "q", 4);
    let compiled = run(&format!("{base}---\n{listener}{side}{rules}"));
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    let attempts = |port: u16, path: &str| {
        let rule = rule(&compiled, port, "a.b", path).unwrap();
        rule.policies.retry.value().map(|retry| retry.attempts)
    };
    assert_eq!(attempts(8080, "/"), None);
    assert_eq!(attempts(8081, "/"), Some(3));
    assert_eq!(attempts(8080, "/side"), Some(4));
    assert_eq!(attempts(8081, "/side"), Some(4));
}

#[test]
fn the_oldest_of_a_target_decides() {
    let text = [
        attempts_on(ROUTE, "a", 2),
        aged(&attempts_on(ROUTE, "b", 3), 2020),
        on(ROUTE, "c", "# nothing"),
    ];
    let compiled = with_route(&text.concat());
    assert_eq!(retry(&compiled).unwrap().attempts, 3);
    let attached =
        |name: &str| condition(&compiled, &format!("TrafficPolicy apps/{name}"), "Attached");
    assert!(attached("a").starts_with("false Overridden"));
    assert!(attached("b").starts_with("true Attached"));
    assert!(attached("c").starts_with("true Attached"));
    assert_eq!(problems(&compiled).len(), 1);
}

#[test]
fn targets_are_gateways_and_routes() {
    let cases = [
        (
            "{group: gateway.networking.k8s.io, kind: TLSRoute, name: t}",
            "TLSRoute cannot be a target here; Gateway, ListenerSet, HTTPRoute, GRPCRoute can",
        ),
        (
            "{group: gateway.networking.x-k8s.io, kind: XListenerSet, name: l}",
            "XListenerSet is not supported yet as a target; Gateway, ListenerSet, HTTPRoute, GRPCRoute can be one",
        ),
        (
            "{group: gateway.kgateway.dev, kind: Backend, name: dfp}",
            "Backend cannot be a target here; Gateway, ListenerSet, HTTPRoute, GRPCRoute can",
        ),
    ];
    for (target, message) in cases {
        let compiled = with_route(&policy("").replace(ROUTE, &format!("{ROUTE}, {target}")));
        let expected = format!("t.yaml:19: {AT}: spec.targetRefs[1].kind: {message}");
        assert!(problems(&compiled).contains(&expected), "{target}");
        assert!(get(&compiled, "a.b").starts_with(&format!("refuse {AT}")));
    }
    let selector = "  targetSelectors: [{group: gateway.networking.k8s.io, kind: HTTPRoute, matchLabels: {}, \
                    sectionName: main}]\n  retry: {retryOn: [5xx]}\n";
    let compiled = with_route(&kgateway_policy("TrafficPolicy", "p", "apps", selector));
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    assert!(retry(&compiled).is_some());
}

#[test]
fn a_policy_without_targets_is_worth_a_look() {
    let spec = "  retry: {retryOn: [5xx]}\n";
    let compiled = with_route(&kgateway_policy("TrafficPolicy", "p", "apps", spec));
    assert!(compiled.report.accepted());
    assert_eq!(
        warnings(&compiled),
        [format!(
            "t.yaml:18: {AT}: spec.targetRefs: without targets the policy applies to nothing"
        )]
    );
    assert_eq!(retry(&compiled), None);
}
