//! Tests of TLS between the gateway and upstreams.

use egret_testkit::gateway::{backend_config, documents};
use egret_testkit::{DnsServer, Gateway, Response, Upstream};

mod algorithms;
mod certificates;
mod connections;
mod policies;
mod requests;

/// A DNS server where the names of the tests have the address 127.0.0.1.
fn dns() -> DnsServer {
    let dns = DnsServer::start();
    for name in ["a.example", "b.example"] {
        dns.a(name, ["127.0.0.1"], 60);
    }
    dns
}

/// Replaces the dynamic Backend by one that uses TLS.
fn over_tls(yaml: &str) -> String {
    let plain = "dynamicForwardProxy: {}";
    assert!(yaml.contains(plain), "{yaml}");
    yaml.replace(plain, "dynamicForwardProxy: {enableTls: true}")
}

/// A Secret in the namespace of the Backend. `text` are its entries.
fn secret(entries: &[(&str, &str)]) -> String {
    let mut text = String::from(
        "apiVersion: v1\nkind: Secret\nmetadata: {name: tls, namespace: httpbin}\nstringData:\n",
    );
    for (name, value) in entries {
        text += &format!("  {name}: {value:?}\n");
    }
    text
}

/// A gateway that uses TLS for all upstreams, with this `tls` section and this Secret.
fn with_settings(dns: &DnsServer, tls: &str, entries: &[(&str, &str)]) -> Gateway {
    let yaml = over_tls(&backend_config(dns.addr(), &format!("tls: {tls}")));
    Gateway::start(&documents(&[&yaml, &secret(entries)]))
}

/// Sends a GET for a name at the port of the upstream.
fn get(gateway: &Gateway, name: &str, upstream: &Upstream) -> Response {
    gateway.get(&format!("{name}:{}", upstream.port()), "/")
}

fn assert_refused(response: &Response, error: &str, details: &str) {
    assert_eq!(response.status, 502, "{response:?}");
    let told = response.header("proxy-status").unwrap_or_default();
    // The address comes first, and the identity of the refusal last.
    let start = format!("egret; error={error}; details=\"127.0.0.1:");
    let expected = format!(": {details}\"; id=\"");
    assert!(
        told.starts_with(&start) && told.contains(&expected),
        "{told}: {details}"
    );
}

const DYNAMIC: &str = "type: DynamicForwardProxy\n  dynamicForwardProxy: {}";

const UNTRUSTED: &str = "the upstream's certificate is of an unknown CA";
