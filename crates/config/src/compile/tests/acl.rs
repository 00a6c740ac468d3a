//! `acl` of TrafficPolicies.

use super::{GATEWAY, ROUTE, kgateway_policy, problems, rule, with_route};

/// Compiles a policy with this `acl` on the route, and one with the other on the Gateway.
fn acl(target: &str, name: &str, acl: &str) -> String {
    let namespace = if target == GATEWAY { "infra" } else { "apps" };
    let spec = format!("  targetRefs: [{target}]\n  acl: {acl}\n");
    kgateway_policy("TrafficPolicy", name, namespace, &spec)
}

fn told(text: &str, client: &str) -> String {
    let compiled = with_route(text);
    assert_eq!(problems(&compiled), Vec::<String>::new());
    let rule = rule(&compiled, 8080, "a.b", "/").unwrap();
    let acl = rule.policies.acl.value().expect("an acl");
    let denial = acl.check(client.parse().unwrap()).err();
    let denied = denial.map(|by| by.rule.map_or("default", |rule| &**rule).to_owned());
    let response = &acl.response;
    match denied {
        None => "allow".to_owned(),
        Some(by) => format!("{} {by}", response.status.as_u16()),
    }
}

const GUIDE: &str = "{defaultAction: deny, rules: [{name: office, cidrs: [192.0.2.0/24, '2001:db8::1'], action: allow}, \
     {cidrs: [192.0.2.66], action: deny}], denyResponse: {statusCode: 451, blockedByHeaderName: X-Blocked-By, headers: [{name: a, value: b}]}}";

#[test]
fn clients_are_allowed_and_denied_by_address() {
    let text = acl(ROUTE, "p", GUIDE);
    for (client, expected) in [
        ("192.0.2.1", "allow"),
        ("2001:db8::1", "allow"),
        ("2001:db8::2", "451 default"),
        ("192.0.2.66", "451 rule-1"),
    ] {
        assert_eq!(told(&text, client), expected, "{client}");
    }
}

#[test]
fn a_route_takes_the_place_of_the_gateway_and_one_level_adds_up() {
    let wide = acl(GATEWAY, "wide", "{defaultAction: deny}");
    let narrow = acl(
        ROUTE,
        "a",
        "{defaultAction: allow, rules: [{cidrs: [10.0.0.0/8], action: deny}]}",
    );
    let younger = acl(
        ROUTE,
        "b",
        "{defaultAction: deny, rules: [{cidrs: [10.0.0.0/8], action: allow}, {name: b, cidrs: [172.16.0.1], action: deny}]}",
    );
    let text = format!("{wide}{narrow}{younger}");
    assert_eq!(told(&text, "198.51.100.1"), "allow");
    assert_eq!(told(&text, "10.0.0.1"), "403 rule-0");
    assert_eq!(told(&text, "172.16.0.1"), "403 b");
}

#[test]
fn what_is_wrong_is_named() {
    let many = vec!["{cidrs: [10.0.0.1], action: deny}"; 257].join(", ");
    let many = format!("{{defaultAction: deny, rules: [{many}]}}");
    for (spec, fault) in [
        (&*many, "spec.acl.rules: at most 256 are allowed"),
        (
            "{defaultAction: deny, rules: [{cidrs: [], action: deny}]}",
            "spec.acl.rules[0].cidrs: 1 to 256 are allowed",
        ),
        (
            "{defaultAction: deny, rules: [{cidrs: [a.test], action: deny}]}",
            "spec.acl.rules[0].cidrs[0]: a.test is not an address or a network such as 192.0.2.0/24",
        ),
        (
            "{defaultAction: deny, rules: [{cidrs: [192.0.2.0/33], action: deny}]}",
            "spec.acl.rules[0].cidrs[0]: 192.0.2.0/33 is not",
        ),
        (
            "{defaultAction: deny, rules: [{name: \"a\\tb\", cidrs: [192.0.2.0], action: deny}]}",
            "spec.acl.rules[0].name: at most 256 visible ASCII characters",
        ),
        (
            "{defaultAction: deny, denyResponse: {}}",
            "spec.acl.denyResponse: at least one of the fields in",
        ),
        (
            "{defaultAction: deny, denyResponse: {statusCode: 101}}",
            "spec.acl.denyResponse.statusCode: 200 to 599 is allowed",
        ),
        (
            "{defaultAction: deny, denyResponse: {blockedByHeaderName: 'a b'}}",
            "spec.acl.denyResponse.blockedByHeaderName: ",
        ),
        (
            "{defaultAction: deny, denyResponse: {headers: [{name: a, value: \"b\\u0001\"}]}}",
            "spec.acl.denyResponse.headers[0].value: not a header value",
        ),
    ] {
        let problems = problems(&with_route(&acl(ROUTE, "p", spec)));
        assert!(
            problems.iter().any(|problem| problem.contains(fault)),
            "{spec}: {problems:?}"
        );
    }
}
