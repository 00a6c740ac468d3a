//! `tls` of BackendConfigPolicies, and `enableTls` of Backends.

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::{AT, BASE, CompiledConfig, get, policy, problems, rule, settings, with_route};
use crate::compile::tests::https::{CertificatePair, ONE, OTHER};
use crate::compile::tests::{TO_DFP, route, run};
use crate::resources::{Kind, ObjectRef};
use crate::snapshot::{
    AlpnProtocol, BackendDestination, Certificate, CipherSuite, KeyExchangeGroup, PeerName,
    PeerTrust, PrivateKey, RuleAction, Scheme, SignatureAlgorithm, TlsAlgorithms, TlsIdentity,
    TlsVersion, TlsVersions, UpstreamTls,
};

/// Secrets, good and bad. Words in capitals stand for certificates and keys.
const SECRETS: &str = "---
apiVersion: v1
kind: Secret
metadata: {name: ca, namespace: apps}
stringData:
  ca.crt: TWO
---
apiVersion: v1
kind: Secret
metadata: {name: odd, namespace: apps}
stringData:
  ca.crt: \"-----BEGIN CERTIFICATE-----\\nAQ==\\n-----END CERTIFICATE-----\\n\"
---
apiVersion: v1
kind: Secret
metadata: {name: both, namespace: apps}
type: kubernetes.io/tls
stringData:
  ca.crt: CRT
  tls.crt: CRT
  tls.key: KEY
---
apiVersion: v1
kind: Secret
metadata: {name: mixed, namespace: apps}
stringData: {tls.crt: CRT, tls.key: OTHER}
---
apiVersion: v1
kind: Secret
metadata: {name: bare, namespace: apps}
stringData:
  tls.key: \"-----BEGIN PRIVATE KEY-----\\nBwcH\\n-----END PRIVATE KEY-----\\n\"
---
apiVersion: v1
kind: Secret
metadata: {name: junk, namespace: apps}
stringData: {ca.crt: not a certificate}
---
apiVersion: v1
kind: Secret
metadata: {name: cut, namespace: apps}
stringData:
  tls.crt: \"-----BEGIN CERTIFICATE-----\\nAQ==\\n-----END CERTIFICATE-----\\n\"
  tls.key: \"-----BEGIN PRIVATE KEY-----\\nBwcH\"
---
apiVersion: v1
kind: Secret
metadata: {name: far, namespace: other}
stringData: {ca.crt: x}
";

fn with_policy(tls: &str) -> CompiledConfig {
    with_pair(tls, &ONE, &OTHER)
}

/// The policy, with Secrets of this pair, and one with the key of another.
fn with_pair(tls: &str, pair: &CertificatePair, other: &CertificatePair) -> CompiledConfig {
    let quoted = |text: &str| serde_json::to_string(text).unwrap();
    let two = format!("{}{}", pair.certificate, other.certificate);
    let words = [
        ("crt: CRT", &pair.certificate),
        ("crt: TWO", &two),
        ("key: KEY", &pair.key),
        ("key: OTHER", &other.key),
    ];
    let mut secrets = SECRETS.to_owned();
    for (word, text) in words {
        secrets = secrets.replace(word, &format!("{}{}", &word[..5], quoted(text)));
    }
    with_route(&format!("{}{secrets}", policy(&format!("tls: {tls}"))))
}

fn certificate(pair: &CertificatePair) -> Certificate {
    Certificate(CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap())
}

fn identity() -> TlsIdentity {
    let key = PrivateKeyDer::from_pem_slice(ONE.key.as_bytes()).unwrap();
    TlsIdentity {
        source: ObjectRef::new(Kind::Secret, "apps", "both"),
        chain: vec![certificate(&ONE)],
        key: PrivateKey::new(key),
    }
}

