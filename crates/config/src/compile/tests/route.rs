//! HTTPRoutes and Backends.

use super::{BASE, TO_DFP, condition, get, problems, route, route_named, run, warnings, with_base};

#[test]
fn parents_that_cannot_be_joined_say_why() {
    let cases = [
        (
            "{name: none, namespace: infra}",
            "NoMatchingParent: Gateway infra/none not found",
        ),
        (
            "{name: gw}",
            "NoMatchingParent: Gateway apps/gw not found; did you mean Gateway infra/gw?",
        ),
        (
            "{name: gw, namespace: infra, sectionName: x}",
            "NoMatchingParent: Gateway infra/gw has no such listener; there are http",
        ),
        (
            "{name: gw, namespace: infra, port: 1}",
            "NoMatchingParent: Gateway infra/gw has no such listener",
        ),
        (
            "{name: gw, namespace: infra, sectionName: http, port: 1}",
            "NoMatchingParent: Gateway infra/gw has no such listener",
        ),
    ];
    for (parent, expected) in cases {
        let text = route(&format!("  rules: [{{{TO_DFP}}}]\n"))
            .replace("{name: gw, namespace: infra}", parent);
        let compiled = with_base(&text);
        assert_eq!(
            condition(&compiled, "HTTPRoute apps/r", "Accepted"),
            format!("false {expected}")
        );
        assert_eq!(get(&compiled, "a.b"), "404");
        let message = expected.split_once(": ").unwrap().1;
        assert_eq!(
            problems(&compiled),
            [format!(
                "t.yaml:19: HTTPRoute apps/r: spec.parentRefs[0]: {message}"
            )]
        );
    }
    for parent in [
        "{name: gw, kind: Service, group: ''}",
        "{name: gw, group: example.com}",
    ] {
        let text = route(&format!("  rules: [{{{TO_DFP}}}]\n"))
            .replace("{name: gw, namespace: infra}", parent);
        let compiled = with_base(&text);
        assert!(compiled.report.accepted(), "{parent}");
        assert!(!compiled.report.table().contains("HTTPRoute"), "{parent}");
    }
}

#[test]
fn a_route_without_parents_is_told_and_so_are_its_faults() {
    let faulty = "  rules: [{timeouts: {request: x}, backendRefs: [{name: none}]}]\n";
    for parents in ["", "  parentRefs: []\n"] {
        let text = route(faulty).replace("  parentRefs: [{name: gw, namespace: infra}]\n", parents);
        let compiled = with_base(&text);
        let warnings = warnings(&compiled);
        let expected = "HTTPRoute apps/r: spec.parentRefs: without parentRefs the route is attached to nothing";
        assert!(warnings[0].ends_with(expected), "{warnings:?}");
        let problems = problems(&compiled).join("\n");
        assert!(
            problems.contains("spec.rules[0].timeouts.request: "),
            "{problems}"
        );
        assert!(
            problems.contains("spec.rules[0].backendRefs[0].port: "),
            "{problems}"
        );
    }
}

#[test]
fn a_parent_of_a_kind_that_the_gateway_api_has_not_is_a_problem() {
    let faulty = "  rules: [{timeouts: {request: x}, backendRefs: [{name: none}]}]\n";
    for (parent, kind) in [
        (
            "{name: gw, kind: Gatway}",
            "gateway.networking.k8s.io/Gatway",
        ),
        (
            "{name: gw, kind: gateway}",
            "gateway.networking.k8s.io/gateway",
        ),
        (
            "{name: gw, group: gateway.networking.k8s.io/v1}",
            "gateway.networking.k8s.io/v1/Gateway",
        ),
    ] {
        let text = route(faulty).replace("{name: gw, namespace: infra}", parent);
        let compiled = with_base(&text);
        let message = format!(
            "{kind} cannot be a parent here; gateway.networking.k8s.io/Gateway and ListenerSet can"
        );
        assert_eq!(
            condition(&compiled, "HTTPRoute apps/r", "Accepted"),
            format!("false NoMatchingParent: {message}")
        );
        let problems = problems(&compiled);
        assert_eq!(
            problems[0],
            format!("t.yaml:19: HTTPRoute apps/r: spec.parentRefs[0]: {message}")
        );
        let own = "spec.rules[0].timeouts.request: ";
        assert!(problems.iter().any(|p| p.contains(own)), "{problems:?}");
        assert!(!compiled.report.accepted());
    }
}

