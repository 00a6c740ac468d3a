//! CONNECT (RFC 9113 8.5) and extended CONNECT (RFC 8441).

use egret_testkit::gateway::{QUICKSTART, documents, resolver};
use egret_testkit::upstream::raw::RawServer;
use egret_testkit::{DnsServer, Gateway, Http2Client};

use http::{Method, Request};

use super::{Lab, egress};

/// Sends back what it gets, and ends when the client does.
fn echo() -> RawServer {
    RawServer::start(|connection| {
        while let Some(byte) = connection.read_exactly(1) {
            connection.send(byte);
        }
    })
}

#[test]
fn a_connect_is_a_tunnel_on_its_stream() {
    let lab = Lab::new();
    let server = echo();
    let authority = format!("a.example:{}", server.port());
    let mut tunnel = lab.client.open_tunnel(&authority);
    let head = tunnel.head().unwrap();
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-length"), None);
    tunnel.send(b"through", false).unwrap();
    assert_eq!(tunnel.read_exactly(7), b"through");
    // Requests go on beside it.
    assert_eq!(lab.client.get(&lab.uri("/")).status, 200);
    let opened = "egret_tunnels_opened_total{kind=\"connect\"}";
    assert_eq!(lab.gateway.metric(opened), 1.0);
    // The end of one direction is passed on, and the other goes on until it ends.
    tunnel.send(b"last", true).unwrap();
    assert_eq!(tunnel.read_exactly(4), b"last");
    assert_eq!(tunnel.read_some().unwrap(), None);
    let records = lab.gateway.wait_for_records(2);
    let record = records.iter().find(|record| record["method"] == "CONNECT");
    let record = record.unwrap();
    assert_eq!(
        (&record["bytes_received"], &record["bytes_sent"]),
        (&11.into(), &11.into())
    );
    assert_eq!(record["reason"], "client_closed");
    assert_eq!(record["authority"], authority);
}

/// A stream that is reset is none of the client's any more, and may not leave anything behind: it could have as many as it
/// likes.
#[test]
fn a_tunnel_whose_stream_is_reset_ends_whatever_its_upstream_does() {
    let lab = Lab::new();
    let (release, held) = std::sync::mpsc::sync_channel::<()>(1);
    let held = std::sync::Mutex::new(held);
    let server = RawServer::start(move |connection| {
        connection.read_to_end();
        // It does not care that its client has ended.
        let _ = held.lock().unwrap().recv();
    });
    let authority = format!("a.example:{}", server.port());
    for reason in [
        h2::Reason::CANCEL,
        h2::Reason::NO_ERROR,
        h2::Reason::INTERNAL_ERROR,
    ] {
        let mut tunnel = lab.client.open_tunnel(&authority);
        assert_eq!(tunnel.head().unwrap().status, 200);
        tunnel.reset(reason);
    }
    let records = lab.gateway.wait_for_records(3);
    drop(release);
    for record in records {
        assert_eq!(record["reason"], "client_closed");
    }
    lab.gateway.wait_for_metric("egret_tunnels", 0.0);
}

#[test]
fn what_comes_before_the_answer_waits_and_is_never_a_request() {
    let lab = Lab::new();
    let server = echo();
    let mut tunnel = lab
        .client
        .open_tunnel(&format!("a.example:{}", server.port()));
    tunnel.send(b"early", false).unwrap();
    assert_eq!(tunnel.head().unwrap().status, 200);
    assert_eq!(tunnel.read_exactly(5), b"early");
    // Of one that is refused nothing is read.
    let mut refused = lab.client.open_tunnel("127.0.0.1:1");
    refused
        .send(b"GET http://a.example/ HTTP/1.1\r\n\r\n", false)
        .unwrap();
    assert_eq!(refused.response().unwrap().status, 502);
    assert!(lab.upstream.requests().is_empty());
}

#[test]
fn a_connect_is_judged_like_any_request() {
    let deny = egress(
        "deny",
        "rules: [{name: no-b, action: Deny, hosts: [b.example]}]",
    );
    let lab = Lab::with(&[&deny]);
    for (authority, status) in [
        ("b.example:443", 403),
        ("169.254.169.254:80", 403),
        ("nowhere.example:443", 502),
        ("a.example", 400),
        ("0x7f.1:443", 400),
    ] {
        let response = lab.client.open_tunnel(authority).response();
        // What is no authority at all may not even be read.
        let got = response.map_or(400, |response| response.status);
        assert_eq!(got, status, "{authority}");
    }
    assert_eq!(lab.dns.lookups_for("b.example"), 0);
}

#[test]
fn a_tunnel_ends_when_it_is_denied_by_a_change() {
    let mut lab = Lab::new();
    let server = echo();
    let mut tunnel = lab
        .client
        .open_tunnel(&format!("a.example:{}", server.port()));
    assert_eq!(tunnel.head().unwrap().status, 200);
    let deny = egress("deny", "defaultAction: Deny");
    let basis = egret_testkit::gateway::lab(lab.dns.addr());
    lab.gateway.apply(&documents(&[&basis, &deny]));
    assert!(tunnel.read_some().is_ok_and(|data| data.is_none()));
    let record = &lab.gateway.wait_for_records(1)[0];
    assert_eq!(record["reason"], "policy_changed");
}

