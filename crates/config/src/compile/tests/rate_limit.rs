//! `rateLimit.local` of TrafficPolicies, and `limits` of EgressPolicies.

use std::time::Duration;

use super::{
    CompiledConfig, GATEWAY, ROUTE, kgateway_policy, problems, rule, warnings, with_route,
};
use crate::policy::limit::{LimitId, LocalRateLimit, TokenBucket};

fn local(target: &str, name: &str, spec: &str) -> String {
    let namespace = if target == GATEWAY { "infra" } else { "apps" };
    let spec = format!("  targetRefs: [{target}]\n  rateLimit: {spec}\n");
    kgateway_policy("TrafficPolicy", name, namespace, &spec)
}

fn limits(compiled: &CompiledConfig) -> Vec<LocalRateLimit> {
    let rule = rule(compiled, 8080, "a.b", "/").unwrap();
    let limits = rule.policies.rate_limit_local.value();
    limits.map(|limits| limits.0.clone()).unwrap_or_default()
}

fn sizes(text: &str) -> Vec<u32> {
    let compiled = with_route(text);
    assert_eq!(problems(&compiled), Vec::<String>::new());
    limits(&compiled)
        .iter()
        .map(|limit| limit.bucket.max_tokens)
        .collect()
}

/// As kgateway's guide has it.
const GUIDE: &str = "{local: {tokenBucket: {maxTokens: 1, tokensPerFill: 1, fillInterval: 100s}}}";

#[test]
fn a_bucket_is_read_with_its_defaults() {
    let one = limits(&with_route(&local(ROUTE, "p", GUIDE)));
    let bucket = TokenBucket {
        max_tokens: 1,
        tokens_per_fill: 1,
        fill_interval: Duration::from_secs(100),
    };
    assert_eq!(
        (one[0].bucket, one[0].enabled, one[0].enforced),
        (bucket, 100, 100)
    );
    let shadow = "{local: {percentEnabled: 50, percentEnforced: 0, tokenBucket: {maxTokens: 7, fillInterval: 50ms}}}";
    let shadow = limits(&with_route(&local(ROUTE, "p", shadow)));
    assert_eq!((shadow[0].enabled, shadow[0].enforced), (50, 0));
    assert_eq!(shadow[0].bucket.tokens_per_fill, 1);
}

#[test]
fn the_limits_of_a_route_and_of_its_gateway_both_hold() {
    let limit = |target, name, max: u32| {
        let spec = format!("{{local: {{tokenBucket: {{maxTokens: {max}, fillInterval: 1s}}}}}}");
        local(target, name, &spec)
    };
    let (route, gateway) = (limit(ROUTE, "r", 5), limit(GATEWAY, "g", 9));
    assert_eq!(sizes(&format!("{route}{gateway}")), [5, 9]);
    assert_eq!(sizes(&route), [5]);
    assert_eq!(sizes(&gateway), [9]);
    // Each target has a bucket of its own.
    let compiled = with_route(&format!("{route}{gateway}"));
    let ids: Vec<_> = limits(&compiled).iter().map(|limit| limit.id).collect();
    let policy = limits(&compiled)[0].policy.clone();
    assert_eq!(ids[0], LimitId::new(&policy, "HTTPRoute apps/r"));
    assert_ne!(ids[0], ids[1]);
}

/// A route must not open what its Gateway guards.
#[test]
fn a_route_cannot_take_the_limit_of_its_gateway_away() {
    let (route, gateway) = (local(ROUTE, "r", "{local: {}}"), local(GATEWAY, "g", GUIDE));
    let text = format!("{route}{gateway}");
    assert_eq!(sizes(&text), [1]);
    let told = warnings(&with_route(&text));
    let expected = "spec.rateLimit.local: has no effect: TrafficPolicy infra/g stays in force";
    assert!(
        told.iter().any(|warning| warning.contains(expected)),
        "{told:?}"
    );
    assert_eq!(sizes(&route), Vec::<u32>::new());
    // Of two policies on the Gateway and on its listener, the narrower decides.
    let listener = "{group: gateway.networking.k8s.io, kind: Gateway, name: gw, sectionName: http}";
    let listener =
        local(listener, "l", "{local: {}}").replace("namespace: apps", "namespace: infra");
    assert_eq!(sizes(&format!("{listener}{gateway}")), Vec::<u32>::new());
}

