//! `rateLimit.global` of TrafficPolicies, and GatewayExtensions with `rateLimit`.

use std::time::Duration;

use super::{GATEWAY, ROUTE, kgateway_policy, problems, rule, with_route};
use crate::compile::CompiledConfig;
use crate::policy::global_limit::{EntryValue, GlobalRateLimit};
use crate::snapshot::BackendDestination;

const BACKEND: &str = "---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {name: counter, namespace: apps}
spec: {static: {hosts: [{host: counter.example, port: 8081}]}}
";
const SERVICE: &str =
    "grpcService: {backendRef: {group: gateway.kgateway.dev, kind: Backend, name: counter}}";

fn extension(spec: &str) -> String {
    kgateway_policy("GatewayExtension", "limits", "apps", &format!("  {spec}\n"))
}

fn policy(target: &str, entries: &str) -> String {
    let (name, namespace, of) = match target {
        GATEWAY => ("g", "infra", ", namespace: apps"),
        _ => ("p", "apps", ""),
    };
    let spec = format!(
        "  targetRefs: [{target}]\n  rateLimit: {{global: {{descriptors: [{{entries: [{entries}]}}], \
         extensionRef: {{name: limits{of}}}}}}}\n"
    );
    kgateway_policy("TrafficPolicy", name, namespace, &spec)
}

fn limits(compiled: &CompiledConfig) -> Vec<GlobalRateLimit> {
    let rule = rule(compiled, 8080, "a.b", "/").unwrap();
    let limits = rule.policies.rate_limit_global.value();
    limits.map(|limits| limits.0.clone()).unwrap_or_default()
}

fn compiled(extension_spec: &str, entries: &str) -> CompiledConfig {
    let (extension, policy) = (extension(extension_spec), policy(ROUTE, entries));
    with_route(&format!("{extension}{policy}{BACKEND}"))
}

#[test]
fn entries_and_the_service_are_read_with_their_defaults() {
    let all = "{type: Generic, generic: {key: k, value: v}}, {type: Header, header: X-User}, {type: Path}, \
               {type: RemoteAddress}, {type: Header, header: ':authority'}";
    let compiled = compiled(&format!("rateLimit: {{domain: d, {SERVICE}}}"), all);
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    let [limit] = &*limits(&compiled) else {
        panic!("one limit");
    };
    let entries = &limit.descriptors[0];
    let keys: Vec<_> = entries.iter().map(|entry| &*entry.key).collect();
    assert_eq!(
        keys,
        ["k", "X-User", "path", "remote_address", ":authority"]
    );
    assert_eq!(entries[0].value, EntryValue::Fixed("v".to_owned()));
    assert_eq!(
        entries[1].value,
        EntryValue::Header("x-user".parse().unwrap())
    );
    assert_eq!(entries[4].value, EntryValue::Authority);
    let service = &limit.service;
    assert_eq!(
        (&*service.domain, service.fails_open, service.tells_limits),
        ("d", true, false)
    );
    assert_eq!(service.grpc.timeout, Duration::from_millis(100));
    assert_eq!(service.grpc.authority, "counter.example:8081");
    assert_eq!(service.grpc.retries, 0);
    let to = &compiled.snapshot.services[&service.grpc.id];
    assert!(
        matches!(&to.destination, BackendDestination::Static(_)),
        "{to:?}"
    );
}

#[test]
fn what_the_extension_says_is_in_force() {
    let spec = format!(
        "type: RateLimit\n  rateLimit: {{domain: d, failOpen: false, timeout: 2s, xRateLimitHeaders: DraftVersion03, {}}}",
        SERVICE.replace(
            "{backendRef",
            "{authority: limits.test, requestTimeout: 1s, retry: {backoff: {baseInterval: 5ms}}, backendRef"
        )
    );
    let compiled = compiled(&spec, "{type: Path}");
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    let service = limits(&compiled)[0].service.clone();
    assert!(!service.fails_open && service.tells_limits);
    // The shorter one.
    assert_eq!(service.grpc.timeout, Duration::from_secs(1));
    assert_eq!(
        (&*service.grpc.authority, service.grpc.retries),
        ("limits.test", 1)
    );
    let pauses = (Duration::from_millis(5), Duration::from_millis(50));
    assert_eq!(service.grpc.back_off, pauses);
}

#[test]
fn the_limits_of_a_route_and_of_its_gateway_both_hold() {
    let grant = "---
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: g, namespace: apps}
spec:
  from: [{group: gateway.kgateway.dev, kind: TrafficPolicy, namespace: infra}]
  to: [{group: gateway.kgateway.dev, kind: GatewayExtension}]
";
    let extension = extension(&format!("rateLimit: {{domain: d, {SERVICE}}}"));
    let (route, gateway) = (
        policy(ROUTE, "{type: Path}"),
        policy(GATEWAY, "{type: RemoteAddress}"),
    );
    let compiled = with_route(&format!("{extension}{route}{gateway}{grant}{BACKEND}"));
    assert_eq!(problems(&compiled), Vec::<String>::new());
    let limits = limits(&compiled);
    let names: Vec<_> = limits.iter().map(|limit| &*limit.policy.name).collect();
    assert_eq!(names, ["p", "g"]);
}

#[test]
fn faults_name_the_field_and_refuse_the_rule() {
    let good = format!("rateLimit: {{domain: d, {SERVICE}}}");
    for (spec, entries, expected) in [
        (
            &*good,
            "",
            "spec.rateLimit.global.descriptors[0].entries: at least one is needed",
        ),
        (
            &*good,
            "{type: Path, header: x}",
            "spec.rateLimit.global.descriptors[0].entries[0]: exactly one entry type must be specified",
        ),
        (
            &*good,
            "{type: Header, header: 'a b'}",
            "spec.rateLimit.global.descriptors[0].entries[0].header: not a header name",
        ),
        (
            &*good,
            "{type: Generic, generic: {key: '', value: v}}",
            "spec.rateLimit.global.descriptors[0].entries[0].generic: a key and a value are needed",
        ),
        (
            &format!("rateLimit: {{domain: '', {SERVICE}}}"),
            "{type: Path}",
            "spec.rateLimit.domain: a domain is needed",
        ),
        (
            &format!("rateLimit: {{domain: d, timeout: 0s, {SERVICE}}}"),
            "{type: Path}",
            "spec.rateLimit.timeout: at least 1ms is needed",
        ),
        (
            "rateLimit: {domain: d, grpcService: {backendRef: {name: none, port: 1}}}",
            "{type: Path}",
            "spec.rateLimit.grpcService.backendRef: Service apps/none not found",
        ),
        (
            &good.replace("{backendRef", "{authority: 'a b', backendRef"),
            "{type: Path}",
            "spec.rateLimit.grpcService.authority: not an authority: write host or host:port",
        ),
        (
            "jwt: {providers: [{name: a, jwks: {local: {inline: '{\"keys\": []}'}}}]}",
            "{type: Path}",
            "spec.rateLimit.global.extensionRef: GatewayExtension apps/limits has jwt, and not rateLimit",
        ),
    ] {
        let compiled = compiled(spec, entries);
        let problems = problems(&compiled);
        let is_named = problems.iter().any(|problem| problem.contains(expected));
        assert!(is_named, "{spec} {entries}: {problems:#?}");
        assert!(limits(&compiled).is_empty());
    }
}
