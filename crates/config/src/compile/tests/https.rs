//! HTTPS listeners and their certificates.

use std::sync::{Arc, LazyLock};

use super::gateway::{gateway, sockets};
use super::{CompiledConfig, condition, problems, run, warnings};
use crate::snapshot::{AlpnProtocol, ServerTls, TlsVersions};

mod clients;
mod expiry;
mod options;

/// A certificate and its key, in PEM.
pub(super) struct CertificatePair {
    pub(super) certificate: String,
    pub(super) key: String,
}

impl CertificatePair {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["a.test".to_owned()]).unwrap();
        Self {
            certificate: made.cert.pem(),
            key: made.signing_key.serialize_pem(),
        }
    }
}

pub(super) static ONE: LazyLock<CertificatePair> = LazyLock::new(CertificatePair::new);
pub(super) static OTHER: LazyLock<CertificatePair> = LazyLock::new(CertificatePair::new);

/// A Secret or ConfigMap.
pub(super) fn object(kind: &str, namespace: &str, name: &str, entries: &[(&str, &str)]) -> String {
    let field = if kind == "Secret" {
        "stringData"
    } else {
        "data"
    };
    let entries: std::collections::BTreeMap<_, _> = entries.iter().copied().collect();
    let entries = serde_json::to_string(&entries).unwrap();
    format!(
        "---\napiVersion: v1\nkind: {kind}\nmetadata: {{name: {name}, namespace: {namespace}}}\n{field}: {entries}\n"
    )
}

fn pair(namespace: &str, name: &str, pair: &CertificatePair) -> String {
    let entries = [
        ("tls.crt", pair.certificate.as_str()),
        ("tls.key", &pair.key),
    ];
    object("Secret", namespace, name, &entries)
}

/// Secrets, good and bad.
fn secrets() -> String {
    let all = [
        pair("infra", "one", &ONE),
        pair("infra", "other", &OTHER),
        pair("far", "one", &ONE),
        object(
            "Secret",
            "infra",
            "mixed",
            &[("tls.crt", &ONE.certificate), ("tls.key", &OTHER.key)],
        ),
        object(
            "Secret",
            "infra",
            "junk",
            &[("tls.crt", "Hello world"), ("tls.key", &ONE.key)],
        ),
        object("Secret", "infra", "bare", &[("tls.crt", &ONE.certificate)]),
        object("Secret", "infra", "empty", &[]),
        object(
            "Secret",
            "infra",
            "odd",
            &[
                (
                    "tls.crt",
                    "-----BEGIN CERTIFICATE-----\nAQ==\n-----END CERTIFICATE-----\n",
                ),
                ("tls.key", &ONE.key),
            ],
        ),
        object(
            "Secret",
            "infra",
            "weak",
            &[
                ("tls.crt", &ONE.certificate),
                (
                    "tls.key",
                    "-----BEGIN PRIVATE KEY-----\nBwcH\n-----END PRIVATE KEY-----\n",
                ),
            ],
        ),
    ];
    all.concat()
}

/// A Gateway `infra/g` with a listener `l` on port 443 that has this `tls`, after these lines of `spec`, and Secrets.
fn https(spec: &str, tls: &str) -> String {
    let listener =
        format!("  listeners:\n  - {{name: l, protocol: HTTPS, port: 443, tls: {tls}}}\n");
    format!(
        "{}{}",
        gateway("g", 0, &format!("{spec}{listener}")),
        secrets()
    )
}

const L: &str = "Gateway infra/g#l";

/// The TLS settings of a listener.
fn served<'a>(compiled: &'a CompiledConfig, name: &str) -> &'a Arc<ServerTls> {
    let sockets = compiled.snapshot.sockets.values();
    let mut listeners = sockets.flat_map(|socket| &socket.listeners);
    let listener = listeners.find(|listener| listener.name == name).unwrap();
    listener.protocol.server_tls().expect("TLS")
}

