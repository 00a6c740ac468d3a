//! Credentials of clients, in every form of a request.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use egret_testkit::gateway::{documents, lab};
use egret_testkit::{DnsServer, Gateway, Http2Client, Response, Upstream};
use http::HeaderMap;
use serde_json::Value;

mod forms;
mod keys;
mod tunnels;

/// ann:secret and ann:wrong.
const ANN: &str = "Basic YW5uOnNlY3JldA==";
const WRONG: &str = "Basic YW5uOndyb25n";

/// What the log, and whoever is not asked for them, must never see.
const SECRETS: [&str; 5] = ["secret", "YW5uOn", "k-123", "5en6G6", "k-wrong"];

/// Lets in ann.
const BASIC: &str = "basicAuth: {users: ['ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=']}";

/// A gateway, and an upstream by the name `a.example`.
struct Lab {
    gateway: Gateway,
    upstream: Upstream,
    dns: DnsServer,
}

impl Lab {
    /// Under a TrafficPolicy on the Gateway with this line of `spec`, and with further documents.
    fn new(line: &str, more: &[&str]) -> Self {
        let (dns, upstream) = (DnsServer::start(), Upstream::start());
        dns.a("a.example", ["127.0.0.1"], 60);
        let gateway = Gateway::start(&text(&dns, line, more));
        Self {
            gateway,
            upstream,
            dns,
        }
    }

    fn authority(&self) -> String {
        format!("a.example:{}", self.upstream.port())
    }

    fn h2(&self) -> Http2Client {
        Http2Client::connect(self.gateway.address())
    }

    /// The last of so many lines of the log, without any secret in it.
    fn record(&self, count: usize) -> Value {
        let records = self.gateway.wait_for_records(count);
        let record = records.last().unwrap();
        assert_no_secret(&record.to_string());
        record.clone()
    }
}

fn text(dns: &DnsServer, line: &str, more: &[&str]) -> String {
    let policy = policy("auth", line);
    let lab = lab(dns.addr());
    documents(&[&[&*lab, &*policy], more].concat())
}

/// A TrafficPolicy on the Gateway.
fn policy(name: &str, line: &str) -> String {
    format!(
        "apiVersion: gateway.kgateway.dev/v1alpha1
kind: TrafficPolicy
metadata: {{name: {name}, namespace: kgateway-system}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: http}}]
  {line}
"
    )
}

/// A head of HTTP/1 with these fields.
fn head(start: &str, host: &str, fields: &[(&str, &str)]) -> String {
    let field = |(name, value): &(&str, &str)| format!("{name}: {value}\r\n");
    let fields: String = fields.iter().map(field).collect();
    format!("{start}\r\nhost: {host}\r\n{fields}\r\n")
}

fn connect(authority: &str, fields: &[(&str, &str)]) -> String {
    head(&format!("CONNECT {authority} HTTP/1.1"), authority, fields)
}

fn assert_no_secret(text: &str) {
    for secret in SECRETS {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

/// All that an upstream saw of a request.
fn seen(target: &str, headers: &HeaderMap) -> String {
    format!("{target} {headers:?}")
}

fn assert_challenged(response: &Response, status: u16, challenges: &[&str]) {
    assert_eq!(response.status, status, "{response:?}");
    let (field, other) = match status {
        407 => ("proxy-authenticate", "www-authenticate"),
        _ => ("www-authenticate", "proxy-authenticate"),
    };
    let told: Vec<_> = response.headers.all(field).collect();
    assert_eq!(told, challenges, "{response:?}");
    assert_eq!(response.header(other), None);
    let status = response.header("proxy-status").unwrap();
    assert!(status.starts_with("egret; error=http_request_denied;"));
    assert_no_secret(&format!("{response:?}"));
}
