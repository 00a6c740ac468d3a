//! BackendTLSPolicies.

use std::sync::Arc;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::https::{CertificatePair, ONE, OTHER, object};
use super::{
    BACKEND, BASE, CompiledConfig, TO_DFP, aged, condition, errors, get, kgateway_policy, problems,
    route, rule, run, warnings,
};
use crate::resources::{Kind, ObjectRef};
use crate::snapshot::{
    AlpnProtocol, BackendDestination, BackendSettings, Certificate, KeyExchangeGroup, PeerName,
    PeerTrust, RuleAction, TlsAlgorithms, TlsVersion, TlsVersions, UpstreamTls,
};

const AT: &str = "BackendTLSPolicy apps/p";

/// CA certificates in a Secret, a ConfigMap, and binary data of a ConfigMap, and objects without any.
fn authorities() -> String {
    let one = [("ca.crt", ONE.certificate.as_str())];
    let other = [("ca.crt", OTHER.certificate.as_str())];
    let bytes = k8s_openapi::ByteString(OTHER.certificate.clone().into_bytes());
    let bytes = serde_json::to_string(&bytes).unwrap();
    let bytes = format!(
        "---\n{{apiVersion: v1, kind: ConfigMap, metadata: {{name: bytes, namespace: apps}}, binaryData: {{ca.crt: {bytes}}}}}\n"
    );
    [
        object("Secret", "apps", "ca", &one),
        object("ConfigMap", "apps", "ca", &other),
        object("ConfigMap", "apps", "empty", &[("other", "x")]),
        object("ConfigMap", "apps", "junk", &[("ca.crt", "junk")]),
        object("ConfigMap", "infra", "far", &one),
        bytes,
    ]
    .concat()
}

fn policy(name: &str, target: &str, validation: &str) -> String {
    format!(
        "---\napiVersion: gateway.networking.k8s.io/v1\nkind: BackendTLSPolicy\nmetadata: {{name: {name}, namespace: apps}}\n\
         spec:\n  targetRefs: [{target}]\n  validation: {validation}\n"
    )
}

/// Compiles these documents, a static Backend, and a route to it.
fn with_static(text: &str) -> CompiledConfig {
    let base = BASE.replace(
        "{dynamicForwardProxy: {}}",
        "{static: {hosts: [{host: up.example, port: 443}]}}",
    );
    let rules = route(&format!("  rules:\n  - {TO_DFP}\n"));
    run(&format!("{base}{text}{}{rules}", authorities()))
}

fn validated(validation: &str) -> CompiledConfig {
    with_static(&policy("p", BACKEND, validation))
}

fn settings(compiled: &CompiledConfig) -> Arc<BackendSettings> {
    let RuleAction::Forward(backends) = &rule(compiled, 8080, "a.b", "/").unwrap().action else {
        panic!("not forwarded");
    };
    match &backends.backends[0].destination {
        BackendDestination::Static(to) => to.settings.clone(),
        other => panic!("{other:?}"),
    }
}

fn certificate(pair: &CertificatePair) -> Certificate {
    Certificate(CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap())
}

fn reference(kind: &str, name: &str) -> String {
    format!("{{group: '', kind: {kind}, name: {name}}}")
}

fn believed(refs: &[String]) -> String {
    format!(
        "{{hostname: up.example, caCertificateRefs: [{}]}}",
        refs.join(", ")
    )
}

