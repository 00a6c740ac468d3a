//! Listener policies, and kinds that are recognised only.

use super::{Compiled, condition, get, kgateway_policy, problems, warnings, with_base, with_route};

const GATEWAY: &str = "targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: gw}]";

fn object(api: &str, kind: &str, namespace: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: {api}\nkind: {kind}\nmetadata: {{name: x, namespace: {namespace}}}\nspec:\n{spec}"
    )
}

fn kgateway(kind: &str, namespace: &str, spec: &str) -> Compiled {
    with_route(&kgateway_policy(kind, "x", namespace, spec))
}

fn listener(compiled: &Compiled) -> &crate::snapshot::Listener {
    &compiled.snapshot.sockets.values().next().unwrap().listeners[0]
}

#[test]
fn an_empty_access_log_turns_it_off() {
    let http = |line: &str| format!("  {GATEWAY}\n  default: {{httpSettings: {{{line}}}}}\n");
    let cases = [
        ("ListenerPolicy", http("accessLog: []"), false),
        ("ListenerPolicy", http(""), true),
        ("ListenerPolicy", format!("  {GATEWAY}\n"), true),
        (
            "ListenerPolicy",
            http("accessLog: []").replace("name: gw", "name: gw, sectionName: http"),
            false,
        ),
        (
            "HTTPListenerPolicy",
            format!("  {GATEWAY}\n  accessLog: []\n"),
            false,
        ),
        ("HTTPListenerPolicy", format!("  {GATEWAY}\n"), true),
    ];
    for (kind, spec, expected) in cases {
        let compiled = kgateway(kind, "infra", &spec);
        assert!(compiled.report.accepted(), "{}", compiled.report.table());
        assert_eq!(listener(&compiled).access_log, expected, "{kind} {spec}");
        assert!(
            condition(&compiled, &format!("{kind} infra/x#gw"), "Attached").starts_with("true")
        );
    }
    let labelled = "  targetSelectors: [{group: gateway.networking.k8s.io, kind: Gateway, matchLabels: {a: b}}]\n  accessLog: []\n";
    let base = super::BASE.replace("name: gw,", "name: gw, labels: {a: b},");
    let policy = kgateway_policy("HTTPListenerPolicy", "x", "infra", labelled);
    assert!(!listener(&super::run(&format!("{base}{policy}"))).access_log);
}

#[test]
fn other_settings_of_listeners_are_named_and_fail_closed() {
    let cases = [
        (
            "ListenerPolicy",
            "default: {perConnectionBufferLimitBytes: 1}",
            "spec.default.perConnectionBufferLimitBytes",
        ),
        (
            "ListenerPolicy",
            "perPort: [{port: 8080, listener: {httpSettings: {serverName: x}}}]",
            "spec.perPort[0].listener.httpSettings.serverName",
        ),
        (
            "ListenerPolicy",
            "default: {httpSettings: {serverName: 1s}}",
            "spec.default.httpSettings.serverName",
        ),
        (
            "ListenerPolicy",
            "default: {httpSettings: {xffTrustedCIDRs: []}}",
            "spec.default.httpSettings.xffTrustedCIDRs",
        ),
        (
            "ListenerPolicy",
            "default: {httpSettings: {accessLog: [{fileSink: {path: /dev/stdout}}]}}",
            "spec.default.httpSettings.accessLog[0]",
        ),
        ("HTTPListenerPolicy", "serverName: x", "spec.serverName"),
        ("HTTPListenerPolicy", "accessLog: [{}]", "spec.accessLog[0]"),
    ];
    for (kind, line, field) in cases {
        let compiled = kgateway(kind, "infra", &format!("  {GATEWAY}\n  {line}\n"));
        let problems = problems(&compiled);
        let expected = format!("t.yaml:20: {kind} infra/x: {field}: not supported yet");
        assert!(problems.contains(&expected), "{expected} {problems:?}");
        assert!(listener(&compiled).refuse.is_some(), "{line}");
        assert!(
            condition(&compiled, &format!("{kind} infra/x"), "Accepted")
                .starts_with(&format!("false Invalid: {field}"))
        );
    }
}

