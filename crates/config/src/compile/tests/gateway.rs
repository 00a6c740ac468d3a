//! Gateways, classes, listeners and sockets.

use super::{BASE, TO_DFP, answer, condition, problems, route, run, warnings, with_base};
use crate::compile::{CompileOptions, CompiledConfig, GatewayPlacement, compile};
use crate::load::{ConfigFile, load};
use crate::resources::{Kind, ObjectRef};

pub(super) fn gateway(name: &str, age: u32, spec: &str) -> String {
    let age = if age == 0 {
        String::new()
    } else {
        format!(", creationTimestamp: '20{age:02}-01-01T00:00:00Z'")
    };
    format!(
        "---\napiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{name: {name}, namespace: infra{age}}}\n\
         spec:\n  gatewayClassName: egret\n{spec}"
    )
}

pub(super) fn sockets(compiled: &CompiledConfig) -> Vec<String> {
    let show = |(bind, socket): (
        &crate::snapshot::BindAddress,
        &crate::snapshot::ListenerSocket,
    )| {
        let ip = bind.ip.map_or_else(|| "*".to_owned(), |ip| ip.to_string());
        let listeners = socket
            .listeners
            .iter()
            .map(|l| format!("{}/{}", l.gateway.name, l.name));
        format!(
            "{ip} {} {}",
            bind.port,
            listeners.collect::<Vec<_>>().join(",")
        )
    };
    compiled.snapshot.sockets.iter().map(show).collect()
}

#[test]
fn a_gateway_is_ours_by_its_class() {
    let class = |name: &str, controller: &str| {
        format!(
            "---\napiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {{name: {name}}}\n\
             spec: {{controllerName: {controller}}}\n"
        )
    };
    let ours = "egret.dev/gateway";
    let cases = [
        ("egret", String::new(), true),
        ("kgateway", String::new(), true),
        ("istio", String::new(), false),
        ("mine", class("mine", ours), true),
        ("mine", class("mine", "example.com/other"), false),
        (
            "kgateway",
            class("kgateway", "kgateway.dev/kgateway"),
            false,
        ),
        ("egret", class("egret", ours), true),
    ];
    for (name, class, expected) in cases {
        let compiled = run(&format!(
            "{}{class}",
            BASE.replace(
                "gatewayClassName: egret",
                &format!("gatewayClassName: {name}")
            )
        ));
        assert_eq!(
            !compiled.snapshot.sockets.is_empty(),
            expected,
            "{name} {class}"
        );
        let expected_warnings = if expected {
            vec![]
        } else {
            vec![format!(
                "t.yaml:5: Gateway infra/gw: spec.gatewayClassName: {name} is not a class of Egret; not served"
            )]
        };
        assert_eq!(warnings(&compiled), expected_warnings);
        if class.contains(ours) {
            let at = format!("GatewayClass {name}");
            assert!(condition(&compiled, &at, "Accepted").starts_with("true Accepted"));
        }
    }
}

#[test]
fn the_controller_name_is_an_option() {
    let text = format!(
        "{}---\napiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {{name: kgateway}}\n\
         spec: {{controllerName: kgateway.dev/kgateway}}\n",
        BASE.replace("gatewayClassName: egret", "gatewayClassName: kgateway")
    );
    let loaded = load([ConfigFile {
        name: "t.yaml",
        text: &text,
    }]);
    let options = CompileOptions {
        require_egress_policy: false,
        controller_name: "kgateway.dev/kgateway".to_owned(),
        ..CompileOptions::default()
    };
    assert_eq!(
        compile(&loaded.resources, &options).snapshot.sockets.len(),
        1
    );
}

#[test]
fn a_listener_on_the_port_of_the_admin_server_is_refused_alone() {
    for (admin, addresses, is_taken) in [
        ("127.0.0.1:19000", "", true),
        (
            "127.0.0.1:19000",
            "  addresses: [{value: 127.0.0.1}]\n",
            true,
        ),
        ("0.0.0.0:19000", "  addresses: [{value: 192.0.2.1}]\n", true),
        (
            "127.0.0.1:19000",
            "  addresses: [{value: 192.0.2.1}]\n",
            false,
        ),
        ("127.0.0.1:19001", "", false),
        ("127.0.0.1:0", "", false),
    ] {
        let listeners = "  listeners:\n  - {name: own, protocol: HTTP, port: 19000}\n";
        let text = BASE.replace("  listeners:\n", &format!("{addresses}{listeners}"));
        let loaded = load([ConfigFile {
            name: "t.yaml",
            text: &text,
        }]);
        let options = CompileOptions {
            reserved: vec![admin.parse().unwrap()],
            ..CompileOptions::default()
        };
        let compiled = compile(&loaded.resources, &options);
        let expected = 2 - usize::from(is_taken);
        assert_eq!(
            compiled.snapshot.sockets.len(),
            expected,
            "{admin} {addresses}"
        );
        let accepted = condition(&compiled, "Gateway infra/gw#own", "Accepted");
        let expected = format!(
            "false PortUnavailable: spec.listeners[0].port: the port is that of the gateway's own server at {admin}"
        );
        assert_eq!(accepted == expected, is_taken, "{accepted}");
    }
}