#[test]
fn tls_ends_for_what_is_not_http_too() {
    let listener = |tls: &str| https("", tls).replace("protocol: HTTPS", "protocol: TLS");
    for tls in [
        "{certificateRefs: [{name: one}]}",
        "{mode: Terminate, certificateRefs: [{name: one}]}",
    ] {
        let compiled = run(&listener(tls));
        assert!(compiled.report.accepted(), "{}", compiled.report.table());
        assert_eq!(shown(&compiled), ["Secret infra/one"]);
        // What is inside is for the client and the backend to agree on, unless the listener says it.
        assert_eq!(served(&compiled, "l").alpn, []);
        let json = serde_json::to_value(&compiled.report.objects[0].status).unwrap();
        assert_eq!(
            json["listeners"][0]["supportedKinds"],
            serde_json::json!([{"group": "gateway.networking.k8s.io", "kind": "TLSRoute"}])
        );
    }
    let options = "{certificateRefs: [{name: one}], options: {kgateway.dev/alpn-protocols: h2}}";
    let compiled = run(&listener(options));
    assert_eq!(served(&compiled, "l").alpn, [AlpnProtocol::H2]);
    for (tls, reason) in [
        ("{mode: Terminate}", "InvalidCertificateRef"),
        ("{certificateRefs: [{name: gone}]}", "InvalidCertificateRef"),
        (
            "{certificateRefs: [{name: one, namespace: far}]}",
            "RefNotPermitted",
        ),
    ] {
        let compiled = run(&listener(tls));
        assert!(sockets(&compiled).is_empty());
        let resolved = condition(&compiled, L, "ResolvedRefs");
        assert!(
            resolved.starts_with(&format!("false {reason}")),
            "{resolved}"
        );
    }
}

fn shown(compiled: &CompiledConfig) -> Vec<String> {
    let identities = served(compiled, "l").identities.iter();
    identities
        .map(|identity| identity.source.to_string())
        .collect()
}

#[test]
fn certificates_are_shown_in_the_order_of_their_references() {
    for tls in [
        "{certificateRefs: [{name: one}, {name: other}]}",
        "{mode: Terminate, certificateRefs: [{group: '', kind: Secret, name: one}, {namespace: infra, name: other}]}",
    ] {
        let compiled = run(&https("", tls));
        assert!(compiled.report.accepted(), "{}", compiled.report.table());
        assert_eq!(warnings(&compiled), Vec::<String>::new());
        assert_eq!(shown(&compiled), ["Secret infra/one", "Secret infra/other"]);
        let tls = served(&compiled, "l");
        assert_eq!(tls.versions, TlsVersions::default());
        assert_eq!(tls.alpn, [AlpnProtocol::H2, AlpnProtocol::Http11]);
        assert_eq!(tls.clients, None);
        assert_eq!(tls.identities[0].chain.len(), 1);
    }
}

/// `tls`, the reason, and the field under `tls` with the message.
const WRONG: &[(&str, &str, &str)] = &[
    (
        "{}",
        "InvalidCertificateRef",
        "certificateRefs: at least one is needed",
    ),
    (
        "{certificateRefs: []}",
        "InvalidCertificateRef",
        "certificateRefs: at least one is needed",
    ),
    (
        "{certificateRefs: [{name: none}]}",
        "InvalidCertificateRef",
        "certificateRefs[0]: Secret infra/none not found; did you mean Secret infra/one?",
    ),
    (
        "{certificateRefs: [{group: g.example, kind: Secret, name: one}]}",
        "InvalidCertificateRef",
        "certificateRefs[0]: g.example/Secret is not supported; Secret is",
    ),
    (
        "{certificateRefs: [{kind: ConfigMap, name: one}]}",
        "InvalidCertificateRef",
        "certificateRefs[0]: ConfigMap is not supported; Secret is",
    ),
    (
        "{certificateRefs: [{namespace: far, name: one}]}",
        "RefNotPermitted",
        "certificateRefs[0]: missing reference grant for Secret far/one",
    ),
    (
        "{certificateRefs: [{name: junk}]}",
        "InvalidCertificateRef",
        "certificateRefs[0]: Secret infra/junk: tls.crt has no certificate in PEM",
    ),
    (
        "{certificateRefs: [{name: bare}]}",
        "InvalidCertificateRef",
        "certificateRefs[0]: Secret infra/bare: has tls.crt without tls.key",
    ),
    (
        "{certificateRefs: [{name: empty}]}",
        "InvalidCertificateRef",
        "certificateRefs[0]: Secret infra/empty: has neither tls.crt nor tls.key",
    ),
    (
        "{certificateRefs: [{name: mixed}]}",
        "InvalidCertificateRef",
        "certificateRefs[0]: Secret infra/mixed: tls.key does not belong to tls.crt",
    ),
    (
        "{certificateRefs: [{name: odd}]}",
        "InvalidCertificateRef",
        "certificateRefs[0]: Secret infra/odd: tls.crt has an entry that is not an X.509 version 3 certificate",
    ),
    (
        "{certificateRefs: [{name: weak}]}",
        "InvalidCertificateRef",
        "certificateRefs[0]: Secret infra/weak: tls.key is of a type that is not supported",
    ),
];

