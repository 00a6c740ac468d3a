//! Connections to upstreams that begin with a PROXY protocol header (`upstreamProxyProtocol`).

use egret_testkit::client::connect_request;
use egret_testkit::gateway::backend_config;
use egret_testkit::upstream::raw::RawServer;
use egret_testkit::{DnsServer, Gateway};

/// Answers each request after the header, whose line is in the answer.
fn server() -> RawServer {
    RawServer::start(|connection| {
        let Some(first) = connection.read_head() else {
            return;
        };
        let first = String::from_utf8(first).expect("text");
        let told = first.lines().next().unwrap_or_default();
        loop {
            connection.send(format!(
                "HTTP/1.1 200 OK\r\nx-told: {told}\r\ncontent-length: 0\r\n\r\n"
            ));
            if connection.read_head().is_none() {
                return;
            }
        }
    })
}

#[test]
fn a_connection_tells_the_client_and_is_for_it_alone() {
    let (dns, server) = (DnsServer::with_a_example(), server());
    let gateway = Gateway::start(&backend_config(dns.addr(), "upstreamProxyProtocol: {}"));
    let host = format!("a.example:{}", server.port());
    let expected = |client: &egret_testkit::Client| {
        let port = client.local_addr().port();
        // The listener is for every address of the machine, at port 8080 of its configuration.
        format!("PROXY TCP4 127.0.0.1 0.0.0.0 {port} 8080")
    };
    let (mut first, mut second) = (gateway.connect(), gateway.connect());
    for client in [&mut first, &mut second] {
        let wanted = expected(client);
        for _ in 0..2 {
            let response = client.get("/", &host);
            assert_eq!(response.header("x-told"), Some(&*wanted), "{response:?}");
        }
    }
    assert_eq!(server.connections(), 2);
}

#[test]
fn a_tunnel_begins_with_the_header_too() {
    let (dns, server) = (DnsServer::with_a_example(), RawServer::echo());
    let line = "upstreamProxyProtocol: {version: V2}";
    let gateway = Gateway::start(&backend_config(dns.addr(), line));
    let mut client = gateway.connect();
    client.send_request(connect_request(&format!("a.example:{}", server.port())));
    assert_eq!(client.read_head().status, 200);
    // What is echoed begins with the header.
    let header = client.read_exactly(28);
    assert_eq!(header[..14], *b"\r\n\r\n\0\r\nQUIT\n\x21\x11");
    assert_eq!(header[16..20], [127, 0, 0, 1]);
}
