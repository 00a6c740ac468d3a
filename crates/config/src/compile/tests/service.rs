//! Services as backends of routes.

use http::Method;

use super::{
    BASE, CompiledConfig, condition, describe, get, problems, request, route, route_of, run,
    warnings, with_base,
};

mod policy;

/// A Service `apps/shop` with these ports.
fn service(ports: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: shop, namespace: apps, labels: {{app: shop}}}}\n\
         spec: {{ports: [{ports}]}}\n"
    )
}

/// A slice of `apps/shop` with these ports and endpoints.
fn slice(name: &str, ports: &str, endpoints: &str) -> String {
    format!(
        "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
         metadata: {{name: {name}, namespace: apps, labels: {{kubernetes.io/service-name: shop}}}}\n\
         addressType: IPv4\nports: {ports}\nendpoints: [{endpoints}]\n"
    )
}

fn endpoint(address: &str) -> String {
    format!("{{addresses: [{address}]}}")
}

/// A route to this port of `apps/shop`.
fn to(port: &str) -> String {
    route(&format!(
        "  rules:\n  - backendRefs: [{{name: shop{port}}}]\n"
    ))
}

const HTTP: &str = "{name: http, port: 80, targetPort: 8080}";

/// What a request gets with a Service of these ports, its slices, and a route to port 80.
fn served(ports: &str, slices: &str) -> CompiledConfig {
    with_base(&format!("{}{slices}{}", service(ports), to(", port: 80")))
}

/// Checks that a Service of these ports with these slices has the expected endpoints, and a warning if there are none.
fn assert_endpoints(what: &str, ports: &str, slices: &[String], expected: &str) {
    let compiled = served(ports, &slices.concat());
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    let expected_rule = format!("1*service shop.apps.svc.cluster.local:80 Auto [{expected}]");
    assert_eq!(get(&compiled, "a.b"), expected_rule, "{what}");
    let told = warnings(&compiled);
    let mut lines = told.iter();
    let is_told = lines.any(|line| line.contains("no endpoint at port 80 is ready"));
    assert_eq!(is_told, expected.is_empty(), "{what}: {told:?}");
}

#[test]
fn every_slice_has_the_port_by_its_name() {
    let [one, two, three] = ["10.0.0.1", "10.0.0.2", "10.0.0.3"].map(endpoint);
    let admin_last = "[{name: http, port: 8080}, {name: admin, port: 9000}]";
    let admin_first = "[{name: admin, port: 9001}, {name: http, port: 8081}]";
    let dns_first = "[{name: dns, port: 53, protocol: UDP}, {name: http, port: 8080}]";
    for (what, ports, slices, expected) in [
        (
            "different ports in any order",
            HTTP,
            vec![
                slice("a", admin_last, &two),
                slice("b", admin_first, &one),
                slice("c", "[{name: admin, port: 9002}]", &three),
            ],
            "10.0.0.1:8081 10.0.0.2:8080",
        ),
        (
            "no ports, or no number, or another protocol",
            HTTP,
            vec![
                slice("a", "null", &one),
                slice("b", "[{name: http}]", &two),
                slice("c", "[{name: http, port: 80, protocol: UDP}]", &three),
            ],
            "",
        ),
        (
            "a port without a name",
            "{port: 80}",
            vec![
                slice("a", "[{port: 8080}]", &one),
                slice("b", "[{name: '', port: 8081}]", &two),
                slice("c", "[{name: http, port: 8082}]", &three),
            ],
            "10.0.0.1:8080 10.0.0.2:8081",
        ),
        (
            "the same number as a port that is not TCP",
            "{name: dns, port: 80, protocol: UDP}, {name: http, port: 80}",
            vec![slice("a", dns_first, &one)],
            "10.0.0.1:8080",
        ),
    ] {
        assert_endpoints(what, ports, &slices, expected);
    }
}

