//! Tests of tunnels over HTTP/1.1: CONNECT and Upgrade.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use egret_testkit::upstream::raw::RawServer;
use egret_testkit::{Client, DnsServer, Gateway, Response};

mod admission;
mod bytes;
mod life;
mod upgrade;

fn connect(authority: &str) -> String {
    format!("CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n\r\n")
}

/// Opens a tunnel, and returns the client.
fn tunnel(gateway: &Gateway, authority: &str) -> Client {
    let mut client = gateway.connect();
    let response = client.request(connect(authority));
    assert_eq!(response.status, 200, "{response:?}");
    client
}

/// A server that sends every byte back until the client closes the connection.
fn echo() -> RawServer {
    RawServer::start(|connection| {
        while let Some(byte) = connection.read_exactly(1) {
            connection.send(byte);
        }
    })
}

fn a_example() -> DnsServer {
    let dns = DnsServer::start();
    dns.a("a.example", ["127.0.0.1"], 60);
    dns
}

fn told(response: &Response) -> &str {
    response.header("proxy-status").unwrap()
}
