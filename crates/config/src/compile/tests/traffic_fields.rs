//! The fields of TrafficPolicies that are simple: `csrf`, `faultInjection`, `timeouts`, `urlRewrite`, `autoHostRewrite`,
//! `buffer`, `compression`, `internalRedirect` and `statPrefix`.

use std::time::Duration;

use super::{
    CompiledConfig, GATEWAY, ROUTE, TO_DFP, get, kgateway_policy, problems, route, rule, warnings,
    with_base, with_route,
};
use crate::rule::RouteRule;
use crate::snapshot::{PathRewrite, TimeoutSetting};

fn policy(line: &str) -> String {
    let spec = format!("  targetRefs: [{ROUTE}]\n  {line}\n");
    kgateway_policy("TrafficPolicy", "p", "apps", &spec)
}

fn served(compiled: &CompiledConfig) -> &RouteRule {
    rule(compiled, 8080, "a.b", "/").unwrap()
}

/// The settings of a policy with this line, as JSON.
fn settings(line: &str) -> serde_json::Value {
    let compiled = with_route(&policy(line));
    assert!(
        compiled.report.accepted(),
        "{line}: {}",
        compiled.report.table()
    );
    let json = serde_json::to_value(&*served(&compiled).policies).unwrap();
    let field = line.split(':').next().unwrap();
    match &json[field]["Set"] {
        serde_json::Value::Null => json[field].clone(),
        set => set[1].clone(),
    }
}

#[test]
fn values_are_read_with_their_defaults() {
    for (line, expected) in [
        (
            "csrf: {}",
            r#"{"judged": 100, "is_shadow": false, "additional": []}"#,
        ),
        (
            "csrf: {percentageShadowed: 7, additionalOrigins: [{exact: E.test, ignoreCase: true}, {safeRegex: 'a.*'}]}",
            r#"{"judged": 7, "is_shadow": true, "additional": [
                {"text": {"Exact": "e.test"}, "ignore_case": true},
                {"text": {"Regex": "a.*"}, "ignore_case": false}]}"#,
        ),
        (
            "faultInjection: {abort: {httpStatus: 503}}",
            r#"{"delay": null, "abort": {"value": {"Http": 503}, "percentage": 100}, "response_rate": null,
                "max_active": null}"#,
        ),
        (
            "faultInjection: {delay: {fixedDelay: 200ms, percentage: 50}, abort: {grpcStatus: 14, percentage: 1}, \
             responseRateLimit: {kbitsPerSecond: 8, percentage: 2}, maxActiveFaults: 5}",
            r#"{"delay": {"value": {"secs": 0, "nanos": 200000000}, "percentage": 50},
                "abort": {"value": {"Grpc": 14}, "percentage": 1},
                "response_rate": {"value": 1000, "percentage": 2}, "max_active": 5}"#,
        ),
        (
            "buffer: {maxRequestSize: 4Ki}",
            r#"{"max_request_size": 4096}"#,
        ),
        (
            "compression: {responseCompression: {}}",
            r#"{"responses": ["Gzip"], "requests": []}"#,
        ),
        (
            "compression: {responseCompression: {disable: {}}, requestDecompression: {libraries: [Zstd, Brotli]}}",
            r#"{"responses": [], "requests": ["Zstd", "Brotli"]}"#,
        ),
        (
            "buffer: {disable: {}}",
            r#"{"Disabled": "TrafficPolicy apps/p"}"#,
        ),
        (
            "faultInjection: {disable: {}}",
            r#"{"Disabled": "TrafficPolicy apps/p"}"#,
        ),
        (
            "internalRedirect: {}",
            r#"{"statuses": [302], "most": 1, "crosses_schemes": false, "copied": []}"#,
        ),
        (
            "internalRedirect: {redirectResponseCodes: [308, 301], maxRedirects: 5, allowCrossSchemeRedirect: true, \
             responseHeadersToCopy: [X-Token]}",
            r#"{"statuses": [301, 308], "most": 5, "crosses_schemes": true, "copied": ["x-token"]}"#,
        ),
        ("autoHostRewrite: true", "null"),
        (
            "autoHostRewrite: false",
            r#"{"Disabled": "TrafficPolicy apps/p"}"#,
        ),
    ] {
        let expected: serde_json::Value = serde_json::from_str(expected).unwrap();
        assert_eq!(settings(line), expected, "{line}");
    }
}

const MANY: &str = "at most one of the fields in [percentageEnabled percentageShadowed] may be set";

