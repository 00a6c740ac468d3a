//! Validation of client certificates: `spec.tls.frontend` of Gateways, and ListenerPolicies.

use super::{L, ONE, OTHER, https, object, served};
use crate::compile::tests::gateway::{gateway, sockets};
use crate::compile::tests::{CompiledConfig, condition, kgateway_policy, problems, run, warnings};
use crate::name::Host;
use crate::snapshot::{Certificate, ClientValidation, ValidationMode};

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

const TLS: &str = "{certificateRefs: [{name: one}]}";

/// CA certificates in two ConfigMaps and a Secret, and objects without any.
fn authorities() -> String {
    let one = [("ca.crt", ONE.certificate.as_str())];
    let other = [("ca.crt", OTHER.certificate.as_str())];
    let both = format!("{}{}", ONE.certificate, OTHER.certificate);
    [
        object("ConfigMap", "infra", "ca", &one),
        object("ConfigMap", "infra", "both", &[("ca.crt", &both)]),
        object("Secret", "infra", "ca", &other),
        object("ConfigMap", "far", "ca", &one),
        object("ConfigMap", "infra", "none", &[("tls.crt", "x")]),
        object("ConfigMap", "infra", "junk", &[("ca.crt", "x")]),
        object(
            "ConfigMap",
            "infra",
            "odd",
            &[(
                "ca.crt",
                "-----BEGIN CERTIFICATE-----\nAQ==\n-----END CERTIFICATE-----\n",
            )],
        ),
    ]
    .concat()
}

fn certificate(pem: &str) -> Certificate {
    Certificate(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap())
}

fn validation(authorities: &[&str], mode: ValidationMode) -> ClientValidation {
    ClientValidation {
        authorities: authorities.iter().map(|pem| certificate(pem)).collect(),
        mode,
        names: Vec::new(),
        fingerprints: Vec::new(),
    }
}

fn reference(kind: &str, name: &str) -> String {
    format!("{{group: '', kind: {kind}, name: {name}}}")
}

/// `spec.tls` with this validation as the default.
fn frontend(refs: &str, mode: &str) -> String {
    format!(
        "  tls: {{frontend: {{default: {{validation: {{caCertificateRefs: [{refs}]{mode}}}}}}}}}\n"
    )
}

fn with_frontend(refs: &str, mode: &str) -> CompiledConfig {
    run(&(https(&frontend(refs, mode), TLS) + &authorities()))
}

#[test]
fn a_gateway_says_whose_certificates_its_clients_show() {
    let map = reference("ConfigMap", "ca");
    let secret = reference("Secret", "ca");
    let both = reference("ConfigMap", "both");
    let (one, other) = (ONE.certificate.as_str(), OTHER.certificate.as_str());
    let required = ValidationMode::Required;
    let cases = [
        (map.clone(), "", validation(&[one], required)),
        (
            map.clone(),
            ", mode: AllowValidOnly",
            validation(&[one], required),
        ),
        (both, "", validation(&[one, other], required)),
        (
            format!("{map}, {secret}"),
            "",
            validation(&[one, other], required),
        ),
        (
            secret,
            ", mode: AllowInsecureFallback",
            validation(&[other], ValidationMode::Unverified),
        ),
    ];
    for (refs, mode, expected) in cases {
        let compiled = with_frontend(&refs, mode);
        assert!(compiled.report.accepted(), "{}", compiled.report.table());
        assert_eq!(served(&compiled, "l").clients, Some(expected), "{refs}");
    }
}

#[test]
fn clients_that_are_not_verified_are_told() {
    let compiled = with_frontend(
        &reference("ConfigMap", "ca"),
        ", mode: AllowInsecureFallback",
    );
    assert!(
        condition(
            &compiled,
            "Gateway infra/g",
            "InsecureFrontendValidationMode"
        )
        .starts_with("true ConfigurationChanged")
    );
    let warnings = warnings(&compiled);
    assert!(
        warnings[0].starts_with(
            "t.yaml:7: Gateway infra/g: spec.tls.frontend.default.validation.mode: AllowInsecureFallback"
        ),
        "{warnings:?}"
    );
    let strict = with_frontend(&reference("ConfigMap", "ca"), "");
    assert!(!strict.report.table().contains("InsecureFrontend"));
}

