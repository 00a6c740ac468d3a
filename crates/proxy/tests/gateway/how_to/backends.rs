//! Static backends, and TLS to backends.

use egret_testkit::gateway::{LOOPBACK, documents, resolver_policy};
use egret_testkit::upstream::UpstreamTls;
use egret_testkit::{Ca, DnsServer, Gateway, Upstream};

use super::{SampleApp, endpoints};

/// The Backend and the HTTPRoute of the guide, which leads to a name that the DNS server of the test knows.
fn partner(port: u16) -> String {
    format!(
        "apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata:
  name: json-backend
  namespace: default
spec:
  type: Static
  static:
    hosts:
      - host: partner.example
        port: {port}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: static-backend
  namespace: default
spec:
  parentRefs:
  - name: http
    namespace: kgateway-system
  hostnames:
    - static.example
  rules:
    - backendRefs:
      - name: json-backend
        kind: Backend
        group: gateway.kgateway.dev
      filters:
      - type: URLRewrite
        urlRewrite:
          hostname: partner.example
"
    )
}

const KGATEWAY_TLS: &str = "apiVersion: gateway.kgateway.dev/v1alpha1
kind: BackendConfigPolicy
metadata:
  name: static-tls-policy
  namespace: default
spec:
  targetRefs:
  - group: gateway.kgateway.dev
    kind: Backend
    name: json-backend
  tls:
    sni: \"partner.example\"
    wellKnownCACertificates: System
";

const GATEWAY_API_TLS: &str = "apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata:
  name: static-tls-policy
  namespace: default
spec:
  targetRefs:
  - group: gateway.kgateway.dev
    kind: Backend
    name: json-backend
  validation:
    hostname: \"partner.example\"
    wellKnownCACertificates: System
";

#[test]
fn a_static_backend_is_called_by_its_own_name() {
    let dns = DnsServer::start();
    dns.a("partner.example", ["127.0.0.1"], 60);
    let ca = Ca::new();
    for tls in [None, Some(KGATEWAY_TLS), Some(GATEWAY_API_TLS)] {
        let upstream = match tls {
            None => Upstream::start(),
            Some(_) => Upstream::start_tls(UpstreamTls::of(&ca, ["partner.example"])),
        };
        let config = documents(&[
            super::SAMPLE,
            &partner(upstream.port()),
            LOOPBACK,
            &resolver_policy(dns.addr(), ""),
            tls.unwrap_or_default(),
        ]);
        let gateway = Gateway::start_trusting(&config, [&ca]);
        let response = gateway.get("static.example:8080", "/posts");
        assert_eq!(response.status, 200, "{tls:?} {response:?}");
        let request = &upstream.requests()[0];
        assert_eq!(request.authority(), Some("partner.example"));
        assert_eq!(upstream.handshakes().len(), usize::from(tls.is_some()));
        for handshake in upstream.handshakes() {
            assert_eq!(handshake.sni.as_deref(), Some("partner.example"));
        }
    }
}

const NGINX: &str = "apiVersion: v1
kind: Service
metadata:
  name: nginx
  namespace: kgateway-base
spec:
  ports:
  - name: http
    port: 8443
    targetPort: 8443
  selector:
    app.kubernetes.io/name: nginx
---
apiVersion: gateway.networking.k8s.io/v1beta1
kind: HTTPRoute
metadata:
  namespace: kgateway-base
  name: nginx-route
  labels:
    app: nginx
spec:
  parentRefs:
  - name: http
    namespace: kgateway-system
  hostnames:
  - \"example.com\"
  rules:
  - backendRefs:
    - name: nginx
      port: 8443
";

/// The policy of kgateway, whose CA is in a Secret.
fn by_secret(pem: &str) -> String {
    format!(
        "apiVersion: v1
kind: Secret
metadata:
  namespace: kgateway-base
  name: ca
type: Opaque
stringData:
  ca.crt: {pem:?}
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: BackendConfigPolicy
metadata:
  namespace: kgateway-base
  name: nginx-tls-policy
spec:
  targetRefs:
  - group: \"\"
    kind: Service
    name: nginx
  tls:
    sni: \"example.com\"
    secretRef:
      name: ca
"
    )
}

/// The policy of the Gateway API, whose CA is in a ConfigMap.
fn by_map(pem: &str) -> String {
    format!(
        "apiVersion: v1
kind: ConfigMap
metadata:
  namespace: kgateway-base
  name: ca
data:
  ca.crt: {pem:?}
---
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata:
  namespace: kgateway-base
  name: nginx-tls-policy
spec:
  targetRefs:
  - group: \"\"
    kind: Service
    name: nginx
  validation:
    hostname: \"example.com\"
    caCertificateRefs:
    - group: \"\"
      kind: ConfigMap
      name: ca
"
    )
}

#[test]
fn a_service_is_reached_over_tls() {
    let ca = Ca::new();
    let pem = ca.pem();
    let by_secret = by_secret(&pem);
    let algorithms = format!(
        "{by_secret}    parameters:
      signatureAlgorithms:
        - ecdsa_secp256r1_sha256
        - rsa_pss_rsae_sha256
"
    );
    for tls in [by_secret, algorithms, by_map(&pem)] {
        let nginx = Upstream::start_tls(UpstreamTls::of(&ca, ["example.com"]));
        let at = endpoints("kgateway-base", "nginx", nginx.addr());
        let app = SampleApp::start(&[NGINX, &at, &tls]);
        let response = app.ask("GET /", "example.com:8080", "");
        assert_eq!(response.status, 200, "{tls} {response:?}");
        assert_eq!(nginx.handshakes()[0].sni.as_deref(), Some("example.com"));
    }
    // The name in the certificate counts.
    let other = Upstream::start_tls(UpstreamTls::of(&ca, ["other.example"]));
    let app = SampleApp::trusting(
        Upstream::start(),
        &ca,
        &[
            NGINX,
            &endpoints("kgateway-base", "nginx", other.addr()),
            &GATEWAY_API_TLS
                .replace("namespace: default", "namespace: kgateway-base")
                .replace("group: gateway.kgateway.dev", "group: \"\"")
                .replace("kind: Backend\n", "kind: Service\n")
                .replace("name: json-backend", "name: nginx")
                .replace("partner.example", "example.com"),
        ],
    );
    assert_eq!(app.ask("GET /", "example.com:8080", "").status, 502);
    assert!(other.requests().is_empty());
}
