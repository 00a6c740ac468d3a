//! What an API server takes although it is wrong or odd, because the schemas and the rules of the Gateway API say nothing of
//! it: each is a condition of its own listener or route, and costs nothing beside it.

use super::run;
use crate::name::Port;
use crate::snapshot::BindAddress;

/// A Gateway with a listener that is right, another, and a route to the first one.
fn objects(listeners: &str, route: &str) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{name: gw, namespace: ns}}\n\
         spec:\n  gatewayClassName: egret\n  infrastructure: {{labels: {{app.kubernetes.io/name: other}}}}\n  listeners:\n  \
         - {{name: right, protocol: HTTP, port: 8080}}\n{listeners}\
         ---\napiVersion: gateway.kgateway.dev/v1alpha1\nkind: Backend\nmetadata: {{name: b, namespace: ns}}\n\
         spec: {{dynamicForwardProxy: {{}}}}\n\
         ---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{name: right, namespace: ns}}\n\
         spec: {{parentRefs: [{{name: gw, sectionName: right}}], hostnames: [right.example], rules: [{{{BACKEND}}}]}}\n\
         ---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{name: r, namespace: ns}}\nspec: {{{route}}}\n"
    )
}

const BACKEND: &str = "backendRefs: [{group: gateway.kgateway.dev, kind: Backend, name: b}]";

/// What is not as it should be, but for what follows from that: `Condition Reason`, of listeners with their names.
fn wrong(text: &str) -> Vec<String> {
    let compiled = run(text);
    let port = Port::new(8080).unwrap();
    let bind = BindAddress { ip: None, port };
    let is_served = compiled.snapshot.sockets.contains_key(&bind);
    assert!(is_served, "what is right is not served: {text}");
    let objects = compiled.report.objects.iter();
    let conditions = objects.flat_map(|object| {
        let name = object.object.name.clone();
        object.conditions().map(move |it| (name.clone(), it))
    });
    let wrong = conditions.filter(|(_, (_, it))| {
        !it.status
            && !matches!(
                it.kind,
                "Conflicted" | "Programmed" | "kgateway.dev/Programmed"
            )
    });
    let mut wrong: Vec<String> = wrong
        .map(|(name, (part, it))| {
            assert_ne!(&*name, "right", "{text}");
            format!("{part} {} {}", it.kind, it.reason)
        })
        .filter(|it| !it.ends_with("ListenersNotResolved"))
        .collect();
    wrong.sort();
    wrong
}

#[test]
fn listeners_that_are_admitted_have_their_condition() {
    let selected = |selector: &str| {
        format!(
            "protocol: HTTP, allowedRoutes: {{namespaces: {{from: Selector{selector}}}}}, port: 8001"
        )
    };
    let expression = |expression: &str| {
        selected(&format!(
            ", selector: {{matchExpressions: [{{{expression}}}]}}"
        ))
    };
    for (listener, expected) in [
        (
            "protocol: HTTPS, port: 8001".to_owned(),
            vec!["l ResolvedRefs InvalidCertificateRef"],
        ),
        (
            "protocol: TLS, port: 8001, tls: {}".to_owned(),
            vec!["l ResolvedRefs InvalidCertificateRef"],
        ),
        (
            "protocol: http, port: 8001".to_owned(),
            vec!["l Accepted UnsupportedProtocol"],
        ),
        (
            "protocol: FOO, port: 8001".to_owned(),
            vec!["l Accepted UnsupportedProtocol"],
        ),
        (
            "protocol: HTTP, port: 8001, hostname: 1.2.3.4".to_owned(),
            vec!["l Accepted UnsupportedValue"],
        ),
        (
            "protocol: HTTP, port: 8001, hostname: '*.com'".to_owned(),
            vec![],
        ),
        (selected(""), vec!["l Accepted UnsupportedValue"]),
        (
            expression("key: a, operator: Foo"),
            vec!["l Accepted UnsupportedValue"],
        ),
        (
            expression("key: a, operator: In"),
            vec!["l Accepted UnsupportedValue"],
        ),
        // A label that no namespace can have: it selects none.
        (selected(", selector: {matchLabels: {'-a b': c}}"), vec![]),
        // What cannot share a port with another costs both of them, or itself if it cannot be served anyway.
        (
            "protocol: HTTP, port: 8001}\n  - {name: m, protocol: TCP, port: 8001".to_owned(),
            vec!["m Accepted UnsupportedProtocol"],
        ),
        (
            "protocol: HTTP, port: 8001}\n  - {name: m, protocol: HTTPS, port: 8001, hostname: a.example"
                .to_owned(),
            vec![
                "l Accepted ProtocolConflict",
                "m Accepted ProtocolConflict",
                "m ResolvedRefs InvalidCertificateRef",
            ],
        ),
    ] {
        let listeners = format!("  - {{name: l, {listener}}}\n");
        let route = format!("parentRefs: [{{name: gw, sectionName: right}}], rules: [{{{BACKEND}}}]");
        assert_eq!(wrong(&objects(&listeners, &route)), expected, "{listener}");
    }
}

#[test]
fn routes_that_are_admitted_have_their_condition() {
    let one = "parentRefs: [{name: gw, sectionName: right}]";
    let mirror = "{type: RequestMirror, requestMirror: {backendRef: {group: gateway.kgateway.dev, kind: Backend, name: b}}}";
    let rule = |part: &str| format!("{one}, rules: [{{{part}, {BACKEND}}}]");
    for (route, expected) in [
        (
            format!("{one}, hostnames: [1.2.3.4], rules: [{{{BACKEND}}}]"),
            vec!["gw#right Accepted NoMatchingListenerHostname"],
        ),
        (
            format!("{one}, hostnames: [a.example, a.example], rules: [{{{BACKEND}}}]"),
            vec![],
        ),
        (
            format!("{one}, hostnames: [], rules: [{{{BACKEND}}}]"),
            vec![],
        ),
        (
            format!(
                "parentRefs: [{{name: gw, namespace: ns}}, {{name: gw}}], rules: [{{{BACKEND}}}]"
            ),
            vec![],
        ),
        (rule(&format!("filters: [{mirror}, {mirror}]")), vec![]),
        (
            rule("filters: [{type: CORS, cors: {allowOrigins: ['*'], allowCredentials: true}}]"),
            vec![],
        ),
        (rule("timeouts: {request: 99999h99999h99999h}"), vec![]),
        (rule("timeouts: {request: 0s, backendRequest: 2s}"), vec![]),
    ] {
        assert_eq!(wrong(&objects("", &route)), expected, "{route}");
    }
    // A rule that cannot be read refuses its requests, and is told beside the conditions of the Gateway API.
    let regex = rule("matches: [{path: {type: RegularExpression, value: '('}}]");
    let compiled = run(&objects("", &regex));
    let mut reasons = compiled.report.objects.iter().flat_map(|object| {
        let conditions = object.conditions();
        conditions.filter_map(|(_, it)| (!it.status).then_some(it.reason))
    });
    assert!(reasons.any(|reason| reason == "RouteRuleDropped"));
}
