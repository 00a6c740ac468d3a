//! GRPCRoutes.

use http::Method;

use super::policy::policy;
use super::{
    BASE, CompiledConfig, TO_DFP, aged, condition, describe, get, kgateway_policy, problems,
    request, route, route_of, run, warnings, with_base,
};
use crate::resources::Kind;
use crate::snapshot::{RouteRule, RuleAction};

const AT: &str = "GRPCRoute apps/g";

fn grpc(spec: &str) -> String {
    route_of("GRPCRoute", "g", spec)
}

/// A route to the Backend with one rule of these lines.
fn one_rule(lines: &str) -> String {
    grpc(&format!("  rules:\n  - {lines}\n    {TO_DFP}\n"))
}

fn call<'a>(compiled: &'a CompiledConfig, path: &str) -> Option<&'a RouteRule> {
    request(compiled, (8080, "a.b"), (&Method::POST, path), &[])
}

#[test]
fn calls_are_posts_to_a_service_and_a_method() {
    let cases = [
        ("name: any", "/a.B/C", true),
        ("name: any", "/", true),
        ("matches: [{}]", "/a.B/C", true),
        (
            "matches: [{method: {service: a.B, method: C}}]",
            "/a.B/C",
            true,
        ),
        (
            "matches: [{method: {service: a.B, method: C}}]",
            "/a.B/D",
            false,
        ),
        (
            "matches: [{method: {service: a.B, method: C}}]",
            "/a.b/C",
            false,
        ),
        (
            "matches: [{method: {service: a.B, method: C}}]",
            "/a.B/C/",
            false,
        ),
        ("matches: [{method: {service: a.B}}]", "/a.B/D", true),
        ("matches: [{method: {service: a.B}}]", "/a.B.C/D", false),
        ("matches: [{method: {service: a.B}}]", "/a.B", false),
        ("matches: [{method: {service: a.B}}]", "/a.B/", false),
        ("matches: [{method: {service: a.B}}]", "/a.B/C/D", false),
        (
            "matches: [{method: {service: a.B, method: ''}}]",
            "/a.B/D",
            true,
        ),
        ("matches: [{method: {method: C}}]", "/x/C", true),
        ("matches: [{method: {method: C}}]", "/x/y/C", false),
        ("matches: [{method: {method: C}}]", "//C", false),
        (
            "matches: [{method: {type: Exact, service: aXB}}]",
            "/a.B/C",
            false,
        ),
        (
            "matches: [{method: {type: RegularExpression, service: 'a\\..*', method: '(C|D)'}}]",
            "/a.B/D",
            true,
        ),
        (
            "matches: [{method: {type: RegularExpression, service: 'a\\..*', method: '(C|D)'}}]",
            "/a.B/DE",
            false,
        ),
        (
            "matches: [{method: {type: RegularExpression, method: '.*'}}]",
            "/x/y/C",
            false,
        ),
        (
            "matches: [{method: {service: x}}, {method: {service: y}}]",
            "/y/C",
            true,
        ),
    ];
    for (lines, path, expected) in cases {
        let compiled = with_base(&one_rule(lines));
        assert!(compiled.report.accepted(), "{}", compiled.report.table());
        assert_eq!(call(&compiled, path).is_some(), expected, "{lines} {path}");
        for method in [Method::GET, Method::CONNECT] {
            let found = request(&compiled, (8080, "a.b"), (&method, path), &[]);
            assert!(found.is_none(), "{method} {lines}");
        }
    }
    let rule = with_base(&one_rule("name: any"));
    let rule = call(&rule, "/a.B/C").unwrap();
    assert_eq!(rule.route.kind, Kind::GrpcRoute);
    assert_eq!(describe(rule), "1*dynamic apps/dfp");
}

