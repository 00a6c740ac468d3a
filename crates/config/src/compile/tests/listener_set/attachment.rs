//! Which ListenerSets are attached, the conflicts of their listeners, and the routes that attach to them.

use super::*;

#[test]
fn the_gateway_says_whose_sets_it_takes() {
    let label = "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: apps, labels: {team: a}}\n";
    for (allowed, namespace, is_attached) in [
        ("{from: All}", "apps", true),
        ("{from: Same}", "apps", false),
        ("{from: Same}", "infra", true),
        ("{from: None}", "infra", false),
        ("{}", "infra", false),
        (
            "{from: Selector, selector: {matchLabels: {team: a}}}",
            "apps",
            true,
        ),
        (
            "{from: Selector, selector: {matchLabels: {team: a}}}",
            "infra",
            false,
        ),
        (
            "{from: Selector, selector: {matchExpressions: [{key: team, operator: NotIn, values: [a]}]}}",
            "infra",
            true,
        ),
    ] {
        let own = set(namespace, "s", &["name: l, protocol: HTTP, port: 8081"]);
        let compiled = run(&format!("{}{label}{own}", allowing(allowed)));
        let at = format!("ListenerSet {namespace}/s");
        let json = serde_json::to_value(&compiled.report.objects).unwrap();
        assert_eq!(
            json[0]["status"]["attachedListenerSets"],
            usize::from(is_attached),
            "{allowed} {namespace}"
        );
        if is_attached {
            assert!(compiled.report.accepted(), "{}", compiled.report.table());
            assert_eq!(reason(&compiled, &at, "Accepted"), "true Accepted");
            assert_eq!(reason(&compiled, &at, "Programmed"), "true Programmed");
            assert_eq!(sockets(&compiled), ["* 8080 gw/http", "* 8081 gw/l"]);
        } else {
            assert_eq!(sockets(&compiled), ["* 8080 gw/http"]);
            assert_eq!(reason(&compiled, &at, "Programmed"), "false NotAllowed");
            assert_eq!(
                condition(&compiled, &at, "Accepted"),
                format!(
                    "false NotAllowed: spec.parentRef: Gateway infra/gw allows no ListenerSets from the namespace \
                     {namespace} (spec.allowedListeners)"
                )
            );
        }
    }
    // Without the field there are none, and no word of them.
    let own = set("infra", "s", &["name: l, protocol: HTTP, port: 8081"]);
    let compiled = run(&format!("{BASE}{own}"));
    assert!(reason(&compiled, "ListenerSet infra/s", "Accepted").starts_with("false NotAllowed"));
    let json = serde_json::to_value(&run(BASE).report.objects).unwrap();
    assert!(json[0]["status"].get("attachedListenerSets").is_none());
}

#[test]
fn a_set_needs_a_gateway_that_is_accepted() {
    let own = set("infra", "s", &["name: l, protocol: HTTP, port: 8081"]);
    let at = "ListenerSet infra/s";
    let bad = open().replace("  allowed", "  defaultScope: All\n  allowed");
    let compiled = run(&format!("{bad}{own}"));
    assert_eq!(
        condition(&compiled, at, "Accepted"),
        "false ParentNotAccepted: spec.parentRef: Gateway infra/gw is not accepted"
    );
    assert_eq!(
        reason(&compiled, at, "Programmed"),
        "false ParentNotProgrammed"
    );
    // Whose a set of no Gateway is cannot be told.
    let lost = own.replace("{name: gw, namespace: infra}", "{name: gv}");
    let compiled = run(&format!("{}{lost}", open()));
    assert_eq!(
        problems(&compiled),
        ["t.yaml:19: ListenerSet infra/s: spec.parentRef: Gateway infra/gv not found"]
    );
    assert_eq!(compiled.report.objects.len(), 2);
    let foreign = open().replace("gatewayClassName: egret", "gatewayClassName: other");
    let parent = SET.replace("name: s", "name: s, namespace: infra");
    let compiled = run(&format!("{foreign}{own}{}", to_parent("r", &parent)));
    assert_eq!(compiled.report.objects.len(), 1, "only the Backend");
}

