//! Objects whose new version is wrong in itself, and what is taken away from under others.

use super::{BACKEND, BASE, GATEWAY, ROUTE, change, changed, egress, policy, problems, start};
use crate::compile::{CompileOptions, CompiledConfig};
use crate::in_force::{ConfigChange, InForce};

/// A certificate and its key, each in a Secret.
fn pair() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["a.test".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

fn secret(name: &str, entries: &[(&str, &str)]) -> String {
    let entries: std::collections::BTreeMap<_, _> = entries.iter().copied().collect();
    let entries = serde_json::to_string(&entries).unwrap();
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: infra, labels: {{keys: 'yes'}}}}\n\
         stringData: {entries}\n---\n"
    )
}

/// The objects that are held, as they are told.
fn held(change: &ConfigChange) -> Vec<String> {
    let held = change.compiled.report.held.iter();
    held.map(ToString::to_string).collect()
}

/// The message of a condition of an object that is not fine.
fn fault(compiled: &CompiledConfig, object: &str) -> String {
    let mut objects = compiled.report.objects.iter();
    let object = objects
        .find(|report| report.object.to_string() == object)
        .unwrap();
    let mut conditions = object.conditions().map(|(_, condition)| condition);
    let condition = conditions.find(|condition| !condition.is_fine());
    condition.map_or_else(String::new, |condition| condition.message.clone())
}

