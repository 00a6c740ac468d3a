//! Services as targets of policies.

use std::sync::Arc;

use super::super::{
    CompiledConfig, condition, describe, kgateway_policy, problems, route, rule, with_base,
};
use super::{HTTP, service};
use crate::resources::{Kind, ObjectRef};
use crate::snapshot::{BackendDestination, BackendSettings, RuleAction};

fn settings(compiled: &CompiledConfig, path: &str) -> Arc<BackendSettings> {
    let RuleAction::Forward(backends) = &rule(compiled, 8080, "a.b", path).unwrap().action else {
        panic!("not forwarded");
    };
    match &backends.backends[0].destination {
        BackendDestination::Service(to) => to.settings.clone(),
        other => panic!("{other:?}"),
    }
}

/// A BackendTLSPolicy of this name for a Service, or for a port of it.
fn tls_policy(name: &str, target: &str, hostname: &str) -> String {
    format!(
        "---\napiVersion: gateway.networking.k8s.io/v1\nkind: BackendTLSPolicy\nmetadata: {{name: {name}, namespace: apps}}\n\
         spec:\n  targetRefs: [{{group: '', kind: Service, name: shop{target}}}]\n  \
         validation: {{hostname: {hostname}, wellKnownCACertificates: System}}\n"
    )
}

/// A Service with the ports `http` and `admin`, and a route to each by its path.
fn two_ports(policies: &str) -> CompiledConfig {
    let ports = format!("{HTTP}, {{name: admin, port: 90}}");
    let rules = route(
        "  rules:\n  - {matches: [{path: {value: /http}}], backendRefs: [{name: shop, port: 80}]}\n  \
         - {matches: [{path: {value: /admin}}], backendRefs: [{name: shop, port: 90}]}\n",
    );
    with_base(&format!("{}{policies}{rules}", service(&ports)))
}

fn server_names(compiled: &CompiledConfig) -> [Option<String>; 2] {
    ["/http", "/admin"].map(|path| {
        let tls = settings(compiled, path).tls.clone()?;
        tls.sni.as_ref().map(ToString::to_string)
    })
}

#[test]
fn tls_is_for_a_service_or_for_one_port_of_it() {
    let whole = tls_policy("whole", "", "whole.example");
    let admin = tls_policy("admin", ", sectionName: admin", "admin.example");
    let (a, w) = (
        || Some("admin.example".to_owned()),
        || Some("whole.example".to_owned()),
    );
    for (policies, expected) in [
        (String::new(), [None, None]),
        (whole.clone(), [w(), w()]),
        (admin.clone(), [None, a()]),
        (format!("{whole}{admin}"), [w(), a()]),
    ] {
        let compiled = two_ports(&policies);
        assert_eq!(server_names(&compiled), expected, "{policies}");
        for (name, is_there) in [
            ("whole", policies.contains("whole")),
            ("admin", policies.contains("admin.example")),
        ] {
            if is_there {
                let at = format!("BackendTLSPolicy apps/{name}#infra/gw");
                assert_eq!(
                    condition(&compiled, &at, "Accepted"),
                    "true Accepted: Policy accepted"
                );
            }
        }
    }
    // The older of two at the same port decides.
    let younger = tls_policy("younger", ", sectionName: admin", "younger.example");
    let compiled = two_ports(&format!("{admin}{younger}"));
    assert_eq!(server_names(&compiled), [None, a()]);
    assert_eq!(
        condition(
            &compiled,
            "BackendTLSPolicy apps/younger#infra/gw",
            "Accepted"
        ),
        "false Conflicted: overridden at Service apps/shop#admin by the older BackendTLSPolicy apps/admin"
    );
}

#[test]
fn a_port_that_a_tls_policy_misses_refuses_all_of_the_service() {
    let compiled = two_ports(&tls_policy("p", ", sectionName: htpp", "a.example"));
    let message = "Service apps/shop#htpp not found; all of Service apps/shop is refused";
    assert_eq!(
        condition(&compiled, "BackendTLSPolicy apps/p#infra/gw", "Accepted"),
        format!("false TargetNotFound: {message}")
    );
    for path in ["/http", "/admin"] {
        let answer = describe(rule(&compiled, 8080, "a.b", path).unwrap());
        assert_eq!(
            answer,
            format!("1*refuse BackendTLSPolicy apps/p: {message}")
        );
    }
    // A policy with a fault refuses only what it is for.
    let wrong = tls_policy("p", ", sectionName: admin", "'*.example'");
    let compiled = two_ports(&wrong);
    let answer = |path| describe(rule(&compiled, 8080, "a.b", path).unwrap());
    assert!(
        answer("/http").starts_with("1*service"),
        "{}",
        answer("/http")
    );
    assert!(
        answer("/admin").starts_with("1*refuse BackendTLSPolicy"),
        "{}",
        answer("/admin")
    );
}

#[test]
fn a_policy_for_a_service_that_is_not_there_stops_nothing() {
    let text = tls_policy("p", "", "a.example").replace("name: shop", "name: gone");
    let compiled = two_ports(&text);
    assert_eq!(server_names(&compiled), [None, None]);
    let told = "BackendTLSPolicy apps/p: spec.targetRefs: Service apps/gone not found";
    assert!(problems(&compiled).iter().any(|it| it.ends_with(told)));
    // No Gateway has to do with it, so that its status is not Egret's to write.
    let table = compiled.report.table();
    assert!(!table.contains("BackendTLSPolicy"), "{table}");
    let policy = ObjectRef::new(Kind::BackendTlsPolicy, "apps", "p");
    let binding = &compiled.review.bindings[&policy];
    assert!(binding.dangling.is_empty() && binding.bound.is_empty());
}

#[test]
fn a_backend_config_policy_is_for_a_service_by_name_or_by_label() {
    let policy = |target: &str| {
        kgateway_policy(
            "BackendConfigPolicy",
            "c",
            "apps",
            &format!("  {target}\n  connectTimeout: 4s\n"),
        )
    };
    for (target, expected) in [
        ("targetRefs: [{group: '', kind: Service, name: shop}]", 4),
        (
            "targetSelectors: [{group: '', kind: Service, matchLabels: {app: shop}}]",
            4,
        ),
        (
            "targetSelectors: [{group: '', kind: Service, matchLabels: {app: other}}]",
            5,
        ),
    ] {
        let compiled = two_ports(&policy(target));
        for path in ["/http", "/admin"] {
            let timeout = settings(&compiled, path).connect_timeout.as_secs();
            assert_eq!(timeout, expected, "{target}");
        }
        if expected == 4 {
            let at = "BackendConfigPolicy apps/c";
            assert!(
                condition(&compiled, at, "Attached").starts_with("true"),
                "{target}"
            );
        }
    }
    // TLS of a port is kept, whichever policy is read first.
    let tls = tls_policy("p", ", sectionName: admin", "admin.example");
    let target = "targetRefs: [{group: '', kind: Service, name: shop}]";
    let compiled = two_ports(&format!("{}{tls}", policy(target)));
    assert_eq!(
        server_names(&compiled),
        [None, Some("admin.example".to_owned())]
    );
    assert_eq!(settings(&compiled, "/admin").connect_timeout.as_secs(), 4);
    let section = two_ports(&policy(
        &target.replace("name: shop", "name: shop, sectionName: admin"),
    ));
    let expected =
        "spec.targetRefs[0].sectionName: a BackendConfigPolicy is for all ports of a Service";
    let told = problems(&section);
    assert!(told.iter().any(|line| line.ends_with(expected)), "{told:?}");
}
