//! Every text compiles without a panic, and twice to the same result.

use proptest::prelude::{any, prop_assert_eq, prop_assume, proptest};

use super::{BASE, TO_DFP, route};
use crate::compile::{CompileOptions, compile};
use crate::load::{ConfigFile, load};

/// Routes and policies of every kind.
const OBJECTS: &str = "\
---
apiVersion: egret.dev/v1alpha1
kind: EgressPolicy
metadata: {name: p, namespace: apps}
spec:
  targetRefs:
  - group: gateway.networking.k8s.io
    kind: HTTPRoute
    name: r
  rules:
  - action: Deny
    hosts: ['*.internal']
    ports: [80, '90-99']
---
apiVersion: egret.dev/v1alpha1
kind: ResolverPolicy
metadata: {name: p, namespace: infra}
spec:
  targetRefs:
  - {group: gateway.networking.k8s.io, kind: Gateway, name: gw}
  servers:
  - address: 9.9.9.9
  minTTL: 5s
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: BackendConfigPolicy
metadata: {name: p, namespace: apps}
spec:
  targetRefs:
  - {group: gateway.kgateway.dev, kind: Backend, name: dfp}
  connectTimeout: 1s
  loadBalancer:
    leastRequest:
      choiceCount: 3
  circuitBreakers:
    maxConnections: 7
---
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {name: g, namespace: apps}
spec:
  parentRefs:
  - {name: gw, namespace: infra}
  hostnames:
  - grpc.test
  rules:
  - matches:
    - method:
        service: a.B
        method: C
      headers:
      - name: x
        value: y
    backendRefs:
    - {group: gateway.kgateway.dev, kind: Backend, name: up}
---
apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata: {name: t, namespace: apps}
spec:
  parentRefs:
  - name: tls
    namespace: infra
  hostnames:
  - '*.test'
  rules:
  - backendRefs:
    - {group: gateway.kgateway.dev, kind: Backend, name: dfp, port: 8443}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: tls, namespace: infra}
spec:
  gatewayClassName: egret
  listeners:
  - name: tls
    protocol: TLS
    port: 8443
    tls: {mode: Passthrough}
    allowedRoutes: {namespaces: {from: All}}
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {name: up, namespace: apps}
spec:
  static:
    appProtocol: grpc
    hosts:
    - host: up.test
      port: 50051
---
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {name: p, namespace: apps}
spec:
  targetRefs:
  - {group: gateway.kgateway.dev, kind: Backend, name: up}
  validation:
    hostname: up.test
    wellKnownCACertificates: System
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: p, namespace: infra}
spec:
  targetRefs:
  - {group: gateway.networking.k8s.io, kind: Gateway, name: gw}
  retry:
    attempts: 2
    retryOn:
    - reset
    statusCodes:
    - 503
  httpUpgrade:
  - type: CONNECT
    connect:
      terminate: true
  - type: websocket
";

fn text() -> String {
    let rules = format!(
        "  hostnames:\n  - '*.example'\n  rules:\n  - name: main\n    {TO_DFP}\n    matches:\n    - path:\n        \
         type: Exact\n        value: /a\n    filters:\n    - type: URLRewrite\n      urlRewrite:\n        hostname: b.test\n"
    );
    format!("{BASE}{}{OBJECTS}", route(&rules))
}

proptest! {
    /// Removes, doubles and swaps lines of a valid text.
    #[test]
    fn mangled_text_does_not_panic(edits in proptest::collection::vec((any::<u8>(), any::<u16>(), any::<u16>()), 1..6)) {
        let whole = text();
        let mut lines: Vec<&str> = whole.lines().collect();
        for (what, one, other) in edits {
            let (one, other) = (usize::from(one) % lines.len(), usize::from(other) % lines.len());
            match what % 4 {
                0 => drop(lines.remove(one)),
                1 => lines.insert(one, lines[other]),
                2 => lines.swap(one, other),
                _ => lines[one] = lines[one].split_once(':').map_or("-", |(key, _)| key),
            }
        }
        let text = lines.join("\n");
        let loaded = load([ConfigFile { name: "t.yaml", text: &text }]);
        for error in &loaded.errors {
            prop_assert_eq!(error.to_string().lines().count(), 1);
        }
        let once = compile(&loaded.resources, &CompileOptions::default());
        prop_assert_eq!(&once, &compile(&loaded.resources, &CompileOptions::default()));
        prop_assert_eq!(once.report.table().lines().count(), 1 + once.report.objects.iter().flat_map(|o| o.conditions()).count());
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,60}") {
        let loaded = load([ConfigFile { name: "t.yaml", text: &text }]);
        prop_assume!(!loaded.errors.is_empty());
        for error in &loaded.errors {
            prop_assert_eq!(error.to_string().lines().count(), 1);
        }
    }
}

#[test]
fn the_text_is_good() {
    let text = text();
    let loaded = load([ConfigFile {
        name: "t.yaml",
        text: &text,
    }]);
    assert_eq!(loaded.errors, []);
    assert!(
        compile(&loaded.resources, &CompileOptions::default())
            .report
            .accepted()
    );
}
