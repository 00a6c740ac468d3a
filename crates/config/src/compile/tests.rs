//! Compiles text as users write it, and checks the snapshot and the report.

use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::{CompileOptions, CompiledConfig, compile};
use crate::load::{ConfigFile, load};
use crate::name::{Host, Port};
use crate::resources::ObjectRef;
use crate::route::RequestFacts;
use crate::snapshot::{BackendDestination, BindAddress, RouteRule, RuleAction};

mod access_log;
mod acl;
mod admitted;
mod annotation;
mod authentication;
mod backend;
mod backend_config;
mod backend_tls;
mod backend_traffic;
mod client_certificate;
mod connection;
mod cors;
mod ext_auth;
mod ext_proc;
mod extension_ref;
mod filter;
mod gateway;
mod global_limit;
mod grpc_route;
mod guide;
mod header_modifiers;
mod https;
mod jwt_auth;
mod lint;
mod listener_edge;
mod listener_policy;
mod listener_set;
mod local_replies;
mod mirror;
mod no_effect;
mod parameters;
mod passthrough;
mod policy;
mod rate_limit;
mod rbac;
mod resolver;
mod retry;
mod robust;
mod route;
mod scale;
mod service;
mod session;
mod status;
mod tls_route;
mod tracing;
mod traffic_fields;
mod transformation;
mod tunnel;
mod unread;
mod unsupported;
mod upgrade;

/// A Gateway that accepts all routes, and a dynamic Backend.
const BASE: &str = "\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw, namespace: infra}
spec:
  gatewayClassName: egret
  listeners:
  - {name: http, protocol: HTTP, port: 8080, allowedRoutes: {namespaces: {from: All}}}
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {name: dfp, namespace: apps}
spec: {dynamicForwardProxy: {}}
";

fn run(text: &str) -> CompiledConfig {
    let loaded = load([ConfigFile {
        name: "t.yaml",
        text,
    }]);
    let errors: Vec<_> = loaded.errors.iter().map(ToString::to_string).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    compile(&loaded.resources, &CompileOptions::default())
}

/// Compiles `BASE` and further documents.
fn with_base(text: &str) -> CompiledConfig {
    run(&format!("{BASE}---\n{text}"))
}

/// A route `apps/r` at `infra/gw`, with these lines of `spec`.
fn route(spec: &str) -> String {
    route_named("r", spec)
}

fn route_named(name: &str, spec: &str) -> String {
    route_of("HTTPRoute", name, spec)
}

/// A route of any kind. After `with_base` it starts at line 15, and its `spec` has lines from 20 on.
fn route_of(kind: &str, name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: gateway.networking.k8s.io/v1\nkind: {kind}\nmetadata: {{name: {name}, namespace: apps}}\n\
         spec:\n  parentRefs: [{{name: gw, namespace: infra}}]\n{spec}"
    )
}

/// One of kgateway's policies, with these lines of `spec`. After `with_base` it starts at line 15, and its `spec` has
/// lines from 19 on.
fn kgateway_policy(kind: &str, name: &str, namespace: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: gateway.kgateway.dev/v1alpha1\nkind: {kind}\n\
         metadata: {{name: {name}, namespace: {namespace}}}\nspec:\n{spec}"
    )
}

/// The same object with a creation time in this year.
fn aged(object: &str, year: u32) -> String {
    let age = format!("metadata: {{creationTimestamp: '{year}-01-01T00:00:00Z', ");
    object.replace("metadata: {", &age)
}

/// Compiles `BASE`, further documents, and a route that sends every request to the Backend.
fn with_route(text: &str) -> CompiledConfig {
    let rules = route(&format!("  rules:\n  - name: main\n    {TO_DFP}\n"));
    with_base(&format!("{text}{rules}"))
}

/// The Gateway, the route and the Backend as targets of policies.
const GATEWAY: &str = "{group: gateway.networking.k8s.io, kind: Gateway, name: gw}";
const ROUTE: &str = "{group: gateway.networking.k8s.io, kind: HTTPRoute, name: r}";
const BACKEND: &str = "{group: gateway.kgateway.dev, kind: Backend, name: dfp}";

const TO_DFP: &str = "backendRefs: [{group: gateway.kgateway.dev, kind: Backend, name: dfp}]";

/// The errors of loading a text that is not valid.
fn errors(text: &str) -> Vec<String> {
    let loaded = load([ConfigFile {
        name: "t.yaml",
        text,
    }]);
    loaded.errors.iter().map(ToString::to_string).collect()
}

fn problems(compiled: &CompiledConfig) -> Vec<String> {
    compiled
        .report
        .problems
        .iter()
        .map(ToString::to_string)
        .collect()
}