#[test]
fn endpoints_are_those_of_all_slices_that_can_serve() {
    let with = |address: &str, conditions: &str| {
        format!("{{addresses: [{address}], conditions: {{{conditions}}}}}")
    };
    let draining = |address: &str| with(address, "ready: false, serving: true, terminating: true");
    let not_ready = with("10.0.0.2", "ready: false");
    let [one, two] = ["10.0.0.1", "10.0.0.2"].map(endpoint);
    let of = |name: &str, endpoints: &[&str]| {
        slice(name, "[{name: http, port: 8080}]", &endpoints.join(", "))
    };
    let [drains_one, drains_two] = ["10.0.0.1", "10.0.0.2"].map(draining);
    for (what, slices, expected) in [
        (
            "one address several times, once ready",
            vec![of("a", &[&drains_one, &one]), of("b", &[&one, &drains_two])],
            "10.0.0.1:8080",
        ),
        (
            "none ready, some terminating",
            vec![
                of("a", &[&drains_one, &not_ready]),
                of("b", &[&draining("10.0.0.3")]),
            ],
            "10.0.0.1:8080 10.0.0.3:8080",
        ),
        (
            "both families",
            vec![
                of("a", &[&one]),
                of("b", &["{addresses: ['fd00::1']}"]).replace("IPv4", "IPv6"),
            ],
            "10.0.0.1:8080 [fd00::1]:8080",
        ),
        (
            "of another Service, of none, of another namespace",
            vec![
                of("a", &[&one]).replace("service-name: shop", "service-name: x"),
                of("b", &[&two]).replace("kubernetes.io/service-name", "app"),
                of("c", &[&two]).replace("namespace: apps", "namespace: infra"),
            ],
            "",
        ),
        ("without slices", vec![], ""),
        ("without endpoints", vec![of("a", &[])], ""),
    ] {
        assert_endpoints(what, HTTP, &slices, expected);
    }
}

#[test]
fn a_slice_of_names_is_ignored_with_a_warning() {
    let names =
        slice("n", "[{name: http, port: 8080}]", &endpoint("a.test")).replace("IPv4", "FQDN");
    let compiled = served(HTTP, &names);
    let told = warnings(&compiled);
    let expected = "EndpointSlice apps/n: addressType: FQDN is ignored: an endpoint is reached by an IP address";
    assert!(told.iter().any(|line| line.ends_with(expected)), "{told:?}");
    assert!(compiled.report.accepted());
}

#[test]
fn the_app_protocol_selects_the_version_of_http() {
    let supported = "kubernetes.io/h2c, kubernetes.io/ws and kubernetes.io/wss are";
    let unknown = format!("kubernetes.io/other is not supported; {supported}");
    for (protocol, expected) in [
        ("kubernetes.io/h2c", Ok("Http2")),
        ("http2", Ok("Http2")),
        ("grpc", Ok("Http2")),
        ("grpc-web", Ok("Http2")),
        ("kubernetes.io/ws", Ok("Http1")),
        ("http", Ok("Auto")),
        ("https", Ok("Auto")),
        ("example.com/mine", Ok("Auto")),
        (
            "kubernetes.io/wss",
            Err("kubernetes.io/wss is over TLS, for which the Service needs a BackendTLSPolicy"),
        ),
        ("kubernetes.io/other", Err(&*unknown)),
    ] {
        let port = format!("{{name: http, port: 80, appProtocol: {protocol}}}");
        let slices = slice("a", "[{name: http, port: 8080}]", &endpoint("10.0.0.1"));
        let compiled = served(&port, &slices);
        let resolved = condition(&compiled, "HTTPRoute apps/r", "ResolvedRefs");
        match expected {
            Ok(version) => {
                let expected =
                    format!("1*service shop.apps.svc.cluster.local:80 {version} [10.0.0.1:8080]");
                assert_eq!(get(&compiled, "a.b"), expected, "{protocol}");
                assert!(resolved.starts_with("true"), "{resolved}");
            }
            Err(message) => {
                let message = format!("appProtocol of port 80 of Service apps/shop: {message}");
                let expected = format!("false UnsupportedProtocol: {message}");
                assert_eq!(resolved, expected, "{protocol}");
                assert!(get(&compiled, "a.b").starts_with("1*refuse"), "{protocol}");
            }
        }
    }
}

/// Checks that a route with this reference to `apps/shop` among these objects is accepted, and that its requests are
/// refused with this reason and problem.
fn assert_unresolved(objects: &str, reference: &str, reason: &str, problem: &str) {
    let compiled = with_base(&format!("{objects}{}", to(reference)));
    let at = format!("HTTPRoute apps/r: spec.rules[0].backendRefs[0]{problem}");
    let told = problems(&compiled);
    assert!(
        told.iter().any(|line| line.ends_with(&at)),
        "{at}: {told:?}"
    );
    let resolved = condition(&compiled, "HTTPRoute apps/r", "ResolvedRefs");
    let expected = format!("false {reason}: ");
    assert!(resolved.starts_with(&expected), "{resolved}");
    let accepted = condition(&compiled, "HTTPRoute apps/r", "Accepted");
    assert!(accepted.starts_with("true"), "{accepted}");
    let answer = get(&compiled, "a.b");
    assert!(
        answer.starts_with("1*refuse HTTPRoute apps/r: "),
        "{answer}"
    );
    assert!(!answer.contains("did you mean"), "{answer}");
}

