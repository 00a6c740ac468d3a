//! TLSRoutes.

use http::Method;

use super::policy::policy;
use super::{
    BASE, CompiledConfig, TO_DFP, condition, describe, errors, get, kgateway_policy, problems,
    request, route_of, run, warnings,
};
use crate::name::Port;
use crate::resources::Kind;
use crate::snapshot::{BackendDestination, RouteRule, RuleAction};

const AT: &str = "TLSRoute apps/t";
const DFP: &str = "group: gateway.kgateway.dev, kind: Backend, name: dfp";

/// The Gateway of `BASE` with TLS passthrough.
fn base() -> String {
    BASE.replace(
        "protocol: HTTP, port: 8080,",
        "protocol: TLS, tls: {mode: Passthrough}, port: 8443,",
    )
}

fn tls(spec: &str) -> String {
    route_of("TLSRoute", "t", spec)
}

/// A route for all names below `example` with this list of backends.
fn to(backends: &str) -> String {
    tls(&format!(
        "  hostnames: ['*.example']\n  rules:\n  - name: main\n    backendRefs: [{backends}]\n"
    ))
}

fn with(text: &str) -> CompiledConfig {
    run(&format!("{}{text}", base()))
}

/// The rule of a connection with this server name, looked up as the proxy does.
fn passed<'a>(compiled: &'a CompiledConfig, name: &str) -> Option<&'a RouteRule> {
    request(compiled, (8443, name), (&Method::CONNECT, ""), &[])
}

fn answer(compiled: &CompiledConfig, name: &str) -> String {
    passed(compiled, name).map_or_else(|| "none".to_owned(), describe)
}

#[test]
fn names_lead_to_backends() {
    let compiled = with(&to(&format!("{{{DFP}}}")));
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    let rule = passed(&compiled, "a.example").unwrap();
    assert_eq!(rule.route.kind, Kind::TlsRoute);
    assert_eq!(rule.name.as_deref(), Some("main"));
    assert_eq!(describe(rule), "1*dynamic apps/dfp");
    assert_eq!(answer(&compiled, "example"), "none");
    assert_eq!(answer(&compiled, "a.test"), "none");
    assert_eq!(
        condition(&compiled, AT, "Accepted"),
        "true Accepted: Successfully accepted Route"
    );
}

#[test]
fn hostnames_are_within_those_of_the_listener() {
    for (listener, name, expected) in [
        ("'*.b.example'", "a.b.example", "1*dynamic apps/dfp"),
        ("'*.b.example'", "a.example", "none"),
        ("a.example", "a.example", "1*dynamic apps/dfp"),
    ] {
        let base = base().replace("port: 8443,", &format!("port: 8443, hostname: {listener},"));
        let compiled = run(&format!("{base}{}", to(&format!("{{{DFP}}}"))));
        assert_eq!(answer(&compiled, name), expected, "{listener} {name}");
    }
    let base = base().replace("port: 8443,", "port: 8443, hostname: a.test,");
    let compiled = run(&format!("{base}{}", to(&format!("{{{DFP}}}"))));
    assert!(condition(&compiled, AT, "Accepted").starts_with("false NoMatchingListenerHostname"));
}

