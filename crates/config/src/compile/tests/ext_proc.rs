//! `extProc` of TrafficPolicies, and GatewayExtensions with `extProc`.

use std::time::Duration;

use super::{GATEWAY, ROUTE, kgateway_policy, problems, rule, warnings, with_route};
use crate::compile::CompiledConfig;
use crate::policy::ext_proc::{BodyMode, ExtProc, MessageMode, ModeOverrides, ProcessingMode};
use crate::policy::traffic::PolicySetting;
use crate::snapshot::FOREVER;

const BACKEND: &str = "---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {name: changer, namespace: apps}
spec: {static: {hosts: [{host: changer.example, port: 9000}]}}
";
const REF: &str = "backendRef: {group: gateway.kgateway.dev, kind: Backend, name: changer}";

fn extension(spec: &str) -> String {
    let spec = spec.replace("$REF", REF);
    let spec = format!("  extProc: {{{spec}}}\n");
    kgateway_policy("GatewayExtension", "changer", "apps", &spec)
}

fn policy(target: &str, spec: &str) -> String {
    let (name, namespace) = if target == GATEWAY {
        ("g", "infra")
    } else {
        ("p", "apps")
    };
    let spec = format!("  targetRefs: [{target}]\n  extProc: {{{spec}}}\n");
    kgateway_policy("TrafficPolicy", name, namespace, &spec)
}

/// The rule of a route with `extProc`, this extension, and more in the policy.
fn compiled(spec: &str, more: &str) -> CompiledConfig {
    let policy = policy(ROUTE, &format!("extensionRef: {{name: changer}}{more}"));
    with_route(&format!("{}{policy}{BACKEND}", extension(spec)))
}

fn proc(compiled: &CompiledConfig) -> ExtProc {
    let rule = rule(compiled, 8080, "a.b", "/").unwrap();
    ExtProc::clone(rule.policies.ext_proc.value().expect("extProc"))
}

const HEADERS: MessageMode = MessageMode {
    headers: true,
    body: BodyMode::None,
    trailers: false,
};

#[test]
fn what_is_not_said_has_its_default() {
    let compiled = compiled("grpcService: {$REF}", "");
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    let proc = proc(&compiled);
    assert_eq!(&*proc.service.authority, "changer.example:9000");
    assert_eq!(proc.service.timeout, FOREVER);
    assert_eq!(proc.message_timeout, Duration::from_millis(200));
    assert_eq!(proc.max_message_timeout, None);
    assert!(proc.fails_open && !proc.forwards_claims && !proc.forwards_authorization);
    assert_eq!(proc.overrides, ModeOverrides::Ignored);
    let mode = ProcessingMode {
        request: HEADERS,
        response: HEADERS,
    };
    assert_eq!(proc.mode, mode);
}

#[test]
fn the_mode_of_the_policy_takes_the_place_of_that_of_the_extension() {
    let spec = "failOpen: false, messageTimeout: 1s, maxMessageTimeout: 5s,
        grpcService: {requestTimeout: 1m, $REF, retry: {attempts: 3}},
        processingMode: {requestBodyMode: BUFFERED, responseHeaderMode: SKIP, responseTrailerMode: SEND},
        allowProcessingModeOverride: true,
        allowedProcessingModeOverrides: [{requestBodyMode: BUFFERED_PARTIAL, requestHeaderMode: DEFAULT}],
        metadataOptions: {forwarding: {untyped: [envoy.filters.http.jwt_authn]}},
        requestAttributes: [request.path, 'source.port + 1'],
        routeCacheAction: Retain, statPrefix: x, filterStage: {stage: Fault}";
    let of_extension = compiled(spec, "");
    assert!(
        of_extension.report.accepted(),
        "{}",
        of_extension.report.table()
    );
    let warnings = warnings(&of_extension);
    for field in ["routeCacheAction", "statPrefix", "filterStage"] {
        let expected =
            format!("GatewayExtension apps/changer: spec.extProc.{field}: has no effect");
        assert!(
            warnings.iter().any(|it| it.contains(&expected)),
            "{warnings:#?}"
        );
    }
    let proc = proc(&of_extension);
    assert!(!proc.fails_open && proc.forwards_claims);
    assert_eq!(proc.max_message_timeout, Some(Duration::from_secs(5)));
    assert_eq!(proc.service.retries, 3);
    let attributes = proc.attributes.iter().map(|it| it.text());
    assert!(attributes.eq(["request.path", "source.port + 1"]));
    let body = |body| MessageMode { body, ..HEADERS };
    let response = MessageMode {
        headers: false,
        trailers: true,
        ..HEADERS
    };
    let request = body(BodyMode::Buffered);
    assert_eq!(proc.mode, ProcessingMode { request, response });
    let among = ProcessingMode {
        request: body(BodyMode::BufferedPartial),
        response: HEADERS,
    };
    assert_eq!(proc.overrides, ModeOverrides::Among(vec![among]));
    let of_policy = compiled(spec, ", processingMode: {responseBodyMode: STREAMED}");
    let mode = ProcessingMode {
        request: HEADERS,
        response: body(BodyMode::Streamed),
    };
    assert_eq!(self::proc(&of_policy).mode, mode);
}