/// Lines of a policy, each with the field at fault and the message.
const WRONG: &[(&str, &str, &str)] = &[
    (
        "csrf: {percentageEnabled: 1, percentageShadowed: 1}",
        "csrf",
        MANY,
    ),
    (
        "csrf: {percentageEnabled: 101}",
        "csrf.percentageEnabled",
        "0 to 100 is allowed",
    ),
    (
        "csrf: {additionalOrigins: [{exact: a, prefix: b}]}",
        "csrf.additionalOrigins[0]",
        "exactly one of the fields in [exact prefix suffix contains safeRegex] must be set",
    ),
    (
        "csrf: {additionalOrigins: [{safeRegex: a, ignoreCase: true}]}",
        "csrf.additionalOrigins[0].ignoreCase",
        "has no effect on safeRegex: begin the expression with (?i)",
    ),
    (
        "faultInjection: {}",
        "faultInjection",
        "at least one of the fields in [delay abort responseRateLimit disable] must be set",
    ),
    (
        "faultInjection: {abort: {}}",
        "faultInjection.abort",
        "exactly one of the fields in [httpStatus grpcStatus] must be set",
    ),
    (
        "faultInjection: {abort: {httpStatus: 199}}",
        "faultInjection.abort.httpStatus",
        "200 to 599 is allowed",
    ),
    (
        "faultInjection: {delay: {fixedDelay: 2h}}",
        "faultInjection.delay.fixedDelay",
        "must not exceed 1h",
    ),
    (
        "faultInjection: {responseRateLimit: {kbitsPerSecond: 0}}",
        "faultInjection.responseRateLimit.kbitsPerSecond",
        "1 to 2147483647 is allowed",
    ),
    (
        "urlRewrite: {pathRegex: {pattern: /a, substitution: '/\\1'}}",
        "urlRewrite.pathRegex.substitution",
        r"\1 is no group of the pattern, which has 0",
    ),
    (
        "urlRewrite: {pathRegex: {pattern: /a, substitution: '/a b'}}",
        "urlRewrite.pathRegex.substitution",
        "not a part of a path",
    ),
    (
        "buffer: {maxRequestSize: 4Gi}",
        "buffer.maxRequestSize",
        "1 to 4294967295 is allowed",
    ),
    (
        "compression: {}",
        "compression",
        "at least one of the fields in [responseCompression requestDecompression] must be set",
    ),
    (
        "compression: {responseCompression: {libraries: [Gzip, Gzip]}}",
        "compression.responseCompression.libraries[1]",
        "libraries must not contain duplicates",
    ),
    (
        "internalRedirect: {redirectResponseCodes: [302, 304]}",
        "internalRedirect.redirectResponseCodes[1]",
        "301, 302, 303, 307 or 308 is needed",
    ),
    (
        "internalRedirect: {redirectResponseCodes: [302, 302]}",
        "internalRedirect.redirectResponseCodes[1]",
        "given twice",
    ),
    (
        "internalRedirect: {redirectResponseCodes: []}",
        "internalRedirect.redirectResponseCodes",
        "at least one is needed",
    ),
    (
        "internalRedirect: {maxRedirects: 0}",
        "internalRedirect.maxRedirects",
        "1 to 2147483647 is allowed",
    ),
    (
        "internalRedirect: {responseHeadersToCopy: [Authorization]}",
        "internalRedirect.responseHeadersToCopy[0]",
        "credentials are the client's, and not for an upstream to choose",
    ),
    (
        "internalRedirect: {responseHeadersToCopy: [x-a, Host]}",
        "internalRedirect.responseHeadersToCopy[1]",
        "this header cannot be modified: it decides where the message goes or ends",
    ),
    (
        "buffer: {}",
        "buffer",
        "exactly one of the fields in [maxRequestSize disable] must be set",
    ),
];

#[test]
fn what_is_wrong_is_named_and_fails_closed() {
    for (line, field, message) in WRONG {
        let compiled = with_route(&policy(line));
        let fault = format!("TrafficPolicy apps/p: spec.{field}: {message}");
        let told = problems(&compiled);
        assert!(
            told.iter().any(|it| it.contains(&fault)),
            "{line}: {told:?}"
        );
        assert!(get(&compiled, "a.b").starts_with("refuse"), "{line}");
    }
}

#[test]
fn the_rule_itself_comes_before_a_policy() {
    let limits = "timeouts: {request: 5s, streamIdle: 0s}";
    let rewrite = "urlRewrite: {pathRegex: {pattern: '^/a', substitution: /b}}";
    let both = [
        policy(limits),
        policy(rewrite).replace("name: p,", "name: q,"),
    ]
    .concat();
    let with_rule = |rule: &str| with_base(&format!("{both}{}", route(rule)));

    let plain = with_rule(&format!("  rules: [{{{TO_DFP}}}]\n"));
    let rule = served(&plain);
    let five = TimeoutSetting::After(Duration::from_secs(5));
    assert_eq!(rule.timeouts.request, five);
    assert_eq!(rule.timeouts.stream_idle, TimeoutSetting::Never);
    let path = rule
        .filters
        .rewrite
        .as_ref()
        .unwrap()
        .path
        .as_ref()
        .unwrap();
    assert_eq!(path.apply("/a/c", None), "/b/c");

    let own = with_rule(&format!(
        "  rules: [{{{TO_DFP}, timeouts: {{request: 0s}}, filters: [{{type: URLRewrite, urlRewrite: {{path: \
         {{type: ReplaceFullPath, replaceFullPath: /own}}}}}}]}}]\n"
    ));
    let rule = served(&own);
    assert_eq!(rule.timeouts.request, TimeoutSetting::Never);
    assert_eq!(rule.timeouts.stream_idle, TimeoutSetting::Never);
    let path = rule.filters.rewrite.as_ref().unwrap().path.as_ref();
    assert_eq!(path, Some(&PathRewrite::Full("/own".to_owned())));
}

#[test]
fn a_prefix_for_statistics_has_no_effect_and_says_so() {
    let spec = format!("  targetRefs: [{GATEWAY}]\n  statPrefix: '{{{{ route_name }}}}'\n");
    let compiled = with_route(&kgateway_policy("TrafficPolicy", "p", "infra", &spec));
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    assert!(warnings(&compiled)[0].contains("spec.statPrefix: has no effect"));
}
