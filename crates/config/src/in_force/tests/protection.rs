//! Edits that would take away what a policy protects.

use super::{BACKEND, BASE, GATEWAY, ROUTE, change, changed, egress, policy, read, start};
use crate::compile::{CompileOptions, GatewayPlacement};
use crate::in_force::InForce;

const TRAFFIC: &str = "basicAuth: {users: ['ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=']}";

/// A policy of every kind, bound to a Gateway, a route or a Backend.
fn every_kind() -> Vec<(String, &'static str)> {
    let kgateway = "gateway.kgateway.dev";
    let tls = "apiVersion: gateway.networking.k8s.io/v1\nkind: BackendTLSPolicy\nmetadata: {name: p, namespace: infra}\n\
               spec:\n  targetRefs: [{group: gateway.kgateway.dev, kind: Backend, name: fixed}]\n  \
               validation: {hostname: a.test, wellKnownCACertificates: System}\n---\n\
               apiVersion: gateway.kgateway.dev/v1alpha1\nkind: Backend\nmetadata: {name: fixed, namespace: infra}\n\
               spec: {static: {hosts: [{host: a.test, port: 443}]}}\n---\n";
    vec![
        (egress(GATEWAY, "defaultAction: Deny"), "name: http}"),
        (egress(ROUTE, "defaultAction: Deny"), "name: r}"),
        (egress(BACKEND, "defaultAction: Deny"), "name: dfp}"),
        (
            policy("egret.dev", "ResolverPolicy", GATEWAY, "minTTL: 2s"),
            "name: http}",
        ),
        (
            policy(kgateway, "TrafficPolicy", GATEWAY, TRAFFIC),
            "name: http}",
        ),
        (
            policy(kgateway, "TrafficPolicy", ROUTE, TRAFFIC),
            "name: r}",
        ),
        (
            policy(
                kgateway,
                "ListenerPolicy",
                GATEWAY,
                "default: {proxyProtocol: {}}",
            ),
            "name: http}",
        ),
        (
            policy(
                kgateway,
                "HTTPListenerPolicy",
                GATEWAY,
                "streamIdleTimeout: 5s",
            ),
            "name: http}",
        ),
        (
            policy(
                kgateway,
                "BackendConfigPolicy",
                BACKEND,
                "connectTimeout: 1s",
            ),
            "name: dfp}",
        ),
        (tls.to_owned(), "name: fixed}"),
    ]
}

#[test]
fn a_target_that_is_misspelt_refuses_the_change_for_every_kind_of_policy() {
    for (policy, name) in every_kind() {
        let before = format!("{BASE}{policy}");
        let (first, compiled) = start(&before);
        assert!(compiled.report.accepted(), "{}", compiled.report.table());
        let misspelt = format!("{BASE}{}", policy.replacen(name, "name: misspelt}", 1));
        let refused = change(&first, &misspelt).expect_err(&policy);
        let [problem] = refused.0.as_slice() else {
            panic!("{refused:#?}");
        };
        let told = problem.to_string();
        assert!(
            told.contains("infra/misspelt not found; the change is refused"),
            "{told}"
        );
        // Another namespace, and a name of a policy, are other ways to bind nothing.
        let elsewhere = policy.replacen("namespace: infra", "namespace: infre", 1);
        let refused = change(&first, &format!("{BASE}{elsewhere}")).expect_err(&policy);
        assert!(
            refused.0[0]
                .to_string()
                .contains("the new policy would protect nothing")
        );
        // At start there is nothing that could stay: what the policy may have meant refuses every request.
        let (_, compiled) = start(&misspelt);
        let served = serde_json::to_string(&compiled.snapshot).unwrap();
        assert!(served.contains("bound to nothing: "), "{served}");
    }
}

#[test]
fn a_gateway_that_is_renamed_takes_no_policy_along() {
    let policy = egress(GATEWAY, "defaultAction: Deny");
    let before = format!("{BASE}{policy}");
    let renamed = BASE.replace("name: http, namespace", "name: htpp, namespace");
    let (first, _) = start(&before);
    let refused = change(&first, &format!("{renamed}{policy}")).unwrap_err();
    assert_eq!(
        refused.0[0].to_string(),
        "t.yaml:26: EgressPolicy infra/p: spec.targetRefs: Gateway infra/http not found; did you mean Gateway infra/htpp?; the change is refused as a \
         whole, because without this target the policy would protect nothing there"
    );
    // Together they may be renamed, and the listener may not lose its name.
    let both = format!("{renamed}{policy}").replace("name: http}", "name: htpp}");
    assert!(change(&first, &both).unwrap().is_new);
}