#[test]
fn policies_that_are_not_supported_refuse_what_they_target() {
    let policy = |namespace: &str, spec: &str| {
        let api = "gateway.networking.k8s.io/v1";
        with_route(&object(api, "BackendTLSPolicy", namespace, spec))
    };
    let target = |kind: &str, name: &str, more: &str| {
        let group = if kind == "Backend" {
            "gateway.kgateway.dev"
        } else {
            "gateway.networking.k8s.io"
        };
        format!(
            "  targetRefs: [{{group: {group}, kind: {kind}, name: {name}{more}}}]\n  validation: {{}}\n"
        )
    };
    let at = "BackendTLSPolicy apps/x";
    let message = "BackendTLSPolicy is not supported yet";
    let compiled = policy("apps", &target("HTTPRoute", "r", ""));
    assert_eq!(get(&compiled, "a.b"), format!("refuse {at}: {message}"));
    assert_eq!(
        condition(&compiled, at, "Accepted"),
        format!("false Invalid: {message}")
    );
    assert!(problems(&compiled).contains(&format!("t.yaml:15: {at}: {message}")));
    let rule = policy("apps", &target("HTTPRoute", "r", ", sectionName: main"));
    assert!(get(&rule, "a.b").starts_with("refuse"));
    for section in ["", ", sectionName: x"] {
        let backend = policy("apps", &target("Backend", "dfp", section));
        let refused = format!("1*refuse {at}: ");
        assert!(get(&backend, "a.b").starts_with(&refused));
    }
    let gateway = policy("infra", &target("Gateway", "gw", ""));
    assert!(listener(&gateway).refuse.is_some());
    let elsewhere = policy("apps", &target("Gateway", "gw", ""));
    assert!(listener(&elsewhere).refuse.is_none());
    let selector = "  targetSelectors: [{group: gateway.networking.k8s.io, kind: HTTPRoute, matchLabels: {}}]\n";
    assert!(get(&policy("apps", selector), "a.b").starts_with("refuse BackendTLSPolicy"));
    let none = policy("apps", "  validation: {}\n");
    assert_eq!(problems(&none), [format!("t.yaml:15: {at}: {message}")]);
    assert_eq!(get(&none, "a.b"), "1*dynamic apps/dfp");
}

#[test]
fn other_kinds_are_told() {
    let parents = "  parentRefs: [{name: gw, namespace: infra}]\n";
    for kind in ["GRPCRoute", "TLSRoute"] {
        let compiled = with_base(&object(
            "gateway.networking.k8s.io/v1",
            kind,
            "apps",
            parents,
        ));
        let message = format!("{kind} is not supported yet");
        assert_eq!(
            condition(&compiled, &format!("{kind} apps/x"), "Accepted"),
            format!("false UnsupportedValue: {message}")
        );
        assert_eq!(
            problems(&compiled),
            [format!("t.yaml:15: {kind} apps/x: {message}")]
        );
    }
    for kind in ["GatewayExtension", "GatewayParameters"] {
        let compiled = kgateway(kind, "apps", "  a: b\n");
        assert!(
            condition(&compiled, &format!("{kind} apps/x"), "Accepted")
                .starts_with("false Invalid")
        );
        assert!(!compiled.report.accepted());
    }
    for (api, kind) in [("v1", "Service"), ("discovery.k8s.io/v1", "EndpointSlice")] {
        let compiled = with_base(&object(api, kind, "apps", "  a: b\n"));
        assert!(compiled.report.accepted());
        assert_eq!(
            warnings(&compiled),
            [format!(
                "t.yaml:15: {kind} apps/x: {kind} is not supported yet"
            )]
        );
    }
}