#[test]
fn headers_are_matched_as_those_of_http_routes() {
    let lines = "matches: [{headers: [{name: X-A, value: '1'}, {name: x-a, value: '2'}, \
                 {name: b, type: RegularExpression, value: 'v.*'}]}]";
    let compiled = with_base(&one_rule(lines));
    let found = |headers: &[(&'static str, &'static str)]| {
        request(&compiled, (8080, "a.b"), (&Method::POST, "/s/m"), headers).is_some()
    };
    assert!(found(&[("x-a", "1"), ("b", "v2")]));
    assert!(!found(&[("x-a", "2"), ("b", "v2")]));
    assert!(!found(&[("x-a", "1"), ("b", "w")]));
    assert!(!found(&[]));
}

/// The service is compared before the method, longer before shorter, and both before a match without them.
#[test]
fn the_most_specific_match_decides() {
    let matches = [
        ("none", "{}"),
        ("method", "{method: {method: Method}}"),
        (
            "short",
            "{method: {type: RegularExpression, service: 'a.*'}}",
        ),
        ("service", "{method: {service: abc.Service}}"),
        (
            "header",
            "{method: {service: abc.Service}, headers: [{name: x, value: '1'}]}",
        ),
        ("both", "{method: {service: abc.Service, method: Method}}"),
    ];
    let rules = matches.map(|(name, matches)| {
        format!("  - name: {name}\n    matches: [{matches}]\n    {TO_DFP}\n")
    });
    let compiled = with_base(&grpc(&format!("  rules:\n{}", rules.concat())));
    let found = |path: &str, headers: &[(&'static str, &'static str)]| {
        let rule = request(&compiled, (8080, "a.b"), (&Method::POST, path), headers);
        rule.unwrap().name.clone().unwrap()
    };
    assert_eq!(found("/abc.Service/Method", &[("x", "1")]), "both");
    assert_eq!(found("/abc.Service/Other", &[("x", "1")]), "header");
    assert_eq!(found("/abc.Service/Other", &[]), "service");
    assert_eq!(found("/a/Method", &[]), "short");
    assert_eq!(found("/b/Method", &[]), "method");
    assert_eq!(found("/b/Other", &[]), "none");
}

#[test]
fn filters_are_those_that_http_routes_have() {
    let lines = "filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: a, value: '1'}], \
                 add: [{name: b, value: '2'}], remove: [c]}}, {type: ResponseHeaderModifier, \
                 responseHeaderModifier: {remove: [d]}}]";
    let compiled = with_base(&one_rule(lines));
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    let filters = &call(&compiled, "/s/m").unwrap().filters;
    assert_eq!(filters.request_headers.set[0].0, "a");
    assert_eq!(filters.request_headers.add[0].1, "2");
    assert_eq!(filters.request_headers.remove, ["c"]);
    assert_eq!(filters.response_headers.remove, ["d"]);

    let response = kgateway_policy("DirectResponse", "down", "apps", "  status: 503\n");
    let extension = "  rules: [{filters: [{type: ExtensionRef, extensionRef: {group: gateway.kgateway.dev, \
                     kind: DirectResponse, name: down}}]}]\n";
    let compiled = with_base(&format!("{response}{}", grpc(extension)));
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    assert_eq!(describe(call(&compiled, "/s/m").unwrap()), "respond 503 ");
    assert!(
        condition(&compiled, "DirectResponse apps/down#infra/gw", "Attached").starts_with("true")
    );
}

#[test]
fn backends_have_weights_and_filters() {
    let fixed = "---\napiVersion: gateway.kgateway.dev/v1alpha1\nkind: Backend\nmetadata: {name: fixed, namespace: apps}\n\
                 spec: {static: {appProtocol: grpc, hosts: [{host: up.example, port: 50051}]}}\n";
    let filter =
        |name: &str, of: &str| format!("{{type: {name}, {of}: {{set: [{{name: x, value: y}}]}}}}");
    let rules = format!(
        "  rules:\n  - backendRefs:\n    - {{group: gateway.kgateway.dev, kind: Backend, name: dfp, weight: 3}}\n    \
         - {{group: gateway.kgateway.dev, kind: Backend, name: fixed, filters: [{}, {}]}}\n",
        filter("RequestHeaderModifier", "requestHeaderModifier"),
        filter("ResponseHeaderModifier", "responseHeaderModifier"),
    );
    let compiled = with_base(&format!("{fixed}{}", grpc(&rules)));
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    let rule = call(&compiled, "/s/m").unwrap();
    assert_eq!(
        describe(rule),
        "3*dynamic apps/dfp, 1*static apps/fixed [up.example:50051]"
    );
    let RuleAction::Forward(backends) = &rule.action else {
        panic!("not forwarded");
    };
    let filters = &backends.backends[1].filters;
    assert_eq!(filters.request_headers.set[0].0, "x");
    assert_eq!(filters.response_headers.set[0].0, "x");
}