#[test]
fn a_parent_of_a_kind_that_is_not_supported_is_a_problem() {
    for (group, kind) in [
        ("gateway.networking.k8s.io", "TCPRoute"),
        ("gateway.networking.x-k8s.io", "XListenerSet"),
    ] {
        let parent = format!("{{name: l, group: {group}, kind: {kind}}}");
        let rules = format!("  rules: [{{{TO_DFP}}}]\n");
        let text = route(&rules).replace("{name: gw, namespace: infra}", &parent);
        let expected =
            format!("{kind} is not supported yet as a parent; Gateway and ListenerSet are");
        assert_eq!(
            condition(&with_base(&text), "HTTPRoute apps/r", "Accepted"),
            format!("false NoMatchingParent: {expected}")
        );
    }
}

#[test]
fn each_parent_has_its_own_status() {
    let text = route(&format!("  rules: [{{{TO_DFP}}}]\n")).replace(
        "[{name: gw,",
        "[{name: gw, namespace: infra, sectionName: http}, {name: none,",
    );
    let compiled = with_base(&text);
    assert!(condition(&compiled, "HTTPRoute apps/r#infra/gw#http", "Accepted").starts_with("true"));
    assert!(condition(&compiled, "HTTPRoute apps/r#infra/none", "Accepted").starts_with("false"));
    assert_eq!(get(&compiled, "a.b"), "1*dynamic apps/dfp");
}

#[test]
fn hostnames_are_those_that_route_and_listener_share() {
    let cases = [
        ("", "", "a.example", true),
        ("", "", "192.0.2.1", true),
        ("*.example", "", "a.example", true),
        ("*.example", "", "other.test", false),
        ("", "a.example", "a.example", true),
        ("", "a.example", "b.example", false),
        ("", "a.example", "192.0.2.1", false),
        ("*.example", "a.example", "a.example", true),
        ("*.example", "a.example", "b.example", false),
        ("a.example", "*.example", "a.example", true),
        ("a.example", "*.example", "b.example", false),
        ("*.a.example", "*.example, other.test", "b.a.example", true),
        ("*.a.example", "*.example, other.test", "other.test", false),
    ];
    for (listener, hostnames, host, expected) in cases {
        let base = match listener {
            "" => BASE.to_owned(),
            _ => BASE.replace(
                "port: 8080,",
                &format!("port: 8080, hostname: '{listener}',"),
            ),
        };
        let hostnames: Vec<_> = hostnames
            .split(", ")
            .filter(|h| !h.is_empty())
            .map(|h| format!("'{h}'"))
            .collect();
        let spec = format!(
            "  hostnames: [{}]\n  rules: [{{{TO_DFP}}}]\n",
            hostnames.join(", ")
        );
        let compiled = run(&format!("{base}{}", route(&spec)));
        assert!(compiled.report.accepted(), "{}", compiled.report.table());
        let expected = if expected {
            "1*dynamic apps/dfp"
        } else {
            "404"
        };
        assert_eq!(
            get(&compiled, host),
            expected,
            "{listener} {hostnames:?} {host}"
        );
    }
    let base = BASE.replace("port: 8080,", "port: 8080, hostname: a.example,");
    let compiled = run(&format!(
        "{base}{}",
        route(&format!(
            "  hostnames: [b.example]\n  rules: [{{{TO_DFP}}}]\n"
        ))
    ));
    assert!(
        condition(&compiled, "HTTPRoute apps/r", "Accepted")
            .starts_with("false NoMatchingListenerHostname")
    );
}

#[test]
fn a_hostname_that_cannot_be_read_matches_nothing() {
    let compiled = with_base(&route(&format!(
        "  hostnames: [192.0.2.1]\n  rules: [{{{TO_DFP}}}]\n"
    )));
    assert_eq!(get(&compiled, "192.0.2.1"), "404");
    assert_eq!(get(&compiled, "a.b"), "404");
    let problems = problems(&compiled);
    assert!(
        problems
            .iter()
            .any(|p| p.starts_with("t.yaml:20: HTTPRoute apps/r: spec.hostnames[0]: ")),
        "{problems:?}"
    );
}