#[test]
fn what_is_said_is_done() {
    let other = BASE
        .replace("name: http, namespace", "name: other, namespace")
        .replace("8080", "8081");
    let (other, _) = other.split_once("---").unwrap();
    let two = format!("{BASE}{other}---\n");
    let both = "{group: gateway.networking.k8s.io, kind: Gateway, name: http}, {group: \
                gateway.networking.k8s.io, kind: Gateway, name: other}";
    let deny = |target: &str| egress(target, "defaultAction: Deny");
    let of_other = GATEWAY.replace("name: http", "name: other");
    let of_istio = two.replace("gatewayClassName: egret", "gatewayClassName: istio");
    let one_gone = format!("{BASE}{}", deny(both));
    for (before, after, is_refused) in [
        // The policy is deleted, alone and with its target.
        (format!("{two}{}", deny(GATEWAY)), two.clone(), false),
        (format!("{two}{}", deny(&of_other)), BASE.to_owned(), false),
        // The target is deleted, and the policy is not.
        (
            format!("{two}{}", deny(&of_other)),
            format!("{BASE}{}", deny(&of_other)),
            true,
        ),
        // Another target that exists is named.
        (
            format!("{two}{}", deny(GATEWAY)),
            format!("{two}{}", deny(&of_other)),
            false,
        ),
        // One of two targets is not named any more, is misspelt, is deleted.
        (
            format!("{two}{}", deny(both)),
            format!("{two}{}", deny(GATEWAY)),
            false,
        ),
        (
            format!("{two}{}", deny(both)),
            format!("{two}{}", deny(&both.replace("other", "othre"))),
            true,
        ),
        (format!("{two}{}", deny(both)), one_gone, true),
        // Another controller serves the target.
        (
            format!("{two}{}", deny(GATEWAY)),
            format!("{of_istio}{}", deny(GATEWAY)),
            false,
        ),
        // A target that never existed stays what it was at start.
        (
            format!("{BASE}{}", deny(&of_other)),
            format!("{BASE}{}", deny(&of_other).replace("Deny", "Allow")),
            false,
        ),
    ] {
        let (first, _) = start(&before);
        let outcome = change(&first, &after);
        assert_eq!(outcome.is_err(), is_refused, "{after}\n{outcome:#?}");
    }
}

#[test]
fn a_policy_without_targets_protects_nothing_either() {
    let bound = policy("gateway.kgateway.dev", "TrafficPolicy", GATEWAY, TRAFFIC);
    let (first, _) = start(&format!("{BASE}{bound}"));
    let refused = change(&first, &format!("{BASE}{}", bound.replace(GATEWAY, ""))).unwrap_err();
    let told = refused.0[0].to_string();
    assert!(
        told.contains("spec.targetRefs: no target is left, and Gateway infra/http was one"),
        "{told}"
    );
    // By labels likewise.
    let labelled = BASE.replace(
        "name: http, namespace",
        "labels: {a: b}, name: http, namespace",
    );
    let selector =
        "targetSelectors: [{group: gateway.networking.k8s.io, kind: Gateway, matchLabels: {a: b}}]";
    let selecting = bound.replace(&format!("targetRefs: [{GATEWAY}]"), selector);
    let (first, compiled) = start(&format!("{labelled}{selecting}"));
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    let refused = change(&first, &format!("{BASE}{selecting}")).unwrap_err();
    let told = refused.0[0].to_string();
    assert!(
        told.contains("no Gateway of the namespace infra has the labels a=b"),
        "{told}"
    );
}

#[test]
fn a_new_policy_that_is_wrong_does_not_close_its_targets() {
    let wrong = egress(GATEWAY, "rules: [{action: Deny, ports: [0]}]");
    let (first, _) = start(BASE);
    let refused = change(&first, &format!("{BASE}{wrong}")).unwrap_err();
    let told = refused.0[0].to_string();
    assert!(
        told.ends_with("there is no good version of the policy yet"),
        "{told}"
    );
    // At start there is nothing that could stay.
    let (first, compiled) = start(&format!("{BASE}{wrong}"));
    let listener = &compiled.snapshot.sockets.values().next().unwrap().listeners[0];
    assert!(listener.refuse.is_some());
    // And it can be mended, bit by bit.
    let (second, mended) = (wrong.replace("[0]", "[0, 1]"), wrong.replace("[0]", "[1]"));
    let change_to_second = change(&first, &format!("{BASE}{second}")).unwrap();
    assert!(change_to_second.compiled.report.held.is_empty());
    let mended = change(&change_to_second.in_force, &format!("{BASE}{mended}")).unwrap();
    assert!(mended.compiled.report.accepted());
}

#[test]
fn the_clean_up_of_a_guide_works() {
    let (_, change) = changed(
        BASE,
        &BASE.replace(
            "kind: Backend\nmetadata: {name: dfp",
            "kind: Backend\nmetadata: {name: gone",
        ),
    );
    assert!(change.is_new && change.compiled.report.held.is_empty());
    let served = serde_json::to_string(&change.compiled.snapshot).unwrap();
    assert!(served.contains("Backend infra/dfp not found"), "{served}");
}

