//! Certificates that are not valid now, or not for much longer.

use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};

use super::{CertificatePair, object, pair};
use crate::compile::tests::gateway::gateway;
use crate::compile::{CompileOptions, compile};
use crate::load::{ConfigFile, load};

/// 2026-03-01 and 2026-09-01, in seconds of Unix time.
const BEGIN: i64 = 1_772_323_200;
const END: i64 = 1_788_220_800;
const DAY: i64 = 24 * 60 * 60;

/// A certificate from BEGIN to END.
fn issue(name: &str) -> CertificatePair {
    let mut params = CertificateParams::new(["a.test".to_owned()]).unwrap();
    params.not_before = date_time_ymd(2026, 3, 1);
    params.not_after = date_time_ymd(2026, 9, 1);
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    CertificatePair {
        certificate: params.self_signed(&key).unwrap().pem(),
        key: key.serialize_pem(),
    }
}

fn warnings_at(text: &str, now: Option<i64>) -> Vec<String> {
    let name = "t.yaml";
    let loaded = load([ConfigFile { name, text }]);
    let options = CompileOptions {
        now,
        ..CompileOptions::default()
    };
    let compiled = compile(&loaded.resources, &options);
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    let warnings = compiled.report.warnings.iter();
    let told = warnings.map(ToString::to_string);
    let after_place = |told: String| told.split_once(": ").unwrap().1.to_owned();
    told.map(after_place).collect()
}

#[test]
fn a_certificate_is_warned_of_before_and_after_its_time() {
    let (server, ca) = (issue("front"), issue("clients"));
    let listeners = "  - {name: plain, protocol: HTTP, port: 80}\n  \
                     - {name: tls, protocol: HTTPS, port: 443, tls: {certificateRefs: [{name: front}]}}\n";
    let frontend = "  tls:\n    frontend:\n      default:\n        validation:\n          \
                    caCertificateRefs: [{group: '', kind: ConfigMap, name: ca}]\n";
    let text = [
        gateway("g", 0, &format!("{frontend}  listeners:\n{listeners}")),
        pair("infra", "front", &server),
        object("ConfigMap", "infra", "ca", &[("ca.crt", &ca.certificate)]),
    ]
    .concat();
    let at = "Gateway infra/g: spec.listeners[1]";
    for (now, what) in [
        (BEGIN - 1, Some("is not valid before 2026-03-01T00:00:00Z")),
        (BEGIN, None),
        (END - 14 * DAY, None),
        (
            END - 14 * DAY + 1,
            Some("expires soon, at 2026-09-01T00:00:00Z"),
        ),
        (END, Some("expires soon, at 2026-09-01T00:00:00Z")),
        (END + 1, Some("expired at 2026-09-01T00:00:00Z")),
    ] {
        let expected: Vec<_> = what
            .iter()
            .flat_map(|what| {
                [
                    format!("{at}: the CA certificate for clients (CN=clients) {what}"),
                    format!("{at}.tls.certificateRefs: the certificate of Secret infra/front (CN=front) {what}"),
                ]
            })
            .collect();
        assert_eq!(warnings_at(&text, Some(now)), expected, "{now}");
    }
    assert_eq!(warnings_at(&text, None), Vec::<String>::new());
}