#[test]
fn matches_that_cannot_be_used_are_dropped() {
    let cases = [
        (
            "{path: {type: RegularExpression, value: '('}}",
            "path.value",
        ),
        (
            "{path: {type: RegularExpression, value: 'a)|(b'}}",
            "path.value",
        ),
        ("{path: {value: a}}", "path.value"),
        ("{path: {value: /a/../b}}", "path.value"),
        ("{headers: [{name: 'a b', value: c}]}", "headers[0].name"),
        (
            "{headers: [{name: a, type: RegularExpression, value: '['}]}",
            "headers[0].value",
        ),
        (
            "{queryParams: [{name: '', value: c}]}",
            "queryParams[0].name",
        ),
    ];
    for (bad, field) in cases {
        let compiled = with_base(&route(&format!(
            "  rules:\n  - {TO_DFP}\n    matches: [{bad}]\n"
        )));
        assert_eq!(get(&compiled, "a.b"), "404", "{bad}");
        let programmed = condition(&compiled, "HTTPRoute apps/r", "kgateway.dev/Programmed");
        let expected =
            format!("false RouteRuleDropped: Dropped Rule (0): spec.rules[0].matches[0].{field}: ");
        assert!(programmed.starts_with(&expected), "{programmed}");
        assert!(
            problems(&compiled)[0].starts_with("t.yaml:22: "),
            "{:?}",
            problems(&compiled)
        );
        // A rule with a fault is refused as a whole.
        let half = with_base(&route(&format!(
            "  rules:\n  - {TO_DFP}\n    matches: [{{path: {{value: /}}}}, {bad}]\n"
        )));
        assert!(get(&half, "a.b").starts_with("refuse"), "{bad}");
    }
}

#[test]
fn backend_refs_that_lead_nowhere_keep_their_share() {
    let cases = [
        (
            "{name: x, port: 80}",
            "BackendNotFound",
            "",
            "Service apps/x not found",
        ),
        (
            "{name: x, group: a.b, kind: C}",
            "InvalidKind",
            ".kind",
            "unknown backend kind: a.b/C",
        ),
        (
            "{name: x, kind: Backend}",
            "InvalidKind",
            ".kind",
            "unknown backend kind: /Backend; did you mean gateway.kgateway.dev/Backend?",
        ),
        (
            "{name: dfp}",
            "BackendNotFound",
            ".port",
            "Must have port for Service reference; did you mean Backend apps/dfp, by group and kind?",
        ),
        (
            "{name: x, group: gateway.kgateway.dev, kind: Backend}",
            "BackendNotFound",
            "",
            "Backend apps/x not found",
        ),
        (
            "{name: dfp, group: gateway.kgateway.dev, kind: Backend, port: 80}",
            "BackendNotFound",
            ".port",
            "BackendRef to \"dfp\" includes a port. Do not specify a port when referencing a Backend resource, as it \
             defines its own port configuration",
        ),
        (
            "{name: dfp, group: gateway.kgateway.dev, kind: Backend, namespace: other}",
            "RefNotPermitted",
            "",
            "missing reference grant for Backend other/dfp",
        ),
    ];
    for (bad, reason, field, message) in cases {
        let text = format!(
            "  rules:\n  - backendRefs:\n    - {{name: dfp, group: gateway.kgateway.dev, kind: Backend, weight: 3}}\n    - {bad}\n"
        );
        let compiled = with_base(&route(&text));
        // Clients are not told what was meant.
        let told = message.split("; did you mean ").next().unwrap();
        assert_eq!(
            get(&compiled, "a.b"),
            format!("3*dynamic apps/dfp, 1*refuse HTTPRoute apps/r: {told}")
        );
        assert_eq!(
            condition(&compiled, "HTTPRoute apps/r", "ResolvedRefs"),
            format!("false {reason}: {message}")
        );
        assert!(condition(&compiled, "HTTPRoute apps/r", "Accepted").starts_with("true"));
        assert_eq!(
            problems(&compiled),
            [format!(
                "t.yaml:23: HTTPRoute apps/r: spec.rules[0].backendRefs[1]{field}: {message}"
            )]
        );
    }
}

