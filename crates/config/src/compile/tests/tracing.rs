//! `tracing` of ListenerPolicies.

use super::{CompiledConfig, kgateway_policy, problems, with_route};
use crate::policy::service::CollectorProtocol;
use crate::snapshot::{AttributeSource, Tracing};

const GATEWAY: &str = "targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: gw}]";
const COLLECTOR: &str = "---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {name: collector, namespace: infra}
spec: {static: {hosts: [{host: 192.0.2.1, port: 4317}]}}
";

fn policy(provider: &str, more: &str) -> CompiledConfig {
    let reference = "backendRef: {group: gateway.kgateway.dev, kind: Backend, name: collector}";
    let provider = format!("{{openTelemetry: {{grpcService: {{{reference}}}{provider}}}}}");
    let spec = format!(
        "  {GATEWAY}\n  default: {{httpSettings: {{tracing: {{provider: {provider}{more}}}}}}}\n"
    );
    let policy = kgateway_policy("ListenerPolicy", "x", "infra", &spec);
    with_route(&format!("{policy}{COLLECTOR}"))
}

fn tracing(compiled: &CompiledConfig) -> &Tracing {
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    let socket = compiled.snapshot.sockets.values().next().unwrap();
    let http = socket.listeners[0].http.as_ref().unwrap();
    http.tracing.as_ref().unwrap()
}

#[test]
fn all_requests_are_traced_under_the_name_of_the_gateway_by_default() {
    let compiled = policy("", "");
    let tracing = tracing(&compiled);
    assert_eq!(&*tracing.service_name, "gw.infra");
    assert_eq!((tracing.sampling, tracing.max_path), (10_000, 256));
    assert!(!tracing.spawns_upstream_span);
    assert_eq!(tracing.collector.service.authority, "192.0.2.1:4317");
    let id = &tracing.collector.service.id;
    assert!(compiled.snapshot.services.contains_key(id));
}

#[test]
fn the_shares_are_multiplied_and_attributes_come_from_where_the_policy_says() {
    let more = ", randomSampling: 50, overallSampling: 10, maxPathTagLength: 9, spawnUpstreamSpan: true,
        attributes: [{name: a, literal: {value: x}}, {name: b, requestHeader: {name: X-B, defaultValue: y}}]";
    let compiled = policy(", serviceName: edge", more);
    let tracing = tracing(&compiled);
    assert_eq!(&*tracing.service_name, "edge");
    assert_eq!((tracing.sampling, tracing.max_path), (500, 9));
    assert_eq!(
        tracing.attributes[0].source,
        AttributeSource::Literal("x".into())
    );
    let header = AttributeSource::RequestHeader("x-b".parse().unwrap());
    assert_eq!(tracing.attributes[1].source, header);
    assert_eq!(tracing.attributes[1].default.as_deref(), Some("y"));
}

#[test]
fn what_is_wrong_is_told() {
    for (more, expected) in [
        (
            ", randomSampling: 101",
            "tracing.randomSampling: 0 to 100 is allowed",
        ),
        (
            ", attributes: [{name: a}]",
            "tracing.attributes[0]: exactly one of the fields in [literal requestHeader environment metadata] must be set",
        ),
        (
            ", attributes: [{name: a, literal: {value: b}, metadata: {kind: Request, metadataKey: {key: a, path: []}}}]",
            "tracing.attributes[0]: exactly one of the fields in [literal requestHeader environment metadata] must be set",
        ),
    ] {
        let found = problems(&policy("", more)).concat();
        assert!(found.contains(expected), "{found}");
    }
}

#[test]
fn a_collector_is_told_by_http_where_the_policy_says_so() {
    let with = |provider: &str| {
        let spec = format!(
            "  {GATEWAY}\n  default: {{httpSettings: {{tracing: {{provider: {{openTelemetry: {{{provider}}}}}}}}}}}\n"
        );
        let policy = kgateway_policy("ListenerPolicy", "x", "infra", &spec);
        with_route(&format!("{policy}{COLLECTOR}"))
    };
    let reference = "backendRef: {group: gateway.kgateway.dev, kind: Backend, name: collector}";
    for (more, path) in [("", "/v1/traces"), (", path: /otlp", "/otlp")] {
        let compiled = with(&format!("httpService: {{{reference}{more}}}"));
        let expected = CollectorProtocol::Http(path.into());
        assert_eq!(tracing(&compiled).collector.protocol, expected);
    }
    for (provider, expected) in [
        (
            String::new(),
            "exactly one of the fields in [grpcService httpService]",
        ),
        (
            format!("httpService: {{{reference}}}, grpcService: {{{reference}}}"),
            "exactly one of the fields in [grpcService httpService]",
        ),
        (
            format!("httpService: {{{reference}, path: v1}}"),
            "httpService.path: not a path: it begins with a slash",
        ),
    ] {
        let found = problems(&with(&provider)).concat();
        assert!(found.contains(expected), "{provider}: {found}");
    }
}

#[test]
fn the_last_detector_of_the_environment_decides() {
    for (detectors, expected) in [
        ("", false),
        (
            ", resourceDetectors: [{environmentResourceDetector: {}}]",
            true,
        ),
        (
            ", resourceDetectors: [{environmentResourceDetector: {}}, {environmentResourceDetector: {enable: false}}]",
            false,
        ),
    ] {
        let compiled = policy(detectors, "");
        assert_eq!(
            tracing(&compiled).detects_environment,
            expected,
            "{detectors}"
        );
    }
}

#[test]
fn metadata_is_known_to_nobody() {
    let more = ", attributes: [{name: a, metadata: {kind: Route, metadataKey: {key: k, path: [{key: p}]}, defaultValue: d}}]";
    let compiled = policy("", more);
    let attribute = &tracing(&compiled).attributes[0];
    assert_eq!(attribute.source, AttributeSource::Nowhere);
    assert_eq!(attribute.default.as_deref(), Some("d"));
}

#[test]
fn rules_have_their_own_word() {
    let with = |tracing: &str| {
        let spec = format!("  {GATEWAY}\n  tracing: {{{tracing}}}\n");
        let compiled = with_route(&kgateway_policy("TrafficPolicy", "x", "infra", &spec));
        assert!(compiled.report.accepted(), "{}", compiled.report.table());
        let socket = compiled.snapshot.sockets.values().next().unwrap();
        let rules: Vec<_> = socket.listeners[0].routes.rules().collect();
        rules[0].1.policies.tracing.value().unwrap().sampling
    };
    for (tracing, expected) in [
        ("disable: {}", Some(0)),
        ("randomSampling: 50", Some(5000)),
        ("randomSampling: 50, overallSampling: 10", Some(500)),
        ("attributes: [{name: a, literal: {value: b}}]", None),
    ] {
        assert_eq!(with(tracing), expected, "{tracing}");
    }
}