#[test]
fn a_port_has_its_own() {
    let ca = |name| {
        format!(
            "validation: {{caCertificateRefs: [{}]}}",
            reference("ConfigMap", name)
        )
    };
    let spec = format!(
        "  tls:\n    frontend:\n      default: {{{}}}\n      perPort:\n      - {{port: 444, tls: {{{}}}}}\n      \
         - {{port: 445, tls: {{}}}}\n  listeners:\n",
        ca("ca"),
        ca("both")
    );
    let listener =
        |port: u16| format!("  - {{name: p{port}, protocol: HTTPS, port: {port}, tls: {TLS}}}\n");
    let listeners = [443, 444, 445].map(listener).concat();
    let objects = super::secrets() + &authorities();
    let compiled = run(&(gateway("g", 0, &(spec.clone() + &listeners)) + &objects));
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    assert_eq!(warnings(&compiled), Vec::<String>::new());
    let count = |name| {
        let clients = served(&compiled, name).clients.as_ref();
        clients.map(|clients| clients.authorities.len())
    };
    assert_eq!(
        (count("p443"), count("p444"), count("p445")),
        (Some(1), Some(2), None)
    );
    // Validation at ports without an HTTPS listener.
    let clear = "  - {name: p444, protocol: HTTP, port: 444}\n";
    let compiled = run(&(gateway("g", 0, &(spec + &listener(445) + clear)) + &objects));
    let message = "applies to no HTTPS listener of this Gateway";
    assert_eq!(
        warnings(&compiled),
        [
            format!("t.yaml:9: Gateway infra/g: spec.tls.frontend.default: {message}"),
            format!("t.yaml:11: Gateway infra/g: spec.tls.frontend.perPort[0]: {message}"),
        ]
    );
}

#[test]
fn without_a_ca_no_client_is_let_in() {
    let invalid = "InvalidCACertificateRef";
    let far = "{group: '', kind: ConfigMap, namespace: far, name: ca}".to_owned();
    let cases = [
        (
            String::new(),
            invalid,
            "caCertificateRefs: at least one is needed",
        ),
        (
            reference("ConfigMap", "gone"),
            invalid,
            "caCertificateRefs[0]: ConfigMap infra/gone not found; did you mean ConfigMap infra/none?",
        ),
        (
            reference("Secret", "gone"),
            invalid,
            "caCertificateRefs[0]: Secret infra/gone not found; did you mean Secret infra/one?",
        ),
        (
            reference("ConfigMap", "none"),
            invalid,
            "caCertificateRefs[0]: ConfigMap infra/none: has no ca.crt",
        ),
        (
            reference("ConfigMap", "junk"),
            invalid,
            "caCertificateRefs[0]: ConfigMap infra/junk: ca.crt has no certificate in PEM",
        ),
        (
            reference("ConfigMap", "odd"),
            invalid,
            "caCertificateRefs[0]: ConfigMap infra/odd: ca.crt has an entry that is not a certificate",
        ),
        (
            reference("Service", "ca"),
            "InvalidCACertificateKind",
            "caCertificateRefs[0]: Service is not supported; ConfigMap and Secret are",
        ),
        (
            "{group: g.example, kind: Bundle, name: ca}".to_owned(),
            "InvalidCACertificateKind",
            "caCertificateRefs[0]: g.example/Bundle is not supported; ConfigMap and Secret are",
        ),
        (
            far,
            "RefNotPermitted",
            "caCertificateRefs[0]: missing reference grant for ConfigMap far/ca",
        ),
    ];
    for (refs, reason, message) in cases {
        for mode in ["", ", mode: AllowInsecureFallback"] {
            let compiled = with_frontend(&refs, mode);
            let message = format!("spec.tls.frontend.default.validation.{message}");
            assert_eq!(
                condition(&compiled, L, "ResolvedRefs"),
                format!("false {reason}: {message}")
            );
            assert!(
                condition(&compiled, L, "Accepted").starts_with("false NoValidCACertificate"),
                "{refs}"
            );
            assert!(condition(&compiled, L, "Programmed").starts_with("false Invalid"));
            assert!(compiled.snapshot.sockets.is_empty());
            let problems = problems(&compiled);
            let expected = format!("t.yaml:7: Gateway infra/g: {message}");
            assert!(problems.contains(&expected), "{problems:?}");
        }
    }
}

#[test]
fn one_ca_of_several_is_enough() {
    let refs = [reference("ConfigMap", "gone"), reference("Secret", "ca")].join(", ");
    let compiled = with_frontend(&refs, "");
    assert!(condition(&compiled, L, "ResolvedRefs").starts_with("false InvalidCACertificateRef"));
    assert!(condition(&compiled, L, "Programmed").starts_with("true"));
    assert_eq!(
        served(&compiled, "l").clients,
        Some(validation(&[&OTHER.certificate], ValidationMode::Required))
    );
}

