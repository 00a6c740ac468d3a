//! The ClientHello inside the tunnel of a CONNECT: what is logged of it, and what a policy requires of it.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::thread;

use egret_testkit::client::connect_request;
use egret_testkit::gateway::{documents, egress_policy, quickstart_config};
use egret_testkit::upstream::UpstreamTls;
use egret_testkit::upstream::raw::RawServer;
use egret_testkit::{Ca, Client, DnsServer, Gateway, Http2Client, TlsClient, Upstream};
use serde_json::Value;

use super::tunnel;

/// The alert `access_denied`.
const ACCESS_DENIED: [u8; 7] = [21, 3, 3, 0, 2, 2, 49];

struct TestSetup {
    ca: Ca,
    dns: DnsServer,
    server: Upstream,
    gateway: Gateway,
}

impl TestSetup {
    /// Starts a gateway under an EgressPolicy with this line in its spec.
    fn new(line: &str) -> Self {
        let (ca, dns) = (Ca::new(), DnsServer::with_a_example());
        let names = ["a.example", "b.example", "127.0.0.1"];
        let server = Upstream::start_tls(UpstreamTls::of(&ca, names));
        let gateway = Gateway::start(&yaml(&dns, line));
        Self {
            ca,
            dns,
            server,
            gateway,
        }
    }

    fn authority(&self, host: &str) -> String {
        format!("{host}:{}", self.server.port())
    }

    fn tls(&self, name: &str) -> TlsClient {
        TlsClient::new(&self.ca, name, &["http/1.1"])
    }

    /// The status of a request over TLS to `name` in a tunnel to `host`; `None` if the handshake fails.
    fn ask(&self, host: &str, name: &str) -> Option<u16> {
        let client = tunnel(&self.gateway, &self.authority(host));
        let mut client = client.try_secure(&self.tls(name)).ok()?;
        Some(client.get("/", name).status)
    }
}

fn yaml(dns: &DnsServer, line: &str) -> String {
    let policy = egress_policy("server-names", line);
    documents(&[&quickstart_config(dns.addr()), &policy])
}

/// The log line about a tunnel: how it ended, the verdict, the policy, the server name.
fn told(record: &Value) -> [Option<&str>; 4] {
    ["reason", "verdict", "policy", "sni"].map(|field| record[field].as_str())
}

const POLICY: Option<&str> = Some("kgateway-system/server-names");

#[test]
fn a_server_name_is_logged_and_decides_nothing_by_default() {
    for line in ["defaultAction: Allow", "sni: Log"] {
        let setup = TestSetup::new(line);
        for (host, name) in [
            ("a.example", "a.example"),
            ("a.example", "b.example"),
            ("127.0.0.1", "a.example"),
        ] {
            assert_eq!(setup.ask(host, name), Some(200));
        }
        assert_eq!(setup.ask("a.example", "127.0.0.1"), Some(200));
        let records = setup.gateway.wait_for_records(4);
        let names: Vec<_> = records
            .iter()
            .map(|record| record["sni"].as_str())
            .collect();
        let a = Some("a.example");
        assert_eq!(names, [a, Some("b.example"), a, None]);
        for record in &records {
            assert_eq!(record["verdict"], "allow", "{record}");
            assert_eq!(record["ech"], Value::Null);
        }
    }
}

#[test]
fn a_server_name_must_match_where_a_policy_says_so() {
    let setup = TestSetup::new("sni: MustMatch");
    let closed = Some("client_closed");
    let cases = [
        (
            "a.example",
            "a.example",
            Some(200),
            [closed, Some("allow"), POLICY, Some("a.example")],
        ),
        (
            "A.EXAMPLE.",
            "a.example",
            Some(200),
            [closed, Some("allow"), POLICY, Some("a.example")],
        ),
        (
            "a.example",
            "b.example",
            None,
            [
                Some("sni_mismatch"),
                Some("deny"),
                POLICY,
                Some("b.example"),
            ],
        ),
        // Without a server name, as for an address.
        (
            "a.example",
            "127.0.0.1",
            None,
            [Some("sni_mismatch"), Some("deny"), POLICY, None],
        ),
        (
            "127.0.0.1",
            "127.0.0.1",
            Some(200),
            [closed, Some("allow"), POLICY, None],
        ),
        (
            "127.0.0.1",
            "a.example",
            None,
            [
                Some("sni_mismatch"),
                Some("deny"),
                POLICY,
                Some("a.example"),
            ],
        ),
    ];
    let mut handshakes = 0;
    for (count, (host, name, status, expected)) in cases.into_iter().enumerate() {
        assert_eq!(setup.ask(host, name), status, "{host} {name}");
        handshakes += usize::from(status.is_some());
        assert_eq!(setup.server.handshakes().len(), handshakes);
        let records = setup.gateway.wait_for_records(count + 1);
        assert_eq!(told(&records[count])[..2], expected[..2], "{host} {name}");
        assert_eq!(told(&records[count])[2..], expected[2..], "{host} {name}");
    }
    let details = setup.gateway.wait_for_records(6)[2]["details"].clone();
    assert_eq!(
        details,
        "the ClientHello asks for b.example, and the CONNECT is for a.example: denied by EgressPolicy \
         kgateway-system/server-names (sni: MustMatch)"
    );
    let ended = "egret_tunnels_ended_total{reason=\"sni_mismatch\"}";
    assert_eq!(setup.gateway.metric(ended), 3.0);
}