#[test]
fn what_is_wrong_is_named() {
    for (spec, fault) in [
        (
            "{local: {percentEnabled: 101, tokenBucket: {maxTokens: 1, fillInterval: 1s}}}",
            "spec.rateLimit.local.percentEnabled: 0 to 100 is allowed",
        ),
        (
            "{local: {tokenBucket: {maxTokens: 0, fillInterval: 1s}}}",
            "spec.rateLimit.local.tokenBucket.maxTokens: 1 to 2147483647 is allowed",
        ),
        (
            "{local: {tokenBucket: {maxTokens: 1, tokensPerFill: 0, fillInterval: 1s}}}",
            "spec.rateLimit.local.tokenBucket.tokensPerFill: 1 to 2147483647",
        ),
        (
            "{local: {tokenBucket: {maxTokens: 1, fillInterval: 49ms}}}",
            "spec.rateLimit.local.tokenBucket.fillInterval: at least 50ms is needed",
        ),
    ] {
        let problems = problems(&with_route(&local(ROUTE, "p", spec)));
        assert!(
            problems.iter().any(|problem| problem.contains(fault)),
            "{spec}: {problems:?}"
        );
    }
}

fn egress(limits: &str) -> CompiledConfig {
    with_route(&format!(
        "---\napiVersion: egret.dev/v1alpha1\nkind: EgressPolicy\nmetadata: {{name: e, namespace: infra}}\n\
         spec:\n  targetRefs: [{GATEWAY}]\n  limits: {limits}\n"
    ))
}

#[test]
fn limits_of_an_egress_policy_say_for_whom_and_how_many() {
    let compiled = egress(
        "[{name: per-host, hosts: ['*.example.org'], per: [Destination, Client], \
         tokenBucket: {maxTokens: 100, tokensPerFill: 10, fillInterval: 1s}, maxConcurrent: 50}, {maxConcurrent: 9}]",
    );
    assert_eq!(problems(&compiled), Vec::<String>::new());
    let rule = rule(&compiled, 8080, "a.b", "/").unwrap();
    let crate::snapshot::RuleAction::Forward(backends) = &rule.action else {
        panic!("{:?}", rule.action)
    };
    let [one, two] = &backends.backends[0].egress.policies[0].limits[..] else {
        panic!("two limits")
    };
    assert_eq!((&*one.name, one.max_concurrent), ("per-host", Some(50)));
    assert!(one.per_destination && one.per_client && one.bucket.is_some());
    assert_eq!((&*two.name, two.max_concurrent), ("limit-1", Some(9)));
    assert!(!two.per_destination && !two.per_client && two.bucket.is_none());
}

#[test]
fn what_is_wrong_with_a_limit_is_named() {
    for (limits, fault) in [
        (
            "[{name: a}]",
            "spec.limits[0]: at least one of the fields in [tokenBucket maxConcurrent] must be set",
        ),
        (
            "[{maxConcurrent: 0}]",
            "spec.limits[0].maxConcurrent: 1 to 2147483647 is allowed",
        ),
        ("[{maxConcurrent: 1, hosts: []}]", "spec.limits[0].hosts: "),
        (
            "[{maxConcurrent: 1, hosts: ['a b']}]",
            "spec.limits[0].hosts[0]: ",
        ),
        (
            "[{maxConcurrent: 1, per: [Client, Client]}]",
            "spec.limits[0].per: ",
        ),
        (
            "[{name: a, maxConcurrent: 1}, {name: a, maxConcurrent: 2}]",
            "spec.limits[1].name: a is the name of another limit too",
        ),
        (
            "[{tokenBucket: {maxTokens: 1, fillInterval: 1ms}}]",
            "spec.limits[0].tokenBucket.fillInterval: at least 50ms",
        ),
    ] {
        let problems = problems(&egress(limits));
        assert!(
            problems.iter().any(|problem| problem.contains(fault)),
            "{limits}: {problems:?}"
        );
    }
}