/// The conditions of a Gateway and of the ListenerSets `b`, `a` and `c`, from the oldest to the youngest.
const PRECEDENCE: &[(&str, &str, &str)] = &[
    ("Gateway infra/gw#both", "Accepted", "true Accepted"),
    ("ListenerSet infra/b#l", "Accepted", "true Accepted"),
    (
        "ListenerSet infra/b#taken",
        "Accepted",
        "false HostnameConflict",
    ),
    (
        "ListenerSet infra/b#taken",
        "Conflicted",
        "true HostnameConflict",
    ),
    (
        "ListenerSet infra/b#taken",
        "Programmed",
        "false HostnameConflict",
    ),
    (
        "ListenerSet infra/b#tcp",
        "Accepted",
        "false ProtocolConflict",
    ),
    (
        "ListenerSet infra/b#tcp",
        "Conflicted",
        "true ProtocolConflict",
    ),
    (
        "ListenerSet infra/b#tcp",
        "Programmed",
        "false ProtocolConflict",
    ),
    (
        "ListenerSet infra/b#tls",
        "Accepted",
        "false ProtocolConflict",
    ),
    ("ListenerSet infra/b", "Accepted", "true ListenersNotValid"),
    ("ListenerSet infra/b", "Programmed", "true Programmed"),
    (
        "ListenerSet infra/a#l",
        "Accepted",
        "false HostnameConflict",
    ),
    ("ListenerSet infra/a#own", "Accepted", "true Accepted"),
    ("ListenerSet infra/a", "Accepted", "true ListenersNotValid"),
    (
        "ListenerSet infra/c#only",
        "Accepted",
        "false HostnameConflict",
    ),
    ("ListenerSet infra/c", "Accepted", "false ListenersNotValid"),
    (
        "ListenerSet infra/c",
        "Programmed",
        "false ListenersNotValid",
    ),
];

#[test]
fn the_gateway_comes_before_its_sets_and_the_oldest_of_them_first() {
    let gateway = open().replace(
        "  listeners:\n",
        "  listeners:\n  - {name: both, protocol: HTTP, port: 8080, hostname: gateway.test}\n",
    );
    let http = |name: &str, host: &str| {
        format!("name: {name}, protocol: HTTP, port: 8080, hostname: {host}")
    };
    let tcp = "name: tcp, protocol: TCP, port: 8080";
    let tls = "name: tls, protocol: TLS, port: 8080, hostname: tls.test, tls: {mode: Passthrough}";
    let younger = set(
        "infra",
        "a",
        &[&http("l", "set.test"), &http("own", "a.test")],
    );
    let younger = super::super::aged(&younger, 2022);
    let older = [http("l", "set.test"), http("taken", "gateway.test")];
    let older = set("infra", "b", &[&older[0], &older[1], tcp, tls]);
    let older = super::super::aged(&older, 2021);
    let last = set("infra", "c", &[&http("only", "gateway.test")]);
    let compiled = run(&format!("{gateway}{younger}{older}{last}"));
    for (at, kind, expected) in PRECEDENCE {
        assert_eq!(reason(&compiled, at, kind), *expected, "{at} {kind}");
    }
    let json = serde_json::to_value(&compiled.report.objects).unwrap();
    assert_eq!(json[0]["status"]["attachedListenerSets"], 2);
    assert_eq!(sockets(&compiled), ["* 8080 gw/both,gw/l,gw/own,gw/http"]);
}

#[test]
fn listeners_of_one_set_are_in_conflict_with_each_other() {
    let own = set(
        "infra",
        "s",
        &[
            "name: a, protocol: HTTP, port: 8081, hostname: a.test",
            "name: b, protocol: HTTP, port: 8081, hostname: a.test",
            "name: c, protocol: HTTP, port: 8082",
            "name: c, protocol: HTTP, port: 8083",
            "name: http, protocol: HTTP, port: 8084",
        ],
    );
    let compiled = run(&format!("{}{own}", open()));
    for name in ["a", "b"] {
        let at = format!("ListenerSet infra/s#{name}");
        assert_eq!(
            reason(&compiled, &at, "Conflicted"),
            "true HostnameConflict"
        );
    }
    // Names are those of the set: two of them are ambiguous, and one that the Gateway has too is not.
    let at = "ListenerSet infra/s#c";
    assert_eq!(reason(&compiled, at, "Accepted"), "false UnsupportedValue");
    assert_eq!(sockets(&compiled), ["* 8080 gw/http", "* 8084 gw/http"]);
    listener(&compiled, "infra/gw/http");
    let added = listener(&compiled, "infra/gw/infra/s/http");
    assert_eq!(added.owner().to_string(), "ListenerSet infra/s");
}

#[test]
fn a_port_of_another_gateway_is_not_for_a_set() {
    let other = super::super::gateway::gateway(
        "other",
        1,
        "  listeners:\n  - {name: l, protocol: HTTP, port: 8081}\n",
    );
    let own = set("infra", "s", &["name: l, protocol: HTTP, port: 8081"]);
    let compiled = run(&format!("{}{other}{own}", open()));
    let at = "ListenerSet infra/s#l";
    assert_eq!(reason(&compiled, at, "Accepted"), "false PortUnavailable");
    assert_eq!(sockets(&compiled), ["* 8080 gw/http", "* 8081 other/l"]);
}

