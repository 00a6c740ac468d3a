//! Tests of HTTP/2 between the gateway and upstreams.

use egret_testkit::gateway::{backend_config, quickstart_config};
use egret_testkit::upstream::UpstreamTls;
use egret_testkit::{Ca, Client, DnsServer, Gateway, Upstream};

mod broken;
mod messages;
mod shared;
mod upgrade;
mod versions;

const DYNAMIC: &str = "type: DynamicForwardProxy\n  dynamicForwardProxy: {}";

/// A gateway that sends every request to one static host over HTTP/2, with this spec of a BackendConfigPolicy.
fn to_static(port: u16, spec: &str) -> Gateway {
    Gateway::start(&static_backend(port, spec))
}

/// The configuration of [`to_static`].
fn static_backend(port: u16, spec: &str) -> String {
    let dns = DnsServer::start();
    let yaml = backend_config(dns.addr(), spec);
    let hosts = format!("hosts: [{{host: 127.0.0.1, port: {port}}}]");
    let fixed = format!("type: Static\n  static: {{appProtocol: kubernetes.io/h2c, {hosts}}}");
    assert!(yaml.contains(DYNAMIC), "{yaml}");
    yaml.replace(DYNAMIC, &fixed)
}

const NO_SETTINGS: &str = "connectTimeout: 5s";

/// An upstream over TLS with the name `a.example`, and a gateway that uses TLS for all upstreams.
struct OverTls {
    gateway: Gateway,
    upstream: Upstream,
    _dns: DnsServer,
}

impl OverTls {
    fn start(tls: impl FnOnce(UpstreamTls) -> UpstreamTls) -> Self {
        let (ca, dns) = (Ca::new(), DnsServer::with_a_example());
        let upstream = Upstream::start_tls(tls(UpstreamTls::of(&ca, ["a.example"])));
        let dynamic = "dynamicForwardProxy: {}";
        let yaml = quickstart_config(dns.addr())
            .replace(dynamic, "dynamicForwardProxy: {enableTls: true}");
        Self {
            gateway: Gateway::start_trusting(&yaml, [&ca]),
            upstream,
            _dns: dns,
        }
    }

    fn host(&self) -> String {
        format!("a.example:{}", self.upstream.port())
    }

    /// The ALPN protocols of the upstream's connections, in order.
    fn agreed(&self) -> Vec<String> {
        let handshakes = self.upstream.handshakes().into_iter();
        handshakes.filter_map(|one| one.alpn).collect()
    }
}

/// Connects `count` clients that each send a request for `path`, without reading the responses.
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
