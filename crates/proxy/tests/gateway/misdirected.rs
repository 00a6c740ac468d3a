//! Requests for another listener than the one whose certificate the client saw (Gateway API, `hostname` of a listener):
//! 421 if there is such a listener, 404 if there is none or it has no route.

use egret_testkit::gateway::{documents, tls_secret};
use egret_testkit::{Ca, Gateway, Http2Client, TlsClient};

/// The names of the listeners, with their hostnames; the first takes every other name too.
const LISTENERS: [(&str, &str); 4] = [
    ("any", ""),
    ("second", "second-example.org"),
    ("wildcard", "*.wildcard.org"),
    ("fourth", "fourth-example.wildcard.org"),
];

/// A Gateway with these listeners, and for each a route that answers with the listener's name. That of the first is for
/// `example.org` alone.
fn config(ca: &Ca) -> String {
    let names = [
        "example.org",
        "second-example.org",
        "*.wildcard.org",
        "unknown-example.org",
    ];
    let mut listeners = String::new();
    let mut routes = Vec::new();
    for (name, hostname) in LISTENERS {
        let (hostname, hostnames) = match hostname {
            "" => (String::new(), "hostnames: [example.org]"),
            host => (format!("hostname: '{host}', "), "hostnames: []"),
        };
        listeners.push_str(&format!(
            "  - {{name: {name}, {hostname}port: 8443, protocol: HTTPS, tls: {{certificateRefs: [{{name: gw}}]}}}}\n"
        ));
        routes.push(format!(
            "apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: {name}, namespace: kgateway-system}}
spec:
  parentRefs: [{{name: http, sectionName: {name}}}]
  {hostnames}
  rules:
  - matches: [{{path: {{type: PathPrefix, value: /detect}}}}]
    filters: [{{type: ExtensionRef, extensionRef: {{group: gateway.kgateway.dev, kind: DirectResponse, name: {name}}}}}]
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: DirectResponse
metadata: {{name: {name}, namespace: kgateway-system}}
spec: {{status: 200, body: {name}}}
"
        ));
    }
    let gateway = format!(
        "apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: http, namespace: kgateway-system}}
spec:
  gatewayClassName: kgateway
  listeners:
{listeners}"
    );
    let secret = tls_secret("gw", &ca.issue(names));
    let parts = [&*gateway, &*secret].into_iter();
    let all: Vec<&str> = parts.chain(routes.iter().map(String::as_str)).collect();
    documents(&all)
}

#[test]
fn who_comes_by_one_name_and_asks_for_another_is_told_to_come_again() {
    let ca = Ca::new();
    let gateway = Gateway::start(&config(&ca));
    // The server name, the host, and the listener that answers or the status.
    for (sni, host, expected) in [
        ("example.org", "example.org", Ok("any")),
        ("example.org", "second-example.org", Err(421)),
        ("example.org", "unknown-example.org", Err(404)),
        ("second-example.org", "second-example.org", Ok("second")),
        ("second-example.org", "example.org", Err(421)),
        ("second-example.org", "unknown-example.org", Err(421)),
        (
            "third-example.wildcard.org",
            "third-example.wildcard.org",
            Ok("wildcard"),
        ),
        (
            "third-example.wildcard.org",
            "fifth-example.wildcard.org",
            Ok("wildcard"),
        ),
        (
            "third-example.wildcard.org",
            "fourth-example.wildcard.org",
            Err(421),
        ),
        ("third-example.wildcard.org", "second-example.org", Err(421)),
        (
            "third-example.wildcard.org",
            "unknown-example.org",
            Err(421),
        ),
        (
            "fourth-example.wildcard.org",
            "fourth-example.wildcard.org",
            Ok("fourth"),
        ),
        (
            "fourth-example.wildcard.org",
            "fifth-example.wildcard.org",
            Err(421),
        ),
        ("unknown-example.org", "example.org", Ok("any")),
        ("unknown-example.org", "unknown-example.org", Err(404)),
    ] {
        let tls = TlsClient::new(&ca, sni, &["h2"]);
        let client = Http2Client::connect_tls(gateway.address(), &tls);
        let response = client.get(&format!("https://{host}/detect"));
        let answer = match response.status {
            200 => Ok(response.text().to_owned()),
            status => Err(status),
        };
        let expected = expected.map(str::to_owned);
        assert_eq!(answer, expected, "{sni} {host}");
        // The connection serves what it was made for, whatever was asked before.
        if let Err(421) = answer {
            let known = client.get(&format!("https://{sni}/detect"));
            assert_eq!(known.status, 200, "{sni}");
        }
    }
}