#[test]
fn a_websocket_is_translated() {
    let lab = Lab::new();
    let uri = lab.uri("/upgrade?x=y");
    let fields = [
        ("sec-websocket-version", "13"),
        ("sec-websocket-protocol", "chat"),
    ];
    let mut socket = lab.client.open_extended(&uri, "websocket", &fields);
    let head = socket.head().unwrap();
    assert_eq!(head.status, 200, "{head:?}");
    for absent in ["sec-websocket-accept", "upgrade", "connection"] {
        assert_eq!(head.header(absent), None, "{absent}");
    }
    socket.send(b"frames", false).unwrap();
    assert_eq!(socket.read_exactly(6), b"frames");
    let asked = &lab.upstream.requests()[0];
    assert_eq!(
        (asked.method.as_str(), asked.target.as_str()),
        ("GET", "/upgrade?x=y")
    );
    let field = |name: &str| asked.headers.get(name).map(|value| value.to_str().unwrap());
    assert_eq!(field("upgrade"), Some("websocket"));
    assert_eq!(field("connection"), Some("upgrade"));
    assert_eq!(field("sec-websocket-version"), Some("13"));
    assert_eq!(field("sec-websocket-protocol"), Some("chat"));
    assert_eq!(field("sec-websocket-key").map(str::len), Some(24));
    drop(socket);
    let record = &lab.gateway.wait_for_records(1)[0];
    assert_eq!(
        (&record["method"], &record["path"]),
        (&"GET".into(), &"/upgrade".into())
    );
}

#[test]
fn a_websocket_that_is_not_agreed_to_is_none() {
    let lab = Lab::new();
    let open = |path: &str| {
        let uri = lab.uri(path);
        let mut socket = lab.client.open_extended(&uri, "websocket", &[]);
        socket.response().unwrap().status
    };
    assert_eq!(open("/status/403"), 403);
    // A 200 would be consent.
    assert_eq!(open("/status/200"), 502);
    // Without the proof that the server knows what it says.
    let forger = RawServer::answer(
        "HTTP/1.1 101 x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: no\r\n\r\n",
    );
    let uri = format!("http://a.example:{}/", forger.port());
    let mut socket = lab.client.open_extended(&uri, "websocket", &[]);
    assert_eq!(socket.response().unwrap().status, 502);
    // Nothing else is let through unless it is configured.
    let uri = lab.uri("/upgrade");
    for protocol in ["connect-udp", "h2c"] {
        let mut other = lab.client.open_extended(&uri, protocol, &[]);
        assert_eq!(other.response().unwrap().status, 403, "{protocol}");
    }
}

#[test]
fn a_websocket_is_judged_by_its_path() {
    let deny = egress(
        "deny",
        "rules: [{name: no-path, action: Deny, paths: [/upgrade]}]",
    );
    let lab = Lab::with(&[&deny]);
    let uri = lab.uri("/upgrade");
    let mut socket = lab.client.open_extended(&uri, "websocket", &[]);
    assert_eq!(socket.response().unwrap().status, 403);
    let record = &lab.gateway.wait_for_records(1)[0];
    assert_eq!(record["rule"], "no-path");
}

#[test]
fn a_connect_that_is_refused_never_looks_accepted() {
    let deny = egress("deny", "defaultAction: Deny");
    let lab = Lab::with(&[&deny]);
    // A refusal of a call of gRPC has the status 200, which here would begin a tunnel.
    let grpc = ("content-type", "application/grpc");
    let connect = Request::builder()
        .method(Method::CONNECT)
        .uri(lab.authority());
    let connect = connect.header(grpc.0, grpc.1).body(()).unwrap();
    let response = lab.client.open(connect, false).response().unwrap();
    assert_eq!(response.status, 403);
    let mut socket = lab
        .client
        .open_extended(&lab.uri("/"), "websocket", &[grpc]);
    assert_eq!(socket.response().unwrap().status, 403);
}

#[test]
fn a_direct_response_is_no_websocket() {
    let dns = DnsServer::start();
    let fixed = "apiVersion: gateway.kgateway.dev/v1alpha1
kind: DirectResponse
metadata: {name: fixed, namespace: httpbin}
spec: {status: 200}";
    let rule = "{filters: [{type: ExtensionRef, extensionRef: {group: gateway.kgateway.dev, kind: DirectResponse, name: fixed}}]}";
    let (before, _) = QUICKSTART.split_once("  rules:\n").unwrap();
    let route = format!("{before}  rules: [{rule}]\n");
    let gateway = Gateway::start(&documents(&[&route, fixed, &resolver(dns.addr(), "")]));
    let client = Http2Client::connect(gateway.address());
    let mut socket = client.open_extended("http://a.example/", "websocket", &[]);
    assert_eq!(socket.response().unwrap().status, 403);
    assert_eq!(client.get("http://a.example/").status, 200);
}
