//! DNS over TLS and over HTTPS through the built binary, with a private CA.

use egret_testkit::gateway::LOOPBACK;
use egret_testkit::{Client, DnsServer, Upstream};

use super::served::ServeSetup;

#[test]
fn names_are_resolved_over_tls_and_https_and_by_nobody_else() {
    let (dns, upstream) = (DnsServer::start_encrypted(), Upstream::start());
    dns.a("a.example", ["127.0.0.1"], 60);
    let ca = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(ca.path(), dns.ca_pem()).unwrap();
    for (protocol, address) in [("TLS", dns.tls_addr()), ("HTTPS", dns.https_addr())] {
        let policy = format!(
            "apiVersion: egret.dev/v1alpha1
kind: ResolverPolicy
metadata: {{name: test, namespace: kgateway-system}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: http}}]
  servers: [{{address: '{address}', protocol: {protocol}}}]
"
        );
        let setup = ServeSetup::new(&[("loopback.yaml", LOOPBACK), ("resolver.yaml", &policy)]);
        let host = format!("a.example:{}", upstream.port());
        let get = |trusted: bool| {
            let served = setup.start(|command| {
                command
                    .env_remove("SSL_CERT_DIR")
                    .env_remove("SSL_CERT_FILE");
                if trusted {
                    command.env("SSL_CERT_FILE", ca.path());
                }
            });
            let response = Client::connect(served.setup.address).get("/", &host);
            served.stop();
            response
        };
        assert_eq!(get(true).status, 200, "{protocol}");
        let asked = dns.queries().len();
        // The certificate is not trusted: the server receives no query, and there is no fallback to plain DNS.
        let refused = get(false);
        assert_eq!(refused.status, 502, "{protocol}");
        assert_eq!(dns.queries().len(), asked, "{}", refused.text());
    }
}
