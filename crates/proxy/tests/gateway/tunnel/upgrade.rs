//! Tunnels that are opened by Upgrade, mostly to WebSocket.

use egret_testkit::gateway::{documents, egress_policy, quickstart_config};
use egret_testkit::upstream::raw::RawServer;
use egret_testkit::{DnsServer, Gateway, Upstream};

use super::told;

fn upgrade(host: &str) -> String {
    format!(
        "GET /upgrade HTTP/1.1\r\nhost: {host}\r\nconnection: keep-alive, Upgrade\r\nupgrade: WebSocket\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n"
    )
}

const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

#[test]
fn a_websocket_passes_with_what_comes_right_behind_the_heads() {
    let dns = DnsServer::with_a_example();
    let server = RawServer::start(|connection| {
        connection.read_head().unwrap();
        connection.send(SWITCH.to_owned() + "first words");
        while let Some(byte) = connection.read_exactly(1) {
            connection.send(byte);
        }
    });
    let mut gateway = Gateway::start(&quickstart_config(dns.addr()));
    let host = format!("a.example:{}", server.port());
    let mut client = gateway.connect();
    client.send_request(upgrade(&host) + "hello");
    let response = client.read_head();
    assert_eq!(response.status, 101);
    assert_eq!(response.header("upgrade"), Some("websocket"));
    assert_eq!(response.header("connection"), Some("upgrade"));
    assert_eq!(
        response.header("sec-websocket-accept"),
        Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    );
    assert_eq!(client.read_exactly(16), b"first wordshello");
    let head = String::from_utf8(server.received()[0].clone()).unwrap();
    let head = head.to_ascii_lowercase();
    assert!(head.contains("\r\nconnection: upgrade\r\n"), "{head}");
    assert!(head.contains("\r\nupgrade: websocket\r\n"), "{head}");
    assert!(head.contains("\r\nsec-websocket-version: 13\r\n"), "{head}");
    assert_eq!(
        gateway.metric("egret_tunnels_opened_total{kind=\"upgrade\"}"),
        1.0
    );
    assert_eq!(gateway.metric("egret_upstream_connections"), 1.0);
    assert_eq!(gateway.metric("egret_upstream_idle_connections"), 0.0);
    // The changed configuration denies the path, which is known for an Upgrade.
    let policy = &egress_policy(
        "inner",
        "rules: [{name: no-upgrade, action: Deny, paths: [/upgrade]}]",
    );
    gateway.apply(&documents(&[&quickstart_config(dns.addr()), policy]));
    assert!(client.is_closed());
    let record = &gateway.wait_for_records(1)[0];
    assert_eq!(record["status"], 101);
    assert_eq!(record["reason"], "policy_changed");
    assert_eq!(
        (&record["bytes_received"], &record["bytes_sent"]),
        (&5.into(), &16.into())
    );
    gateway.wait_for_metric("egret_upstream_connections", 0.0);
}

#[test]
fn an_upgrade_that_is_declined_is_an_ordinary_request() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    let host = format!("a.example:{}", upstream.port());
    let mut client = gateway.connect();
    let declined = upgrade(&host).replace("/upgrade", "/bytes/10");
    for _ in 0..2 {
        let response = client.request(&declined);
        assert_eq!((response.status, response.body.len()), (200, 10));
    }
    assert_eq!(client.get("/", &host).status, 200);
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn only_a_websocket_that_was_asked_for_is_let_through() {
    let dns = DnsServer::with_a_example();
    let server = RawServer::answer_each("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    let host = format!("a.example:{}", server.port());
    for (from, to) in [
        ("upgrade: WebSocket", "upgrade: h2c"),
        ("upgrade: WebSocket", "x-upgrade: websocket"),
        ("connection: keep-alive, Upgrade", "connection: keep-alive"),
        ("GET ", "POST "),
        (
            "upgrade: WebSocket",
            "upgrade: websocket\r\ncontent-length: 1",
        ),
    ] {
        let head = upgrade(&host).replace(from, to);
        assert_ne!(head, upgrade(&host));
        let mut client = gateway.connect();
        client.send_request(head + if to.contains("length") { "x" } else { "" });
        assert_eq!(client.read_response().status, 200, "{to}");
    }
    let came: Vec<u8> = server.received().concat();
    let came = String::from_utf8(came).unwrap().to_ascii_lowercase();
    assert!(!came.contains("\r\nupgrade:"), "{came}");

    // A 101 to another protocol, to none, or without a request for it.
    for (answer, head) in [
        (
            SWITCH.replace("websocket\r\n", "h2c\r\n"),
            upgrade as fn(&str) -> String,
        ),
        (SWITCH.replace("upgrade: websocket\r\n", ""), upgrade),
        (SWITCH.to_owned(), |host| {
            format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n")
        }),
    ] {
        let server = RawServer::answer(answer);
        let mut client = gateway.connect();
        let response = client.request(head(&format!("a.example:{}", server.port())));
        assert_eq!(response.status, 502, "{response:?}");
        assert!(told(&response).contains("http_protocol_error"));
    }
    gateway.wait_for_metric("egret_tunnels_opened_total{kind=\"upgrade\"}", 0.0);
}