#[test]
fn the_port_is_that_of_the_reference() {
    let port = |backend: &str| {
        let compiled = with(&to(backend));
        assert!(compiled.report.accepted(), "{}", compiled.report.table());
        let RuleAction::Forward(backends) = &passed(&compiled, "a.example").unwrap().action else {
            panic!("not forwarded");
        };
        match &backends.backends[0].destination {
            BackendDestination::Dynamic(to) => to.port.map(Port::get),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(port(&format!("{{{DFP}}}")), None);
    assert_eq!(port(&format!("{{{DFP}, port: 8443}}")), Some(8443));

    let compiled = with(&to(&format!("{{{DFP}, port: 0}}")));
    assert_eq!(
        condition(&compiled, AT, "ResolvedRefs"),
        "false BackendNotFound: not a port: 1 to 65535"
    );
    let fixed = base().replace(
        "{dynamicForwardProxy: {}}",
        "{static: {hosts: [{host: up.example, port: 443}]}}",
    );
    let compiled = run(&format!("{fixed}{}", to(&format!("{{{DFP}}}"))));
    assert_eq!(
        answer(&compiled, "a.example"),
        "1*static apps/dfp [up.example:443]"
    );
    let compiled = run(&format!("{fixed}{}", to(&format!("{{{DFP}, port: 443}}"))));
    assert!(
        condition(&compiled, AT, "ResolvedRefs")
            .starts_with("false BackendNotFound: BackendRef to \"dfp\" includes a port")
    );
}

#[test]
fn backends_have_weights_and_may_be_missing() {
    let compiled = with(&to(&format!(
        "{{{DFP}, weight: 2}}, {{{DFP}, weight: 0}}, {{name: s, port: 443}}"
    )));
    assert_eq!(
        answer(&compiled, "a.example"),
        "2*dynamic apps/dfp, 1*refuse TLSRoute apps/t: Service apps/s not found"
    );
    assert!(condition(&compiled, AT, "ResolvedRefs").starts_with("false BackendNotFound"));
    let compiled = with(&to(&format!("{{{DFP}, weight: -1}}")));
    assert!(
        problems(&compiled)[0]
            .ends_with("spec.rules[0].backendRefs[0].weight: 0 to 1000000 is allowed")
    );
    let compiled = with(&to(&format!("{{{DFP}, namespace: infra}}")));
    assert!(condition(&compiled, AT, "ResolvedRefs").starts_with("false RefNotPermitted"));
}

#[test]
fn only_listeners_that_pass_tls_on_take_it() {
    let compiled = run(&format!("{BASE}{}", to(&format!("{{{DFP}}}"))));
    assert_eq!(
        condition(&compiled, AT, "Accepted"),
        "false NotAllowedByListeners: no listener of Gateway infra/gw allows TLSRoutes from the namespace apps"
    );
    assert_eq!(get(&compiled, "a.example"), "404");
}

#[test]
fn what_is_wrong_is_named() {
    let rules = format!("rules: [{{backendRefs: [{{{DFP}}}]}}]");
    for (spec, problem) in [
        (
            format!("  hostnames: [192.0.2.1]\n  {rules}\n"),
            "spec.hostnames[0]: a name is needed here, not an address",
        ),
        (
            "  hostnames: [a.example]\n  rules: []\n".to_owned(),
            "spec.rules: at least one is needed",
        ),
        (
            format!("  hostnames: [a.example]\n  useDefaultGateways: All\n  {rules}\n"),
            "spec.useDefaultGateways: not supported yet",
        ),
    ] {
        let compiled = with(&tls(&spec));
        let problems = problems(&compiled).join("\n");
        assert!(problems.contains(problem), "{problems}");
        assert!(condition(&compiled, AT, "Accepted").starts_with("false"));
    }
    for hostnames in ["", "  hostnames: []\n", "  hostnames:\n"] {
        let missing = tls(&format!("{hostnames}  {rules}\n"));
        let expected = "spec.hostnames: at least one is needed";
        for text in [
            &missing,
            &missing.replace("/v1\nkind: TLS", "/v1alpha3\nkind: TLS"),
        ] {
            assert!(errors(text)[0].ends_with(expected), "{text}");
        }
        let oldest = missing.replace("/v1\nkind: TLS", "/v1alpha2\nkind: TLS");
        let compiled = with(&oldest);
        assert!(compiled.report.accepted(), "{:?}", problems(&compiled));
        assert!(passed(&compiled, "any.example").is_some());
    }
}

#[test]
fn what_does_nothing_is_worth_a_look() {
    let spec = format!(
        "  hostnames: [a.example]\n  rules: [{{backendRefs: [{{{DFP}}}]}}, {{name: x, {TO_DFP}}}]\n"
    );
    let compiled = with(&tls(&spec));
    let expected =
        "TLSRoute apps/t: spec.rules[1]: never used: the first rule takes every name of a TLSRoute";
    assert!(warnings(&compiled)[0].ends_with(expected));
    assert_eq!(passed(&compiled, "a.example").unwrap().index, 0);

    let parents = "  parentRefs: [{name: gw, namespace: infra}]\n";
    let compiled = with(&to(&format!("{{{DFP}}}")).replace(parents, ""));
    let expected =
        "TLSRoute apps/t: spec.parentRefs: without parentRefs the route is attached to nothing";
    assert!(warnings(&compiled)[0].ends_with(expected));
    let compiled = with(&to(""));
    let expected = "spec.rules[0].backendRefs: no backend has a weight above 0: connections of this rule are closed";
    assert!(warnings(&compiled)[0].ends_with(expected));
    assert_eq!(
        answer(&compiled, "a.example"),
        "refuse TLSRoute apps/t: the rule has no backend"
    );
}

#[test]
fn egress_policies_bind_it_and_traffic_policies_do_not() {
    let target = |section: &str| {
        format!(
            "  targetRefs: [{{group: gateway.networking.k8s.io, kind: TLSRoute, name: t{section}}}]\n"
        )
    };
    let rules = "  rules:\n  - {action: Deny, paths: [/admin]}\n";
    for section in ["", ", sectionName: main"] {
        let egress = policy("p", "apps", &format!("{}{rules}", target(section)));
        let compiled = with(&format!("{egress}{}", to(&format!("{{{DFP}}}"))));
        assert!(compiled.report.accepted(), "{}", compiled.report.table());
        let RuleAction::Forward(backends) = &passed(&compiled, "a.example").unwrap().action else {
            panic!("not forwarded");
        };
        assert_eq!(&*backends.backends[0].egress.policies[0].policy.name, "p");
        let expected = "spec.rules[0]: rule rule-0 has paths, and never matches inside a tunnel";
        let warning = &warnings(&compiled)[0];
        assert!(warning.contains(expected), "{warning}");
        assert!(warning.ends_with(": TLS of TLSRoute apps/t at Gateway infra/gw#http"));
    }
    let retry = format!("{}  retry: {{retryOn: [5xx]}}\n", target(""));
    let retry = kgateway_policy("TrafficPolicy", "r", "apps", &retry);
    let compiled = with(&format!("{retry}{}", to(&format!("{{{DFP}}}"))));
    assert!(problems(&compiled)[0].ends_with(
        "TLSRoute cannot be a target here; Gateway, ListenerSet, HTTPRoute, GRPCRoute can"
    ));
}

#[test]
fn older_versions_are_read() {
    for version in ["v1alpha2", "v1alpha3"] {
        let text = to(&format!("{{{DFP}}}")).replace("k8s.io/v1\n", &format!("k8s.io/{version}\n"));
        assert_eq!(answer(&with(&text), "a.example"), "1*dynamic apps/dfp");
    }
}