#[test]
fn fields_become_settings() {
    let system = UpstreamTls {
        trust: PeerTrust::System,
        identity: None,
        sni: None,
        names: Vec::new(),
        versions: TlsVersions::default(),
        algorithms: TlsAlgorithms::default(),
        alpn: AlpnProtocol::BOTH.to_vec(),
    };
    let authorities = |pairs: &[&CertificatePair]| {
        PeerTrust::Authorities(pairs.iter().map(|pair| certificate(pair)).collect())
    };
    let versions = |min, max| UpstreamTls {
        versions: TlsVersions { min, max },
        ..system.clone()
    };
    let cases = [
        ("{wellKnownCACertificates: System}", system.clone()),
        ("{insecureSkipVerify: false}", system.clone()),
        (
            "{insecureSkipVerify: true}",
            UpstreamTls {
                trust: PeerTrust::Anybody,
                ..system.clone()
            },
        ),
        (
            "{secretRef: {name: ca}}",
            UpstreamTls {
                trust: authorities(&[&ONE, &OTHER]),
                ..system.clone()
            },
        ),
        (
            "{secretRef: {name: both}}",
            UpstreamTls {
                trust: authorities(&[&ONE]),
                identity: Some(identity()),
                ..system.clone()
            },
        ),
        (
            "{secretRef: {name: both}, simpleTLS: true}",
            UpstreamTls {
                trust: authorities(&[&ONE]),
                ..system.clone()
            },
        ),
        (
            "{wellKnownCACertificates: System, sni: A.Example, allowRenegotiation: false, \
             verifySubjectAltNames: [b.example, 192.0.2.1, '2001:db8::1'], alpnProtocols: [h2, http/1.1]}",
            UpstreamTls {
                sni: Some("a.example".parse().unwrap()),
                names: ["b.example", "192.0.2.1", "[2001:db8::1]"]
                    .map(|name| PeerName::Host(name.parse().unwrap()))
                    .into(),
                ..system.clone()
            },
        ),
        (
            "{wellKnownCACertificates: System, parameters: {minVersion: '1.3', maxVersion: AUTO}}",
            versions(TlsVersion::V1_3, TlsVersion::V1_3),
        ),
        (
            "{wellKnownCACertificates: System, parameters: {maxVersion: '1.2'}}",
            versions(TlsVersion::V1_2, TlsVersion::V1_2),
        ),
    ];
    for (tls, expected) in cases {
        let compiled = with_policy(tls);
        assert!(compiled.report.accepted(), "{}", compiled.report.table());
        assert_eq!(settings(&compiled).tls.as_deref(), Some(&expected), "{tls}");
    }
}

#[test]
fn protocols_are_offered_in_their_order() {
    for (protocols, expected) in [
        ("[]", AlpnProtocol::BOTH.to_vec()),
        ("[h2, http/1.1]", AlpnProtocol::BOTH.to_vec()),
        ("[h2]", vec![AlpnProtocol::H2]),
        ("[http/1.1]", vec![AlpnProtocol::Http11]),
        (
            "[http/1.1, h2]",
            vec![AlpnProtocol::Http11, AlpnProtocol::H2],
        ),
    ] {
        let tls = format!("{{wellKnownCACertificates: System, alpnProtocols: {protocols}}}");
        let compiled = with_policy(&tls);
        assert!(compiled.report.accepted(), "{}", compiled.report.table());
        assert_eq!(settings(&compiled).tls.as_ref().unwrap().alpn, expected);
    }
}

#[test]
fn algorithms_can_be_named() {
    let compiled = with_policy(
        "{wellKnownCACertificates: System, parameters: {cipherSuites: [ECDHE-RSA-AES128-GCM-SHA256, \
         ECDHE-RSA-AES128-SHA], ecdhCurves: [P-521, X25519], signatureAlgorithms: [rsa_pss_rsae_sha256]}}",
    );
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    let expected = TlsAlgorithms {
        cipher_suites: vec![CipherSuite::EcdheRsaAes128Gcm],
        groups: vec![KeyExchangeGroup::X25519],
        signatures: vec![SignatureAlgorithm::RsaPssSha256],
    };
    let settings = settings(&compiled);
    assert_eq!(settings.tls.as_ref().unwrap().algorithms, expected);
}

const ONE_OF: &str = "exactly one of the fields in [secretRef files insecureSkipVerify wellKnownCACertificates] must be set";
const UNSUPPORTED: &str = "not supported yet";

