//! The filter `CORS` of HTTPRoutes, and `cors` of TrafficPolicies.

use super::{
    CompiledConfig, GATEWAY, ROUTE, TO_DFP, condition, get, kgateway_policy, problems, route, rule,
    with_base, with_route,
};

fn policy(name: &str, target: &str, cors: &str) -> String {
    let namespace = match target {
        GATEWAY => "infra",
        _ => "apps",
    };
    let spec = format!("  targetRefs: [{target}]\n  cors: {cors}\n");
    kgateway_policy("TrafficPolicy", name, namespace, &spec)
}

fn filter(cors: &str) -> String {
    route(&format!(
        "  rules: [{{{TO_DFP}, filters: [{{type: CORS, cors: {cors}}}]}}]\n"
    ))
}

/// What is served for `a.b`, as JSON; `null` if nothing is shared.
fn served(compiled: &CompiledConfig) -> serde_json::Value {
    let rule = rule(compiled, 8080, "a.b", "/").unwrap();
    serde_json::to_value(rule.policies.cors.value()).unwrap()
}

#[test]
fn both_resources_are_read_alike() {
    let names = |names: &str| serde_json::json!({ "Listed": names });
    let asked = serde_json::json!("Asked");
    let unset = serde_json::json!("Unset");
    for (spec, origins, methods, headers, expose, age) in [
        ("{}", vec![], unset.clone(), unset.clone(), None, 5),
        (
            "{allowOrigins: ['https://a.test', 'http://*.b.test:81'], allowMethods: [GET, PUT], allowHeaders: [X-A, b], \
             exposeHeaders: [c, d], maxAge: 86400}",
            vec!["https://a.test", "http://*.b.test:81"],
            names("GET, PUT"),
            names("X-A, b"),
            Some("c, d"),
            86400,
        ),
        (
            "{allowOrigins: ['*'], allowMethods: ['*'], allowHeaders: ['*'], exposeHeaders: [a, '*']}",
            vec!["*"],
            asked.clone(),
            asked.clone(),
            Some("*"),
            5,
        ),
        // `*` is no wildcard in this field where credentials are allowed, and cannot be spelt out.
        (
            "{allowOrigins: ['*'], exposeHeaders: ['*'], allowCredentials: true}",
            vec!["*"],
            unset.clone(),
            unset.clone(),
            None,
            5,
        ),
    ] {
        let mut expected = serde_json::json!({
            "origins": origins,
            "credentials": spec.contains("allowCredentials"),
            "methods": methods,
            "headers": headers,
            "max_age": age,
        });
        if let Some(expose) = expose {
            expected["expose"] = expose.into();
        }
        let by_policy = with_route(&policy("p", ROUTE, spec));
        for compiled in [with_base(&filter(spec)), by_policy] {
            assert!(compiled.report.accepted(), "{}", compiled.report.table());
            assert_eq!(served(&compiled), expected, "{spec}");
        }
    }
}

#[test]
fn what_is_wrong_is_named() {
    let many = vec!["a"; 65].join(", ");
    let long = "h".repeat(257);
    for (spec, fault) in [
        (
            "{allowOrigins: ['https://a.test/']}".to_owned(),
            ".allowOrigins[0]: not an origin, such as https://app.example.com, https://*.example.com:8443 or *",
        ),
        (
            "{allowOrigins: ['https://a.test', '*']}".to_owned(),
            ".allowOrigins: AllowOrigins cannot contain '*' alongside other origins",
        ),
        (
            "{allowMethods: [GET, '*']}".to_owned(),
            ".allowMethods: AllowMethods cannot contain '*' alongside other methods",
        ),
        (
            "{allowHeaders: [a, '*']}".to_owned(),
            ".allowHeaders: AllowHeaders cannot contain '*' alongside other headers",
        ),
        (
            "{allowMethods: [get]}".to_owned(),
            ".allowMethods[0]: GET, HEAD, POST, PUT, DELETE, CONNECT, OPTIONS, TRACE, PATCH or * is allowed",
        ),
        (
            "{allowHeaders: [x-a, 'a b']}".to_owned(),
            ".allowHeaders[1]: not a header name",
        ),
        (
            format!("{{exposeHeaders: [{long}]}}"),
            ".exposeHeaders[0]: not a header name",
        ),
        (
            format!("{{exposeHeaders: [{many}]}}"),
            ".exposeHeaders: at most 64 are allowed",
        ),
        (
            "{maxAge: 0}".to_owned(),
            ".maxAge: 1 to 2147483647 is allowed",
        ),
    ] {
        let by_filter = with_base(&filter(&spec));
        let told = problems(&by_filter);
        let expected = format!("HTTPRoute apps/r: spec.rules[0].filters[0].cors{fault}");
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].ends_with(&expected), "{expected} {told:?}");
        let accepted = condition(&by_filter, "HTTPRoute apps/r", "Accepted");
        assert!(accepted.starts_with("false UnsupportedValue: "));
        assert!(get(&by_filter, "a.b").starts_with("refuse "), "{spec}");

        let by_policy = with_route(&policy("p", ROUTE, &spec));
        let told = problems(&by_policy);
        let expected = format!("TrafficPolicy apps/p: spec.cors{fault}");
        assert!(told[0].ends_with(&expected), "{expected} {told:?}");
        assert!(get(&by_policy, "a.b").starts_with("refuse "), "{spec}");
    }
}

#[test]
fn the_filter_decides_before_policies_and_the_narrower_policy_before_the_wider() {
    let origins = |compiled: &CompiledConfig| served(compiled)["origins"].clone();
    let wide = policy("wide", GATEWAY, "{allowOrigins: ['https://wide.test']}");
    let narrow = policy("narrow", ROUTE, "{allowOrigins: ['https://narrow.test']}");
    let off = policy(
        "off",
        ROUTE,
        "{disable: {}, allowOrigins: ['https://off.test']}",
    );
    let own = filter("{allowOrigins: ['https://own.test']}");
    for (text, expected) in [
        (wide.clone(), "https://wide.test"),
        (wide.clone() + &narrow, "https://narrow.test"),
    ] {
        assert_eq!(origins(&with_route(&text)), serde_json::json!([expected]));
    }
    assert!(served(&with_route(&(wide.clone() + &off))).is_null());
    for policies in [wide.clone() + &narrow, wide + &off] {
        let compiled = with_base(&format!("{own}{policies}"));
        assert_eq!(origins(&compiled), serde_json::json!(["https://own.test"]));
    }
}