#[test]
fn gateways_that_are_apart_do_not_conflict() {
    let text = format!(
        "{BASE}{}{}---\napiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {{name: egret}}\n\
         spec: {{controllerName: egret.dev/gateway}}\n",
        gateway(
            "other",
            1,
            "  addresses: [{type: Hostname, value: a.example}, {value: 192.0.2.1}]\n  listeners:\n  \
             - {name: http, protocol: HTTP, port: 8080}\n  - {name: own, protocol: HTTP, port: 8082}\n"
        ),
        gateway("foreign", 2, "  listeners: []\n").replace("egret", "kgateway"),
    );
    let loaded = load([ConfigFile {
        name: "t.yaml",
        text: &text,
    }]);
    let options = CompileOptions {
        placement: GatewayPlacement::Apart,
        reserved: vec!["0.0.0.0:8082".parse().unwrap()],
        ..CompileOptions::default()
    };
    let compiled = compile(&loaded.resources, &options);
    for listener in ["gw#http", "other#http"] {
        let accepted = condition(&compiled, &format!("Gateway infra/{listener}"), "Accepted");
        assert_eq!(
            accepted, "true Accepted: Successfully accepted Listener",
            "{listener}"
        );
    }
    assert_eq!(
        condition(&compiled, "Gateway infra/other#own", "Accepted"),
        "false Invalid: spec.listeners[1].port: invalid port 8082 in listener: port is reserved"
    );
    let gateway = ObjectRef::new(Kind::Gateway, "infra", "foreign");
    let mut reports = compiled.report.objects.iter();
    assert!(!reports.any(|report| report.object == gateway));
    assert_eq!(
        compiled
            .snapshot
            .sockets
            .keys()
            .map(|bind| bind.ip)
            .collect::<Vec<_>>(),
        [None]
    );
}

/// How many kinds of route the first listener of the first object takes.
fn supported_kinds(compiled: &CompiledConfig) -> usize {
    let report = serde_json::to_value(&compiled.report).unwrap();
    let kinds = &report["objects"][0]["status"]["listeners"][0]["supportedKinds"];
    kinds.as_array().unwrap().len()
}

#[test]
fn listeners_that_cannot_be_served_say_why() {
    let cases = [
        (
            "{name: l, protocol: TCP, port: 443}",
            "UnsupportedProtocol",
            "protocol: TCP is not supported yet; HTTP, HTTPS and TLS are",
        ),
        (
            "{name: l, protocol: http, port: 8081}",
            "UnsupportedProtocol",
            "protocol: http is not supported yet; HTTP, HTTPS and TLS are; did you mean HTTP?",
        ),
        (
            "{name: l, protocol: HTTPS, port: 443, tls: {mode: Passthrough}}",
            "UnsupportedValue",
            "tls.mode: mode Passthrough needs a listener of protocol TLS",
        ),
        (
            "{name: l, protocol: HTTP, port: 0}",
            "PortUnavailable",
            "port: not a port: 1 to 65535",
        ),
        (
            "{name: l, protocol: HTTP, port: 65536}",
            "PortUnavailable",
            "port: not a port: 1 to 65535",
        ),
        (
            "{name: l, protocol: HTTP, port: 80, hostname: 'a.*.b'}",
            "UnsupportedValue",
            "hostname: '*' is only allowed",
        ),
        (
            "{name: l, protocol: HTTP, port: 80, tls: {}}",
            "UnsupportedValue",
            "tls: not for a listener of protocol HTTP",
        ),
        (
            "{name: l, protocol: HTTP, port: 80, allowedRoutes: {namespaces: {from: Selector}}}",
            "UnsupportedValue",
            "allowedRoutes.namespaces.selector: needed when from is Selector",
        ),
    ];
    for (listener, reason, message) in cases {
        let compiled = run(&gateway(
            "g",
            0,
            &format!("  listeners:\n  - {listener}\n  - {{name: ok, protocol: HTTP, port: 1}}\n"),
        ));
        let accepted = condition(&compiled, "Gateway infra/g#l", "Accepted");
        let expected = format!("false {reason}: spec.listeners[0].{message}");
        assert!(accepted.starts_with(&expected), "{accepted}\n{expected}");
        assert!(
            condition(&compiled, "Gateway infra/g#l", "Programmed").starts_with("false Invalid")
        );
        assert_eq!(
            condition(&compiled, "Gateway infra/g", "Accepted"),
            "true ListenersNotValid: Some listeners are not programmed: l"
        );
        assert_eq!(sockets(&compiled), ["* 1 g/ok"]);
        let problems = problems(&compiled);
        let expected = format!("t.yaml:8: Gateway infra/g: spec.listeners[0].{message}");
        assert!(
            problems.len() == 1 && problems[0].starts_with(&expected),
            "{problems:?}"
        );
        // What cannot be served for its protocol or mode takes no routes.
        let takes_none = ["protocol", "tls"]
            .iter()
            .any(|field| message.starts_with(field));
        assert_eq!(supported_kinds(&compiled) == 0, takes_none, "{listener}");
    }
}

