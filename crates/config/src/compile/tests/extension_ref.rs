//! Filters of type `ExtensionRef` that name TrafficPolicies.

use super::{
    CompiledConfig, GATEWAY, ROUTE, TO_DFP, condition, get, kgateway_policy, problems, route,
    route_of, rule, warnings, with_base,
};

const ATTEMPTS: &str = "  retry: {attempts: 3, retryOn: [reset]}\n";

fn policy(name: &str, spec: &str) -> String {
    kgateway_policy("TrafficPolicy", name, "apps", spec)
}

/// A rule with a filter for each of these policies.
fn rule_with(names: &[&str]) -> String {
    let filters = names.iter().map(|name| {
        format!(
            "{{type: ExtensionRef, extensionRef: {{group: gateway.kgateway.dev, kind: TrafficPolicy, name: {name}}}}}"
        )
    });
    let filters: Vec<String> = filters.collect();
    format!(
        "  rules: [{{{TO_DFP}, filters: [{}]}}]\n",
        filters.join(", ")
    )
}

/// The policy that decides about retries of the rule, and how often.
fn retries(compiled: &CompiledConfig) -> Option<(String, u32)> {
    let rule = rule(compiled, 8080, "a.b", "/").unwrap();
    let setting = &rule.policies.retry;
    let (policy, retry) = (setting.policy()?, setting.value()?);
    Some((policy.to_string(), retry.attempts))
}

#[test]
fn a_policy_that_a_filter_names_needs_no_target_and_comes_before_all_others() {
    let targeted = format!("  targetRefs: [{ROUTE}]\n  retry: {{attempts: 5, retryOn: [reset]}}\n");
    let objects = [
        policy("p", ATTEMPTS),
        policy("q", "  retry: {attempts: 4, retryOn: [reset]}\n"),
        policy("t", &targeted),
    ]
    .concat();
    for (names, expected) in [
        (&["p"][..], ("TrafficPolicy apps/p", 3)),
        (&["q", "p"], ("TrafficPolicy apps/q", 4)),
        (&[], ("TrafficPolicy apps/t", 5)),
    ] {
        let compiled = with_base(&format!("{objects}{}", route(&rule_with(names))));
        assert!(compiled.report.accepted(), "{}", compiled.report.table());
        let (policy, attempts) = expected;
        assert_eq!(retries(&compiled), Some((policy.to_owned(), attempts)));
        // The warning of a policy without targets is for those that no filter names.
        let unnamed = ["p", "q"].iter().filter(|name| !names.contains(name));
        assert_eq!(warnings(&compiled).len(), unnamed.count());
        for name in names {
            let at = format!("TrafficPolicy apps/{name}#infra/gw");
            let attached = condition(&compiled, &at, "Attached");
            assert!(attached.starts_with("true Attached"), "{attached}");
        }
    }
    // The field of the rule itself comes before what its filters name.
    let own = rule_with(&["p"]).replace("filters:", "retry: {attempts: 1, codes: [503]}, filters:");
    let compiled = with_base(&format!("{}{}", policy("p", ATTEMPTS), route(&own)));
    assert_eq!(retries(&compiled), Some(("HTTPRoute apps/r".to_owned(), 1)));
}

#[test]
fn grpc_routes_name_policies_too() {
    let compiled = with_base(&format!(
        "{}{}",
        policy("p", ATTEMPTS),
        route_of("GRPCRoute", "r", &rule_with(&["p"]))
    ));
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    let rule = compiled.snapshot.sockets.values().next().unwrap();
    let rules: Vec<_> = rule.listeners[0].routes.rules().collect();
    assert_eq!(rules[0].1.policies.retry.value().unwrap().attempts, 3);
}

#[test]
fn a_rule_without_its_policy_refuses_every_request() {
    let missing = with_base(&format!(
        "{}{}",
        policy("limits", ATTEMPTS),
        route(&rule_with(&["limit"]))
    ));
    assert!(get(&missing, "a.b").starts_with("refuse"));
    let told = "spec.rules[0].filters[0].extensionRef: TrafficPolicy apps/limit not found; did you mean TrafficPolicy \
                apps/limits?";
    assert!(
        problems(&missing)[0].contains(told),
        "{:?}",
        problems(&missing)
    );

    let broken = policy("p", "  retry: {attempts: 3}\n");
    let broken = with_base(&format!("{broken}{}", route(&rule_with(&["p"]))));
    assert!(get(&broken, "a.b").starts_with("refuse"));
    // Nothing else is closed because of it.
    let told = problems(&broken);
    assert!(
        told.iter().all(|it| !it.contains("bound to nothing")),
        "{told:?}"
    );
    let accepted = condition(&broken, "TrafficPolicy apps/p#infra/gw", "Accepted");
    assert!(accepted.starts_with("false Invalid"), "{accepted}");
}

#[test]
fn a_filter_takes_away_nothing_that_the_gateway_guards() {
    let users = format!(
        "  targetRefs: [{GATEWAY}]\n  basicAuth: {{users: ['u:{{SHA}}2kuSN7rMzfGcB2DKt67EqDWQELA=']}}\n"
    );
    let objects = [
        kgateway_policy("TrafficPolicy", "users", "infra", &users),
        policy("open", "  basicAuth: {disable: {}}\n"),
    ]
    .concat();
    let compiled = with_base(&format!("{objects}{}", route(&rule_with(&["open"]))));
    let rule = rule(&compiled, 8080, "a.b", "/").unwrap();
    assert!(rule.policies.basic_auth.value().is_some());
    let told = warnings(&compiled);
    assert!(
        told[0].contains("spec.basicAuth: has no effect"),
        "{told:?}"
    );
}

#[test]
fn each_rule_has_a_bucket_of_its_own() {
    let limit = "  rateLimit: {local: {tokenBucket: {maxTokens: 1, fillInterval: 60s}}}\n";
    let rule_of = |path: &str| {
        let rules = rule_with(&["p"]);
        let rule = rules
            .trim()
            .trim_start_matches("rules: [")
            .trim_end_matches(']');
        rule.replacen(
            '{',
            &format!("{{matches: [{{path: {{value: {path}}}}}], "),
            1,
        )
    };
    let rules = format!("  rules: [{}, {}]\n", rule_of("/a"), rule_of("/b"));
    let compiled = with_base(&format!("{}{}", policy("p", limit), route(&rules)));
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    let limits = ["/a", "/b"].map(|path| {
        let rule = rule(&compiled, 8080, "a.b", path).unwrap();
        rule.policies.rate_limit_local.value().cloned().unwrap()
    });
    assert_ne!(limits[0], limits[1]);
}
