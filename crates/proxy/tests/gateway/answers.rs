//! Tests of answers that come while the request is still being sent: the client reads them in any case.

use egret_testkit::gateway::{documents, egress_policy, quickstart_config};
use egret_testkit::{Client, DnsServer, Gateway, Upstream};

mod refused;
mod upstream;

/// Sizes of bodies in bytes, from one that fits the buffers of sockets to one that does not.
const SIZES: [u64; 4] = [100_000, 1 << 20, 8 << 20, 20 << 20];

/// A gateway that allows `a.example` alone.
struct TestSetup {
    gateway: Gateway,
    upstream: Upstream,
    _dns: DnsServer,
}

impl TestSetup {
    fn new() -> Self {
        let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
        let policy = egress_policy(
            "only",
            "defaultAction: Deny
  rules: [{name: a, action: Allow, hosts: [a.example]}]",
        );
        let yaml = documents(&[&quickstart_config(dns.addr()), &policy]);
        Self {
            gateway: Gateway::start(&yaml),
            upstream,
            _dns: dns,
        }
    }
}

/// Sends a request with a body of `size` bytes from end to end, and reads the answer only then.
fn post(client: &mut Client, host: &str, target: &str, size: u64) -> egret_testkit::Response {
    client.send_request(format!(
        "POST {target} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {size}\r\n\r\n"
    ));
    client.send_body_of(size);
    client.read_response()
}
