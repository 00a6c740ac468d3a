//! What real Envoy answers under each policy, request by request, on the wire: statuses, bodies, fields and what reaches the
//! upstream. A row says what it shows; where Egret answers otherwise on purpose, the row says so, and so does
//! docs/compatibility.md.
//!
//! The decisions that need no socket are tables beside them: `cors` and `csrf` in `egret_config::policy`, the claims and keys of
//! `jwtAuth` in `egret_config::policy::jwt_auth`, codings in `egret_config::policy::compression`, the arithmetic of buckets in
//! `policy::limit::rate`, the answers of authorization services in `policy::ext_auth::tests`, and the response code details in
//! `refusal::code_details`.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use egret_testkit::gateway::{documents, quickstart_config, traffic_policy};
use egret_testkit::{DnsServer, Gateway, Http2Client, Response, Upstream};

use crate::with_policy::WithPolicy;

mod bodies;
mod cors;
mod credentials;
mod ext_auth;
mod faults;
mod limits;
mod rbac;
mod tokens;

/// A request under a policy, and the answer to it.
struct Row<'a> {
    shows: &'a str,
    /// `GET /`, without the version.
    start: &'a str,
    /// Header fields, each with its line end.
    fields: &'a str,
    status: u16,
    /// The body of the answer; `None` if it is the upstream's.
    text: Option<&'a str>,
}

/// A row of a table.
const fn row<'a>(
    shows: &'a str,
    start: &'a str,
    fields: &'a str,
    status: u16,
    text: Option<&'a str>,
) -> Row<'a> {
    Row {
        shows,
        start,
        fields,
        status,
        text,
    }
}

/// Sends a request and reads its answer.
fn ask(setup: &WithPolicy, start: &str, fields: &str) -> Response {
    let host = &setup.host;
    let mut client = setup.gateway.connect();
    client.request(format!("{start} HTTP/1.1\r\nhost: {host}\r\n{fields}\r\n"))
}

/// Sends each request on a connection of its own.
fn assert_rows(setup: &WithPolicy, rows: &[Row<'_>]) {
    for row in rows {
        let response = ask(setup, row.start, row.fields);
        assert_eq!(response.status, row.status, "{}: {response:?}", row.shows);
        if let Some(text) = row.text {
            assert_eq!(response.text(), text, "{}", row.shows);
        }
    }
}

/// A gateway with a policy and further objects beside it.
fn with(spec: &str, objects: &[&str], upstream: Upstream) -> WithPolicy {
    let dns = DnsServer::with_a_example();
    let (config, policy) = (quickstart_config(dns.addr()), traffic_policy("test", spec));
    let all = [&[&*config, &*policy], objects].concat();
    WithPolicy {
        gateway: Gateway::start(&documents(&all)),
        host: format!("a.example:{}", upstream.port()),
        upstream,
        dns,
    }
}

/// A call of gRPC: its status of HTTP, its status of gRPC and its message.
fn call(setup: &WithPolicy, fields: &[(&str, &str)]) -> (u16, Option<String>, Option<String>) {
    let mut request = http::Request::post(format!("http://{}/s/m", setup.host))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let client = Http2Client::connect(setup.gateway.address());
    let answer = client.request(request.body(()).unwrap(), b"").unwrap();
    let field = |name| answer.header(name).map(str::to_owned);
    (answer.status, field("grpc-status"), field("grpc-message"))
}