/// `tls`, the field at fault in it, and the message.
const WRONG: &[(&str, &str, &str)] = &[
    ("{}", "", ONE_OF),
    (
        "{secretRef: {name: ca}, wellKnownCACertificates: System}",
        "",
        ONE_OF,
    ),
    (
        "{files: {}}",
        ".files",
        "at least one of the fields in [tlsCertificate tlsKey rootCA] must be set",
    ),
    (
        "{files: {tlsKey: /key}}",
        ".files",
        "tlsCertificate and tlsKey must be set together",
    ),
    (
        "{files: {rootCA: ca.pem}}",
        ".files.rootCA",
        "\"ca.pem\" is no absolute path",
    ),
    (
        "{files: {rootCA: /ca}}",
        ".files.rootCA",
        "/ca has not been read",
    ),
    (
        "{wellKnownCACertificates: example.com/Ours}",
        ".wellKnownCACertificates",
        "only System is supported",
    ),
    (
        "{insecureSkipVerify: true, allowRenegotiation: true}",
        ".allowRenegotiation",
        UNSUPPORTED,
    ),
    (
        "{insecureSkipVerify: true, verifySubjectAltNames: [a.example]}",
        ".verifySubjectAltNames",
        "nothing is verified with insecureSkipVerify",
    ),
    (
        "{wellKnownCACertificates: System, sni: '*.example'}",
        ".sni",
        "a wildcard is not a server name",
    ),
    (
        "{wellKnownCACertificates: System, alpnProtocols: [h2, http/1.1, h2]}",
        ".alpnProtocols[2]",
        "given twice",
    ),
    (
        "{wellKnownCACertificates: System, alpnProtocols: [http/1.1, spdy]}",
        ".alpnProtocols[1]",
        "spdy is not supported; h2 and http/1.1 are",
    ),
    (
        "{wellKnownCACertificates: System, parameters: {minVersion: '1.1'}}",
        ".parameters.minVersion",
        "1.1 is not supported; 1.2, 1.3 and AUTO are",
    ),
    (
        "{wellKnownCACertificates: System, parameters: {minVersion: '1.3', maxVersion: '1.2'}}",
        ".parameters.minVersion",
        "newer than maxVersion",
    ),
    (
        "{wellKnownCACertificates: System, parameters: {ecdhCurves: [X25519, P-192]}}",
        ".parameters.ecdhCurves",
        "P-192 is not supported; X25519MLKEM768, X25519, P-256, P-384 are",
    ),
    (
        "{secretRef: {name: far}}",
        ".secretRef",
        "Secret apps/far not found",
    ),
    (
        "{secretRef: {name: odd}}",
        ".secretRef",
        "Secret apps/odd: ca.crt has an entry that is not a certificate",
    ),
    (
        "{secretRef: {name: mixed}}",
        ".secretRef",
        "Secret apps/mixed: tls.key does not belong to tls.crt",
    ),
    (
        "{secretRef: {name: junk}}",
        ".secretRef",
        "Secret apps/junk: ca.crt has no certificate in PEM",
    ),
    (
        "{secretRef: {name: bare}}",
        ".secretRef",
        "Secret apps/bare: has tls.key without tls.crt",
    ),
    (
        "{secretRef: {name: bare}, simpleTLS: true}",
        ".secretRef",
        "Secret apps/bare: has no ca.crt",
    ),
    (
        "{secretRef: {name: cut}}",
        ".secretRef",
        "Secret apps/cut: tls.key has no private key in PEM",
    ),
];

#[test]
fn what_is_wrong_is_named_and_fails_closed() {
    for (tls, field, message) in WRONG {
        let compiled = with_policy(tls);
        let fault = format!("spec.tls{field}: {message}");
        let problems = problems(&compiled);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(
            problems[0].ends_with(&format!("{AT}: {fault}")),
            "{problems:?}"
        );
        assert_eq!(get(&compiled, "a.b"), format!("1*refuse {AT}: {fault}"));
    }
}

#[test]
fn a_private_key_is_shown_nowhere() {
    let compiled = with_policy("{secretRef: {name: both}}");
    let served = serde_json::to_string(&compiled.snapshot).unwrap();
    assert!(served.contains("not shown"), "{served}");
    for text in [
        served,
        serde_json::to_string(&compiled.report).unwrap(),
        format!("{:?}", compiled.snapshot),
    ] {
        let mut lines = ONE.key.lines().filter(|line| !line.starts_with('-'));
        assert!(lines.all(|line| !text.contains(line)), "{text}");
    }
}

#[test]
fn another_certificate_is_another_configuration() {
    let one = with_policy("{secretRef: {name: both}}");
    let other = with_pair("{secretRef: {name: both}}", &OTHER, &ONE);
    assert_ne!(one.snapshot, other.snapshot);
    assert_eq!(
        one.snapshot,
        with_policy("{secretRef: {name: both}}").snapshot
    );
}

#[test]
fn a_dynamic_backend_says_how_requests_go_that_do_not() {
    for (fields, expected) in [
        ("", Scheme::Http),
        ("enableTls: false", Scheme::Http),
        ("enableTls: true", Scheme::Https),
    ] {
        let rules = route(&format!("  rules:\n  - {TO_DFP}\n"));
        let backend = format!("dynamicForwardProxy: {{{fields}}}");
        let text = format!("{BASE}{rules}").replace("dynamicForwardProxy: {}", &backend);
        let compiled = run(&text);
        let RuleAction::Forward(backends) = &rule(&compiled, 8080, "a.b", "/").unwrap().action
        else {
            panic!("not forwarded");
        };
        let BackendDestination::Dynamic(to) = &backends.backends[0].destination else {
            panic!("not dynamic");
        };
        assert_eq!(to.scheme, expected, "{fields}");
    }
}