/// An edit that makes an object wrong in itself: further objects beside the base, the text before and after, and the
/// object.
type WrongEdit = (String, &'static str, &'static str, &'static str);

fn wrong_policies() -> Vec<WrongEdit> {
    let users = "basicAuth: {users: ['ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=']}";
    let kgateway = "gateway.kgateway.dev";
    vec![
        (
            egress(GATEWAY, "rules: [{action: Deny, hosts: [a.test]}]"),
            "hosts: [a.test]",
            "hosts: ['a test']",
            "EgressPolicy infra/p",
        ),
        (
            policy("egret.dev", "ResolverPolicy", GATEWAY, "queryTimeout: 1s"),
            "1s",
            "0s",
            "ResolverPolicy infra/p",
        ),
        (
            policy(kgateway, "TrafficPolicy", ROUTE, users),
            "ann:{SHA}",
            "ann:",
            "TrafficPolicy infra/p",
        ),
        (
            policy(kgateway, "TrafficPolicy", ROUTE, users),
            "basicAuth:",
            "oauth2: {}\n  basicAuth:",
            "TrafficPolicy infra/p",
        ),
        (
            policy(
                kgateway,
                "ListenerPolicy",
                GATEWAY,
                "default: {httpSettings: {streamIdleTimeout: 5s}}",
            ),
            "5s",
            "5 seconds",
            "ListenerPolicy infra/p",
        ),
        (
            policy(
                kgateway,
                "BackendConfigPolicy",
                BACKEND,
                "connectTimeout: 1s",
            ),
            "1s",
            "1 second",
            "BackendConfigPolicy infra/p",
        ),
    ]
}

fn wrong_objects() -> Vec<WrongEdit> {
    let response = "apiVersion: gateway.kgateway.dev/v1alpha1\nkind: DirectResponse\n\
                    metadata: {name: d, namespace: infra}\nspec: {status: 200}\n---\n\
                    apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\n\
                    metadata: {name: d, namespace: infra}\nspec:\n  parentRefs: [{name: http}]\n  \
                    rules: [{filters: [{type: ExtensionRef, extensionRef: {group: gateway.kgateway.dev, kind: \
                    DirectResponse, name: d}}]}]\n---\n";
    let class = "apiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {name: egret}\n\
                 spec: {controllerName: egret.dev/gateway}\n---\n";
    vec![
        (response.to_owned(), "200", "99", "DirectResponse infra/d"),
        (
            class.to_owned(),
            "gateway}",
            "gateway, parametersRef: {group: a, kind: b, name: c}}",
            "GatewayClass egret",
        ),
        (String::new(), "port: 8080", "port: 0", "Gateway infra/http"),
        (
            String::new(),
            "protocol: HTTP",
            "protocol: UDP",
            "Gateway infra/http",
        ),
        (
            String::new(),
            "dynamicForwardProxy: {}",
            "aws: {}",
            "Backend infra/dfp",
        ),
        (
            String::new(),
            "  - backendRefs",
            "  - matches: [{path: {type: RegularExpression, value: '('}}]\n    backendRefs",
            "HTTPRoute infra/r",
        ),
        (
            String::new(),
            "[{name: http}]",
            "[{name: http, kind: Gatway}]",
            "HTTPRoute infra/r",
        ),
    ]
}

#[test]
fn the_last_good_version_is_served_of_every_kind_of_object() {
    for (more, from, to, object) in [wrong_policies(), wrong_objects()].concat() {
        let before = format!("{BASE}{more}");
        let (first, compiled) = start(&before);
        let after = before.replace(from, to);
        assert_ne!(before, after, "{from}");
        let change = change(&first, &after).unwrap();
        assert_eq!(change.compiled.snapshot, compiled.snapshot, "{to}");
        assert_eq!(held(&change), [format!("{object} of generation 1")], "{to}");
        assert!(!change.is_new, "nothing of the change is served");
        assert_eq!(change.in_force.generation(), 1);
        let note = format!("still served: {object} of generation 1");
        assert!(
            problems(&change.compiled)
                .iter()
                .any(|it| it.ends_with(&note)),
            "{note}"
        );
        let told = fault(&change.compiled, object);
        assert!(told.ends_with(&note), "{object}: {told}");
        assert!(!change.compiled.report.accepted());
        // It is mended by the version that is good, and by another.
        let mended = super::change(&change.in_force, &before).unwrap();
        assert!(mended.is_new && held(&mended).is_empty());
        // At start there is no good version.
        let (_, compiled_wrong) = start(&after);
        assert_ne!(compiled_wrong.snapshot, compiled.snapshot, "{to}");
    }
}

#[test]
fn the_rest_of_a_change_is_served() {
    let deny = egress(GATEWAY, "rules: [{action: Deny, hosts: [a.test]}]");
    let (first, _) = start(&format!("{BASE}{deny}"));
    let wrong = deny.replace("hosts: [a.test]", "hosts: ['a test']");
    let moved = BASE.replace("8080", "8081");
    let second = change(&first, &format!("{moved}{wrong}")).unwrap();
    assert!(second.is_new);
    assert_eq!(second.in_force.generation(), 2);
    assert_eq!(held(&second), ["EgressPolicy infra/p of generation 1"]);
    let ports: Vec<_> = second
        .compiled
        .snapshot
        .sockets
        .keys()
        .map(|bind| bind.port.get())
        .collect();
    assert_eq!(ports, [8081]);
    // It is held for as long as it is wrong, and the generation is the one that had it.
    let third = change(&second.in_force, &format!("{BASE}{wrong}")).unwrap();
    assert_eq!(held(&third), ["EgressPolicy infra/p of generation 1"]);
    let again = change(&third.in_force, &format!("{BASE}{wrong}")).unwrap();
    assert!(!again.is_new && again.changes.is_empty());
    // Deleted, it has no version any more, good or not.
    let gone = change(&again.in_force, BASE).unwrap();
    assert!(gone.compiled.report.accepted() && gone.unprotected.len() == 1);
    assert!(change(&gone.in_force, &format!("{BASE}{wrong}")).is_err());
}

/// A listener with TLS whose certificate is in the Secret `tls`.
fn with_tls() -> String {
    BASE.replace(
        "protocol: HTTP, port: 8080,",
        "protocol: HTTPS, port: 8443, tls: {certificateRefs: [{name: tls}]},",
    )
}

#[test]
fn a_certificate_that_does_not_match_its_key_is_not_served() {
    let (one, other) = (pair(), pair());
    let tls = |certificate: &str, key: &str| {
        let secret = secret("tls", &[("tls.crt", certificate), ("tls.key", key)]);
        format!("{}{secret}", with_tls())
    };
    let (first, compiled) = start(&tls(&one.0, &one.1));
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    // A rotation in two steps: the key comes after the certificate.
    let half = change(&first, &tls(&other.0, &one.1)).unwrap();
    assert_eq!(half.compiled.snapshot, compiled.snapshot);
    assert_eq!(held(&half), ["Secret infra/tls of generation 1"]);
    let told = problems(&half.compiled).join("\n");
    assert!(
        told.contains(
            "tls.key does not belong to tls.crt; still served: Secret infra/tls of generation 1"
        ),
        "{told}"
    );
    let whole = change(&half.in_force, &tls(&other.0, &other.1)).unwrap();
    assert!(whole.compiled.report.accepted() && whole.is_new);
    assert_ne!(whole.compiled.snapshot, compiled.snapshot);
}

#[test]
fn a_secret_that_is_taken_away_stays_in_service() {
    let (certificate, key) = pair();
    let secret = secret("tls", &[("tls.crt", &certificate), ("tls.key", &key)]);
    let (compiled, gone) = changed(&format!("{}{secret}", with_tls()), &with_tls());
    assert_eq!(gone.compiled.snapshot, compiled.snapshot);
    assert!(!gone.is_new);
    assert_eq!(held(&gone), ["Secret infra/tls of generation 1"]);
    // The status is that of the Gateway API.
    let mut objects = gone.compiled.report.objects.iter();
    let gateway = objects.find(|it| &*it.object.name == "http").unwrap();
    let mut conditions = gateway.conditions();
    let resolved = conditions
        .find(|(listener, it)| !listener.is_empty() && it.kind == "ResolvedRefs")
        .unwrap()
        .1;
    assert_eq!(
        (resolved.status, resolved.reason),
        (false, "InvalidCertificateRef")
    );
    // Once nothing refers to it, it is gone.
    let plain = change(&gone.in_force, BASE).unwrap();
    assert!(
        plain.compiled.report.accepted(),
        "{}",
        plain.compiled.report.table()
    );
    // A name that never existed is a mistake in the Gateway.
    let (first, _) = start(&format!("{}{secret}", with_tls()));
    let renamed = with_tls().replace("[{name: tls}]", "[{name: slt}]");
    let renamed = change(&first, &format!("{renamed}{secret}")).unwrap();
    assert_eq!(held(&renamed), ["Gateway infra/http of generation 1"]);
    assert_eq!(renamed.compiled.snapshot, compiled.snapshot);
}

#[test]
fn a_version_that_lacks_a_secret_is_still_better_than_one_that_is_wrong() {
    let (first, compiled) = start(&with_tls());
    assert!(!compiled.report.accepted());
    let wrong = with_tls().replace("8443", "0");
    let change = change(&first, &wrong).unwrap();
    assert_eq!(held(&change), ["Gateway infra/http of generation 1"]);
    assert_eq!(change.compiled.snapshot, compiled.snapshot);
}

#[test]
fn secrets_of_policies_are_held_like_those_of_listeners() {
    let kgateway = "gateway.kgateway.dev";
    let users = secret(
        "users",
        &[(".htpasswd", "ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=")],
    );
    let basic = policy(
        kgateway,
        "TrafficPolicy",
        GATEWAY,
        "basicAuth: {secretRef: {name: users}}",
    );
    let keys = secret("users", &[("ann", "k1")]);
    let api_key = policy(
        kgateway,
        "TrafficPolicy",
        GATEWAY,
        "apiKeyAuth: {secretSelector: {matchLabels: {keys: 'yes'}}}",
    );
    let header = policy(
        kgateway,
        "TrafficPolicy",
        GATEWAY,
        "headerModifiers: {request: {set: [{name: x, secretRef: {name: users, key: ann}}]}}",
    );
    for (policy, good, bad) in [
        (&basic, &users, users.replace("ann:{SHA}", "ann:")),
        (&basic, &users, users.replace(".htpasswd", "htpasswd")),
        (&basic, &users, String::new()),
        (&api_key, &keys, keys.replace("k1", "")),
        (&api_key, &keys, keys.replace("keys: 'yes'", "keys: 'no'")),
        (&api_key, &keys, String::new()),
        (&header, &keys, keys.replace("k1", "a\\u0007b")),
        (&header, &keys, String::new()),
    ] {
        let (compiled, change) = changed(
            &format!("{BASE}{policy}{good}"),
            &format!("{BASE}{policy}{bad}"),
        );
        assert!(compiled.report.accepted(), "{}", compiled.report.table());
        assert_eq!(change.compiled.snapshot, compiled.snapshot, "{bad}");
        assert_eq!(
            held(&change),
            ["Secret infra/users of generation 1"],
            "{bad}"
        );
    }
    // The entry that a policy names is the policy's own business.
    let other = basic.replace("{name: users}", "{name: users, key: other}");
    let (compiled, change) = changed(
        &format!("{BASE}{basic}{users}"),
        &format!("{BASE}{other}{users}"),
    );
    assert_eq!(change.compiled.snapshot, compiled.snapshot);
    assert_eq!(held(&change), ["TrafficPolicy infra/p of generation 1"]);
}

#[test]
fn authorities_are_held_like_certificates() {
    let (authority, _) = pair();
    let map = |pem: &str| {
        let secret = secret("ca", &[("ca.crt", pem)]);
        secret
            .replace("kind: Secret", "kind: ConfigMap")
            .replace("stringData", "data")
    };
    let frontend = with_tls().replace(
        "spec:\n  gatewayClassName: egret",
        "spec:\n  gatewayClassName: egret\n  tls: {frontend: {default: {validation: {caCertificateRefs: [{group: '', kind: \
         ConfigMap, name: ca}]}}}}",
    );
    let (certificate, key) = pair();
    let tls = secret("tls", &[("tls.crt", &certificate), ("tls.key", &key)]);
    let listener = policy(
        "gateway.kgateway.dev",
        "ListenerPolicy",
        GATEWAY,
        "default: {clientCertificateValidation: {mode: Require, caCertificateRefs: [{group: '', kind: ConfigMap, \
         name: ca}]}}",
    );
    let fixed = BASE.replace(
        "dynamicForwardProxy: {}",
        "static: {hosts: [{host: a.test, port: 443}]}",
    );
    let backend_tls = format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: BackendTLSPolicy\n\
         metadata: {{name: p, namespace: infra}}\nspec:\n  targetRefs: [{BACKEND}]\n  validation: {{hostname: a.test, \
         caCertificateRefs: [{{group: '', kind: ConfigMap, name: ca}}]}}\n---\n"
    );
    for base in [
        format!("{frontend}{tls}"),
        format!("{}{tls}{listener}", with_tls()),
        format!("{fixed}{backend_tls}"),
    ] {
        for bad in ["junk", ""] {
            let (compiled, change) = changed(
                &format!("{base}{}", map(&authority)),
                &format!("{base}{}", map(bad)),
            );
            assert!(compiled.report.accepted(), "{}", compiled.report.table());
            assert_eq!(change.compiled.snapshot, compiled.snapshot);
            assert_eq!(held(&change), ["ConfigMap infra/ca of generation 1"]);
        }
        let (compiled, change) = changed(&format!("{base}{}", map(&authority)), &base);
        assert_eq!(change.compiled.snapshot, compiled.snapshot);
        assert_eq!(held(&change), ["ConfigMap infra/ca of generation 1"]);
    }
}