#[test]
fn a_listener_without_a_certificate_to_show_is_not_programmed() {
    for (tls, reason, message) in WRONG {
        let compiled = run(&https("", tls));
        let message = format!("spec.listeners[0].tls.{message}");
        assert_eq!(
            condition(&compiled, L, "ResolvedRefs"),
            format!("false {reason}: {message}")
        );
        assert_eq!(
            condition(&compiled, L, "Programmed"),
            "false Invalid: Not programmed, because it has no certificate to show"
        );
        assert!(condition(&compiled, L, "Accepted").starts_with("true"));
        assert_eq!(
            condition(&compiled, "Gateway infra/g", "Programmed"),
            "false Invalid: No listener is programmed"
        );
        assert!(compiled.snapshot.sockets.is_empty());
        assert_eq!(
            problems(&compiled),
            [format!("t.yaml:8: Gateway infra/g: {message}")]
        );
    }
}

#[test]
fn a_listener_without_tls_needs_certificates() {
    let text = https("", "{}").replace(", tls: {}", "");
    assert_eq!(
        condition(&run(&text), L, "ResolvedRefs"),
        "false InvalidCertificateRef: spec.listeners[0].tls.certificateRefs: at least one is needed"
    );
}

#[test]
fn certificates_that_are_there_are_shown_though_others_are_not() {
    let compiled = run(&https(
        "",
        "{certificateRefs: [{name: none}, {name: one}, {name: mixed}]}",
    ));
    assert_eq!(shown(&compiled), ["Secret infra/one"]);
    assert!(condition(&compiled, L, "ResolvedRefs").starts_with("false InvalidCertificateRef"));
    assert!(condition(&compiled, L, "Programmed").starts_with("true"));
    assert_eq!(problems(&compiled).len(), 2);
}

#[test]
fn secrets_of_other_namespaces_need_a_grant_to_gateways_of_this_one() {
    let grant = |kind: &str, from: &str, to: &str| {
        format!(
            "---\napiVersion: gateway.networking.k8s.io/v1beta1\nkind: ReferenceGrant\nmetadata: {{name: r, namespace: far}}\n\
             spec:\n  from: [{{group: gateway.networking.k8s.io, kind: {kind}, namespace: {from}}}]\n  to: [{to}]\n"
        )
    };
    let all = "{group: '', kind: Secret}";
    for (grant, is_allowed) in [
        (grant("Gateway", "infra", all), true),
        (
            grant("Gateway", "infra", "{group: '', kind: Secret, name: one}"),
            true,
        ),
        (
            grant("Gateway", "infra", "{group: '', kind: Secret, name: two}"),
            false,
        ),
        (grant("Gateway", "other", all), false),
        (grant("HTTPRoute", "infra", all), false),
    ] {
        let text = https("", "{certificateRefs: [{namespace: far, name: one}]}");
        let compiled = run(&format!("{text}{grant}"));
        assert_eq!(compiled.report.accepted(), is_allowed, "{grant}");
        assert_eq!(!compiled.snapshot.sockets.is_empty(), is_allowed, "{grant}");
    }
}

#[test]
fn another_certificate_is_another_configuration() {
    let tls = "{certificateRefs: [{name: one}]}";
    let renewed = https("", tls)
        .replace("name: one, namespace: infra", "name: old, namespace: infra")
        + &pair("infra", "one", &OTHER);
    let once = run(&https("", tls));
    assert_ne!(once.snapshot, run(&renewed).snapshot);
    assert_eq!(once.snapshot, run(&https("", tls)).snapshot);
}

#[test]
fn a_private_key_is_shown_nowhere() {
    let compiled = run(&https(
        "",
        "{certificateRefs: [{name: one}, {name: mixed}]}",
    ));
    let secret: Vec<&str> = ONE.key.lines().chain(OTHER.key.lines()).collect();
    let secret = secret.iter().filter(|line| !line.starts_with('-'));
    let told = [
        serde_json::to_string(&compiled.snapshot).unwrap(),
        serde_json::to_string(&compiled.report).unwrap(),
        format!("{compiled:?}"),
    ];
    for line in secret {
        assert!(told.iter().all(|text| !text.contains(line)), "{line}");
    }
    assert!(told[0].contains("not shown"));
}

#[test]
fn listeners_of_one_name_are_not_served() {
    let spec = "  listeners:\n  - {name: l, protocol: HTTP, port: 80}\n  - {name: l, protocol: HTTP, port: 81}\n  \
                - {name: m, protocol: HTTP, port: 82}\n";
    let compiled = run(&gateway("g", 0, spec));
    assert_eq!(sockets(&compiled), ["* 82 g/m"]);
    let message = "another listener of this Gateway has the same name";
    assert_eq!(
        problems(&compiled),
        [
            format!("t.yaml:8: Gateway infra/g: spec.listeners[0].name: {message}"),
            format!("t.yaml:9: Gateway infra/g: spec.listeners[1].name: {message}"),
        ]
    );
}
