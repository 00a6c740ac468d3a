//! The algorithms that are offered to upstreams. The certificates of the tests have keys on the curve P-256.

use egret_testkit::upstream::UpstreamTls;
use egret_testkit::{Ca, Upstream};

use super::{assert_refused, dns, get, with_settings};

#[test]
fn only_the_algorithms_of_the_settings_are_offered() {
    const REFUSED: &str = "the upstream refused the TLS handshake";
    let (ca, dns) = (Ca::new(), dns());
    let ours = ca.pem();
    let both = Upstream::start_tls(UpstreamTls::of(&ca, ["a.example"]));
    let old = Upstream::start_tls(UpstreamTls::of(&ca, ["a.example"]).old());
    for (upstream, parameters, refused) in [
        (&both, "signatureAlgorithms: [ecdsa_secp256r1_sha256]", None),
        (
            &both,
            "signatureAlgorithms: [rsa_pss_rsae_sha256]",
            Some(REFUSED),
        ),
        (&both, "ecdhCurves: [P-384]", None),
        (&old, "cipherSuites: [ECDHE-ECDSA-AES256-GCM-SHA384]", None),
        (
            &old,
            "cipherSuites: [ECDHE-RSA-AES256-GCM-SHA384]",
            Some(REFUSED),
        ),
        // They are of TLS 1.2, which is not used here.
        (&both, "cipherSuites: [ECDHE-RSA-AES256-GCM-SHA384]", None),
        // TLS 1.3 alone is left.
        (
            &old,
            "cipherSuites: [TLS_AES_128_GCM_SHA256], minVersion: '1.3'",
            Some(NO_VERSION),
        ),
    ] {
        let settings = format!("{{secretRef: {{name: tls}}, parameters: {{{parameters}}}}}");
        let gateway = with_settings(&dns, &settings, &[("ca.crt", &ours)]);
        let response = get(&gateway, "a.example", upstream);
        match refused {
            None => assert_eq!(response.status, 200, "{parameters}: {response:?}"),
            Some(details) => assert_refused(&response, "tls_protocol_error", details),
        }
    }
}

const NO_VERSION: &str = "the upstream has no version of TLS in common with us";