#[test]
fn wrong_validation_is_nothing_to_listeners_in_clear() {
    let spec = frontend(&reference("ConfigMap", "gone"), "")
        + "  listeners: [{name: l, protocol: HTTP, port: 80}]\n";
    let compiled = run(&gateway("g", 0, &spec));
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    assert_eq!(sockets(&compiled), ["* 80 g/l"]);
    assert_eq!(warnings(&compiled).len(), 1);
}

fn policy(settings: &str) -> String {
    let target = "{group: gateway.networking.k8s.io, kind: Gateway, name: g}";
    let spec = format!("  targetRefs: [{target}]\n{settings}");
    kgateway_policy("ListenerPolicy", "p", "infra", &spec)
}

fn by_policy(refs: &str, mode: &str) -> String {
    let validation = format!("{{caCertificateRefs: [{refs}], mode: {mode}}}");
    policy(&format!(
        "  default: {{clientCertificateValidation: {validation}}}\n"
    ))
}

#[test]
fn a_listener_policy_goes_before_its_gateway() {
    let frontend = frontend(&reference("ConfigMap", "gone"), "");
    for (mode, expected) in [
        ("Require", ValidationMode::Required),
        ("Optional", ValidationMode::Optional),
    ] {
        for gateway in ["", frontend.as_str()] {
            let text =
                https(gateway, TLS) + &authorities() + &by_policy(&reference("Secret", "ca"), mode);
            let compiled = run(&text);
            assert!(compiled.report.accepted(), "{}", compiled.report.table());
            assert_eq!(
                served(&compiled, "l").clients,
                Some(validation(&[&OTHER.certificate], expected))
            );
        }
    }
}

#[test]
fn a_wrong_listener_policy_refuses_what_it_targets() {
    let ca = reference("ConfigMap", "ca");
    let gone = reference("ConfigMap", "gone");
    let far = "{group: '', kind: ConfigMap, namespace: far, name: ca}";
    let at = "spec.default.clientCertificateValidation";
    for (refs, mode, message) in [
        (
            ca.clone(),
            "Always",
            "mode: Always is not supported; Require and Optional are".to_owned(),
        ),
        (
            String::new(),
            "Require",
            "caCertificateRefs: at least one is needed".to_owned(),
        ),
        (
            format!("{ca}, {gone}"),
            "Require",
            "caCertificateRefs[1]: ConfigMap infra/gone not found; did you mean ConfigMap infra/none?".to_owned(),
        ),
        (
            far.to_owned(),
            "Require",
            "caCertificateRefs[0]: missing reference grant for ConfigMap far/ca".to_owned(),
        ),
    ] {
        // The options about certificate names have no fault, because it is not known which validation was meant.
        let tls = "{certificateRefs: [{name: one}], options: {kgateway.dev/verify-subject-alt-names: c.test}}";
        let text = https("", tls) + &authorities() + &by_policy(&refs, mode);
        let compiled = run(&text);
        assert_eq!(
            condition(&compiled, "ListenerPolicy infra/p#g", "Accepted"),
            format!("false Invalid: {at}.{message}")
        );
        assert!(condition(&compiled, L, "Accepted").starts_with("false ListenerReplaced"));
        let socket = compiled.snapshot.sockets.values().next().unwrap();
        assert!(socket.listeners[0].refuse.is_some());
    }
}

#[test]
fn references_of_a_listener_policy_need_a_grant_to_it() {
    let grant = "---\napiVersion: gateway.networking.k8s.io/v1\nkind: ReferenceGrant\nmetadata: {name: r, namespace: far}\n\
                 spec:\n  from: [{group: gateway.kgateway.dev, kind: ListenerPolicy, namespace: infra}]\n  \
                 to: [{group: '', kind: ConfigMap}]\n";
    let far = "{group: '', kind: ConfigMap, namespace: far, name: ca}";
    let text = https("", TLS) + &authorities() + &by_policy(far, "Require") + grant;
    let compiled = run(&text);
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    assert!(served(&compiled, "l").clients.is_some());
}

#[test]
fn a_policy_for_clients_that_has_no_https_listener_is_told() {
    let spec = "  listeners: [{name: l, protocol: HTTP, port: 80}]\n";
    let text =
        gateway("g", 0, spec) + &authorities() + &by_policy(&reference("Secret", "ca"), "Require");
    let compiled = run(&text);
    assert!(compiled.report.accepted());
    let told = warnings(&compiled);
    assert!(
        told[0].ends_with(
            "ListenerPolicy infra/p: spec: clientCertificateValidation applies to no HTTPS listener of the targets"
        ),
        "{told:?}"
    );
}

