//! Listener policies, and kinds that are recognised but not supported.

use super::{CompiledConfig, condition, kgateway_policy, problems, with_base, with_route};

const GATEWAY: &str = "targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: gw}]";

fn object(api: &str, kind: &str, namespace: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: {api}\nkind: {kind}\nmetadata: {{name: x, namespace: {namespace}}}\nspec:\n{spec}"
    )
}

fn kgateway(kind: &str, namespace: &str, spec: &str) -> CompiledConfig {
    with_route(&kgateway_policy(kind, "x", namespace, spec))
}

fn listener(compiled: &CompiledConfig) -> &crate::snapshot::Listener {
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
        assert_eq!(
            listener(&compiled).access_log.is_off(),
            !expected,
            "{kind} {spec}"
        );
        assert!(
            condition(&compiled, &format!("{kind} infra/x#gw"), "Attached").starts_with("true")
        );
    }
    let labelled = "  targetSelectors: [{group: gateway.networking.k8s.io, kind: Gateway, matchLabels: {a: b}}]\n  accessLog: []\n";
    let base = super::BASE.replace("name: gw,", "name: gw, labels: {a: b},");
    let policy = kgateway_policy("HTTPListenerPolicy", "x", "infra", labelled);
    assert!(
        listener(&super::run(&format!("{base}{policy}")))
            .access_log
            .is_off()
    );
}

#[test]
fn what_is_wrong_with_settings_of_listeners_is_named_and_fails_closed() {
    const REPLIES: &str = "localReplies: {mappers: [{filter: {statusCodeFilter: {op: GE, value: 400}}, \
                           headers: {set: [{name: x, secretRef: {name: a}}]}}]}";
    const SECRET: &str = "localReplies.mappers[0].headers.set[0].secretRef";
    let cases = [
        (
            "ListenerPolicy",
            format!("default: {{httpSettings: {{{REPLIES}}}}}"),
            format!("spec.default.httpSettings.{SECRET}"),
        ),
        (
            "ListenerPolicy",
            format!("perPort: [{{port: 8080, listener: {{httpSettings: {{{REPLIES}}}}}}}]"),
            format!("spec.perPort[0].listener.httpSettings.{SECRET}"),
        ),
        (
            "HTTPListenerPolicy",
            REPLIES.to_owned(),
            format!("spec.{SECRET}"),
        ),
    ];
    for (kind, line, field) in cases {
        let compiled = kgateway(kind, "infra", &format!("  {GATEWAY}\n  {line}\n"));
        let problems = problems(&compiled);
        let expected = format!("t.yaml:20: {kind} infra/x: {field}: Secret infra/a not found");
        assert!(problems.contains(&expected), "{expected} {problems:?}");
        assert!(listener(&compiled).refuse.is_some(), "{line}");
        assert!(
            condition(&compiled, &format!("{kind} infra/x"), "Accepted")
                .starts_with(&format!("false Invalid: {field}"))
        );
    }
}

#[test]
fn other_kinds_are_told() {
    let trial = "gateway.networking.x-k8s.io/v1alpha1";
    for (api, kind) in [
        ("gateway.networking.k8s.io/v1alpha2", "TCPRoute"),
        ("gateway.networking.k8s.io/v1alpha2", "UDPRoute"),
        (trial, "XListenerSet"),
    ] {
        let compiled = with_base(&object(api, kind, "apps", "  a: b\n"));
        assert_eq!(
            problems(&compiled),
            [format!(
                "t.yaml:15: {kind} apps/x: {kind} is not supported yet"
            )]
        );
        assert!(
            condition(&compiled, &format!("{kind} apps/x"), "Accepted")
                .starts_with("false Invalid")
        );
    }
}
