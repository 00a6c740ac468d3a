//! HTTP/2 to upstreams.

use egret_testkit::gateway::{configured, lab};
use egret_testkit::upstream::Tls;
use egret_testkit::{Ca, Client, DnsServer, Gateway, Upstream};

mod broken;
mod messages;
mod shared;
mod upgrade;
mod versions;

const DYNAMIC: &str = "type: DynamicForwardProxy\n  dynamicForwardProxy: {}";

/// A DNS server that has `a.example` at 127.0.0.1.
fn a_example() -> DnsServer {
    let dns = DnsServer::start();
    dns.a("a.example", ["127.0.0.1"], 60);
    dns
}

/// Everything to one server that is known to speak HTTP/2, under this BackendConfigPolicy.
fn to_static(port: u16, spec: &str) -> Gateway {
    Gateway::start(&static_backend(port, spec))
}

/// The same, as it is configured.
fn static_backend(port: u16, spec: &str) -> String {
    let dns = DnsServer::start();
    let yaml = configured(dns.addr(), spec);
    let hosts = format!("hosts: [{{host: 127.0.0.1, port: {port}}}]");
    let fixed = format!("type: Static\n  static: {{appProtocol: kubernetes.io/h2c, {hosts}}}");
    assert!(yaml.contains(DYNAMIC), "{yaml}");
    yaml.replace(DYNAMIC, &fixed)
}

const NO_SETTINGS: &str = "connectTimeout: 5s";

/// A server over TLS by the name of `a.example`, and a gateway that goes there so.
struct OverTls {
    gateway: Gateway,
    upstream: Upstream,
    _dns: DnsServer,
}

impl OverTls {
    fn start(tls: impl FnOnce(Tls) -> Tls) -> Self {
        let (ca, dns) = (Ca::new(), a_example());
        let upstream = Upstream::start_tls(tls(Tls::of(&ca, ["a.example"])));
        let dynamic = "dynamicForwardProxy: {}";
        let yaml = lab(dns.addr()).replace(dynamic, "dynamicForwardProxy: {enableTls: true}");
        Self {
            gateway: Gateway::start_trusting(&yaml, [&ca]),
            upstream,
            _dns: dns,
        }
    }

    fn host(&self) -> String {
        format!("a.example:{}", self.upstream.port())
    }

    /// What was agreed on, in the order of connections.
    fn agreed(&self) -> Vec<String> {
        let handshakes = self.upstream.handshakes().into_iter();
        handshakes.filter_map(|one| one.alpn).collect()
    }
}

/// Clients that each have asked for a path, and have no answer yet.
fn ask(gateway: &Gateway, host: &str, path: &str, count: usize) -> Vec<Client> {
    let ask = |_| {
        let mut client = gateway.connect();
        client.send_request(format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n"));
        client
    };
    (0..count).map(ask).collect()
}

fn assert_answered(clients: Vec<Client>) {
    for mut client in clients {
        assert_eq!(client.read_response().status, 200);
    }
}