#[test]
fn fields_of_a_gateway_that_are_not_supported_keep_it_from_being_served() {
    let listener = "  listeners: [{name: l, protocol: HTTP, port: 80}]\n";
    let cases = [
        (
            "  tls: {frontend: {default: {}, perPort: [{port: 1, tls: {}}, {port: 1, tls: {}}]}}\n",
            "Invalid",
            "spec.tls.frontend.perPort[1].port",
        ),
        (
            "  tls: {frontend: {default: {}, perPort: [{port: 65536, tls: {}}]}}\n",
            "Invalid",
            "spec.tls.frontend.perPort[0].port",
        ),
        (
            "  allowedListeners: {namespaces: {from: Selector}}\n",
            "Invalid",
            "spec.allowedListeners.namespaces.selector",
        ),
        ("  defaultScope: All\n", "Invalid", "spec.defaultScope"),
        (
            "  infrastructure: {parametersRef: {group: g, kind: k, name: n}}\n",
            "InvalidParameters",
            "spec.infrastructure.parametersRef",
        ),
        (
            "  addresses: [{type: Hostname, value: a.b}]\n",
            "UnsupportedAddress",
            "spec.addresses[0].type",
        ),
        (
            "  addresses: [{value: a.b}]\n",
            "UnsupportedAddress",
            "spec.addresses[0].value",
        ),
        (
            "  addresses: [{type: IPAddress}]\n",
            "UnsupportedAddress",
            "spec.addresses[0].value",
        ),
        (
            "  addresses: [{value: 192.0.2.1}, {value: 0.0.0.0}]\n",
            "UnsupportedAddress",
            "spec.addresses[1].value",
        ),
    ];
    for (spec, reason, field) in cases {
        let compiled = run(&gateway("g", 0, &format!("{spec}{listener}")));
        let accepted = condition(&compiled, "Gateway infra/g", "Accepted");
        assert!(
            accepted.starts_with(&format!("false {reason}: {field}: ")),
            "{accepted}"
        );
        assert!(compiled.snapshot.sockets.is_empty());
        assert!(
            problems(&compiled)[0].starts_with(&format!("t.yaml:7: Gateway infra/g: {field}: "))
        );
    }
    let fine = "  defaultScope: None\n  tls: {backend: {}, frontend: {default: {}}}\n  infrastructure: {labels: {a: b}}\n";
    assert!(
        run(&gateway("g", 0, &format!("{fine}{listener}")))
            .report
            .accepted()
    );
}

#[test]
fn addresses_are_bound_one_by_one() {
    let spec = "  addresses: [{value: 192.0.2.1}, {type: IPAddress, value: '2001:db8::1'}, {value: 192.0.2.1}]\n  \
                listeners: [{name: a, protocol: HTTP, port: 80}, {name: b, protocol: HTTP, port: 81}]\n";
    assert_eq!(
        sockets(&run(&gateway("g", 0, spec))),
        [
            "192.0.2.1 80 g/a",
            "192.0.2.1 81 g/b",
            "2001:db8::1 80 g/a",
            "2001:db8::1 81 g/b"
        ]
    );
}