#[test]
fn references_keep_their_meaning() {
    let grant = "apiVersion: gateway.networking.k8s.io/v1beta1\nkind: ReferenceGrant\n\
                 metadata: {name: g, namespace: far}\nspec:\n  \
                 from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: infra}]\n  \
                 to: [{group: gateway.kgateway.dev, kind: Backend}]\n---\n";
    let far = BASE
        .replace("name: dfp, namespace: infra", "name: dfp, namespace: far")
        .replace("name: dfp}]", "name: dfp, namespace: far}]");
    let (compiled, change) = changed(&format!("{far}{grant}"), &far);
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    assert!(held(&change).is_empty() && change.is_new);
    assert!(fault(&change.compiled, "HTTPRoute infra/r").contains("missing reference grant"));
    // A route and its Gateway may go.
    let without = BASE
        .split("---\n")
        .filter(|it| !it.contains("HTTPRoute"))
        .collect::<Vec<_>>()
        .join("---\n");
    let (_, change) = changed(BASE, &without);
    assert!(change.compiled.report.accepted() && held(&change).is_empty());
}

#[test]
fn a_listener_without_an_egress_policy_can_be_forbidden() {
    let options = CompileOptions {
        require_egress_policy: true,
        ..CompileOptions::default()
    };
    let on = |target: &str| egress(target, "mode: Audit");
    let section = GATEWAY.replace("}", ", sectionName: http}");
    for (policies, is_served) in [
        (String::new(), false),
        (on(ROUTE), false),
        (on(GATEWAY), true),
        (on(&section), true),
    ] {
        let resources = super::read(&format!("{BASE}{policies}"));
        let (_, compiled) = InForce::start(resources, &options);
        let listener = &compiled.snapshot.sockets.values().next().unwrap().listeners[0];
        assert_eq!(listener.refuse.is_none(), is_served, "{policies}");
        assert_eq!(
            compiled.review.unprotected.is_empty(),
            is_served,
            "{policies}"
        );
        assert_eq!(compiled.report.accepted(), is_served, "{policies}");
    }
    let (_, compiled) = InForce::start(super::read(BASE), &options);
    assert_eq!(
        problems(&compiled),
        [
            "t.yaml:7: Gateway infra/http: spec.listeners[0]: every request is refused, because of Gateway infra/http: an \
          EgressPolicy is required, and none is bound to the listener or its Gateway"
        ]
    );
}
