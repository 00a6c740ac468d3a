//! `spec.tls.backend.clientCertificateRef` of a Gateway: the certificate that it shows to backends.

use std::sync::Arc;

use super::https::{ONE, OTHER, object};
use super::{
    BACKEND, BASE, CompiledConfig, TO_DFP, condition, kgateway_policy, problems, route, rule, run,
};
use crate::snapshot::{BackendDestination, BackendSettings, RuleAction};

const STATIC: &str = "{static: {hosts: [{host: up.example, port: 443}]}}";
const SYSTEM_TLS: &str = "tls: {wellKnownCACertificates: System}";

/// A Gateway that refers to this certificate, a Backend, a route to it, and Secrets.
fn with(reference: &str, backend: &str, more: &str) -> CompiledConfig {
    let class = "  gatewayClassName: egret\n";
    let tls = format!("{class}  tls: {{backend: {{clientCertificateRef: {reference}}}}}\n");
    let base = BASE.replace(class, &tls);
    assert_ne!(base, BASE);
    let base = base.replace("{dynamicForwardProxy: {}}", backend);
    let pair = |namespace, name, certificate: &str| {
        let entries = [("tls.crt", certificate), ("tls.key", &*ONE.key)];
        object("Secret", namespace, name, &entries)
    };
    let secrets = [
        pair("infra", "ours", &ONE.certificate),
        pair("far", "ours", &ONE.certificate),
        pair("infra", "mixed", &OTHER.certificate),
    ];
    let route = route(&format!("  rules:\n  - {TO_DFP}\n"));
    run(&format!("{base}{route}{}{more}", secrets.concat()))
}

/// The settings of the Backend.
fn config(fields: &str) -> String {
    let spec = format!("  targetRefs: [{BACKEND}]\n  {fields}\n");
    kgateway_policy("BackendConfigPolicy", "c", "apps", &spec)
}

fn settings(compiled: &CompiledConfig, path: &str) -> Arc<BackendSettings> {
    let RuleAction::Forward(backends) = &rule(compiled, 8080, "a.b", path).unwrap().action else {
        panic!("not forwarded");
    };
    match &backends.backends[0].destination {
        BackendDestination::Static(to) => Arc::clone(&to.settings),
        BackendDestination::Dynamic(to) => Arc::clone(&to.settings),
        other => panic!("{other:?}"),
    }
}

/// The Secret whose certificate is shown to the Backend.
fn shown(compiled: &CompiledConfig) -> Option<String> {
    let settings = settings(compiled, "/");
    let identity = settings.tls.as_ref()?.identity.as_ref()?;
    Some(identity.source.to_string())
}

#[test]
fn a_backend_over_tls_is_shown_the_certificate_of_the_gateway() {
    let compiled = with("{name: ours}", STATIC, &config(SYSTEM_TLS));
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    assert_eq!(shown(&compiled).as_deref(), Some("Secret infra/ours"));
    let resolved = condition(&compiled, "Gateway infra/gw", "ResolvedRefs");
    assert!(resolved.starts_with("true ResolvedRefs"), "{resolved}");
}

#[test]
fn what_has_a_certificate_of_its_own_or_no_tls_has_none_of_the_gateway() {
    let own = object(
        "Secret",
        "apps",
        "own",
        &[("tls.crt", &ONE.certificate), ("tls.key", &ONE.key)],
    );
    let own = format!("{own}{}", config("tls: {secretRef: {name: own}}"));
    let compiled = with("{name: ours}", STATIC, &own);
    assert_eq!(shown(&compiled).as_deref(), Some("Secret apps/own"));
    let compiled = with("{name: ours}", STATIC, "");
    assert_eq!(shown(&compiled), None);
    // Clients choose the host, and could have the Gateway vouch for itself anywhere.
    let dynamic = "{dynamicForwardProxy: {enableTls: true}}";
    let compiled = with("{name: ours}", dynamic, &config(SYSTEM_TLS));
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    assert_eq!(shown(&compiled), None);
}

#[test]
fn rules_of_a_gateway_share_the_settings() {
    let class = "  gatewayClassName: egret\n";
    let tls = format!("{class}  tls: {{backend: {{clientCertificateRef: {{name: ours}}}}}}\n");
    let base = BASE.replace(class, &tls);
    let base = base.replace("{dynamicForwardProxy: {}}", STATIC);
    let entries = [("tls.crt", &*ONE.certificate), ("tls.key", &*ONE.key)];
    let secret = object("Secret", "infra", "ours", &entries);
    let rules = format!(
        "  rules:\n  - {{{TO_DFP}, matches: [{{path: {{value: /x}}}}]}}\n  - {{{TO_DFP}}}\n"
    );
    let rules = route(&rules);
    let compiled = run(&format!("{base}{rules}{secret}{}", config(SYSTEM_TLS)));
    let [one, other] = ["/x", "/"].map(|path| settings(&compiled, path));
    assert!(one.tls.as_ref().unwrap().identity.is_some());
    assert!(Arc::ptr_eq(&one, &other));
}

#[test]
fn a_reference_that_leads_to_no_certificate_is_told() {
    for (reference, reason, message) in [
        (
            "{name: gone}",
            "InvalidClientCertificateRef",
            "Secret infra/gone not found",
        ),
        (
            "{name: mixed}",
            "InvalidClientCertificateRef",
            "Secret infra/mixed: tls.key does not belong to tls.crt",
        ),
        (
            "{name: ours, kind: ConfigMap}",
            "InvalidClientCertificateRef",
            "ConfigMap is not supported; Secret is",
        ),
        (
            "{name: ours, group: example.com}",
            "InvalidClientCertificateRef",
            "example.com/Secret is not supported; Secret is",
        ),
        (
            "{name: ours, namespace: far}",
            "RefNotPermitted",
            "missing reference grant for Secret far/ours",
        ),
    ] {
        let compiled = with(reference, STATIC, &config(SYSTEM_TLS));
        let fault = format!("spec.tls.backend.clientCertificateRef: {message}");
        assert_eq!(
            condition(&compiled, "Gateway infra/gw", "ResolvedRefs"),
            format!("false {reason}: {fault}")
        );
        let accepted = condition(&compiled, "Gateway infra/gw", "Accepted");
        assert!(accepted.starts_with("true Accepted"), "{accepted}");
        assert!(problems(&compiled)[0].ends_with(&format!("Gateway infra/gw: {fault}")));
        assert_eq!(shown(&compiled), None);
    }
    let grant = "---
apiVersion: gateway.networking.k8s.io/v1
kind: ReferenceGrant
metadata: {name: g, namespace: far}
spec:
  from: [{group: gateway.networking.k8s.io, kind: Gateway, namespace: infra}]
  to: [{group: '', kind: Secret, name: ours}]
";
    let more = format!("{}{grant}", config(SYSTEM_TLS));
    let compiled = with("{name: ours, namespace: far}", STATIC, &more);
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    assert_eq!(shown(&compiled).as_deref(), Some("Secret far/ours"));
}