/// Lines of a rule, the field at fault in it, and the message.
const WRONG: &[(&str, &str, &str)] = &[
    (
        "matches: [{method: {}}]",
        "matches[0].method",
        "one or both of 'service' or 'method' must be specified",
    ),
    (
        "matches: [{}, {method: {service: a/b}}]",
        "matches[1].method.service",
        "not the name of a gRPC service",
    ),
    (
        "matches: [{method: {method: a b}}]",
        "matches[0].method.method",
        "not the name of a gRPC method",
    ),
    (
        "matches: [{method: {type: RegularExpression, service: '('}}]",
        "matches[0].method.service",
        "not a regular expression: unclosed group",
    ),
    (
        "matches: [{headers: [{name: 'a b', value: x}]}]",
        "matches[0].headers[0].name",
        "not a header name",
    ),
    (
        "sessionPersistence: {sessionName: 'a b'}",
        "sessionPersistence.sessionName",
        "not the name of a cookie or a header",
    ),
    (
        "filters: [{type: ExtensionRef, extensionRef: {group: gateway.kgateway.dev, kind: Backend, name: t}}]",
        "filters[0].extensionRef",
        "gateway.kgateway.dev/Backend is not a filter; TrafficPolicy and DirectResponse of gateway.kgateway.dev are",
    ),
    (
        "filters: [{type: RequestMirror, requestHeaderModifier: {}}]",
        "filters[0].type",
        "requestHeaderModifier must be set if, and only if, this is its type",
    ),
    (
        "filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: 't e', value: x}]}}]",
        "filters[0].requestHeaderModifier.set[0].name",
        "not a header name",
    ),
];

#[test]
fn what_is_wrong_is_named_and_refuses() {
    for (lines, field, message) in WRONG.iter().copied() {
        let other = format!("\n  - matches: [{{method: {{service: fine}}}}]\n    {TO_DFP}\n");
        let compiled = with_base(&format!("{}{other}", one_rule(lines).trim_end()));
        let expected = format!("t.yaml:21: {AT}: spec.rules[0].{field}: {message}");
        assert_eq!(problems(&compiled), [expected], "{lines}");
        assert!(
            call(&compiled, "/s/m").is_none_or(|rule| describe(rule).starts_with("refuse")),
            "{lines}"
        );
        assert_eq!(
            describe(call(&compiled, "/fine/m").unwrap()),
            "1*dynamic apps/dfp"
        );
    }
}

#[test]
fn references_that_lead_nowhere_are_told() {
    let backend = |spec: &str| with_base(&grpc(&format!("  rules: [{{backendRefs: [{spec}]}}]\n")));
    let dfp = "group: gateway.kgateway.dev, kind: Backend, name: dfp";
    for (spec, reason, message) in [
        (
            "{name: s, port: 1}".to_owned(),
            "BackendNotFound",
            "Service apps/s not found",
        ),
        (
            format!("{{{dfp}, port: 443}}"),
            "BackendNotFound",
            "BackendRef to \"dfp\" includes a port",
        ),
        (
            format!("{{{dfp}, namespace: other}}"),
            "RefNotPermitted",
            "missing reference grant for Backend other/dfp",
        ),
    ] {
        let compiled = backend(&spec);
        let expected = format!("false {reason}: {message}");
        let resolved = condition(&compiled, AT, "ResolvedRefs");
        assert!(resolved.starts_with(&expected), "{resolved}");
    }
    let unsupported = format!(
        "{{{dfp}, filters: [{{type: ExtensionRef, extensionRef: {{group: a, kind: b, name: c}}}}]}}"
    );
    let compiled = backend(&unsupported);
    assert!(
        problems(&compiled)[0]
            .ends_with("filters[0].extensionRef: not supported for one backend alone; filters of the rule may have it")
    );
}

