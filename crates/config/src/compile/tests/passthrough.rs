//! Listeners of protocol TLS, and the listeners that can share a port.

use super::gateway::{gateway, sockets};
use super::{condition, problems, run, warnings};
use crate::compile::CompiledConfig;
use crate::snapshot::ListenerProtocol;

fn with(listeners: &str) -> CompiledConfig {
    run(&gateway("g", 0, &format!("  listeners:\n{listeners}")))
}

#[test]
fn tls_can_be_passed_on() {
    let compiled = with(
        "  - {name: l, protocol: TLS, port: 443, hostname: '*.test', tls: {mode: Passthrough}}\n",
    );
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    assert_eq!(sockets(&compiled), ["* 443 g/l"]);
    let socket = compiled.snapshot.sockets.values().next().unwrap();
    assert_eq!(socket.listeners[0].protocol, ListenerProtocol::Passthrough);
    let json = serde_json::to_value(&compiled.report.objects[0].status).unwrap();
    assert_eq!(
        json["listeners"][0]["supportedKinds"],
        serde_json::json!([{"group": "gateway.networking.k8s.io", "kind": "TLSRoute"}])
    );
}

#[test]
fn what_tls_that_is_passed_on_does_not_use_is_told() {
    let compiled = with(
        "  - {name: l, protocol: TLS, port: 443, tls: {mode: Passthrough, certificateRefs: [{name: x}], options: {a/b: c}}}\n",
    );
    assert!(compiled.report.accepted());
    assert_eq!(
        warnings(&compiled),
        [
            "t.yaml:8: Gateway infra/g: spec.listeners[0].tls.certificateRefs: not used with TLS passthrough",
            "t.yaml:8: Gateway infra/g: spec.listeners[0].tls.options: not used with TLS passthrough",
        ]
    );
}

#[test]
fn other_kinds_of_route_are_not_for_it() {
    for (kind, fine) in [
        ("TLSRoute", true),
        ("HTTPRoute", false),
        ("GRPCRoute", false),
    ] {
        let compiled = with(&format!(
            "  - {{name: l, protocol: TLS, port: 443, tls: {{mode: Passthrough}}, allowedRoutes: {{kinds: [{{kind: {kind}}}]}}}}\n"
        ));
        assert_eq!(compiled.report.accepted(), fine, "{kind}");
        if !fine {
            assert_eq!(
                condition(&compiled, "Gateway infra/g#l", "ResolvedRefs"),
                format!(
                    "false InvalidRouteKinds: spec.listeners[0].allowedRoutes.kinds[0]: gateway.networking.k8s.io/{kind} is \
                     not for a listener of protocol TLS; TLSRoute is"
                )
            );
        }
    }
}

#[test]
fn an_httproute_does_not_attach_to_it() {
    let base = super::BASE.replace(
        "protocol: HTTP,",
        "protocol: TLS, tls: {mode: Passthrough},",
    );
    let route = super::route(&format!("  rules: [{{{}}}]\n", super::TO_DFP));
    let compiled = run(&format!("{base}{route}"));
    assert!(
        condition(&compiled, "HTTPRoute apps/r", "Accepted")
            .starts_with("false NotAllowedByListeners")
    );
    assert_eq!(super::get(&compiled, "a.b"), "404");
}

const HTTP: &str = "protocol: HTTP";
const HTTPS: &str = "protocol: HTTPS, tls: {certificateRefs: [{name: gone}]}";
const TLS: &str = "protocol: TLS, tls: {mode: Passthrough}";
const END: &str = "protocol: TLS, tls: {mode: Terminate, certificateRefs: [{name: gone}]}";