#[test]
fn a_grant_opens_another_namespace() {
    let grant = |from: &str, to: &str| {
        format!(
            "---\napiVersion: gateway.networking.k8s.io/v1beta1\nkind: ReferenceGrant\nmetadata: {{name: g, namespace: other}}\n\
             spec: {{from: [{{{from}}}], to: [{{{to}}}]}}\n"
        )
    };
    let backend = BASE
        .split("---\n")
        .nth(1)
        .unwrap()
        .replace("namespace: apps", "namespace: other");
    let from = "group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: apps";
    let to = "group: gateway.kgateway.dev, kind: Backend";
    let cases = [
        (grant(from, to), true),
        (grant(from, &format!("{to}, name: dfp")), true),
        (grant(from, &format!("{to}, name: x")), false),
        (grant(&from.replace("apps", "infra"), to), false),
        (grant(&from.replace("HTTPRoute", "GRPCRoute"), to), false),
        (grant(from, "group: '', kind: Service"), false),
        (
            grant(from, to).replace("namespace: other}", "namespace: apps}"),
            false,
        ),
        (String::new(), false),
    ];
    for (grant, expected) in cases {
        let spec = format!(
            "  rules: [{{{}}}]\n",
            TO_DFP.replace("name: dfp", "name: dfp, namespace: other")
        );
        let compiled = with_base(&format!("{backend}{grant}{}", route(&spec)));
        let forwarded = get(&compiled, "a.b") == "1*dynamic other/dfp";
        assert_eq!(forwarded, expected, "{grant}");
        assert_eq!(compiled.report.accepted(), expected, "{grant}");
    }
}

#[test]
fn weights_share_and_zero_is_none() {
    let refs = |weights: &[&str]| {
        let each = weights
            .iter()
            .map(|w| format!("{{name: dfp, group: gateway.kgateway.dev, kind: Backend{w}}}"));
        route(&format!(
            "  rules: [{{backendRefs: [{}]}}]\n",
            each.collect::<Vec<_>>().join(", ")
        ))
    };
    let compiled = with_base(&refs(&["", ", weight: 0", ", weight: 9"]));
    assert_eq!(
        get(&compiled, "a.b"),
        "1*dynamic apps/dfp, 9*dynamic apps/dfp"
    );
    for none in [
        refs(&[", weight: 0"]),
        refs(&[]),
        route("  rules: [{}]\n"),
        route(""),
    ] {
        let compiled = with_base(&none);
        assert_eq!(
            get(&compiled, "a.b"),
            "refuse HTTPRoute apps/r: the rule has no backend"
        );
        assert!(compiled.report.accepted());
        assert!(
            warnings(&compiled)[0]
                .contains("spec.rules[0].backendRefs: no backend has a weight above 0")
        );
    }
    let compiled = with_base(&refs(&[", weight: -1"]));
    assert!(
        problems(&compiled)[0]
            .contains("spec.rules[0].backendRefs[0].weight: 0 to 1000000 is allowed")
    );
    assert!(get(&compiled, "a.b").starts_with("refuse"));
}

#[test]
fn older_routes_go_first_then_names() {
    let at = |name: &str, age: Option<u32>, backend: &str| {
        let age = age.map_or(String::new(), |age| {
            format!(", creationTimestamp: '20{age}-01-01T00:00:00Z'")
        });
        let spec = format!(
            "  rules: [{{{}}}]\n",
            TO_DFP.replace("name: dfp", &format!("name: {backend}"))
        );
        route_named(name, &spec).replace(&format!("name: {name},"), &format!("name: {name}{age},"))
    };
    let second = BASE
        .split("---\n")
        .nth(1)
        .unwrap()
        .replace("name: dfp", "name: second");
    let cases = [
        (at("a", None, "dfp"), at("b", None, "second"), "dfp"),
        (at("b", None, "dfp"), at("a", None, "second"), "second"),
        (
            at("a", Some(25), "dfp"),
            at("b", Some(24), "second"),
            "second",
        ),
        (at("a", None, "dfp"), at("b", Some(24), "second"), "second"),
    ];
    for (one, other, expected) in cases {
        let compiled = with_base(&format!("{second}{one}{other}"));
        assert_eq!(get(&compiled, "a.b"), format!("1*dynamic apps/{expected}"));
    }
}