#[test]
fn references_that_cannot_be_served_say_why() {
    let external = "---\napiVersion: v1\nkind: Service\nmetadata: {name: shop, namespace: apps}\n\
                    spec: {type: ExternalName, externalName: a.test, ports: [{port: 80}]}\n";
    let two = format!("{HTTP}, {{name: dns, port: 53, protocol: UDP}}");
    let elsewhere = service(HTTP).replace("namespace: apps", "namespace: other");
    for (objects, reference, reason, problem) in [
        (
            service(HTTP),
            "",
            "BackendNotFound",
            ".port: Must have port for Service reference",
        ),
        (
            service(HTTP),
            ", port: 0",
            "BackendNotFound",
            ".port: not a port: 1 to 65535",
        ),
        (
            service(&two),
            ", port: 81",
            "BackendNotFound",
            ".port: Service apps/shop has no port 81, but 80, 53",
        ),
        (
            service(""),
            ", port: 81",
            "BackendNotFound",
            ".port: Service apps/shop has no ports",
        ),
        (
            service(&two),
            ", port: 53",
            "UnsupportedProtocol",
            ".port: port 53 of Service apps/shop is not a TCP port",
        ),
        (
            String::new(),
            ", port: 80",
            "BackendNotFound",
            ": Service apps/shop not found",
        ),
        (
            elsewhere.clone(),
            ", port: 80",
            "BackendNotFound",
            ": Service apps/shop not found; did you mean Service other/shop?",
        ),
        (
            elsewhere,
            ", port: 80, namespace: other",
            "RefNotPermitted",
            ": missing reference grant for Service other/shop",
        ),
        (
            external.to_owned(),
            ", port: 80",
            "BackendNotFound",
            ": Service apps/shop is of type ExternalName, which is not supported, because it would lead routes out of \
             the cluster past every grant; use a Backend of type Static with the host a.test",
        ),
    ] {
        assert_unresolved(&objects, reference, reason, problem);
    }
}

#[test]
fn a_grant_allows_a_service_of_another_namespace() {
    let slices = slice("a", "[{name: http, port: 8080}]", &endpoint("10.0.0.1"));
    let objects =
        format!("{}{slices}", service(HTTP)).replace("namespace: apps", "namespace: other");
    let grant = "---\napiVersion: gateway.networking.k8s.io/v1beta1\nkind: ReferenceGrant\n\
                 metadata: {name: g, namespace: other}\n\
                 spec: {from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: apps}], \
                 to: [{group: '', kind: Service}]}\n";
    let compiled = with_base(&format!(
        "{objects}{grant}{}",
        to(", port: 80, namespace: other")
    ));
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    assert_eq!(
        get(&compiled, "a.b"),
        "1*service shop.other.svc.cluster.local:80 Auto [10.0.0.1:8080]"
    );
}

#[test]
fn weights_share_and_every_kind_of_route_leads_to_services() {
    let slices = slice("a", "[{name: http, port: 8080}]", &endpoint("10.0.0.1"));
    let objects = format!("{}{slices}", service(HTTP));
    let refs = "{name: shop, port: 80, weight: 3}, {name: gone, port: 80}";
    let http = route(&format!("  rules: [{{backendRefs: [{refs}]}}]\n"));
    let compiled = with_base(&format!("{objects}{http}"));
    assert_eq!(
        get(&compiled, "a.b"),
        "3*service shop.apps.svc.cluster.local:80 Auto [10.0.0.1:8080], \
         1*refuse HTTPRoute apps/r: Service apps/gone not found"
    );
    let rules = "  rules: [{backendRefs: [{name: shop, port: 80}]}]\n";
    let expected = "1*service shop.apps.svc.cluster.local:80 Auto [10.0.0.1:8080]";
    let grpc = with_base(&format!("{objects}{}", route_of("GRPCRoute", "g", rules)));
    let call = request(&grpc, (8080, "a.b"), (&Method::POST, "/s/m"), &[]);
    assert_eq!(describe(call.unwrap()), expected);
    let base = BASE.replace(
        "protocol: HTTP, port: 8080,",
        "protocol: TLS, tls: {mode: Passthrough}, port: 8443,",
    );
    let tls = format!("  hostnames: [a.example]\n{rules}");
    // What is in the tunnel is not for the gateway to read, whatever the port says.
    let objects = objects.replace("port: 80,", "port: 80, appProtocol: kubernetes.io/other,");
    let tls = run(&format!(
        "{base}{objects}{}",
        route_of("TLSRoute", "t", &tls)
    ));
    assert!(tls.report.accepted(), "{}", tls.report.table());
    let passed = request(&tls, (8443, "a.example"), (&Method::CONNECT, ""), &[]);
    assert_eq!(describe(passed.unwrap()), expected);
}