#[test]
fn a_grant_is_for_the_kind_that_it_names() {
    let base = BASE.replace(
        "{name: dfp, namespace: apps}",
        "{name: dfp, namespace: other}",
    );
    let to =
        "backendRefs: [{group: gateway.kgateway.dev, kind: Backend, name: dfp, namespace: other}]";
    for (kind, expected) in [
        ("GRPCRoute", "1*dynamic other/dfp"),
        (
            "HTTPRoute",
            "1*refuse GRPCRoute apps/g: missing reference grant for Backend other/dfp",
        ),
    ] {
        let grant = format!(
            "---\napiVersion: gateway.networking.k8s.io/v1\nkind: ReferenceGrant\nmetadata: {{name: g, namespace: other}}\n\
             spec: {{from: [{{group: gateway.networking.k8s.io, kind: {kind}, namespace: apps}}], \
             to: [{{group: gateway.kgateway.dev, kind: Backend}}]}}\n"
        );
        let routes = grpc(&format!("  rules: [{{{to}}}]\n"));
        let compiled = run(&format!("{base}{grant}{routes}"));
        assert_eq!(describe(call(&compiled, "/s/m").unwrap()), expected);
    }
}

#[test]
fn http_and_grpc_of_one_hostname_are_not_mixed() {
    let http = route(&format!("  rules: [{{{TO_DFP}}}]\n"));
    let grpc = one_rule("name: calls");
    let both = |http: &str, grpc: &str| with_base(&format!("{http}{grpc}"));
    let message = |kind: &str, owner: &str| {
        format!(
            "{kind}false HostnameConflict: a hostname at the listener http of Gateway infra/gw belongs to the older {owner}"
        )
    };
    // Both routes have the same age, so that the name decides: `g` comes before `r`.
    for (http, grpc, loser, owner) in [
        (http.clone(), grpc.clone(), "HTTPRoute apps/r", AT),
        (aged(&http, 2020), grpc.clone(), AT, "HTTPRoute apps/r"),
        (aged(&http, 2020), aged(&grpc, 2019), "HTTPRoute apps/r", AT),
    ] {
        let compiled = both(&http, &grpc);
        assert_eq!(condition(&compiled, loser, "Accepted"), message("", owner));
        assert!(condition(&compiled, owner, "Accepted").starts_with("true"));
        let found = call(&compiled, "/s/m").unwrap();
        assert_eq!(found.route.to_string(), owner);
        assert_eq!(problems(&compiled).len(), 1);
    }
    // Different hostnames do not conflict: the more specific one decides.
    let narrow = grpc.replace("  rules:", "  hostnames: [a.b]\n  rules:");
    let compiled = both(&http, &narrow);
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    assert_eq!(call(&compiled, "/s/m").unwrap().route.to_string(), AT);
    assert_eq!(get(&compiled, "a.b"), "404");
    assert_eq!(get(&compiled, "c.d"), "1*dynamic apps/dfp");
}

#[test]
fn a_listener_that_is_passed_over_is_worth_a_look() {
    let base = BASE.replace(
        "  - {name: http,",
        "  - {name: other, protocol: HTTP, port: 8081, allowedRoutes: {kinds: [{kind: HTTPRoute}], namespaces: {from: All}}}\n  - {name: http,",
    );
    let http = route(&format!("  rules: [{{{TO_DFP}}}]\n"));
    let compiled = run(&format!("{base}{}{http}", one_rule("name: calls")));
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    let expected = "HTTPRoute apps/r: spec.parentRefs[0]: a hostname at the listener http of Gateway infra/gw belongs to \
                    the older GRPCRoute apps/g";
    assert!(
        warnings(&compiled).iter().any(|w| w.ends_with(expected)),
        "{:?}",
        warnings(&compiled)
    );
    assert_eq!(get(&compiled, "a.b"), "404");
    assert_eq!(
        super::answer(&compiled, 8081, "a.b", "/"),
        "1*dynamic apps/dfp"
    );
}