const HASH: &str = "46:DB:0D:C2:E1:4F:0A:05:8C:4F:05:8D:77:B1:8D:7C:1A:BE:18:4F:AF:81:BF:E2:B1:CD:03:43:7F:D8:65:4b";

fn options(names: &str) -> String {
    format!("{{certificateRefs: [{{name: one}}], options: {{{names}}}}}")
}

#[test]
fn certificates_of_clients_can_be_held_against_names_and_fingerprints() {
    let plain = HASH.replace(':', "").to_lowercase();
    let hosts: Vec<Host> = ["a.test", "192.0.2.1"]
        .map(|host| host.parse().unwrap())
        .into();
    let cases = [
        (
            "kgateway.dev/verify-subject-alt-names: 'A.test, 192.0.2.1'".to_owned(),
            hosts,
            0,
        ),
        (
            format!("kgateway.dev/verify-certificate-hash: '{HASH}'"),
            vec![],
            1,
        ),
        (
            format!(
                "kgateway.dev/verify-certificate-hash: '{plain}, {}'",
                "0".repeat(64)
            ),
            vec![],
            2,
        ),
        (
            format!(
                "kgateway.dev/verify-certificate-hash: ' - {plain} - {}'",
                "0".repeat(64)
            ),
            vec![],
            2,
        ),
    ];
    for (names, hosts, fingerprints) in cases {
        let text = https(
            &frontend(&reference("ConfigMap", "ca"), ""),
            &options(&names),
        );
        let compiled = run(&(text + &authorities()));
        assert!(compiled.report.accepted(), "{}", compiled.report.table());
        let clients = served(&compiled, "l").clients.as_ref().unwrap();
        assert_eq!(clients.names, hosts, "{names}");
        assert_eq!(clients.fingerprints.len(), fingerprints, "{names}");
        if let Some(first) = clients.fingerprints.first() {
            assert_eq!((first[0], first[31]), (0x46, 0x4b));
        }
    }
}

/// A hash needs no CA: it says which certificate is meant.
#[test]
fn fingerprints_alone_ask_for_one_of_these_certificates() {
    let names = format!("kgateway.dev/verify-certificate-hash: '{HASH}'");
    let compiled = run(&https("", &options(&names)));
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    let clients = served(&compiled, "l").clients.as_ref().unwrap();
    assert_eq!(clients.mode, ValidationMode::Required);
    assert_eq!(
        (clients.authorities.len(), clients.fingerprints.len()),
        (0, 1)
    );
}

#[test]
fn names_and_fingerprints_that_cannot_be_held_against_anything_are_wrong() {
    let long = "1".repeat(65);
    let odd = HASH.replacen(':', "", 1);
    let hexless = "g".repeat(64);
    for (option, value, mode, message) in [
        (
            "verify-subject-alt-names",
            "*.test",
            "",
            "a wildcard is not the name of a client",
        ),
        (
            "verify-subject-alt-names",
            "spiffe://a/b",
            "",
            "spiffe://a/b: ",
        ),
        (
            "verify-subject-alt-names",
            ",",
            "",
            "at least one is needed",
        ),
        (
            "verify-certificate-hash",
            &*long,
            "",
            "is not a SHA-256 digest",
        ),
        (
            "verify-certificate-hash",
            &*odd,
            "",
            "is not a SHA-256 digest",
        ),
        (
            "verify-certificate-hash",
            &*hexless,
            "",
            "is not a SHA-256 digest",
        ),
        (
            "verify-subject-alt-names",
            "a.test",
            ", mode: AllowInsecureFallback",
            "nothing is verified with AllowInsecureFallback",
        ),
        (
            "verify-certificate-hash",
            HASH,
            ", mode: AllowInsecureFallback",
            "nothing is verified with AllowInsecureFallback",
        ),
    ] {
        let frontend = frontend(&reference("ConfigMap", "ca"), mode);
        let names = format!("kgateway.dev/{option}: '{value}'");
        let compiled = run(&(https(&frontend, &options(&names)) + &authorities()));
        let told = condition(&compiled, L, "Accepted");
        let field = format!(
            "false UnsupportedValue: spec.listeners[0].tls.options.kgateway.dev/{option}: "
        );
        assert!(told.starts_with(&field) && told.contains(message), "{told}");
        assert!(compiled.snapshot.sockets.is_empty());
    }
}
