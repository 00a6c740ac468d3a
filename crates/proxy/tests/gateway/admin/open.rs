//! `GET /connections` and `GET /tunnels`: what is open.

use egret_testkit::client::connect_request;
use egret_testkit::gateway::quickstart_config;
use egret_testkit::upstream::raw::RawServer;
use egret_testkit::{DnsServer, Gateway, Upstream, wait_until};

use super::{assert_nonsense, json};

#[test]
fn connections_are_listed_while_they_are_open() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let gateway = Gateway::start_with_workers(&quickstart_config(dns.addr()), 2);
    let host = format!("a.example:{}", upstream.port());
    let mut client = gateway.connect();
    for _ in 0..2 {
        let response = client.request(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(response.status, 200);
    }
    let listed = json(&gateway, "/connections?host=a.example");
    let [told] = &listed.as_array().unwrap()[..] else {
        panic!("{listed}");
    };
    assert_eq!(told["listener"], "kgateway-system/http/http");
    assert_eq!(
        (&told["protocol"], &told["requests"]),
        (&"http/1.1".into(), &2.into())
    );
    assert!(
        told["client"].as_str().unwrap().starts_with("127.0.0.1:"),
        "{told}"
    );
    assert_eq!(
        json(&gateway, "/connections?host=b.example")
            .as_array()
            .map(Vec::len),
        Some(0)
    );
    drop(client);
    wait_until("no connection is open", || {
        json(&gateway, "/connections").as_array().map(Vec::len) == Some(0)
    });
    for path in ["/connections?sort=requests", "/tunnels?limit=0"] {
        assert_nonsense(&gateway.ask(path));
    }
}

#[test]
fn tunnels_are_listed_with_their_bytes_so_far() {
    let (dns, server) = (DnsServer::with_a_example(), RawServer::echo());
    let gateway = Gateway::start_with_workers(&quickstart_config(dns.addr()), 2);
    let mut client = gateway.connect();
    let target = format!("a.example:{}", server.port());
    assert_eq!(client.request(connect_request(&target)).status, 200);
    client.send("hello");
    assert_eq!(client.read_exactly(5), b"hello");
    wait_until("the bytes are told", || {
        json(&gateway, "/tunnels")[0]["bytes_received"] == 5
    });
    let told = json(&gateway, "/tunnels?host=a.example");
    let told = &told[0];
    assert_eq!(
        (&told["host"], &told["port"]),
        (&"a.example".into(), &server.port().into())
    );
    assert_eq!(
        (&told["form"], &told["bytes_sent"]),
        (&"connect".into(), &5.into())
    );
    assert!(told["route"].as_str().unwrap().contains('/'), "{told}");
    assert_eq!(
        json(&gateway, "/tunnels?host=b.example")
            .as_array()
            .map(Vec::len),
        Some(0)
    );
    drop(client);
    wait_until("no tunnel is open", || {
        json(&gateway, "/tunnels").as_array().map(Vec::len) == Some(0)
    });
    // Its end is counted once.
    gateway.wait_for_metric("egret_tunnels_ended_total", 1.0);
    gateway.wait_for_metric("egret_destination_requests_total", 1.0);
}
