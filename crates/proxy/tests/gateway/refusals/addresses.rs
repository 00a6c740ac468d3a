//! Denied addresses, however they are written or resolved.

use egret_testkit::gateway::{LOOPBACK, QUICKSTART, documents, resolver_policy};
use egret_testkit::{DnsServer, Gateway, Upstream};

use super::assert_refused;

/// Hosts that mean this machine, its network or no public destination are denied without any policy.
#[test]
fn special_addresses_are_denied_by_every_spelling() {
    let dns = DnsServer::start();
    dns.a("loopback.example", ["127.0.0.1"], 60);
    dns.a("metadata.example", ["169.254.169.254"], 60);
    dns.a("private.example", ["10.0.0.1", "192.168.0.1"], 60);
    dns.aaaa("mapped.example", ["::ffff:10.0.0.1"], 60);
    dns.aaaa("local6.example", ["fd00:ec2::254", "fe80::1"], 60);
    dns.cname("alias.example", "loopback.example", 60);
    let gateway = Gateway::start(&documents(&[QUICKSTART, &resolver_policy(dns.addr(), "")]));
    let (port, admin) = (gateway.address().port(), gateway.admin().port());
    let mut hosts: Vec<String> = [
        "127.0.0.1",
        "127.0.0.1.",
        "127.0.0.1:22",
        "127.1.2.3",
        "0.0.0.0",
        "169.254.169.254",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "192.0.0.192",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::]",
        "[::127.0.0.1]",
        "[::ffff:127.0.0.1]",
        "[::FFFF:7F00:1]",
        "[0:0:0:0:0:ffff:7f00:1]",
        "[64:ff9b::a9fe:a9fe]",
        "[64:ff9b:1::a00:1]",
        "[2002:7f00:1::]",
        "[2001:0:7f00:1::]",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "[fec0::1]",
        "[ff02::1]",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "sub.localhost",
        "loopback.example",
        "metadata.example",
        "private.example",
        "mapped.example",
        "local6.example",
        "alias.example",
        "ALIAS.example.",
    ]
    .map(str::to_owned)
    .into();
    // The ports of the gateway itself.
    for name in [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "loopback.example",
        "0.0.0.0",
    ] {
        hosts.extend([format!("{name}:{port}"), format!("{name}:{admin}")]);
    }
    let mut client = gateway.connect();
    for host in &hosts {
        assert_refused(
            &client.get("/", host),
            403,
            "destination_ip_prohibited",
            host,
        );
        let absolute = format!("http://{host}/");
        assert_refused(
            &client.get(&absolute, host),
            403,
            "destination_ip_prohibited",
            &absolute,
        );
    }
    assert_eq!(gateway.metric("egret_upstream_connected_total"), 0.0);
}

#[test]
fn our_own_ports_stay_closed_even_to_exceptions() {
    let dns = DnsServer::start();
    dns.a("loopback.example", ["127.0.0.1"], 60);
    let everything = LOOPBACK.replace("[127.0.0.0/8, '::1/128']", "[0.0.0.0/0, '::/0']");
    assert_ne!(everything, LOOPBACK);
    let gateway = Gateway::start(&documents(&[
        QUICKSTART,
        &everything,
        &resolver_policy(dns.addr(), ""),
    ]));
    let mut client = gateway.connect();
    for port in [gateway.address().port(), gateway.admin().port()] {
        for host in [
            "127.0.0.1",
            "[::ffff:127.0.0.1]",
            "0.0.0.0",
            "[::]",
            "[::ffff:0.0.0.0]",
            "loopback.example",
        ] {
            let host = format!("{host}:{port}");
            assert_refused(
                &client.get("/", &host),
                403,
                "destination_ip_prohibited",
                &host,
            );
        }
    }
    // Another port of the same address is allowed by the exception.
    let upstream = Upstream::start();
    assert_eq!(
        client
            .get("/", &format!("127.0.0.1:{}", upstream.port()))
            .status,
        200
    );
}

#[test]
fn a_name_that_changes_its_answer_between_check_and_connect_gains_nothing() {
    let dns = DnsServer::start();
    let inside = Upstream::start();
    // Answers alternate between public and loopback. A TTL of 0 is cached for a second, which is longer than the test.
    dns.sequence(
        "rebind.example",
        vec![
            egret_testkit::dns::Answer::a(["192.88.99.1"], 0),
            egret_testkit::dns::Answer::a(["127.0.0.1"], 0),
        ],
    );
    let gateway = Gateway::start(&documents(&[QUICKSTART, &resolver_policy(dns.addr(), "")]));
    let mut client = gateway.connect();
    for _ in 0..10 {
        let response = client.get("/", &format!("rebind.example:{}", inside.port()));
        assert_refused(&response, 403, "destination_ip_prohibited", "rebind");
        let _ = gateway.connect().into_stream();
    }
    let flushed = egret_testkit::client::Client::connect(gateway.admin()).request(format!(
        "POST /dns/flush HTTP/1.1\r\nhost: {}\r\ncontent-length: 0\r\n\r\n",
        gateway.admin()
    ));
    assert_eq!(flushed.status, 200);
    let response = client.get("/", &format!("rebind.example:{}", inside.port()));
    assert_refused(&response, 403, "destination_ip_prohibited", "rebound");
    assert_eq!(inside.connections(), 0);
}