/// Two listeners of one port, and the reason why neither is served.
const PAIRS: &[(&str, &str, &str, &str, Option<&str>)] = &[
    (HTTP, "a.test", HTTP, "b.test", None),
    (HTTP, "a.test", HTTP, "a.test", Some("HostnameConflict")),
    (HTTP, "a.test", HTTPS, "b.test", Some("ProtocolConflict")),
    (HTTP, "a.test", TLS, "b.test", Some("ProtocolConflict")),
    (HTTPS, "a.test", HTTPS, "a.test", Some("HostnameConflict")),
    (TLS, "a.test", TLS, "a.test", Some("HostnameConflict")),
    (TLS, "a.test", TLS, "b.test", None),
    (HTTPS, "'*.test'", TLS, "a.test", None),
    (HTTPS, "a.test", TLS, "a.test", Some("ProtocolConflict")),
    (HTTPS, "''", TLS, "''", Some("ProtocolConflict")),
    (END, "a.test", TLS, "b.test", None),
    (END, "a.test", HTTPS, "'*.test'", None),
    (END, "a.test", TLS, "a.test", Some("ProtocolConflict")),
    (END, "a.test", HTTPS, "a.test", Some("ProtocolConflict")),
    (END, "a.test", END, "a.test", Some("HostnameConflict")),
    (END, "a.test", HTTP, "b.test", Some("ProtocolConflict")),
];

#[test]
fn listeners_share_a_port_if_it_can_be_told_which_is_meant() {
    for (one, one_host, other, other_host, reason) in PAIRS {
        let compiled = with(&format!(
            "  - {{name: one, port: 443, hostname: {one_host}, {one}}}\n  \
             - {{name: other, port: 443, hostname: {other_host}, {other}}}\n  \
             - {{name: far, port: 444, protocol: HTTP}}\n"
        ));
        for name in ["one", "other"] {
            let at = format!("Gateway infra/g#{name}");
            let conflicted = condition(&compiled, &at, "Conflicted");
            let accepted = condition(&compiled, &at, "Accepted");
            match reason {
                Some(reason) => {
                    assert!(
                        conflicted.starts_with(&format!("true {reason}: Another")),
                        "{conflicted}"
                    );
                    assert!(
                        accepted.starts_with(&format!("false {reason}: ")),
                        "{accepted}"
                    );
                    assert!(condition(&compiled, &at, "Programmed").starts_with("false Invalid"));
                    assert!(
                        problems(&compiled)
                            .iter()
                            .any(|told| told.contains("has the same port"))
                    );
                }
                None => {
                    assert!(conflicted.starts_with("false NoConflicts"), "{conflicted}");
                    assert!(accepted.starts_with("true"), "{accepted}");
                }
            }
        }
        let far = condition(&compiled, "Gateway infra/g#far", "Programmed");
        assert!(far.starts_with("true"), "{far}");
    }
}

#[test]
fn a_protocol_that_cannot_share_a_port_takes_all_of_it() {
    let compiled = with(
        "  - {name: a, port: 443, hostname: a.test, protocol: TLS, tls: {mode: Passthrough}}\n  \
         - {name: b, port: 443, hostname: b.test, protocol: TLS, tls: {mode: Passthrough}}\n  \
         - {name: c, port: 443, hostname: b.test, protocol: HTTP}\n",
    );
    assert!(compiled.snapshot.sockets.is_empty());
    for name in ["a", "b", "c"] {
        let conflicted = condition(&compiled, &format!("Gateway infra/g#{name}"), "Conflicted");
        assert!(
            conflicted.starts_with("true ProtocolConflict"),
            "{conflicted}"
        );
    }
}

#[test]
fn listeners_that_share_a_port_are_sorted_by_name_whatever_they_carry() {
    let compiled = with(
        "  - {name: any, port: 443, protocol: TLS, tls: {mode: Passthrough}}\n  \
         - {name: one, port: 443, hostname: a.test, protocol: TLS, tls: {mode: Passthrough}}\n  \
         - {name: wide, port: 443, hostname: '*.test', protocol: TLS, tls: {mode: Passthrough}}\n",
    );
    assert_eq!(sockets(&compiled), ["* 443 g/one,g/wide,g/any"]);
}

#[test]
fn a_younger_gateway_does_not_get_the_port_whatever_it_carries() {
    let tls = "  listeners: [{name: l, protocol: TLS, port: 443, tls: {mode: Passthrough}, hostname: a.test}]\n";
    let http = "  listeners: [{name: l, protocol: HTTP, port: 443, hostname: b.test}]\n";
    let compiled = run(&format!(
        "{}{}",
        gateway("a", 0, tls),
        gateway("b", 0, http)
    ));
    assert_eq!(sockets(&compiled), ["* 443 a/l"]);
    assert!(
        condition(&compiled, "Gateway infra/b#l", "Accepted").starts_with("false PortUnavailable")
    );
}
