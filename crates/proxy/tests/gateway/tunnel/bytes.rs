//! The bytes that are forwarded through a tunnel.

use std::io::{Read as _, Write as _};
use std::thread;

use egret_testkit::client::connect_request;
use egret_testkit::gateway::quickstart_config;
use egret_testkit::upstream::raw::RawServer;
use egret_testkit::{DnsServer, Gateway};
use serde_json::Value;

use super::tunnel;

#[test]
fn bytes_pass_both_ways_and_the_answer_is_a_bare_head() {
    let (dns, server) = (DnsServer::with_a_example(), RawServer::echo());
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    let mut client = gateway.connect();
    let response = client.request(connect_request(&format!("A.Example.:{}", server.port())));
    assert_eq!(response.status, 200);
    for absent in ["content-length", "transfer-encoding", "connection", "via"] {
        assert_eq!(response.header(absent), None, "{response:?}");
    }
    client.send("ping");
    assert_eq!(client.read_exactly(4), b"ping");
    assert_eq!(gateway.metric("egret_tunnels"), 1.0);
    assert_eq!(gateway.metric("egret_upstream_connections"), 1.0);
    client.shutdown_write();
    assert_eq!(client.read_to_end(), b"");
    // The upstream received only what the client sent, and nothing of the head.
    assert_eq!(server.received(), [b"ping"]);

    let record = &gateway.wait_for_records(1)[0];
    let port = server.port();
    for (field, expected) in [
        ("method", Value::from("CONNECT")),
        ("authority", format!("a.example:{port}").into()),
        ("destination", format!("a.example:{port}").into()),
        ("status", 200.into()),
        ("reason", "client_closed".into()),
        ("upstream", format!("127.0.0.1:{port}").into()),
        ("bytes_received", 4.into()),
        ("bytes_sent", 4.into()),
        ("dns", "miss".into()),
    ] {
        assert_eq!(record[field], expected, "{record:#}");
    }
    assert!(record.get("scheme").is_none() && record.get("path").is_none());
    for (metric, expected) in [
        ("egret_tunnels", 0.0),
        ("egret_tunnels_opened_total{kind=\"connect\"}", 1.0),
        ("egret_tunnels_ended_total{reason=\"client_closed\"}", 1.0),
        ("egret_tunnel_bytes_total{direction=\"up\"}", 4.0),
        ("egret_tunnel_bytes_total{direction=\"down\"}", 4.0),
        ("egret_upstream_connections", 0.0),
        ("egret_request_body_bytes_total", 0.0),
    ] {
        gateway.wait_for_metric(metric, expected);
    }
}

#[test]
fn early_bytes_arrive_once_and_after_the_answer() {
    let (dns, server) = (DnsServer::with_a_example(), RawServer::silent());
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    let held = dns.hold("a.example");
    let mut client = gateway.connect();
    let authority = format!("a.example:{}", server.port());
    client.send_request(connect_request(&authority) + "GET /early HTTP/1.1\r\n");
    client.send("host: a.example\r\n\r\n");
    dns.wait_for_queries("a.example", 1);
    assert!(client.is_idle());
    assert_eq!(server.connections(), 0);
    held.release();
    assert_eq!(client.read_head().status, 200);
    client.send("later");
    server.wait_for_bytes("later");
    assert_eq!(
        server.received(),
        [b"GET /early HTTP/1.1\r\nhost: a.example\r\n\r\nlater"]
    );
    // Only the server read the request.
    drop(client);
    assert_eq!(gateway.wait_for_records(1).len(), 1);
}

#[test]
fn each_side_may_end_what_it_says_and_hear_the_rest() {
    let dns = DnsServer::with_a_example();
    let server = RawServer::start(|connection| {
        if connection.index() == 0 {
            let said = connection.read_to_end();
            connection.send(said.len().to_string());
        } else {
            connection.send("all I have");
            connection.close();
        }
    });
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    let authority = format!("a.example:{}", server.port());
    let mut client = tunnel(&gateway, &authority);
    client.send("12345");
    client.shutdown_write();
    assert_eq!(client.read_to_end(), b"5");

    let mut client = tunnel(&gateway, &authority);
    assert_eq!(client.read_to_end(), b"all I have");
    client.send("and I go on");
    server.wait_for_bytes("and I go on");
    drop(client);
    let reasons: Vec<_> = gateway
        .wait_for_records(2)
        .iter()
        .map(|record| record["reason"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(reasons, ["client_closed", "upstream_closed"]);
}

/// More bytes than all buffers hold, in pieces of every size, in both directions at once.
#[test]
fn large_amounts_arrive_as_they_were_sent() {
    const SIZE: usize = 48 << 20;
    let dns = DnsServer::with_a_example();
    let server = RawServer::start(|connection| {
        while let Some(piece) = connection.read_exactly(1 << 16) {
            connection.send(piece);
        }
    });
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    let client = tunnel(&gateway, &format!("a.example:{}", server.port()));
    let stream = client.into_stream();
    let byte = |at: usize| (at ^ (at >> 8) ^ (at >> 16)) as u8;
    let sent: Vec<u8> = (0..SIZE).map(byte).collect();
    thread::scope(|scope| {
        scope.spawn(|| {
            let (mut at, mut step) = (0, 1);
            while at < SIZE {
                let end = SIZE.min(at + step);
                (&stream).write_all(&sent[at..end]).unwrap();
                (at, step) = (end, step % 100_000 * 3 + 1);
            }
        });
        let mut came = vec![0; SIZE];
        (&stream).read_exact(&mut came).unwrap();
        assert!(came == sent);
    });
    drop(stream);
    let record = &gateway.wait_for_records(1)[0];
    assert_eq!(record["bytes_received"], SIZE);
    assert_eq!(record["bytes_sent"], SIZE);
}

#[test]
fn many_tunnels_at_once_and_none_is_left() {
    let (dns, server) = (DnsServer::with_a_example(), RawServer::echo());
    let gateway = Gateway::start_with_workers(&quickstart_config(dns.addr()), 2);
    let authority = format!("a.example:{}", server.port());
    let mut clients: Vec<_> = (0..200).map(|_| tunnel(&gateway, &authority)).collect();
    // A tunnel starts once its response has been sent.
    gateway.wait_for_metric("egret_tunnels", 200.0);
    for (index, client) in clients.iter_mut().enumerate() {
        client.send(format!("{index:04}"));
    }
    for (index, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.read_exactly(4), format!("{index:04}").as_bytes());
    }
    drop(clients);
    gateway.wait_for_metric("egret_tunnels", 0.0);
    gateway.wait_for_metric("egret_upstream_connections", 0.0);
    assert_eq!(gateway.wait_for_records(200).len(), 200);
    assert_eq!(dns.lookups_for("a.example"), 1);
}