#[test]
fn listeners_of_a_port_share_a_socket_by_hostname() {
    let spec = "  listeners:\n  - {name: any, protocol: HTTP, port: 80}\n  \
                - {name: wide, protocol: HTTP, port: 80, hostname: '*.example'}\n  \
                - {name: narrow, protocol: HTTP, port: 80, hostname: '*.a.example'}\n  \
                - {name: exact, protocol: HTTP, port: 80, hostname: b.a.example}\n";
    let compiled = run(&gateway("g", 0, spec));
    assert_eq!(sockets(&compiled), ["* 80 g/exact,g/narrow,g/wide,g/any"]);
    let socket = compiled.snapshot.sockets.values().next().unwrap();
    for (host, expected) in [
        ("b.a.example", "exact"),
        ("c.a.example", "narrow"),
        ("c.b.a.example", "narrow"),
        ("a.example", "wide"),
        ("example", "any"),
        ("192.0.2.1", "any"),
    ] {
        assert_eq!(
            socket.listener_for(&host.parse().unwrap()).unwrap().name,
            expected,
            "{host}"
        );
    }
}

#[test]
fn the_same_port_and_hostname_twice_is_a_conflict_for_both() {
    let spec = "  listeners:\n  - {name: a, protocol: HTTP, port: 80, hostname: X.example}\n  \
                - {name: b, protocol: HTTP, port: 80, hostname: x.example}\n  \
                - {name: c, protocol: HTTP, port: 80}\n";
    let compiled = run(&gateway("g", 0, spec));
    assert_eq!(sockets(&compiled), ["* 80 g/c"]);
    for listener in ["a", "b"] {
        let at = format!("Gateway infra/g#{listener}");
        assert!(condition(&compiled, &at, "Conflicted").starts_with("true HostnameConflict"));
        assert!(condition(&compiled, &at, "Programmed").starts_with("false"));
    }
    assert!(
        condition(&compiled, "Gateway infra/g#c", "Conflicted").starts_with("false NoConflicts")
    );
}

#[test]
fn the_older_gateway_has_the_port() {
    let all = |name, age, ips: &str| {
        gateway(
            name,
            age,
            &format!("{ips}  listeners: [{{name: l, protocol: HTTP, port: 80}}]\n"),
        )
    };
    let one = "  addresses: [{value: 192.0.2.1}]\n";
    let two = "  addresses: [{value: 192.0.2.2}]\n";
    let any = "  addresses: [{value: '::'}]\n";
    let cases = [
        (all("a", 0, ""), all("b", 0, ""), vec!["* 80 a/l"]),
        (all("a", 22, ""), all("b", 21, ""), vec!["* 80 b/l"]),
        (all("a", 0, ""), all("b", 21, ""), vec!["* 80 b/l"]),
        (all("a", 0, one), all("b", 0, ""), vec!["192.0.2.1 80 a/l"]),
        (all("a", 0, ""), all("b", 0, one), vec!["* 80 a/l"]),
        (all("a", 0, any), all("b", 0, one), vec![":: 80 a/l"]),
        (
            all("a", 0, one),
            all("b", 0, two),
            vec!["192.0.2.1 80 a/l", "192.0.2.2 80 b/l"],
        ),
    ];
    for (a, b, expected) in cases {
        let compiled = run(&format!("{a}{b}"));
        assert_eq!(sockets(&compiled), expected);
        for (name, other) in [("a", "b"), ("b", "a")] {
            let served = expected
                .iter()
                .any(|socket| socket.contains(&format!("{name}/l")));
            let accepted = condition(&compiled, &format!("Gateway infra/{name}#l"), "Accepted");
            if served {
                assert!(accepted.starts_with("true Accepted"), "{accepted}");
            } else {
                let message = format!("the port belongs to the older Gateway infra/{other}");
                assert_eq!(
                    accepted,
                    format!("false PortUnavailable: spec.listeners[0].port: {message}")
                );
                assert!(
                    condition(&compiled, &format!("Gateway infra/{name}"), "Programmed")
                        .starts_with("false")
                );
            }
        }
    }
}

/// `allowedRoutes.namespaces`, and whether routes from `apps` may attach, which has the labels of team blue and tier
/// web.
const NAMESPACES: [(&str, bool); 3] = [
    ("{from: All}", true),
    ("{from: Same}", false),
    ("{}", false),
];