#[test]
fn validation_becomes_settings() {
    let system = UpstreamTls {
        trust: PeerTrust::System,
        identity: None,
        sni: Some("up.example".parse().unwrap()),
        names: Vec::new(),
        versions: TlsVersions::default(),
        algorithms: TlsAlgorithms::default(),
        alpn: AlpnProtocol::BOTH.to_vec(),
    };
    let refs = [
        reference("ConfigMap", "ca"),
        reference("Secret", "ca"),
        reference("ConfigMap", "bytes"),
    ];
    for (validation, expected) in [
        (
            "{hostname: Up.Example, wellKnownCACertificates: System}".to_owned(),
            system.clone(),
        ),
        (
            believed(&refs),
            UpstreamTls {
                trust: PeerTrust::Authorities([&OTHER, &ONE, &OTHER].map(|pair| certificate(pair)).into()),
                ..system.clone()
            },
        ),
        (
            "{hostname: up.example, wellKnownCACertificates: System, subjectAltNames: [{type: Hostname, \
             hostname: a.example}, {type: Hostname, hostname: b.example}]}"
                .to_owned(),
            UpstreamTls {
                names: ["a.example", "b.example"]
                    .map(|name| PeerName::Host(name.parse().unwrap()))
                    .into(),
                ..system.clone()
            },
        ),
        (
            "{hostname: up.example, wellKnownCACertificates: System, subjectAltNames: [{type: Hostname, \
             hostname: a.example}, {type: URI, uri: 'spiffe://a.example/Up'}]}"
                .to_owned(),
            UpstreamTls {
                names: vec![
                    PeerName::Host("a.example".parse().unwrap()),
                    PeerName::Uri("spiffe://a.example/Up".to_owned()),
                ],
                ..system.clone()
            },
        ),
    ] {
        let compiled = validated(&validation);
        assert!(compiled.report.accepted(), "{}", compiled.report.table());
        let settings = settings(&compiled);
        assert_eq!(settings.tls.as_deref(), Some(&expected), "{validation}");
        let policy = ObjectRef::new(Kind::BackendTlsPolicy, "apps", "p");
        assert_eq!(settings.policy, Some(policy));
        let at = format!("{AT}#infra/gw");
        assert_eq!(
            condition(&compiled, &at, "Accepted"),
            "true Accepted: Policy accepted"
        );
        assert!(condition(&compiled, &at, "ResolvedRefs").starts_with("true ResolvedRefs"));
    }
}

#[test]
fn what_is_wrong_is_named_and_fails_closed() {
    const SYSTEM: &str = "hostname: up.example, wellKnownCACertificates: System";
    const ONE_OF: &str =
        "exactly one of the fields in [caCertificateRefs wellKnownCACertificates] must be set";
    let both = format!(
        "{{{SYSTEM}, caCertificateRefs: [{}]}}",
        reference("Secret", "ca")
    );
    let name = |spec: &str| format!("{{{SYSTEM}, subjectAltNames: [{spec}]}}");
    for (validation, field, message) in [
        (
            "{hostname: up.example}".to_owned(),
            "caCertificateRefs",
            ONE_OF,
        ),
        (both, "caCertificateRefs", ONE_OF),
        (
            "{hostname: up.example, wellKnownCACertificates: example.com/Ours}".to_owned(),
            "wellKnownCACertificates",
            "only System is supported",
        ),
        (
            "{hostname: '*.example', wellKnownCACertificates: System}".to_owned(),
            "hostname",
            "a wildcard is not supported here",
        ),
        (
            name("{type: URI, uri: a.example}"),
            "subjectAltNames[0].uri",
            "must be a full URI in ASCII, such as spiffe://example.org/service",
        ),
        (
            name("{type: URI, uri: 'spiffe://'}"),
            "subjectAltNames[0].uri",
            "must be a full URI in ASCII, such as spiffe://example.org/service",
        ),
        (
            name("{type: URI, hostname: a.example}"),
            "subjectAltNames[0].type",
            "exactly the field of this type must be set",
        ),
        (
            name("{type: Hostname, uri: x}"),
            "subjectAltNames[0].type",
            "exactly the field of this type must be set",
        ),
        (
            name("{type: Hostname, hostname: '*.example'}"),
            "subjectAltNames[0].hostname",
            "a wildcard is not supported here",
        ),
    ] {
        let compiled = validated(&validation);
        let fault = format!("spec.validation.{field}: {message}");
        assert!(
            problems(&compiled).contains(&format!("t.yaml:19: {AT}: {fault}")),
            "{:?}",
            problems(&compiled)
        );
        assert_eq!(
            condition(&compiled, &format!("{AT}#infra/gw"), "Accepted"),
            format!("false Invalid: {fault}")
        );
        assert_eq!(get(&compiled, "a.b"), format!("1*refuse {AT}: {fault}"));
    }
    let text = policy("p", BACKEND, "{}");
    assert!(errors(&text)[0].contains("spec.validation.hostname: is required"));
    let older = policy("p", BACKEND, "{}").replace("/v1\n", "/v1alpha2\n");
    assert!(errors(&older)[0].contains("BackendTLSPolicy is read in v1, v1alpha3, not v1alpha2"));
}