#[test]
fn of_a_refused_hello_no_byte_is_forwarded_in_any_form_of_tunnel() {
    let setup = TestSetup::new("sni: MustMatch");
    let hello = setup.tls("b.example").hello();
    let server = RawServer::silent();
    let authority = format!("a.example:{}", server.port());
    // In one piece, byte by byte, and together with the CONNECT.
    let mut whole = tunnel(&setup.gateway, &authority);
    whole.send(&hello);
    assert_eq!(whole.read_to_end(), ACCESS_DENIED);
    let mut parts = tunnel(&setup.gateway, &authority);
    for byte in &hello {
        if parts.try_send([*byte]).is_err() {
            break;
        }
    }
    assert_eq!(parts.read_to_end(), ACCESS_DENIED);
    let mut early = setup.gateway.connect();
    let request = [connect_request(&authority).into_bytes(), hello.clone()].concat();
    early.send_request(request);
    assert_eq!(early.read_head().status, 200);
    assert_eq!(early.read_to_end(), ACCESS_DENIED);
    let client = Http2Client::connect(setup.gateway.address());
    let mut stream = client.open_tunnel(&authority);
    assert_eq!(stream.head().unwrap().status, 200);
    stream.send(&hello, false).unwrap();
    assert_eq!(stream.read_exactly(7), ACCESS_DENIED);
    for record in setup.gateway.wait_for_records(4) {
        assert_eq!(record["reason"], "sni_mismatch", "{record}");
        assert_eq!(record["bytes_received"], 0);
    }
    server.wait_for_connections(4);
    assert!(server.received().iter().all(Vec::is_empty));
}

/// Protocols whose server speaks first, and those that are not TLS, pass as if there were no policy.
#[test]
fn what_is_no_tls_passes() {
    let setup = TestSetup::new("sni: MustMatch");
    let server = RawServer::start(|connection| {
        connection.send("220 ready\r\n");
        let line = connection.read_exactly(6).unwrap();
        connection.send(line);
    });
    let mut client = tunnel(&setup.gateway, &format!("a.example:{}", server.port()));
    assert_eq!(client.read_exactly(11), b"220 ready\r\n");
    client.send("EHLO\r\n");
    assert_eq!(client.read_exactly(6), b"EHLO\r\n");
    drop(client);
    let record = &setup.gateway.wait_for_records(1)[0];
    assert_eq!(record["sni"], Value::Null);
    assert_eq!(record["verdict"], "allow");
}

#[test]
fn an_audit_tells_of_another_server_name_and_serves() {
    let setup = TestSetup::new("mode: Audit\n  sni: MustMatch");
    assert_eq!(setup.ask("a.example", "a.example"), Some(200));
    assert_eq!(setup.ask("a.example", "b.example"), Some(200));
    let records = setup.gateway.wait_for_records(2);
    assert_eq!(records[0]["verdict"], "allow");
    let expected = [
        Some("client_closed"),
        Some("audit"),
        POLICY,
        Some("b.example"),
    ];
    assert_eq!(told(&records[1]), expected);
    let details = records[1]["details"].as_str().unwrap();
    assert!(
        details.starts_with("the ClientHello asks for b.example"),
        "{details}"
    );
    assert_eq!(setup.gateway.metric("egret_audited_total"), 1.0);
}

/// A tunnel whose ClientHello has been read is judged by it again.
#[test]
fn an_open_tunnel_is_judged_again_by_its_server_name() {
    let mut setup = TestSetup::new("sni: Log");
    let open = |name: &str| {
        let client = tunnel(&setup.gateway, &setup.authority("a.example"));
        client.try_secure(&setup.tls(name)).unwrap()
    };
    let (mut same, mut other) = (open("a.example"), open("b.example"));
    setup.gateway.wait_for_metric("egret_tunnels", 2.0);
    let mut silent: Client = tunnel(&setup.gateway, &setup.authority("a.example"));
    setup.gateway.wait_for_metric("egret_tunnels", 3.0);
    // Policies that keep tunnels leave them alone.
    setup
        .gateway
        .apply(&yaml(&setup.dns, "sni: MustMatch\n  tunnels: Keep"));
    assert_eq!(other.get("/", "b.example").status, 200);
    setup.gateway.apply(&yaml(&setup.dns, "sni: MustMatch"));
    assert!(other.is_closed());
    assert_eq!(same.get("/", "a.example").status, 200);
    // The one that had said nothing falls under the new policy.
    silent.send(setup.tls("b.example").hello());
    assert_eq!(silent.read_to_end(), ACCESS_DENIED);
    let records = setup.gateway.wait_for_records(2);
    let reasons: Vec<_> = records
        .iter()
        .map(|record| record["reason"].as_str())
        .collect();
    assert_eq!(reasons, [Some("policy_changed"), Some("sni_mismatch")]);
}

/// The fast path goes on once the ClientHello was read.
#[test]
fn many_bytes_pass_after_a_hello() {
    let setup = TestSetup::new("sni: MustMatch");
    let server = RawServer::start(|connection| {
        let all = connection.read_to_end();
        connection.send(all);
    });
    let client = tunnel(&setup.gateway, &format!("a.example:{}", server.port()));
    let mut reader = client.into_stream();
    let mut writer = reader.try_clone().unwrap();
    let mut sent = setup.tls("a.example").hello();
    sent.extend((0..3_000_000_u32).map(|at| at.to_le_bytes()[1]));
    let mut came = vec![0; sent.len()];
    thread::scope(|scope| {
        scope.spawn(|| {
            writer.write_all(&sent).unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
        });
        reader.read_exact(&mut came).unwrap();
    });
    assert!(came == sent);
}
