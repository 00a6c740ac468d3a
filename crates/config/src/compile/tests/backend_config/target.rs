//! Targets of BackendConfigPolicies, and several policies on one Backend.

use std::time::Duration;

use super::super::{
    BACKEND, BASE, TO_DFP, aged, condition, get, kgateway_policy, problems, route, run, warnings,
    with_base, with_route,
};
use super::{AT, named, policy, reference, settings};
use crate::snapshot::{BackendSettings, OutlierDetection};

#[test]
fn the_status_is_about_the_backend() {
    let compiled = with_route(&policy("connectTimeout: 1s"));
    assert_eq!(
        condition(&compiled, AT, "Attached"),
        "true Attached: Attached to all targets"
    );
    let json = serde_json::to_value(&compiled.report).unwrap();
    let objects = json["objects"].as_array().unwrap();
    let policy = objects
        .iter()
        .find(|object| object["object"] == AT)
        .unwrap();
    assert_eq!(
        policy["status"]["ancestors"][0]["ancestorRef"],
        serde_json::json!({
            "group": "gateway.kgateway.dev", "kind": "Backend", "namespace": "apps", "name": "dfp",
        })
    );
}

#[test]
fn only_backends_and_services_can_be_targets() {
    let cases = [
        (
            "{group: networking.istio.io, kind: Hostname, name: h}",
            "kind: Hostname is not supported yet as a target; Backend, Service can be one",
        ),
        (
            "{group: gateway.networking.k8s.io, kind: Gateway, name: gw}",
            "kind: Gateway cannot be a target here; Backend, Service can",
        ),
        (
            "{group: gateway.kgateway.dev, kind: Backend, name: dfp, sectionName: x}",
            "sectionName: a Backend has no sections",
        ),
    ];
    for (target, fault) in cases {
        let text = policy("").replace(BACKEND, &format!("{BACKEND}, {target}"));
        let compiled = with_route(&text);
        let expected = format!("t.yaml:19: {AT}: spec.targetRefs[1].{fault}");
        assert_eq!(problems(&compiled), [expected]);
        // A fault at one target makes the policy invalid at the others too.
        assert!(get(&compiled, "a.b").starts_with(&format!("1*refuse {AT}")));
    }
    let none = kgateway_policy("BackendConfigPolicy", "p", "apps", "  connectTimeout: 1s\n");
    let compiled = with_base(&none);
    let expected = [
        "at least one target is needed",
        "the policy is bound to nothing, so that what it may have meant refuses every request: Backend apps/dfp",
    ];
    let expected = expected.map(|message| format!("t.yaml:18: {AT}: spec.targetRefs: {message}"));
    assert_eq!(problems(&compiled), expected);
}

#[test]
fn labels_select_backends() {
    let labelled = BASE.replace("name: dfp,", "name: dfp, labels: {tier: slow},");
    let selected = |selector: &str| {
        let spec = format!("  targetSelectors: [{{{selector}}}]\n  connectTimeout: 9s\n");
        let policy = kgateway_policy("BackendConfigPolicy", "p", "apps", &spec);
        let rules = route(&format!("  rules: [{{{}}}]\n", TO_DFP));
        run(&format!("{labelled}---\n{policy}{rules}"))
    };
    let group = "group: gateway.kgateway.dev, kind: Backend";
    let compiled = selected(&format!("{group}, matchLabels: {{tier: slow}}"));
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    assert_eq!(settings(&compiled).connect_timeout, Duration::from_secs(9));
    let compiled = selected(&format!("{group}, matchLabels: {{tier: fast}}"));
    assert_eq!(
        get(&compiled, "a.b"),
        format!(
            "1*refuse {AT}: bound to nothing: spec.targetSelectors[0]: no Backend of the namespace apps has the labels tier=fast"
        )
    );
    let compiled = selected(&format!("{group}, matchLabels: {{}}, sectionName: x"));
    assert!(problems(&compiled)[0].contains("spec.targetSelectors[0].sectionName: "));
    assert!(get(&compiled, "a.b").starts_with("1*refuse"));
    let compiled = selected("group: networking.istio.io, kind: Hostname, matchLabels: {}");
    assert!(problems(&compiled)[0].contains("spec.targetSelectors[0].kind: Hostname is not"));
    // Only who names a Service cannot have meant a Backend.
    let compiled = selected("group: '', kind: Service, matchLabels: {tier: fast}");
    let expected =
        "spec.targetSelectors[0]: no Service of the namespace apps has the labels tier=fast";
    assert!(problems(&compiled)[0].ends_with(expected));
    assert!(get(&compiled, "a.b").starts_with("1*dynamic"));
}