#[test]
fn options_are_those_of_a_listener() {
    let options = policy(
        "p",
        BACKEND,
        &format!("{SYSTEM}\n  options: {{kgateway.dev/b: c}}"),
    );
    let expected = "spec.options.kgateway.dev/b: unknown option";
    assert!(get(&with_static(&options), "a.b").ends_with(expected));
    for (option, message) in [
        ("alpn-protocols: allow-empty", "at least one is needed"),
        (
            "verify-subject-alt-names: a.example",
            "name them in validation.subjectAltNames",
        ),
    ] {
        let wrong = options.replace("b: c", option);
        assert!(get(&with_static(&wrong), "a.b").ends_with(message));
    }
    let own = "min-tls-version: '1.3', kgateway.dev/alpn-protocols: http/1.1, kgateway.dev/ecdh-curves: X25519";
    let own = with_static(&options.replace("b: c", own));
    assert!(own.report.accepted(), "{}", own.report.table());
    let settings = settings(&own);
    let tls = settings.tls.as_ref().unwrap();
    assert_eq!(tls.versions.min, TlsVersion::V1_3);
    assert_eq!(tls.alpn, [AlpnProtocol::Http11]);
    assert_eq!(tls.algorithms.groups, [KeyExchangeGroup::X25519]);
    let foreign = with_static(&options.replace("kgateway.dev/b", "a/b"));
    assert!(foreign.report.accepted(), "{}", foreign.report.table());
    let expected = "spec.options.a/b: an option of another implementation; ignored";
    assert!(warnings(&foreign)[0].ends_with(expected));
}

#[test]
fn authorities_that_lead_nowhere_are_told() {
    for (spec, reason, message) in [
        (
            reference("ConfigMap", "none"),
            "InvalidCACertificateRef",
            "ConfigMap apps/none not found",
        ),
        (
            reference("ConfigMap", "far"),
            "InvalidCACertificateRef",
            "ConfigMap apps/far not found",
        ),
        (
            reference("ConfigMap", "empty"),
            "InvalidCACertificateRef",
            "ConfigMap apps/empty: has no ca.crt",
        ),
        (
            reference("ConfigMap", "junk"),
            "InvalidCACertificateRef",
            "ConfigMap apps/junk: ca.crt has no certificate in PEM",
        ),
        (
            reference("Service", "ca"),
            "InvalidKind",
            "Service is not supported; ConfigMap and Secret are",
        ),
    ] {
        let fault = format!("spec.validation.caCertificateRefs[0]: {message}");
        let compiled = validated(&believed(std::slice::from_ref(&spec)));
        let at = format!("{AT}#infra/gw");
        assert_eq!(
            condition(&compiled, &at, "ResolvedRefs"),
            format!("false {reason}: {fault}")
        );
        assert_eq!(
            condition(&compiled, &at, "Accepted"),
            format!("false NoValidCACertificate: {fault}")
        );
        assert_eq!(get(&compiled, "a.b"), format!("1*refuse {AT}: {fault}"));

        // With one reference that can be resolved, only its CA is trusted.
        let compiled = validated(&believed(&[spec, reference("Secret", "ca")]));
        assert!(condition(&compiled, &at, "Accepted").starts_with("true"));
        assert!(condition(&compiled, &at, "ResolvedRefs").starts_with("false"));
        let tls = settings(&compiled).tls.clone().unwrap();
        assert_eq!(tls.trust, PeerTrust::Authorities(vec![certificate(&ONE)]));
        assert!(!compiled.report.accepted());
    }
}

const SYSTEM: &str = "{hostname: up.example, wellKnownCACertificates: System}";

#[test]
fn a_dynamic_backend_is_refused() {
    let rules = route(&format!("  rules:\n  - {TO_DFP}\n"));
    let compiled = run(&format!("{BASE}{}{rules}", policy("p", BACKEND, SYSTEM)));
    let message = "Backend apps/dfp is a DynamicForwardProxy, whose clients choose the host: one hostname does not fit it; \
                   use its enableTls, and tls of a BackendConfigPolicy";
    assert_eq!(
        condition(&compiled, &format!("{AT}#infra/gw"), "Accepted"),
        format!("false Invalid: {message}")
    );
    assert_eq!(get(&compiled, "a.b"), format!("1*refuse {AT}: {message}"));
    assert_eq!(
        problems(&compiled).last().unwrap(),
        &format!("t.yaml:18: {AT}: spec.targetRefs: {message}")
    );
}

