//! What many objects cost.

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

use http::{HeaderMap, Method};

use super::BASE;
use crate::compile::{CompileOptions, compile};
use crate::load::{ConfigFile, load};
use crate::name::{Host, Port};
use crate::resources::Resources;
use crate::route::RequestFacts;
use crate::snapshot::BindAddress;

/// Routes of one host each, and policies with an expression, each on ten of them.
fn resources(routes: usize, policies: usize) -> Resources {
    let mut text = BASE.to_owned();
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
  - backendRefs: [{{group: gateway.kgateway.dev, kind: Backend, name: dfp}}]
",
            group = index % policies.max(1)
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
  targetSelectors: [{{group: gateway.networking.k8s.io, kind: HTTPRoute, matchLabels: {{group: g{index}}}}}]
  rbac:
    policy:
      matchExpressions:
      - request.headers['x-team'] == 't{index}' && request.method in ['GET', 'HEAD']
"
        );
    }
    let loaded = load([ConfigFile {
        name: "t.yaml",
        text: &text,
    }]);
    assert!(loaded.errors.is_empty(), "{:?}", loaded.errors.first());
    loaded.resources
}

/// Run by hand: `cargo test --release -p egret-config scale -- --ignored --nocapture`.
#[test]
#[expect(clippy::disallowed_methods, reason = "it measures")]
#[ignore = "measures"]
fn time_of_many_routes_and_policies() {
    const ROUNDS: u32 = 100_000;
    let resources = resources(10_000, 1000);
    let began = Instant::now();
    let compiled = compile(&resources, &CompileOptions::default());
    let took = began.elapsed();
    assert!(compiled.report.accepted(), "a policy is refused");
    println!("{took:?} for 10,000 routes and 1,000 policies");

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
    let began = Instant::now();
    for _ in 0..ROUNDS {
        assert!(black_box(routes.find(black_box(&facts))).is_some());
    }
    let each = began.elapsed() / ROUNDS;
    println!("{each:?} to find the rule of a request");
    assert!(
        took.as_secs() < 2 && each.as_nanos() < 2000,
        "{took:?} {each:?}"
    );
}

/// The same with few, so that it is known to work.
#[test]
fn every_policy_reaches_its_routes() {
    let resources = resources(40, 4);
    let compiled = compile(&resources, &CompileOptions::default());
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    for index in [0, 5, 39] {
        let host = format!("h{index}.example");
        let rule = super::rule(&compiled, 8080, &host, "/").expect("a rule");
        let rbac = rule.policies.rbac.value().expect("a policy");
        let expected = format!("x-team'] == 't{}'", index % 4);
        assert!(rbac.expressions[0].text().contains(&expected), "{host}");
    }
}
