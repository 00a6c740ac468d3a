//! What statuses are about: the ancestors of policies, and the Gateway as a whole.

use serde_json::{Value, json};

use super::{
    BACKEND, BASE, CompiledConfig, GATEWAY, ROUTE, TO_DFP, aged, condition, kgateway_policy,
    problems, route, route_named, run, with_base, with_route,
};

/// The ancestors of a policy, as `Kind namespace/name`, each with the reason of a condition.
fn ancestors(compiled: &CompiledConfig, policy: &str, kind: &str) -> Vec<String> {
    let report = serde_json::to_value(&compiled.report).unwrap();
    let objects = report["objects"].as_array().unwrap();
    let policy = objects.iter().find(|object| object["object"] == policy);
    let ancestors = policy.unwrap()["status"]["ancestors"].as_array().unwrap();
    let text = |ancestor: &Value| {
        let at = &ancestor["ancestorRef"];
        let names = [&at["kind"], &at["namespace"], &at["name"]].map(|it| it.as_str().unwrap());
        assert_eq!(at["sectionName"], json!(null));
        let conditions = ancestor["conditions"].as_array().unwrap();
        let condition = conditions.iter().find(|it| it["type"] == kind).unwrap();
        format!(
            "{} {}/{} {}",
            names[0],
            names[1],
            names[2],
            condition["reason"].as_str().unwrap()
        )
    };
    ancestors.iter().map(text).collect()
}

/// A second Gateway, and a route at both.
fn at_two_gateways() -> String {
    let other = BASE.split("---").next().unwrap();
    let other = other
        .replace("name: gw", "name: other")
        .replace("8080", "8081");
    let both = "parentRefs: [{name: other, namespace: infra}, {name: gw, namespace: infra}]";
    let at_both = route(&format!("  rules: [{{{TO_DFP}}}]\n"));
    let at_both = at_both.replace("parentRefs: [{name: gw, namespace: infra}]", both);
    format!("---\n{other}{at_both}")
}

fn traffic(name: &str, targets: &str, spec: &str) -> String {
    let spec = format!("  targetRefs: [{targets}]\n{spec}");
    kgateway_policy("TrafficPolicy", name, "apps", &spec)
}

const BUFFER: &str = "  headerModifiers: {request: {remove: [x]}}\n";

#[test]
fn the_ancestors_of_a_policy_on_a_route_are_its_gateways() {
    let text = format!("{}{}", at_two_gateways(), traffic("p", ROUTE, BUFFER));
    let compiled = run(&format!("{BASE}{text}"));
    assert_eq!(problems(&compiled), [""; 0]);
    assert_eq!(
        ancestors(&compiled, "TrafficPolicy apps/p", "Attached"),
        ["Gateway infra/gw Attached", "Gateway infra/other Attached"]
    );
    // A Gateway of another controller is for that one to report.
    let foreign = text.replacen("gatewayClassName: egret", "gatewayClassName: istio", 1);
    let compiled = run(&format!("{BASE}{foreign}"));
    assert_eq!(
        ancestors(&compiled, "TrafficPolicy apps/p", "Attached"),
        ["Gateway infra/gw Attached"]
    );
}

#[test]
fn of_several_targets_of_one_gateway_the_worst_is_reported() {
    let two = format!(
        "{}{}",
        route_named("one", &format!("  rules: [{{{TO_DFP}}}]\n")),
        route_named(
            "two",
            &format!("  hostnames: [b.c]\n  rules: [{{{TO_DFP}}}]\n")
        ),
    );
    let target = |name: &str| ROUTE.replace("name: r", &format!("name: {name}"));
    let both = format!("{}, {}", target("one"), target("two"));
    let old = aged(&traffic("old", &target("two"), BUFFER), 2020);
    let compiled = with_base(&format!("{two}{old}{}", traffic("p", &both, BUFFER)));
    assert_eq!(
        ancestors(&compiled, "TrafficPolicy apps/p", "Attached"),
        ["Gateway infra/gw Overridden"]
    );
    // One that does not exist is reported beside the Gateway of the other.
    let both = format!("{}, {}", target("one"), target("none"));
    let compiled = with_base(&format!("{two}{}", traffic("p", &both, BUFFER)));
    assert_eq!(
        ancestors(&compiled, "TrafficPolicy apps/p", "Accepted"),
        [
            "Gateway infra/gw Valid",
            "HTTPRoute apps/none TargetNotFound"
        ]
    );
}

#[test]
fn the_ancestor_of_a_policy_on_a_backend_is_the_backend() {
    let spec = format!("  targetRefs: [{BACKEND}]\n  connectTimeout: 1s\n");
    let compiled = with_route(&kgateway_policy("BackendConfigPolicy", "p", "apps", &spec));
    assert_eq!(
        ancestors(&compiled, "BackendConfigPolicy apps/p", "Accepted"),
        ["Backend apps/dfp Valid"]
    );
}

#[test]
fn sections_of_a_gateway_are_one_ancestor() {
    let section = GATEWAY.replace("name: gw", "name: gw, sectionName: http");
    let text = traffic("p", &format!("{GATEWAY}, {section}"), BUFFER);
    let compiled = with_route(&text.replace("namespace: apps", "namespace: infra"));
    assert_eq!(
        ancestors(&compiled, "TrafficPolicy infra/p", "Attached"),
        ["Gateway infra/gw Attached"]
    );
}

#[test]
fn a_gateway_sums_up_the_references_of_its_listeners() {
    let compiled = with_base("");
    let at = "Gateway infra/gw#";
    let of = |compiled: &CompiledConfig, kind: &str| condition(compiled, at, kind);
    assert_eq!(
        of(&compiled, "ResolvedRefs"),
        "true ResolvedRefs: Successfully resolved all Gateway references"
    );
    // Without its certificate a listener is accepted, and so is the Gateway; nothing is served.
    let https = BASE.replace(
        "protocol: HTTP, port: 8080,",
        "protocol: HTTPS, port: 8443, tls: {certificateRefs: [{name: none}]},",
    );
    let compiled = run(&https);
    assert_eq!(
        of(&compiled, "ResolvedRefs"),
        "false ListenersNotResolved: One or more listeners have unresolved references"
    );
    assert_eq!(
        of(&compiled, "Accepted"),
        "true ListenersNotValid: Some listeners are not programmed: http"
    );
    assert_eq!(
        of(&compiled, "Programmed"),
        "false Invalid: No listener is programmed"
    );
    // A listener that is not accepted is not served either, and then the Gateway is not accepted.
    let udp = BASE.replace("protocol: HTTP,", "protocol: UDP,");
    let compiled = run(&udp);
    assert!(of(&compiled, "Accepted").starts_with("false ListenersNotValid"));
}