/// A namespace selector, and whether routes from `apps` may attach.
const SELECTORS: [(&str, bool); 14] = [
    ("{}", true),
    ("{matchLabels: {team: blue}}", true),
    ("{matchLabels: {team: blue, tier: db}}", false),
    ("{matchLabels: {kubernetes.io/metadata.name: apps}}", true),
    ("{matchLabels: {kubernetes.io/metadata.name: other}}", false),
    (
        "{matchExpressions: [{key: team, operator: In, values: [red, blue]}]}",
        true,
    ),
    (
        "{matchExpressions: [{key: team, operator: In, values: [red]}]}",
        false,
    ),
    (
        "{matchExpressions: [{key: team, operator: NotIn, values: [red]}]}",
        true,
    ),
    (
        "{matchExpressions: [{key: none, operator: NotIn, values: [red]}]}",
        true,
    ),
    (
        "{matchExpressions: [{key: team, operator: NotIn, values: [blue]}]}",
        false,
    ),
    ("{matchExpressions: [{key: team, operator: Exists}]}", true),
    ("{matchExpressions: [{key: none, operator: Exists}]}", false),
    (
        "{matchExpressions: [{key: none, operator: DoesNotExist}]}",
        true,
    ),
    (
        "{matchExpressions: [{key: team, operator: DoesNotExist}]}",
        false,
    ),
];

#[test]
fn routes_come_from_the_namespaces_that_are_allowed() {
    let namespaces = "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: apps, labels: {team: blue, tier: web}}\n";
    let selector = |text: &str| format!("{{from: Selector, selector: {text}}}");
    let plain = NAMESPACES.map(|(text, expected)| (text.to_owned(), expected));
    let selectors = SELECTORS.map(|(text, expected)| (selector(text), expected));
    for (allowed, expected) in plain.into_iter().chain(selectors) {
        let base = BASE.replace("{from: All}", &allowed);
        let compiled = run(&format!(
            "{base}{namespaces}{}",
            route(&format!("  rules: [{{{TO_DFP}}}]\n"))
        ));
        let answer = answer(&compiled, 8080, "a.b", "/");
        let accepted = condition(&compiled, "HTTPRoute apps/r", "Accepted");
        if expected {
            assert_eq!(answer, "1*dynamic apps/dfp", "{allowed}");
            assert!(accepted.starts_with("true Accepted"), "{allowed}");
        } else {
            assert_eq!(answer, "404", "{allowed}");
            assert!(
                accepted.starts_with("false NotAllowedByListeners"),
                "{allowed} {accepted}"
            );
        }
    }
    let bad = BASE.replace(
        "{from: All}",
        &selector("{matchExpressions: [{key: a, operator: Like}]}"),
    );
    assert!(
        condition(&run(&bad), "Gateway infra/gw#http", "Accepted")
            .contains("selector.matchExpressions[0]")
    );
}

#[test]
fn kinds_of_route_that_a_listener_cannot_take_are_not_resolved() {
    for (kinds, supported, expected) in [
        ("[{kind: TLSRoute}]", 0, "404"),
        (
            "[{kind: TCPRoute}, {kind: HTTPRoute}, {kind: HTTPRoute}]",
            1,
            "1*dynamic apps/dfp",
        ),
        ("[{kind: UDPRoute}, {kind: GRPCRoute}]", 1, "404"),
        ("[{group: example.com, kind: HTTPRoute}]", 0, "404"),
    ] {
        let base = BASE.replace(
            "allowedRoutes: {",
            &format!("allowedRoutes: {{kinds: {kinds}, "),
        );
        let compiled = run(&format!(
            "{base}{}",
            route(&format!("  rules: [{{{TO_DFP}}}]\n"))
        ));
        let resolved = condition(&compiled, "Gateway infra/gw#http", "ResolvedRefs");
        assert!(
            resolved
                .starts_with("false InvalidRouteKinds: spec.listeners[0].allowedRoutes.kinds[0]: ")
        );
        assert_eq!(answer(&compiled, 8080, "a.b", "/"), expected);
        let json = serde_json::to_value(&compiled.report.objects[0].status).unwrap();
        assert_eq!(
            json["listeners"][0]["supportedKinds"]
                .as_array()
                .unwrap()
                .len(),
            supported
        );
    }
}

#[test]
fn attached_routes_are_counted_once_each() {
    let spec = format!("  rules: [{{{TO_DFP}}}]\n");
    let twice = route(&spec).replace(
        "[{name: gw, namespace: infra}]",
        "[{name: gw, namespace: infra}, {name: gw, namespace: infra, sectionName: http}]",
    );
    let compiled = with_base(&format!("{twice}{}", super::route_named("s", &spec)));
    let json = serde_json::to_value(&compiled.report.objects[0].status).unwrap();
    assert_eq!(json["listeners"][0]["attachedRoutes"], 2);
}
