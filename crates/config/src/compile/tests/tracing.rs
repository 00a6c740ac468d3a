//! `tracing` of ListenerPolicies.

use super::{CompiledConfig, kgateway_policy, problems, with_route};
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
            "tracing.attributes[0]: exactly one of the fields in [literal requestHeader environment] must be set",
        ),
        (
            ", attributes: [{name: a, metadata: {kind: Request}}]",
            "tracing.attributes[0].metadata: not supported yet",
        ),
    ] {
        let found = problems(&policy("", more)).concat();
        assert!(found.contains(expected), "{found}");
    }
}
