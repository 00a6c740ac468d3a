//! Targets of EgressPolicies.

use super::super::{
    BASE, CompiledConfig, answer, condition, errors, get, problems, run, warnings, with_base,
};
use super::{policy, targets, two_rules};

#[test]
fn a_target_of_a_misspelt_kind_is_an_error_and_one_of_an_unfit_kind_a_problem() {
    let target = "{group: gateway.networking.k8s.io, kind: gateway, name: gw}";
    let text = policy("p", "infra", &format!("  targetRefs: [{target}]\n"));
    assert_eq!(
        errors(&format!("{BASE}---\n{text}")),
        [
            "t.yaml:19: EgressPolicy infra/p: spec.targetRefs[0].kind: gateway is not a kind; did you mean Gateway?"
        ]
    );
    let unfit = text.replace("kind: gateway,", "kind: ReferenceGrant,");
    let compiled = with_base(&unfit);
    let fault = "spec.targetRefs[0].kind: ReferenceGrant cannot be a target here; Gateway, ListenerSet, HTTPRoute, GRPCRoute, \
                 TLSRoute, Backend can";
    assert_eq!(
        problems(&compiled),
        [
            format!(
                "t.yaml:7: Gateway infra/gw: spec.listeners[0]: every request is refused, because of EgressPolicy \
                 infra/p: bound to nothing: {fault}"
            ),
            "t.yaml:19: EgressPolicy infra/p: spec.targetRefs: the policy is bound to nothing, so that what it may have \
             meant refuses every request: Gateway infra/gw"
                .to_owned(),
            format!("t.yaml:19: EgressPolicy infra/p: {fault}"),
        ]
    );
    assert!(!compiled.report.accepted());
}

#[test]
fn a_wrong_policy_fails_closed_at_every_level() {
    let wrong = "  rules: [{action: Deny, ports: [0]}]\n";
    let refused = |namespace: &str, target: &str| {
        let text = policy("p", namespace, &format!("{}{wrong}", targets(target)));
        with_base(&format!("{text}{}", two_rules()))
    };
    for target in ["{Gateway: gw}", "{Gateway: gw, sectionName: http}"] {
        let compiled = refused("infra", target);
        let socket = compiled.snapshot.sockets.values().next().unwrap();
        assert_eq!(
            &*socket.listeners[0].refuse.as_ref().unwrap().object.name,
            "p"
        );
        assert!(
            condition(&compiled, "Gateway infra/gw#http", "Accepted")
                .starts_with("false ListenerReplaced")
        );
    }
    let compiled = refused("apps", "{HTTPRoute: r}");
    assert!(get(&compiled, "a.b").starts_with("refuse EgressPolicy apps/p"));
    assert!(answer(&compiled, 8080, "a.b", "/side").starts_with("refuse EgressPolicy apps/p"));
    let compiled = refused("apps", "{Backend: dfp}");
    assert!(get(&compiled, "a.b").starts_with("1*refuse EgressPolicy apps/p"));
}

#[test]
fn only_the_listener_that_is_targeted_is_refused() {
    let base = BASE.replace(
        "  - {name: http,",
        "  - {name: other, protocol: HTTP, port: 8081, allowedRoutes: {namespaces: {from: All}}}\n  - {name: http,",
    );
    let wrong = "  rules: [{action: Deny, ports: [0]}]\n";
    let text = policy(
        "p",
        "infra",
        &format!("{}{wrong}", targets("{Gateway: gw, sectionName: http}")),
    );
    let compiled = run(&format!("{base}{text}"));
    let refused: Vec<_> = compiled
        .snapshot
        .sockets
        .values()
        .flat_map(|socket| &socket.listeners)
        .map(|listener| (listener.name.as_str(), listener.refuse.is_some()))
        .collect();
    assert_eq!(refused, [("http", true), ("other", false)]);
}

#[test]
fn targets_that_are_not_there_are_told_and_refuse_what_may_have_been_meant() {
    for (target, message) in [
        ("{HTTPRoute: none}", "HTTPRoute apps/none not found"),
        (
            "{Gateway: gw}",
            "Gateway apps/gw not found; did you mean Gateway infra/gw?",
        ),
        ("{Backend: none}", "Backend apps/none not found"),
    ] {
        let compiled = with_base(&format!(
            "{}{}",
            policy("p", "apps", &targets(target)),
            two_rules()
        ));
        assert_eq!(
            condition(&compiled, "EgressPolicy apps/p", "Accepted"),
            format!("false TargetNotFound: {message}")
        );
        let expected = format!("t.yaml:19: EgressPolicy apps/p: spec.targetRefs: {message}");
        assert!(problems(&compiled).contains(&expected), "{message}");
        let message = message.split("; did you").next().unwrap();
        // There is no Gateway in its namespace: it may have meant any.
        assert_eq!(
            refused(&compiled),
            [(
                "gw",
                format!("bound to nothing: spec.targetRefs: {message}")
            )]
        );
    }
}

