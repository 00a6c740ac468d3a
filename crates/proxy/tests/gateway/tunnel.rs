//! Tests of tunnels over HTTP/1.1: CONNECT and Upgrade.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use egret_testkit::client::connect_request;
use egret_testkit::{Client, Gateway, Response};

mod admission;
mod bytes;
mod life;
mod sni;
mod upgrade;

/// Opens a tunnel, and returns the client.
fn tunnel(gateway: &Gateway, authority: &str) -> Client {
    let mut client = gateway.connect();
    let response = client.request(connect_request(authority));
    assert_eq!(response.status, 200, "{response:?}");
    client
}

fn told(response: &Response) -> &str {
    response.header("proxy-status").unwrap()
}
