//! `rbac` of TrafficPolicies.

use super::{GATEWAY, ROUTE, kgateway_policy, problems, rule, warnings, with_route};
use crate::policy::rbac::RbacAction;
use crate::policy::traffic::PolicySetting;

const AT: &str = "TrafficPolicy apps/p";

fn policy(line: &str) -> String {
    let spec = format!("  targetRefs: [{ROUTE}]\n  rbac: {line}\n");
    kgateway_policy("TrafficPolicy", "p", "apps", &spec)
}

#[test]
fn expressions_are_compiled_and_faults_are_named() {
    let line = "{policy: {matchExpressions: [\"request.method == 'GET'\", 'source.port > 1']}}";
    let compiled = with_route(&policy(line));
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    let rule = rule(&compiled, 8080, "a.b", "/").unwrap();
    let rbac = rule.policies.rbac.value().unwrap();
    assert_eq!(rbac.action, RbacAction::Allow);
    let texts: Vec<_> = rbac.expressions.iter().map(|it| it.text()).collect();
    assert_eq!(texts, ["request.method == 'GET'", "source.port > 1"]);

    for (line, expected) in [
        (
            "{policy: {matchExpressions: ['true', 'request.pth == 1']}}",
            "spec.rbac.policy.matchExpressions[1]: at character 1: there is no attribute \
             request.pth: write request.path",
        ),
        (
            "{action: Deny, policy: {matchExpressions: [\"metadata.filter_metadata['a']['b'] == 'c'\"]}}",
            "spec.rbac.policy.matchExpressions[0]: at character 1: metadata.filter_metadata is not \
             known here: the claims of a token are \
             metadata.filter_metadata['envoy.filters.http.jwt_authn']['payload'], or source.claims",
        ),
    ] {
        let problems = problems(&with_route(&policy(line)));
        let at = format!("{AT}: {expected}");
        assert!(problems[0].ends_with(&at), "{problems:#?}");
    }
}

#[test]
fn what_a_tunnel_hides_from_a_denial_is_warned_of() {
    const HIDDEN: &str = "spec.rbac.policy.matchExpressions[0]: reads what a tunnel does not show";
    for (line, expected) in [
        (
            "{action: Deny, policy: {matchExpressions: [\"request.path == '/'\"]}}",
            Some(HIDDEN),
        ),
        (
            "{action: Allow, policy: {matchExpressions: [\"request.path == '/'\"]}}",
            None,
        ),
        (
            "{action: Deny, policy: {matchExpressions: [\"request.host == 'a'\"]}}",
            None,
        ),
        (
            "{policy: {}}",
            Some("spec.rbac.policy.matchExpressions: no expressions: every request is refused"),
        ),
    ] {
        let warned = warnings(&with_route(&policy(line)));
        assert_eq!(
            warned.len(),
            usize::from(expected.is_some()),
            "{line} {warned:?}"
        );
        if let Some(expected) = expected {
            let at = format!("{AT}: {expected}");
            assert!(warned[0].contains(&at), "{warned:?}");
        }
    }
}

/// The most specific policy applies alone.
#[test]
fn that_of_a_route_takes_the_place_of_the_gateways() {
    let wide =
        format!("  targetRefs: [{GATEWAY}]\n  rbac: {{policy: {{matchExpressions: ['false']}}}}\n");
    let wide = kgateway_policy("TrafficPolicy", "wide", "infra", &wide);
    let narrow = policy("{policy: {matchExpressions: ['true']}}");
    let compiled = with_route(&format!("{wide}{narrow}"));
    let rule = rule(&compiled, 8080, "a.b", "/").unwrap();
    let PolicySetting::Set(decides, rbac) = &rule.policies.rbac else {
        panic!("{:?}", rule.policies.rbac);
    };
    assert_eq!((&*decides.name, rbac.expressions.len()), ("p", 1));
    assert_eq!(rbac.expressions[0].text(), "true");
}