#[test]
fn routes_attach_to_the_parent_that_they_name() {
    let listeners = ["s.test", "t.test"].map(|host| {
        format!(
            "name: {}, protocol: HTTP, port: 8080, hostname: {host}",
            &host[..1]
        )
    });
    let own = set("apps", "s", &[&listeners[0], &listeners[1]]);
    let gateway = "{name: gw, namespace: infra}";
    let section = SET.replace("name: s", "name: s, sectionName: s");
    let all = ["a.test", "s.test", "t.test"];
    for (parent, served) in [
        (gateway.to_owned(), vec!["a.test"]),
        (SET.to_owned(), vec!["s.test", "t.test"]),
        (section.clone(), vec!["s.test"]),
        (
            SET.replace("name: s", "name: s, port: 8080"),
            vec!["s.test", "t.test"],
        ),
        (format!("{gateway}, {SET}"), all.to_vec()),
        (
            format!("{{name: gw, namespace: infra, sectionName: s}}, {section}"),
            vec!["s.test"],
        ),
    ] {
        let compiled = run(&format!("{}{own}{}", open(), to_parent("r", &parent)));
        let hosts = all
            .iter()
            .filter(|host| answer(&compiled, 8080, host, "/") != "404");
        assert_eq!(hosts.copied().collect::<Vec<_>>(), served, "{parent}");
        let json = serde_json::to_value(&compiled.report.objects).unwrap();
        let parents = parent.matches("name: ").count();
        let route = json.as_array().unwrap().iter();
        let mut route = route.filter(|it| it["object"] == "HTTPRoute apps/r");
        let status = &route.next().unwrap()["status"]["parents"];
        assert_eq!(status.as_array().unwrap().len(), parents, "{parent}");
    }
    // Each parent has a status of its own, and no listener is found by way of another object.
    let both = format!("{{name: gw, namespace: infra, sectionName: s}}, {section}");
    let compiled = run(&format!("{}{own}{}", open(), to_parent("r", &both)));
    let at = "HTTPRoute apps/r#infra/gw#s";
    assert_eq!(
        condition(&compiled, at, "Accepted"),
        "false NoMatchingParent: Gateway infra/gw has no such listener; there are http"
    );
    let at = "HTTPRoute apps/r#ListenerSet s#s";
    assert_eq!(reason(&compiled, at, "Accepted"), "true Accepted");
}

#[test]
fn the_namespace_of_a_set_is_the_same_for_its_routes() {
    let own = "name: l, protocol: HTTP, port: 8081";
    for (namespace, expected) in [
        ("apps", "true Accepted"),
        ("infra", "false NotAllowedByListeners"),
    ] {
        let parent = SET.replace("name: s", &format!("name: s, namespace: {namespace}"));
        let text = format!(
            "{}{}{}",
            open(),
            set(namespace, "s", &[own]),
            to_parent("r", &parent)
        );
        let compiled = run(&text);
        assert_eq!(reason(&compiled, "HTTPRoute apps/r", "Accepted"), expected);
        let json = serde_json::to_value(&compiled.report.objects).unwrap();
        let mut sets = json.as_array().unwrap().iter();
        let set = sets.find(|it| it["object"] == format!("ListenerSet {namespace}/s"));
        let attached = &set.unwrap()["status"]["listeners"][0]["attachedRoutes"];
        assert_eq!(*attached, usize::from(namespace == "apps"));
    }
}

#[test]
fn a_route_learns_why_its_set_is_no_parent() {
    let own = set("apps", "s", &["name: l, protocol: HTTP, port: 8081"]);
    let section = SET.replace("name: s", "name: s, sectionName: m");
    for (gateway, parent, expected) in [
        (
            open(),
            SET.replace("name: s", "name: t"),
            "ListenerSet apps/t not found",
        ),
        (
            open(),
            section,
            "ListenerSet apps/s has no such listener; there are l",
        ),
        (
            allowing("{from: Same}"),
            SET.to_owned(),
            "ListenerSet apps/s is not attached to Gateway infra/gw",
        ),
    ] {
        let compiled = run(&format!("{gateway}{own}{}", to_parent("r", &parent)));
        assert_eq!(
            condition(&compiled, "HTTPRoute apps/r", "Accepted"),
            format!("false NoMatchingParent: {expected}")
        );
    }
}