#[test]
fn a_route_goes_without_what_its_gateway_has() {
    let grant = "---
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: g, namespace: apps}
spec:
  from: [{group: gateway.kgateway.dev, kind: TrafficPolicy, namespace: infra}]
  to: [{group: gateway.kgateway.dev, kind: GatewayExtension}]
";
    let gateway = policy(GATEWAY, "extensionRef: {name: changer, namespace: apps}");
    let route = policy(ROUTE, "disable: {}");
    let extension = extension("grpcService: {$REF}");
    let inherited = with_route(&format!("{extension}{gateway}{grant}{BACKEND}"));
    assert!(proc(&inherited).fails_open);
    let both = with_route(&format!("{extension}{gateway}{route}{grant}{BACKEND}"));
    let setting = &rule(&both, 8080, "a.b", "/").unwrap().policies.ext_proc;
    assert!(
        matches!(setting, PolicySetting::Disabled(by) if &*by.name == "p"),
        "{setting:?}"
    );
    assert!(warnings(&both).is_empty(), "{:#?}", warnings(&both));
}

#[test]
fn faults_name_the_field_and_refuse_the_rule() {
    let good = "grpcService: {$REF}";
    let at = "spec.extProc";
    for (more, in_policy, expected) in [
        (
            ", messageTimeout: 0s",
            "",
            format!("{at}.messageTimeout: at least 1ms is needed"),
        ),
        (
            ", maxMessageTimeout: soon",
            "",
            format!("{at}.maxMessageTimeout: "),
        ),
        (
            ", processingMode: {requestBodyMode: FULL_DUPLEX_STREAMED}",
            "",
            format!(
                "{at}.processingMode.requestBodyMode: FULL_DUPLEX_STREAMED is not supported: write STREAMED"
            ),
        ),
        (
            ", allowedProcessingModeOverrides: [{}, {responseBodyMode: FULL_DUPLEX_STREAMED}]",
            "",
            format!(
                "{at}.allowedProcessingModeOverrides[1].responseBodyMode: FULL_DUPLEX_STREAMED is"
            ),
        ),
        (
            ", requestAttributes: [request.path, request.headers]",
            "",
            format!("{at}.requestAttributes[1]: at character 1: a map of headers cannot be told"),
        ),
        (
            "",
            ", disable: {}",
            format!("{at}: exactly one of the fields in [extensionRef disable] must be set"),
        ),
        (
            "",
            ", processingMode: {responseBodyMode: FULL_DUPLEX_STREAMED}",
            format!("{at}.processingMode.responseBodyMode: FULL_DUPLEX_STREAMED is"),
        ),
    ] {
        let compiled = compiled(&format!("{good}{more}"), in_policy);
        let problems = problems(&compiled);
        let is_named = problems.iter().any(|problem| problem.contains(&expected));
        assert!(is_named, "{more} {in_policy}: {problems:#?}");
        let rule = rule(&compiled, 8080, "a.b", "/").unwrap();
        assert!(rule.policies.ext_proc.value().is_none());
    }
    let none = compiled("grpcService: {backendRef: {name: none, port: 1}}", "");
    let expected = format!("{at}.grpcService.backendRef: Service apps/none not found");
    assert!(problems(&none).iter().any(|it| it.contains(&expected)));
}
