//! `tls.options` of listeners.

use super::{L, https, served};
use crate::compile::tests::{CompiledConfig, condition, problems, run, warnings};
use crate::snapshot::{
    AlpnProtocol, CipherSuite, KeyExchangeGroup, SignatureAlgorithm, TlsAlgorithms, TlsVersion,
    TlsVersions,
};

fn with(options: &str) -> CompiledConfig {
    let tls = format!("{{certificateRefs: [{{name: one}}], options: {{{options}}}}}");
    run(&https("", &tls))
}

#[test]
fn versions_and_protocols_can_be_set() {
    let default = TlsVersions::default();
    let versions = |min, max| TlsVersions { min, max };
    let both = AlpnProtocol::BOTH.to_vec();
    let cases = [
        ("", default, both.clone()),
        (
            "kgateway.dev/min-tls-version: '1.3'",
            versions(TlsVersion::V1_3, TlsVersion::V1_3),
            both.clone(),
        ),
        (
            "kgateway.dev/max-tls-version: '1.2'",
            versions(TlsVersion::V1_2, TlsVersion::V1_2),
            both.clone(),
        ),
        (
            "kgateway.dev/min-tls-version: '1.2', kgateway.dev/max-tls-version: '1.3'",
            default,
            both.clone(),
        ),
        (
            "kgateway.dev/min-tls-version: AUTO, kgateway.dev/max-tls-version: AUTO",
            default,
            both,
        ),
        (
            "kgateway.dev/alpn-protocols: h2",
            default,
            vec![AlpnProtocol::H2],
        ),
        (
            "kgateway.dev/alpn-protocols: 'http/1.1, h2,h2'",
            default,
            vec![AlpnProtocol::Http11, AlpnProtocol::H2],
        ),
        (
            "kgateway.dev/alpn-protocols: allow-empty",
            default,
            Vec::new(),
        ),
    ];
    for (options, versions, alpn) in cases {
        let compiled = with(options);
        assert!(compiled.report.accepted(), "{}", compiled.report.table());
        let tls = served(&compiled, "l");
        assert_eq!((tls.versions, &tls.alpn), (versions, &alpn), "{options}");
    }
}

#[test]
fn algorithms_can_be_named() {
    let compiled = with(
        "kgateway.dev/cipher-suites: 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384', \
         kgateway.dev/ecdh-curves: 'X25519MLKEM768,X25519', kgateway.dev/signature-algorithms: ed25519",
    );
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    let expected = TlsAlgorithms {
        cipher_suites: vec![CipherSuite::EcdheRsaAes128Gcm, CipherSuite::Aes256Gcm],
        groups: vec![KeyExchangeGroup::X25519MlKem768, KeyExchangeGroup::X25519],
        signatures: vec![SignatureAlgorithm::Ed25519],
    };
    assert_eq!(served(&compiled, "l").algorithms, expected);
}

/// The option, its value, and the message.
const WRONG: &[(&str, &str, &str)] = &[
    (
        "min-tls-version",
        "'1.1'",
        "1.1 is not supported; 1.2, 1.3 and AUTO are",
    ),
    (
        "max-tls-version",
        "TLSv1_3",
        "TLSv1_3 is not supported; 1.2, 1.3 and AUTO are",
    ),
    (
        "alpn-protocols",
        "'h2,http/1.0'",
        "http/1.0 is not supported; h2 and http/1.1 are",
    ),
    ("alpn-protocols", "','", "at least one is needed"),
    (
        "cipher-suites",
        "'AES128-SHA,AES256-SHA'",
        "AES256-SHA is not supported; ECDHE-ECDSA-AES128-GCM-SHA256, ECDHE-RSA-AES128-GCM-SHA256, \
         ECDHE-ECDSA-AES256-GCM-SHA384, ECDHE-RSA-AES256-GCM-SHA384, ECDHE-ECDSA-CHACHA20-POLY1305, \
         ECDHE-RSA-CHACHA20-POLY1305, TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384, TLS_CHACHA20_POLY1305_SHA256 are",
    ),
    ("ecdh-curves", "','", "at least one is needed"),
    ("min-tls-verison", "'1.2'", "unknown option"),
    (
        "verify-subject-alt-names",
        "a.test",
        "without a CA anybody can issue a certificate for a name: validation by CA is needed",
    ),
    (
        "verify-certificate-hash",
        "00",
        "00 is not a SHA-256 digest: 64 hexadecimal digits",
    ),
];

#[test]
fn what_is_wrong_is_named_and_keeps_the_listener_from_being_served() {
    for (name, value, message) in WRONG {
        let compiled = with(&format!("kgateway.dev/{name}: {value}"));
        let fault = format!("spec.listeners[0].tls.options.kgateway.dev/{name}: {message}");
        assert_eq!(
            condition(&compiled, L, "Accepted"),
            format!("false UnsupportedValue: {fault}")
        );
        assert!(condition(&compiled, L, "Programmed").starts_with("false Invalid"));
        assert_eq!(
            problems(&compiled),
            [format!("t.yaml:8: Gateway infra/g: {fault}")]
        );
        assert!(compiled.snapshot.sockets.is_empty());
    }
    let reversed = with("kgateway.dev/min-tls-version: '1.3', kgateway.dev/max-tls-version: '1.2'");
    assert!(
        condition(&reversed, L, "Accepted")
            .ends_with("kgateway.dev/min-tls-version: newer than the newest that is allowed")
    );
    let ours = with("egret.dev/anything: x");
    assert!(condition(&ours, L, "Accepted").ends_with("egret.dev/anything: unknown option"));
}

#[test]
fn options_of_others_are_left_out_with_a_warning() {
    let compiled = with("example.com/cipher-suites: x");
    assert!(compiled.report.accepted());
    assert_eq!(
        warnings(&compiled),
        [
            "t.yaml:8: Gateway infra/g: spec.listeners[0].tls.options.example.com/cipher-suites: an option of another \
             implementation; ignored"
        ]
    );
    assert_eq!(served(&compiled, "l").identities.len(), 1);
}
