//! Tests of client authentication: basic authentication and API keys, in every form of request.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use egret_testkit::gateway::{documents, quickstart_config, traffic_policy};
use egret_testkit::{DnsServer, Gateway, Http2Client, Response, Upstream};
use http::HeaderMap;
use serde_json::Value;

mod bcrypt;
mod clients;
mod forms;
mod keys;
mod tunnels;

/// The credentials ann:secret; [`WRONG`] is ann:wrong.
const ANN: &str = "Basic YW5uOnNlY3JldA==";
const WRONG: &str = "Basic YW5uOndyb25n";

/// Strings that must not occur in the access log, in responses, or at an upstream.
const SECRETS: [&str; 5] = ["secret", "YW5uOn", "k-123", "5en6G6", "k-wrong"];

/// Admits ann with the password `secret`.
const BASIC: &str = "basicAuth: {users: ['ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=']}";

/// A gateway, and an upstream with the name `a.example`.
struct TestSetup {
    gateway: Gateway,
    upstream: Upstream,
    dns: DnsServer,
}

impl TestSetup {
    /// Starts a gateway with a TrafficPolicy that has this line in its spec, and with further documents.
    fn new(line: &str, more: &[&str]) -> Self {
        let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
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

    /// Waits for `count` records of the access log, checks that the last has no secrets, and returns it.
    fn record(&self, count: usize) -> Value {
        let records = self.gateway.wait_for_records(count);
        let record = records.last().unwrap();
        assert_no_secret(&record.to_string());
        record.clone()
    }
}

fn text(dns: &DnsServer, line: &str, more: &[&str]) -> String {
    let policy = traffic_policy("auth", line);
    let config = quickstart_config(dns.addr());
    documents(&[&[&*config, &*policy], more].concat())
}

/// The head of an HTTP/1 request with these fields.
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

/// The text of a request as an upstream received it.
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