/// A change between objects of a cluster.
fn in_cluster(versions: &[&str]) -> Vec<(Vec<String>, Vec<String>)> {
    let options = CompileOptions {
        placement: GatewayPlacement::Apart,
        ..CompileOptions::default()
    };
    let class = "apiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {name: egret}\n\
                 spec: {controllerName: egret.dev/gateway}\n---\n";
    let text = |version: &str| read(&format!("{class}{version}"));
    let (mut in_force, _) = InForce::start(text(versions[0]), &options);
    let each = versions[1..].iter().map(|version| {
        let change = in_force.change(text(version), &options).unwrap();
        in_force = change.in_force;
        let report = &change.compiled.report;
        let held = report.held.iter().map(|held| held.object.to_string());
        let listeners = change.compiled.review.listeners.values();
        let protected = listeners.flatten().map(ToString::to_string);
        (held.collect(), protected.collect())
    });
    each.collect()
}

#[test]
fn in_a_cluster_a_policy_that_would_protect_nothing_stays_as_it_was() {
    let deny = egress(GATEWAY, "defaultAction: Deny");
    let before = format!("{BASE}{deny}");
    let typo = format!("{BASE}{}", deny.replace("name: http}", "name: htp}"));
    // Others are not held up.
    let other = typo.replace(
        "dynamicForwardProxy: {}",
        "dynamicForwardProxy: {enableTls: true}",
    );
    let gateway = BASE.split_once("---").unwrap().0;
    let right = format!(
        "{other}{}---\n",
        gateway.replace("name: http, n", "name: htp, n")
    );
    let held = || vec!["EgressPolicy infra/p".to_owned()];
    let outcomes = in_cluster(&[&before, &typo, &other, &right, BASE]);
    assert_eq!(
        outcomes,
        [
            // The policy protects its Gateway while the new target does not exist,
            (held(), held()),
            (held(), held()),
            // and protects the new one when it does.
            (vec![], held()),
            // Who deletes the policy means it.
            (vec![], vec![]),
        ]
    );
}

#[test]
fn in_a_cluster_a_new_policy_without_a_target_closes_nothing() {
    let deny = egress(ROUTE, "defaultAction: Deny").replace("name: r}", "name: later}");
    let outcomes = in_cluster(&[BASE, &format!("{BASE}{deny}")]);
    assert_eq!(outcomes, [(vec![], vec![])]);
    let class = "apiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {name: egret}\n\
                 spec: {controllerName: egret.dev/gateway}\n---\n";
    let options = CompileOptions {
        placement: GatewayPlacement::Apart,
        ..CompileOptions::default()
    };
    let (_, compiled) = InForce::start(read(&format!("{class}{BASE}{deny}")), &options);
    let sockets = compiled.snapshot.sockets.values();
    assert!(
        sockets
            .flat_map(|socket| &socket.listeners)
            .all(|listener| listener.refuse.is_none())
    );
}

/// Services come and go in a cluster, and their policies stay.
#[test]
fn a_service_that_is_gone_leaves_nothing_open() {
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: shop, namespace: infra, labels: {app: shop}}\n\
                   spec: {ports: [{port: 80}]}\n---\n";
    let tls = "apiVersion: gateway.networking.k8s.io/v1\nkind: BackendTLSPolicy\nmetadata: {name: p, namespace: infra}\n\
               spec:\n  targetRefs: [{group: '', kind: Service, name: shop}]\n  \
               validation: {hostname: a.test, wellKnownCACertificates: System}\n---\n";
    let selected = "apiVersion: gateway.kgateway.dev/v1alpha1\nkind: BackendConfigPolicy\n\
                    metadata: {name: p, namespace: infra}\nspec:\n  \
                    targetSelectors: [{group: '', kind: Service, matchLabels: {app: shop}}]\n  connectTimeout: 1s\n---\n";
    for policy in [tls, selected] {
        let both = format!("{BASE}{service}{policy}");
        let gone = format!("{BASE}{policy}");
        let (first, compiled) = start(&both);
        assert!(compiled.report.accepted(), "{}", compiled.report.table());
        assert!(change(&first, &gone).unwrap().is_new);
        let (empty, _) = start(BASE);
        assert!(change(&empty, &gone).unwrap().is_new);
        // While it is there, it does not lose its policy.
        let misspelt = both.replace("name: shop}]", "name: shpo}]");
        let misspelt = misspelt.replace("matchLabels: {app: shop}", "matchLabels: {app: shpo}");
        let refused = change(&first, &misspelt).unwrap_err();
        let told = refused.0[0].to_string();
        assert!(
            told.contains("no target is left, and Service infra/shop was one"),
            "{told}"
        );
    }
}