#[test]
fn a_listener_may_take_no_grpc_routes() {
    let base = BASE.replace(
        "allowedRoutes: {",
        "allowedRoutes: {kinds: [{kind: HTTPRoute}], ",
    );
    let compiled = run(&format!("{base}{}", one_rule("name: calls")));
    assert_eq!(
        condition(&compiled, AT, "Accepted"),
        "false NotAllowedByListeners: no listener of Gateway infra/gw allows GRPCRoutes from the namespace apps"
    );
}

#[test]
fn policies_apply_to_grpc_routes_and_their_rules() {
    let target = |section: &str| {
        format!(
            "  targetRefs: [{{group: gateway.networking.k8s.io, kind: GRPCRoute, name: g{section}}}]\n"
        )
    };
    let rules = one_rule("name: calls");
    for section in ["", ", sectionName: calls"] {
        let egress = policy("p", "apps", &target(section));
        let retry = format!("{}  retry: {{retryOn: [unavailable]}}\n", target(section));
        let retry = kgateway_policy("TrafficPolicy", "t", "apps", &retry);
        let compiled = with_base(&format!("{egress}{retry}{rules}"));
        assert!(compiled.report.accepted(), "{}", compiled.report.table());
        let rule = call(&compiled, "/s/m").unwrap();
        assert!(rule.policies.retry.value().is_some());
        let RuleAction::Forward(backends) = &rule.action else {
            panic!("not forwarded");
        };
        assert_eq!(&*backends.backends[0].egress.policies[0].policy.name, "p");
    }
    let missing = with_base(&format!(
        "{}{rules}",
        policy("p", "apps", &target(", sectionName: none"))
    ));
    assert!(
        describe(call(&missing, "/s/m").unwrap())
            .starts_with("refuse EgressPolicy apps/p: GRPCRoute apps/g has no section none")
    );
    let selector = "  targetSelectors: [{group: gateway.networking.k8s.io, kind: GRPCRoute, matchLabels: {a: b}}]\n  \
                    retry: {retryOn: [unavailable]}\n";
    let labelled = rules.replace("{name: g,", "{name: g, labels: {a: b},");
    let selected = kgateway_policy("TrafficPolicy", "t", "apps", selector);
    let compiled = with_base(&format!("{selected}{labelled}"));
    assert!(
        call(&compiled, "/s/m")
            .unwrap()
            .policies
            .retry
            .value()
            .is_some()
    );
}

#[test]
fn parents_and_rules_may_be_missing() {
    let parents = "  parentRefs: [{name: gw, namespace: infra}]\n";
    let compiled =
        with_base(&one_rule("sessionPersistence: {absoluteTimeout: x}").replace(parents, ""));
    let expected =
        "GRPCRoute apps/g: spec.parentRefs: without parentRefs the route is attached to nothing";
    assert!(warnings(&compiled)[0].ends_with(expected));
    assert!(problems(&compiled)[0].contains("spec.rules[0].sessionPersistence.absoluteTimeout: "));
    let foreign = one_rule("name: x").replace("{name: gw,", "{group: example.com, name: gw,");
    assert!(!with_base(&foreign).report.table().contains("GRPCRoute"));
    let defaults =
        with_base(&one_rule("name: x").replace("  rules:", "  useDefaultGateways: All\n  rules:"));
    assert!(problems(&defaults)[0].ends_with("spec.useDefaultGateways: not supported yet"));
    for rules in ["", "  rules: []\n"] {
        let compiled = with_base(&grpc(rules));
        assert_eq!(
            describe(call(&compiled, "/s/m").unwrap()),
            "refuse GRPCRoute apps/g: the rule has no backend"
        );
    }
}
