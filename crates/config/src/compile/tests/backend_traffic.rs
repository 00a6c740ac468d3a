//! XBackendTrafficPolicies.

use std::time::Duration;

use super::{CompiledConfig, condition, get, kgateway_policy, problems, rule, with_route};
use crate::snapshot::{BackendDestination, RetryBudget, RuleAction};

const AT: &str = "XBackendTrafficPolicy apps/p";

fn policy(name: &str, line: &str) -> String {
    format!(
        "apiVersion: gateway.networking.x-k8s.io/v1alpha1\nkind: XBackendTrafficPolicy\n\
         metadata: {{name: {name}, namespace: apps}}\nspec:\n  \
         targetRefs: [{{group: gateway.kgateway.dev, kind: Backend, name: dfp}}]\n  {line}\n---\n"
    )
}

fn budget(compiled: &CompiledConfig) -> Option<RetryBudget> {
    let RuleAction::Forward(backends) = &rule(compiled, 8080, "a.b", "/").unwrap().action else {
        panic!("not forwarded");
    };
    let BackendDestination::Dynamic(to) = &backends.backends[0].destination else {
        panic!("not dynamic");
    };
    to.settings.circuit_breakers.retry_budget
}

#[test]
fn a_constraint_is_a_budget_of_retries() {
    for (constraint, percent, seconds, least) in [
        ("{}", 20, 10, 100),
        ("{budget: {percent: 5, interval: 30s}}", 5, 30, 300),
        (
            "{budget: {percent: 0}, minRetryRate: {count: 3, interval: 60s}}",
            0,
            10,
            0,
        ),
        (
            "{budget: {interval: 1h}, minRetryRate: {count: 1, interval: 1h}}",
            20,
            3600,
            1,
        ),
    ] {
        let compiled = with_route(&policy("p", &format!("retryConstraint: {constraint}")));
        assert!(compiled.report.accepted(), "{}", compiled.report.table());
        let expected = RetryBudget {
            percent,
            interval: Some(Duration::from_secs(seconds)),
            least,
        };
        assert_eq!(budget(&compiled), Some(expected), "{constraint}");
        let told = condition(&compiled, &format!("{AT}#apps/dfp"), "Accepted");
        assert_eq!(told, "true Accepted: Policy accepted");
    }
    let nothing = with_route(&policy("p", ""));
    assert!(nothing.report.accepted());
    assert_eq!(budget(&nothing), None);
}

#[test]
fn it_goes_before_a_backend_config_policy_and_keeps_what_else_that_says() {
    let spec = "  targetRefs: [{group: gateway.kgateway.dev, kind: Backend, name: dfp}]\n  connectTimeout: 7s\n  \
                circuitBreakers: {maxRequests: 5, retryBudget: {budgetPercent: 50}}\n";
    let other = kgateway_policy("BackendConfigPolicy", "q", "apps", spec);
    let compiled = with_route(&format!(
        "{}{other}",
        policy("p", "retryConstraint: {budget: {percent: 5}}")
    ));
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    assert_eq!(budget(&compiled).unwrap().percent, 5);
    let RuleAction::Forward(backends) = &rule(&compiled, 8080, "a.b", "/").unwrap().action else {
        panic!("not forwarded");
    };
    let BackendDestination::Dynamic(to) = &backends.backends[0].destination else {
        panic!("not dynamic");
    };
    assert_eq!(to.settings.connect_timeout, Duration::from_secs(7));
    assert_eq!(to.settings.circuit_breakers.max_requests, 5);
}

#[test]
fn of_two_policies_the_older_decides() {
    let compiled = with_route(&format!(
        "{}{}",
        policy("p", "retryConstraint: {budget: {percent: 5}}"),
        policy("q", "retryConstraint: {budget: {percent: 6}}")
    ));
    assert_eq!(budget(&compiled).unwrap().percent, 5);
    let told = condition(
        &compiled,
        "XBackendTrafficPolicy apps/q#apps/dfp",
        "Accepted",
    );
    assert!(told.starts_with("false Conflicted: "), "{told}");
}

#[test]
fn what_is_wrong_is_named_and_fails_closed() {
    for (line, fault) in [
        (
            "sessionPersistence: {sessionName: s}",
            "spec.sessionPersistence: not supported yet",
        ),
        (
            "retryConstraint: {budget: {percent: 101}}",
            "spec.retryConstraint.budget.percent: 0 to 100 is allowed",
        ),
        (
            "retryConstraint: {budget: {interval: 1ms}}",
            "spec.retryConstraint.budget.interval: at least 1s is needed",
        ),
        (
            "retryConstraint: {minRetryRate: {interval: 2h}}",
            "spec.retryConstraint.minRetryRate.interval: at most 1h is allowed",
        ),
        (
            "retryConstraint: {minRetryRate: {count: 0}}",
            "spec.retryConstraint.minRetryRate.count: 1 to 1000000 is allowed",
        ),
    ] {
        let compiled = with_route(&policy("p", line));
        let told = problems(&compiled);
        assert!(
            told.iter()
                .any(|it| it.ends_with(&format!("{AT}: {fault}"))),
            "{told:?}"
        );
        assert!(get(&compiled, "a.b").contains("refuse"), "{line}");
        let told = condition(&compiled, &format!("{AT}#apps/dfp"), "Accepted");
        assert!(told.starts_with("false Invalid: "), "{told}");
    }
    let missing = policy("p", "").replace("name: dfp", "name: gone");
    let compiled = with_route(&missing);
    let told = problems(&compiled);
    let is_told = |it: &String| it.contains("Backend apps/gone not found");
    assert!(told.iter().any(is_told), "{told:?}");
}