#[test]
fn a_backend_meant_twice_is_one_target() {
    let compiled = with_route(&policy("").replace(BACKEND, &format!("{BACKEND}, {BACKEND}")));
    assert!(compiled.report.accepted());
    let json = serde_json::to_value(&compiled.report).unwrap();
    let objects = json["objects"].as_array().unwrap();
    let policy = objects
        .iter()
        .find(|object| object["object"] == AT)
        .unwrap();
    assert_eq!(policy["status"]["ancestors"].as_array().unwrap().len(), 1);
}

#[test]
fn static_backends_have_settings_too() {
    let base = BASE.replace(
        "{dynamicForwardProxy: {}}",
        "{static: {hosts: [{host: a, port: 1}]}}",
    );
    let rules = route(&format!("  rules: [{{{}}}]\n", TO_DFP));
    let compiled = run(&format!(
        "{base}---\n{}{rules}",
        policy("connectTimeout: 1s")
    ));
    assert_eq!(settings(&compiled).connect_timeout, Duration::from_secs(1));
}

#[test]
fn the_oldest_that_says_something_decides_it() {
    let young = named(
        "a",
        "connectTimeout: 1s\n  perConnectionBufferLimitBytes: 7",
    );
    let old = named(
        "b",
        "connectTimeout: 2s\n  outlierDetection: {interval: 1s}",
    );
    let loser = named("c", "outlierDetection: {consecutive5xx: 9}");
    let text = [young, aged(&old, 2020), aged(&loser, 2021)].concat();
    let compiled = with_route(&text);
    let settings = settings(&compiled);
    assert_eq!(
        *settings,
        BackendSettings {
            policy: Some(reference("b")),
            connect_timeout: Duration::from_secs(2),
            outlier_detection: Some(OutlierDetection {
                interval: Duration::from_secs(1),
                ..OutlierDetection::default()
            }),
            replay_limit: 7,
            ..BackendSettings::default()
        }
    );
    let attached = |name: &str| {
        let at = format!("BackendConfigPolicy apps/{name}");
        condition(&compiled, &at, "Attached")
    };
    assert_eq!(
        attached("a"),
        "true Merged: Merged with other policies in target(s) and attached"
    );
    assert_eq!(attached("b"), "true Attached: Attached to all targets");
    assert!(attached("c").starts_with("false Overridden: "));
    assert_eq!(
        warnings(&compiled),
        [
            "t.yaml:20: BackendConfigPolicy apps/a: spec.connectTimeout: a policy that goes first decides at Backend apps/dfp"
        ]
    );
    assert_eq!(problems(&compiled).len(), 1);
    assert!(problems(&compiled)[0].contains(
        "BackendConfigPolicy apps/c: spec.targetRefs: overridden at Backend apps/dfp by the older BackendConfigPolicy apps/b"
    ));
}

#[test]
fn one_wrong_policy_is_enough_to_refuse() {
    let text = format!(
        "{}{}",
        named("a", "connectTimeout: 1s"),
        named("b", "connectTimeout: 0s")
    );
    for text in [&text, &aged(&text, 2020)] {
        assert_eq!(
            get(&with_route(text), "a.b"),
            "1*refuse BackendConfigPolicy apps/b: spec.connectTimeout: at least 1ms is needed"
        );
    }
}