/// The warnings, but for that of an open proxy: the Gateways of most tests are one.
fn warnings(compiled: &CompiledConfig) -> Vec<String> {
    let warnings = compiled.report.warnings.iter().map(ToString::to_string);
    warnings
        .filter(|warning| !warning.contains("an open proxy"))
        .collect()
}

/// `status reason: message` of a condition; `at` is the object, and `#` and a part of it.
fn condition(compiled: &CompiledConfig, at: &str, kind: &str) -> String {
    let (object, part) = at.split_once('#').unwrap_or((at, ""));
    let object = compiled
        .report
        .objects
        .iter()
        .find(|report| report.object.to_string() == object);
    let Some(object) = object else {
        panic!("{at} is not in the report: {}", compiled.report.table());
    };
    let mut found = object
        .conditions()
        .filter(|(name, c)| name.contains(part) && c.kind == kind);
    let Some((_, condition)) = found.next() else {
        panic!("{at} has no {kind}: {}", compiled.report.table());
    };
    format!(
        "{} {}: {}",
        condition.status, condition.reason, condition.message
    )
}

fn rule<'a>(
    compiled: &'a CompiledConfig,
    port: u16,
    host: &str,
    path: &str,
) -> Option<&'a RouteRule> {
    request(compiled, (port, host), (&Method::GET, path), &[])
}

/// The rule of a request: port and host, method and path, and header fields.
fn request<'a>(
    compiled: &'a CompiledConfig,
    (port, host): (u16, &str),
    (method, path): (&Method, &str),
    headers: &[(&'static str, &'static str)],
) -> Option<&'a RouteRule> {
    let port = Port::new(port).unwrap();
    let socket = compiled
        .snapshot
        .sockets
        .get(&BindAddress { ip: None, port })?;
    let host: Host = host.parse().unwrap();
    let listener = match &host {
        // TLS passthrough finds the rule by the server name (SNI).
        Host::Name(name) if method == Method::CONNECT && path.is_empty() => {
            socket.listener_for_sni(Some(name))?
        }
        Host::Name(_) | Host::Ip(_) => socket.listener_for(&host)?,
    };
    let found = listener.routes.find(&RequestFacts {
        host: &host,
        method,
        path,
        query: None,
        headers: &headers
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect::<HeaderMap>(),
    })?;
    Some(found.rule)
}

/// The answer to a GET on a port.
fn answer(compiled: &CompiledConfig, port: u16, host: &str, path: &str) -> String {
    rule(compiled, port, host, path).map_or_else(|| "404".to_owned(), describe)
}

/// The answer to a GET on port 8080 of any address.
fn get(compiled: &CompiledConfig, host: &str) -> String {
    answer(compiled, 8080, host, "/")
}

fn describe(rule: &RouteRule) -> String {
    match &rule.action {
        RuleAction::Forward(backends) => {
            let each = backends
                .backends
                .iter()
                .map(|backend| match &backend.destination {
                    BackendDestination::Dynamic(to) => {
                        format!("{}*dynamic {}", backend.weight, name(&to.backend))
                    }
                    BackendDestination::Static(to) => {
                        let hosts: Vec<_> = to
                            .hosts
                            .iter()
                            .map(|(host, port)| format!("{host}:{port}"))
                            .collect();
                        format!(
                            "{}*static {} [{}]",
                            backend.weight,
                            name(&to.backend),
                            hosts.join(" ")
                        )
                    }
                    BackendDestination::Service(to) => {
                        let endpoints = to.endpoints.iter().map(ToString::to_string);
                        let endpoints: Vec<_> = endpoints.collect();
                        format!(
                            "{}*service {}:{} {:?} [{}]",
                            backend.weight,
                            to.host,
                            to.port,
                            to.version,
                            endpoints.join(" ")
                        )
                    }
                    BackendDestination::Refuse(wrong) => format!(
                        "{}*refuse {}: {}",
                        backend.weight, wrong.object, wrong.message
                    ),
                });
            let each: Vec<_> = each.collect();
            assert_eq!(
                backends.total,
                backends
                    .backends
                    .iter()
                    .map(|b| u64::from(b.weight))
                    .sum::<u64>()
            );
            each.join(", ")
        }
        RuleAction::Redirect(redirect) => format!("redirect {}", redirect.status.as_u16()),
        RuleAction::Respond(response) => {
            format!("respond {} {}", response.status.as_u16(), response.body)
        }
        RuleAction::Refuse(wrong) => format!("refuse {}: {}", wrong.object, wrong.message),
    }
}

fn name(object: &ObjectRef) -> String {
    format!("{}/{}", object.namespace, object.name)
}
