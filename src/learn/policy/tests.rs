use std::net::IpAddr;

use egret_config::api::egret::EgressPolicy;
use egret_config::compile::{CompileOptions, compile};
use egret_config::load::{ConfigFile, load};
use egret_config::name::Port;
use egret_config::policy::egress::{EgressClient, EgressPolicySet, EgressRequest};
use egret_config::resources::{Kind, ObjectRef};
use egret_config::snapshot::RuleAction;
use http::Method;

use super::*;
use crate::policy::{PolicyTarget, object};

fn gateway() -> PolicyTarget {
    PolicyTarget::all_of(ObjectRef::new(Kind::Gateway, "edge", "http"))
}

/// `GET a.example:80/path`, or `CONNECT a.example:443`.
fn served(text: &str) -> ServedRequest {
    let (method, rest) = text.split_once(' ').unwrap();
    let (authority, path) = match rest.find(['/', '*']) {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    let (host, port) = authority.rsplit_once(':').unwrap();
    ServedRequest {
        host: host.parse().unwrap(),
        port: Port::new(port.parse().unwrap()).unwrap(),
        request: (method != "CONNECT").then(|| (method.to_owned(), path.to_owned())),
    }
}

fn learned(requests: &[&str], detail: LearnDetail) -> EgressPolicy {
    let served: Vec<_> = requests.iter().map(|text| served(text)).collect();
    object(smallest(&served, detail), &gateway(), "learned")
}

/// The rules, each in a line.
fn told(requests: &[&str], detail: LearnDetail) -> Vec<String> {
    let list =
        |list: &Option<Vec<String>>| list.as_ref().map(|list| list.join(",")).unwrap_or_default();
    let rules = learned(requests, detail).spec.rules;
    let line = |rule: &EgressRuleSpec| {
        let name = rule.name.as_deref().unwrap();
        let text = format!(
            "{name}: {} {} {}",
            list(&rule.hosts),
            list(&rule.methods),
            list(&rule.paths)
        );
        text.trim_end().to_owned()
    };
    rules.iter().map(line).collect()
}

const EXACT: LearnDetail = LearnDetail {
    rollup: false,
    methods: false,
    paths: false,
};

#[test]
fn hosts_with_the_same_ports_share_a_rule() {
    let requests = [
        "GET a.example:80/x",
        "POST a.example:80/y",
        "CONNECT b.example:443",
        "CONNECT c.example:443",
        "GET c.example:80/",
        "GET d.example:80/",
        "CONNECT [2001:db8::1]:443",
    ];
    let expected = [
        "port-80: a.example,d.example",
        "ports-80-443: c.example",
        "port-443: 2001:db8::1,b.example",
    ];
    assert_eq!(told(&requests, EXACT), expected);
}

#[test]
fn names_are_rolled_up_to_what_somebody_registered_and_never_to_a_public_suffix() {
    let rollup = LearnDetail {
        rollup: true,
        ..EXACT
    };
    let requests = [
        "CONNECT a.b.other.co.uk:443",
        "CONNECT www.other.co.uk:443",
        "CONNECT other.co.uk:443",
        "CONNECT ann.github.io:443",
        "CONNECT x.ann.github.io:443",
        "CONNECT localhost:443",
        "CONNECT co.uk:443",
        "CONNECT 192.0.2.1:443",
    ];
    let expected = "port-443: *.ann.github.io,*.other.co.uk,192.0.2.1,ann.github.io,co.uk,localhost,other.co.uk";
    assert_eq!(told(&requests, rollup), [expected]);
}

#[test]
fn methods_and_paths_are_learned_where_requests_can_be_read() {
    let detail = LearnDetail {
        methods: true,
        paths: true,
        ..EXACT
    };
    let requests = [
        "GET a.example:80/v1/users/1",
        "POST a.example:80/v1/users",
        "GET a.example:80/health",
        "GET b.example:443/x",
        "CONNECT b.example:443",
    ];
    let expected = [
        "port-80-1: a.example GET,POST /health,/v1/",
        // What goes through the tunnel cannot be told apart.
        "port-443: b.example",
    ];
    assert_eq!(told(&requests, detail), expected);
}

#[test]
fn the_root_is_allowed_alone() {
    let detail = LearnDetail {
        methods: true,
        paths: true,
        ..EXACT
    };
    let requests = [
        "GET a.example:80/",
        "HEAD a.example:80/",
        "GET a.example:80/v1/x",
        "GET b.example:80/",
        "HEAD b.example:80/",
        "OPTIONS b.example:80*",
        "get c.example:80/",
    ];
    let rules = learned(&requests, detail).spec.rules;
    let when: Vec<_> = rules
        .iter()
        .map(|rule| {
            let hosts = rule.hosts.as_ref().unwrap().join(",");
            let when = rule.when.as_deref().unwrap_or_default();
            let methods = rule.methods.iter().flatten().map(String::as_str);
            let methods: Vec<_> = methods.collect();
            format!("{hosts} {} {when}", methods.join(","))
        })
        .collect();
    assert_eq!(
        when,
        [
            "c.example  request.method == 'get' && request.url_path == '/'",
            "a.example GET ",
            "a.example,b.example GET,HEAD request.url_path == '/'",
            "b.example OPTIONS request.url_path == '*'",
        ]
    );
    compiled(&learned(&requests, detail));
}

/// Compiles the policy beside a Gateway, and gives what its requests are decided by.
fn compiled(policy: &EgressPolicy) -> EgressPolicySet {
    let basis = "\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: http, namespace: edge}
spec:
  gatewayClassName: egret
  listeners: [{name: http, protocol: HTTP, port: 8080}]
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {name: any, namespace: edge}
spec: {dynamicForwardProxy: {}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r, namespace: edge}
spec:
  parentRefs: [{name: http}]
  rules: [{backendRefs: [{group: gateway.kgateway.dev, kind: Backend, name: any}]}]
---
";
    let text = format!("{basis}{}", serde_saphyr::to_string(policy).unwrap());
    let loaded = load([ConfigFile {
        name: "t.yaml",
        text: &text,
    }]);
    assert!(loaded.errors.is_empty(), "{:?}", loaded.errors);
    let compiled = compile(&loaded.resources, &CompileOptions::default());
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    let sockets = &compiled.snapshot.sockets;
    let listener = &sockets.values().next().unwrap().listeners[0];
    let (_, rule) = listener.routes.rules().next().unwrap();
    let RuleAction::Forward(backends) = &rule.action else {
        panic!("{:?}", rule.action)
    };
    EgressPolicySet::clone(&backends.backends[0].egress)
}

/// What was served is allowed by what was learned from it, and nothing else is.
#[test]
fn what_was_served_is_allowed_and_nothing_else() {
    let requests = [
        "GET a.example:80/v1/x",
        "CONNECT b.example:443",
        "CONNECT [2001:db8::1]:8443",
        "GET 192.0.2.1:80/v1",
        "DELETE www.other.co.uk:8080/a/b/c",
    ];
    for bits in 0..8 {
        let detail = LearnDetail {
            rollup: bits & 1 != 0,
            methods: bits & 2 != 0,
            paths: bits & 4 != 0,
        };
        let policies = compiled(&learned(&requests, detail));
        let allows = |text: &str| {
            let ServedRequest {
                host,
                port,
                request,
                ..
            } = served(text);
            let method: Option<(Method, String)> =
                request.map(|(method, path)| (method.parse().unwrap(), path));
            let decision = policies.check(EgressRequest {
                host: &host,
                port,
                request: method.as_ref().map(|(method, path)| (method, &**path)),
                client: EgressClient {
                    source: Some(IpAddr::from([10, 0, 0, 1])),
                    ..EgressClient::default()
                },
                is_open: false,
                asked: None,
                now: 0,
            });
            decision.action == EgressAction::Allow
        };
        for request in requests {
            assert!(allows(request), "{request} {detail:?}");
        }
        for other in [
            "GET a.example:81/v1/x",
            "CONNECT a.b.example:443",
            "GET c.example:80/",
            "CONNECT 192.0.2.2:80",
        ] {
            assert!(!allows(other), "{other} {detail:?}");
        }
        assert_eq!(allows("DELETE x.other.co.uk:8080/a/b/c"), detail.rollup);
        assert_eq!(allows("POST a.example:80/v1/y"), !detail.methods);
        assert_eq!(allows("GET a.example:80/v2/"), !detail.paths);
    }
}
