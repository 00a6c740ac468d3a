//! Warnings about egress rules that never match inside a tunnel.

use super::policy::policy;
use super::{GATEWAY, ROUTE, TO_DFP, kgateway_policy, route, warnings, with_base};

const RULES: &str = "  rules:\n  - {action: Deny, paths: [/admin]}\n  - {name: read, action: Allow, methods: [GET], paths: [/]}\n  \
                     - {action: Deny, methods: [PUT]}\n  - {action: Deny, hosts: [x.test], ports: [1]}\n";

fn limited(target: &str) -> String {
    let namespace = if target == GATEWAY { "infra" } else { "apps" };
    policy(
        "p",
        namespace,
        &format!("  targetRefs: [{target}]\n{RULES}"),
    )
}

fn to_dfp(rule: &str) -> String {
    route(&format!("  rules: [{{{rule}{TO_DFP}}}]\n"))
}

#[test]
fn rules_with_methods_or_paths_never_match_a_connect() {
    let compiled = with_base(&format!("{}{}", limited(GATEWAY), to_dfp("")));
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    let blind = "never matches inside a tunnel";
    let passes = ", so that what it denies passes (deny it by host or port, or disable CONNECT by httpUpgrade)";
    let place = "CONNECT of HTTPRoute apps/r at Gateway infra/gw#http";
    let at = "EgressPolicy infra/p: spec.rules";
    assert_eq!(
        warnings(&compiled),
        [
            format!("t.yaml:21: {at}[0]: rule rule-0 has paths, and {blind}{passes}: {place}"),
            format!("t.yaml:22: {at}[1]: rule read has methods and paths, and {blind}: {place}"),
            format!("t.yaml:23: {at}[2]: rule rule-2 has methods, and {blind}{passes}: {place}"),
        ]
    );
}

#[test]
fn every_place_is_named_once() {
    let other = super::route_named(
        "s",
        &format!("  hostnames: [a.b, c.d]\n  rules: [{{{TO_DFP}}}, {{{TO_DFP}}}]\n"),
    );
    let compiled = with_base(&format!("{}{}{other}", limited(GATEWAY), to_dfp("")));
    assert_eq!(warnings(&compiled).len(), 3);
    let places = "CONNECT of HTTPRoute apps/r at Gateway infra/gw#http, CONNECT of HTTPRoute apps/s at Gateway infra/gw#http";
    assert!(warnings(&compiled)[0].ends_with(places));
}

#[test]
fn where_no_tunnel_is_opened_there_is_nothing_to_tell() {
    let no_tunnels = format!("  targetRefs: [{ROUTE}]\n  httpUpgrade: [{{type: websocket}}]\n");
    let no_tunnels = kgateway_policy("TrafficPolicy", "t", "apps", &no_tunnels);
    let fixed = "---\napiVersion: gateway.kgateway.dev/v1alpha1\nkind: Backend\nmetadata: {name: fixed, namespace: apps}\n\
                 spec: {static: {hosts: [{host: up.example, port: 443}]}}\n";
    for text in [
        String::new(),
        to_dfp("matches: [{path: {value: /v1}}], "),
        to_dfp("matches: [{method: GET}], "),
        to_dfp("matches: [{queryParams: [{name: a, value: b}]}], "),
        format!("{no_tunnels}{}", to_dfp("")),
        format!("{fixed}{}", to_dfp("").replace("name: dfp", "name: fixed")),
    ] {
        let compiled = with_base(&format!("{}{text}", limited(GATEWAY)));
        assert!(compiled.report.accepted(), "{}", compiled.report.table());
        assert_eq!(warnings(&compiled), [""; 0], "{text}");
    }
    let connect = with_base(&format!(
        "{}{}",
        limited(ROUTE),
        to_dfp("matches: [{method: CONNECT}], ")
    ));
    assert_eq!(warnings(&connect).len(), 3);
}