#[test]
fn the_oldest_decides_even_if_it_is_wrong() {
    let other = "{hostname: other.example, wellKnownCACertificates: System}";
    let wrong = "{hostname: other.example}";
    let text = policy("a", BACKEND, other);
    let compiled = with_static(&format!(
        "{text}{}",
        aged(&policy("p", BACKEND, SYSTEM), 2020)
    ));
    let tls = settings(&compiled).tls.clone().unwrap();
    assert_eq!(tls.sni, Some("up.example".parse().unwrap()));
    let message = "overridden at Backend apps/dfp by the older BackendTLSPolicy apps/p";
    assert_eq!(
        condition(&compiled, "BackendTLSPolicy apps/a#infra/gw", "Accepted"),
        format!("false Conflicted: {message}")
    );
    assert_eq!(problems(&compiled).len(), 1);

    let older = aged(&policy("p", BACKEND, wrong), 2020);
    let compiled = with_static(&format!("{text}{older}"));
    assert!(get(&compiled, "a.b").starts_with(&format!("1*refuse {AT}: spec.validation")));
}

#[test]
fn it_goes_before_a_backend_config_policy() {
    let config = |fields: &str| {
        let spec = format!("  targetRefs: [{BACKEND}]\n{fields}");
        kgateway_policy("BackendConfigPolicy", "c", "apps", &spec)
    };
    let text = format!(
        "{}{}",
        config("  tls: {insecureSkipVerify: true}\n  circuitBreakers: {maxRequests: 7}\n"),
        policy("p", BACKEND, SYSTEM)
    );
    let compiled = with_static(&text);
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    let settings = settings(&compiled);
    assert_eq!(settings.tls.as_ref().unwrap().trust, PeerTrust::System);
    assert_eq!(settings.circuit_breakers.max_requests, 7);
    let expected =
        "BackendConfigPolicy apps/c: spec.tls: BackendTLSPolicy apps/p decides at Backend apps/dfp";
    let warnings = warnings(&compiled);
    assert!(warnings[0].ends_with(expected), "{warnings:?}");
    assert!(
        condition(&compiled, "BackendConfigPolicy apps/c", "Attached").starts_with("true Merged")
    );
}

#[test]
fn targets_are_backends_that_are_there() {
    for (target, problem) in [
        (
            "{group: gateway.networking.k8s.io, kind: Gateway, name: gw}",
            "spec.targetRefs[0].kind: Gateway cannot be a target here; Backend, Service can",
        ),
        (
            "{group: '', kind: Service, name: s}",
            "spec.targetRefs: Service apps/s not found",
        ),
        (
            "{group: gateway.kgateway.dev, kind: Backend, name: none}",
            "spec.targetRefs: Backend apps/none not found",
        ),
        ("", "spec.targetRefs: at least one target is needed"),
    ] {
        let compiled = with_static(&policy("p", target, SYSTEM));
        let expected = format!("t.yaml:18: {AT}: {problem}");
        assert!(problems(&compiled).contains(&expected), "{target}");
        // Only who names a Service cannot have meant a Backend.
        let is_service = target.contains("Service");
        let answer = get(&compiled, "a.b");
        assert_eq!(answer.starts_with("1*static"), is_service, "{answer}");
        assert_eq!(answer.starts_with("1*refuse"), !is_service, "{answer}");
    }
    let missing = "{group: gateway.kgateway.dev, kind: Backend, name: none}";
    let compiled = with_static(&policy("p", missing, SYSTEM));
    assert_eq!(
        condition(&compiled, &format!("{AT}#Backend apps/none"), "Accepted"),
        "false TargetNotFound: Backend apps/none not found"
    );
}

#[test]
fn a_status_tells_the_worst_of_the_backends_behind_a_gateway() {
    let targets = format!("{BACKEND}, {{group: gateway.kgateway.dev, kind: Backend, name: dyn}}");
    let dynamic = "---\napiVersion: gateway.kgateway.dev/v1alpha1\nkind: Backend\nmetadata: {name: dyn, namespace: apps}\n\
                   spec: {dynamicForwardProxy: {}}\n";
    let more = super::route_named(
        "s",
        "  hostnames: [c.d]\n  rules: [{backendRefs: [{group: gateway.kgateway.dev, kind: Backend, name: dyn}]}]\n",
    );
    let text = format!("{}{dynamic}", policy("p", &targets, SYSTEM));
    let unused = with_static(&text);
    assert!(condition(&unused, &format!("{AT}#infra/gw"), "Accepted").starts_with("true"));
    assert!(condition(&unused, &format!("{AT}#Backend apps/dyn"), "Accepted").starts_with("false"));
    let used = with_static(&format!("{text}{more}"));
    assert!(condition(&used, &format!("{AT}#infra/gw"), "Accepted").starts_with("false Invalid"));
    assert!(get(&used, "a.b").starts_with("1*static"));
    assert!(get(&used, "c.d").starts_with("1*refuse"));
}
