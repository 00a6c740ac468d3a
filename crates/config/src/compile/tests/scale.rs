//! What many objects cost.

use std::fmt::Write as _;
use std::hint::black_box;

use http::{HeaderMap, Method};

use super::BASE;
use crate::compile::{CompileOptions, compile};
use crate::cost::time_of;
use crate::load::{ConfigFile, load};
use crate::name::{Host, Port};
use crate::resources::Resources;
use crate::route::RequestFacts;
use crate::snapshot::BindAddress;

/// What all routes inherit: a policy of the Gateway, and one of the listener.
const INHERITED: &str = "---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: everywhere, namespace: infra}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: gw}]
  rateLimit: {local: {tokenBucket: {maxTokens: 100, tokensPerFill: 10, fillInterval: 1s}}}
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: listener, namespace: infra}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: gw, sectionName: http}]
  timeouts: {request: 10s}
";

/// Routes of one host each, and policies with an expression, each on as many of them: on routes with a label, on routes by
/// name, and on single rules, in turn.
fn resources(routes: usize, policies: usize) -> Resources {
    let mut text = format!("{BASE}{INHERITED}");
    for index in 0..routes {
        let _ = write!(
            text,
            "---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: r{index}, namespace: apps, labels: {{group: g{group}}}}}
spec:
  parentRefs: [{{name: gw, namespace: infra}}]
  hostnames: [h{index}.example]
  rules:
  - matches: [{{path: {{value: /v1}}, headers: [{{name: x-a, value: b}}]}}]
    backendRefs: [{{group: gateway.kgateway.dev, kind: Backend, name: dfp}}]
  - name: rest
    backendRefs: [{{group: gateway.kgateway.dev, kind: Backend, name: dfp}}]
",
            group = index % policies
        );
    }
    for index in 0..policies {
        let _ = write!(
            text,
            "---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: TrafficPolicy
metadata: {{name: p{index}, namespace: apps}}
spec:
  {}
  rbac:
    policy:
      matchExpressions:
      - request.headers['x-team'] == 't{index}' && request.method in ['GET', 'HEAD']
",
            targets(index, routes, policies)
        );
    }
    let loaded = load([ConfigFile {
        name: "t.yaml",
        text: &text,
    }]);
    assert!(loaded.errors.is_empty(), "{:?}", loaded.errors.first());
    loaded.resources
}

/// What a policy is for: every route whose number leaves this rest.
fn targets(index: usize, routes: usize, policies: usize) -> String {
    const ROUTE: &str = "group: gateway.networking.k8s.io, kind: HTTPRoute";
    let section = match index % 3 {
        0 => return format!("targetSelectors: [{{{ROUTE}, matchLabels: {{group: g{index}}}}}]"),
        1 => "",
        _ => ", sectionName: rest",
    };
    let routes = (index..routes).step_by(policies);
    let targets = routes.map(|route| format!("{{{ROUTE}, name: r{route}{section}}}"));
    format!("targetRefs: [{}]", targets.collect::<Vec<_>>().join(", "))
}

#[test]
#[ignore = "measures"]
fn time_of_many_routes_and_policies() {
    const ROUNDS: u32 = 1_000_000;
    let resources = resources(10_000, 1000);
    let mut compiled = None;
    let took = time_of("for 10,000 routes and 1,000 policies", 1, || {
        compiled = Some(compile(&resources, &CompileOptions::default()));
    });
    let compiled = compiled.expect("it is compiled");
    assert!(compiled.report.accepted(), "a policy is refused");

    let bind = BindAddress {
        ip: None,
        port: Port::new(8080).expect("a port"),
    };
    let host: Host = "h7777.example".parse().expect("a host");
    let listener = compiled.snapshot.sockets[&bind].listener_for(&host);
    let routes = &listener.expect("a listener").routes;
    let headers = HeaderMap::new();
    let facts = RequestFacts {
        host: &host,
        method: &Method::GET,
        path: "/v1/items",
        query: None,
        headers: &headers,
    };
    let each = time_of("to find the rule of a request", ROUNDS, || {
        assert!(black_box(routes.find(black_box(&facts))).is_some());
    });
    assert!(
        took.as_secs() < 2 && each.as_nanos() < 2000,
        "{took:?} {each:?}"
    );
}

/// The same with few, so that it is known to work.
#[test]
fn every_policy_reaches_its_routes() {
    let resources = resources(40, 6);
    let compiled = compile(&resources, &CompileOptions::default());
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    for index in [0, 1, 2, 5, 6, 37, 39] {
        let host = format!("h{index}.example");
        let rule = super::rule(&compiled, 8080, &host, "/").expect("a rule");
        let rbac = rule.policies.rbac.value().expect("a policy");
        let expected = format!("x-team'] == 't{}'", index % 6);
        assert!(rbac.expressions[0].text().contains(&expected), "{host}");
        assert!(rule.policies.rate_limit_local.value().is_some(), "{host}");
        assert!(rule.policies.timeouts.value().is_some(), "{host}");
    }
}
