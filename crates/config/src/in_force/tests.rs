//! Changes of configurations as users write them, one row each: what is served, what is told, what is refused.

use super::{ConfigChange, InForce, RefusedChange};
use crate::compile::{CompileOptions, CompiledConfig};
use crate::load::{ConfigFile, load};
use crate::resources::Resources;

mod held;
mod protection;

/// A Gateway, a dynamic Backend, and a route between them.
const BASE: &str = "\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: http, namespace: infra}
spec:
  gatewayClassName: egret
  listeners:
  - {name: http, protocol: HTTP, port: 8080, allowedRoutes: {namespaces: {from: All}}}
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {name: dfp, namespace: infra}
spec: {dynamicForwardProxy: {}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r, namespace: infra}
spec:
  parentRefs: [{name: http}]
  rules:
  - backendRefs: [{group: gateway.kgateway.dev, kind: Backend, name: dfp}]
---
";

const GATEWAY: &str = "{group: gateway.networking.k8s.io, kind: Gateway, name: http}";
const ROUTE: &str = "{group: gateway.networking.k8s.io, kind: HTTPRoute, name: r}";
const BACKEND: &str = "{group: gateway.kgateway.dev, kind: Backend, name: dfp}";

/// A policy `infra/p` with these lines of `spec`.
fn policy(api: &str, kind: &str, target: &str, spec: &str) -> String {
    format!(
        "apiVersion: {api}/v1alpha1\nkind: {kind}\nmetadata: {{name: p, namespace: infra}}\nspec:\n  \
         targetRefs: [{target}]\n  {spec}\n---\n"
    )
}

fn egress(target: &str, spec: &str) -> String {
    policy("egret.dev", "EgressPolicy", target, spec)
}

fn read(text: &str) -> Resources {
    let loaded = load([ConfigFile {
        name: "t.yaml",
        text,
    }]);
    let errors: Vec<_> = loaded.errors.iter().map(ToString::to_string).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    loaded.resources
}

fn start(text: &str) -> (InForce, CompiledConfig) {
    InForce::start(read(text), &CompileOptions::default())
}

fn change(before: &InForce, text: &str) -> Result<ConfigChange, RefusedChange> {
    before.change(read(text), &CompileOptions::default())
}

/// A change from one text to another, which is not refused.
fn changed(before: &str, after: &str) -> (CompiledConfig, ConfigChange) {
    let (first, compiled) = start(before);
    let change = change(&first, after).unwrap_or_else(|refused| panic!("{refused:#?}"));
    (compiled, change)
}

fn problems(compiled: &CompiledConfig) -> Vec<String> {
    let problems = compiled.report.problems.iter();
    problems.map(ToString::to_string).collect()
}

#[test]
fn a_change_is_told_by_object() {
    let deny = egress(GATEWAY, "defaultAction: Deny");
    let before = format!("{BASE}{deny}");
    let after = format!(
        "{BASE}{}",
        policy("egret.dev", "ResolverPolicy", GATEWAY, "minTTL: 2s")
    );
    let after = after.replace(
        "dynamicForwardProxy: {}",
        "dynamicForwardProxy: {enableTls: true}",
    );
    let (_, change) = changed(&before, &after);
    let told: Vec<_> = change.changes.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "Backend infra/dfp changed",
            "EgressPolicy infra/p removed",
            "ResolverPolicy infra/p added"
        ]
    );
    assert!(change.is_new);
    assert_eq!(change.in_force.generation(), 2);
    let [(gateway, listener)] = change.unprotected.as_slice() else {
        panic!("{:?}", change.unprotected);
    };
    assert_eq!((&*gateway.name, listener.as_str()), ("http", "http"));
}

#[test]
fn a_listener_that_keeps_a_policy_is_no_news() {
    let deny = egress(GATEWAY, "defaultAction: Deny");
    let other = deny.replace("name: p,", "name: q,");
    let (_, change) = changed(&format!("{BASE}{deny}{other}"), &format!("{BASE}{other}"));
    assert_eq!(change.unprotected, []);
    // One that never had a policy cannot lose it.
    let (_, change) = changed(BASE, &format!("{BASE}\n"));
    assert_eq!(change.unprotected, []);
    assert!(change.changes.is_empty() && change.is_new);
}