/// The Gateways whose listeners refuse every request, and why.
fn refused(compiled: &CompiledConfig) -> Vec<(&str, String)> {
    let sockets = compiled.snapshot.sockets.values();
    let listeners = sockets.flat_map(|socket| &socket.listeners);
    let refused = listeners.filter_map(|listener| {
        let refuse = listener.refuse.as_ref()?;
        Some((&*listener.gateway.name, refuse.message.to_string()))
    });
    refused.collect()
}

#[test]
fn the_gateways_of_the_namespace_may_have_been_meant_before_others() {
    let near = BASE
        .replace("name: gw, namespace: infra", "name: near, namespace: apps")
        .replace("8080", "8081");
    let (near, _) = near.split_once("---").unwrap();
    let text = |targets: &str| format!("{BASE}---\n{near}{}", policy("p", "apps", targets));
    let compiled = run(&text(&targets("{HTTPRoute: none}")));
    let names = |compiled: &CompiledConfig| -> Vec<String> {
        let refused = refused(compiled).into_iter();
        refused.map(|(name, _)| name.to_owned()).collect()
    };
    assert_eq!(names(&compiled), ["near"]);
    // A policy that is bound to anything protects what it names, and no other object was meant.
    let compiled = run(&text(&targets("{Gateway: near}, {HTTPRoute: none}")));
    assert_eq!(names(&compiled), Vec::<String>::new());
    assert!(!compiled.report.accepted());
}

#[test]
fn a_part_that_is_not_there_refuses_the_whole_object() {
    let with = |namespace: &str, target: &str| {
        let text = policy("p", namespace, &targets(target));
        with_base(&format!("{text}{}", two_rules()))
    };
    let compiled = with("apps", "{HTTPRoute: r, sectionName: none}");
    let message = "HTTPRoute apps/r has no section none; all of it is refused";
    for path in ["/", "/side"] {
        assert_eq!(
            answer(&compiled, 8080, "a.b", path),
            format!("refuse EgressPolicy apps/p: {message}")
        );
    }
    assert_eq!(
        condition(&compiled, "EgressPolicy apps/p", "Accepted"),
        format!("false TargetNotFound: {message}; there are main, side")
    );
    let problems = problems(&compiled);
    assert_eq!(
        problems[0],
        format!("t.yaml:19: EgressPolicy apps/p: spec.targetRefs: {message}; there are main, side")
    );

    let compiled = with("infra", "{Gateway: gw, sectionName: none}");
    let message = "Gateway infra/gw has no section none; all of it is refused";
    let socket = compiled.snapshot.sockets.values().next().unwrap();
    let refuse = socket.listeners[0].refuse.as_ref().unwrap();
    assert_eq!(&*refuse.message, message);
    assert_eq!(
        condition(&compiled, "EgressPolicy infra/p", "Accepted"),
        format!("false TargetNotFound: {message}; there are http")
    );
}

#[test]
fn kinds_that_cannot_be_targets_make_a_policy_wrong() {
    for (target, field) in [
        (
            "{group: gateway.networking.k8s.io, kind: TCPRoute, name: t}",
            "spec.targetRefs[1].kind",
        ),
        (
            "{group: '', kind: Service, name: t}",
            "spec.targetRefs[1].kind",
        ),
        (
            "{Backend: dfp, sectionName: x}",
            "spec.targetRefs[1].sectionName",
        ),
    ] {
        let text = targets(&format!("{{HTTPRoute: r}}, {target}"));
        let compiled = with_base(&format!("{}{}", policy("p", "apps", &text), two_rules()));
        let problems = problems(&compiled);
        let expected = format!("t.yaml:19: EgressPolicy apps/p: {field}: ");
        assert!(
            problems.iter().any(|p| p.starts_with(&expected)),
            "{problems:?}"
        );
        assert!(
            get(&compiled, "a.b").starts_with("refuse EgressPolicy apps/p"),
            "{target}"
        );
    }
    let compiled = with_base(&policy("p", "apps", "  targetRefs: []\n"));
    assert!(problems(&compiled)[0].contains("spec.targetRefs: at least one target is needed"));
}

#[test]
fn a_policy_on_a_gateway_of_others_is_a_warning() {
    let base = BASE.replace("gatewayClassName: egret", "gatewayClassName: istio");
    let compiled = run(&format!(
        "{base}{}",
        policy("p", "infra", &targets("{Gateway: gw}"))
    ));
    assert!(warnings(&compiled).iter().any(|w| {
        w.contains("EgressPolicy infra/p: spec.targetRefs: Gateway infra/gw is not served")
    }));
    assert!(compiled.report.accepted());
}
