//! CONNECT over HTTP/2 (RFC 9113, section 8.5) and extended CONNECT (RFC 8441).

use egret_testkit::gateway::{QUICKSTART, documents, egress_policy, resolver_policy};
use egret_testkit::upstream::raw::RawServer;
use egret_testkit::{DnsServer, Gateway, Http2Client};

use http::{Method, Request};

use super::TestSetup;

#[test]
fn a_connect_is_a_tunnel_on_its_stream() {
    let setup = TestSetup::new();
    let server = RawServer::echo();
    let authority = format!("a.example:{}", server.port());
    let mut tunnel = setup.client.open_tunnel(&authority);
    let head = tunnel.head().unwrap();
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-length"), None);
    tunnel.send(b"through", false).unwrap();
    assert_eq!(tunnel.read_exactly(7), b"through");
    // Requests on the same connection still work.
    assert_eq!(setup.client.get(&setup.uri("/")).status, 200);
    let opened = "egret_tunnels_opened_total{kind=\"connect\"}";
    assert_eq!(setup.gateway.metric(opened), 1.0);
    // The end of one direction is forwarded, and the other direction stays open until it ends too.
    tunnel.send(b"last", true).unwrap();
    assert_eq!(tunnel.read_exactly(4), b"last");
    assert_eq!(tunnel.read_some().unwrap(), None);
    let records = setup.gateway.wait_for_records(2);
    let record = records.iter().find(|record| record["method"] == "CONNECT");
    let record = record.unwrap();
    assert_eq!(
        (&record["bytes_received"], &record["bytes_sent"]),
        (&11.into(), &11.into())
    );
    assert_eq!(record["reason"], "client_closed");
    assert_eq!(record["authority"], authority);
}

/// A reset stream no longer counts against the client's limit of streams. A tunnel that outlived it would let the client
/// hold any number of tunnels.
#[test]
fn a_tunnel_whose_stream_is_reset_ends_whatever_its_upstream_does() {
    let setup = TestSetup::new();
    let (release, held) = std::sync::mpsc::sync_channel::<()>(1);
    let held = std::sync::Mutex::new(held);
    let server = RawServer::start(move |connection| {
        connection.read_to_end();
        // The upstream ignores that the client has closed the connection.
        let _ = held.lock().unwrap().recv();
    });
    let authority = format!("a.example:{}", server.port());
    for reason in [
        h2::Reason::CANCEL,
        h2::Reason::NO_ERROR,
        h2::Reason::INTERNAL_ERROR,
    ] {
        let mut tunnel = setup.client.open_tunnel(&authority);
        assert_eq!(tunnel.head().unwrap().status, 200);
        tunnel.reset(reason);
    }
    let records = setup.gateway.wait_for_records(3);
    drop(release);
    for record in records {
        assert_eq!(record["reason"], "client_closed");
    }
    setup.gateway.wait_for_metric("egret_tunnels", 0.0);
}

#[test]
fn what_comes_before_the_answer_waits_and_is_never_a_request() {
    let setup = TestSetup::new();
    let server = RawServer::echo();
    let mut tunnel = setup
        .client
        .open_tunnel(&format!("a.example:{}", server.port()));
    tunnel.send(b"early", false).unwrap();
    assert_eq!(tunnel.head().unwrap().status, 200);
    assert_eq!(tunnel.read_exactly(5), b"early");
    // Data after a refused CONNECT is not read.
    let mut refused = setup.client.open_tunnel("127.0.0.1:1");
    // The refusal may have come, and ended the stream, before.
    let _ = refused.send(b"GET http://a.example/ HTTP/1.1\r\n\r\n", false);
    assert_eq!(refused.response().unwrap().status, 502);
    assert!(setup.upstream.requests().is_empty());
}

#[test]
fn a_connect_is_judged_like_any_request() {
    let deny = egress_policy(
        "deny",
        "rules: [{name: no-b, action: Deny, hosts: [b.example]}]",
    );
    let setup = TestSetup::with(&[&deny]);
    for (authority, status) in [
        ("b.example:443", 403),
        ("169.254.169.254:80", 403),
        ("nowhere.example:443", 502),
        ("a.example", 400),
        ("0x7f.1:443", 400),
    ] {
        let response = setup.client.open_tunnel(authority).response();
        // An invalid authority may also be refused by a reset.
        let got = response.map_or(400, |response| response.status);
        assert_eq!(got, status, "{authority}");
    }
    assert_eq!(setup.dns.lookups_for("b.example"), 0);
}

#[test]
fn a_tunnel_ends_when_it_is_denied_by_a_change() {
    let mut setup = TestSetup::new();
    let server = RawServer::echo();
    let mut tunnel = setup
        .client
        .open_tunnel(&format!("a.example:{}", server.port()));
    assert_eq!(tunnel.head().unwrap().status, 200);
    let deny = egress_policy("deny", "defaultAction: Deny");
    let basis = egret_testkit::gateway::quickstart_config(setup.dns.addr());
    setup.gateway.apply(&documents(&[&basis, &deny]));
    assert!(tunnel.read_some().is_ok_and(|data| data.is_none()));
    let record = &setup.gateway.wait_for_records(1)[0];
    assert_eq!(record["reason"], "policy_changed");
}

#[test]
fn a_websocket_is_translated() {
    let setup = TestSetup::new();
    let uri = setup.uri("/upgrade?x=y");
    let fields = [
        ("sec-websocket-version", "13"),
        ("sec-websocket-protocol", "chat"),
    ];
    let mut socket = setup.client.open_extended(&uri, "websocket", &fields);
    let head = socket.head().unwrap();
    assert_eq!(head.status, 200, "{head:?}");
    for absent in ["sec-websocket-accept", "upgrade", "connection"] {
        assert_eq!(head.header(absent), None, "{absent}");
    }
    socket.send(b"frames", false).unwrap();
    assert_eq!(socket.read_exactly(6), b"frames");
    let asked = &setup.upstream.requests()[0];
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
    let record = &setup.gateway.wait_for_records(1)[0];
    assert_eq!(
        (&record["method"], &record["path"]),
        (&"GET".into(), &"/upgrade".into())
    );
}

#[test]
fn a_websocket_that_is_not_agreed_to_is_none() {
    let setup = TestSetup::new();
    let open = |path: &str| {
        let uri = setup.uri(path);
        let mut socket = setup.client.open_extended(&uri, "websocket", &[]);
        socket.response().unwrap().status
    };
    assert_eq!(open("/status/403"), 403);
    // A 200 would accept the WebSocket.
    assert_eq!(open("/status/200"), 502);
    // The `Sec-WebSocket-Accept` value is wrong.
    let forger = RawServer::answer(
        "HTTP/1.1 101 x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: no\r\n\r\n",
    );
    let uri = format!("http://a.example:{}/", forger.port());
    let mut socket = setup.client.open_extended(&uri, "websocket", &[]);
    assert_eq!(socket.response().unwrap().status, 502);
    // Other protocols are not enabled by default.
    let uri = setup.uri("/upgrade");
    for protocol in ["connect-udp", "h2c"] {
        let mut other = setup.client.open_extended(&uri, protocol, &[]);
        assert_eq!(other.response().unwrap().status, 403, "{protocol}");
    }
}

#[test]
fn a_websocket_is_judged_by_its_path() {
    let deny = egress_policy(
        "deny",
        "rules: [{name: no-path, action: Deny, paths: [/upgrade]}]",
    );
    let setup = TestSetup::with(&[&deny]);
    let uri = setup.uri("/upgrade");
    let mut socket = setup.client.open_extended(&uri, "websocket", &[]);
    assert_eq!(socket.response().unwrap().status, 403);
    let record = &setup.gateway.wait_for_records(1)[0];
    assert_eq!(record["rule"], "no-path");
}

#[test]
fn a_connect_that_is_refused_never_looks_accepted() {
    let deny = egress_policy("deny", "defaultAction: Deny");
    let setup = TestSetup::with(&[&deny]);
    // A refused gRPC call has the status 200, which would accept the CONNECT here.
    let grpc = ("content-type", "application/grpc");
    let connect = Request::builder()
        .method(Method::CONNECT)
        .uri(setup.authority());
    let connect = connect.header(grpc.0, grpc.1).body(()).unwrap();
    let response = setup.client.open(connect, false).response().unwrap();
    assert_eq!(response.status, 403);
    let mut socket = setup
        .client
        .open_extended(&setup.uri("/"), "websocket", &[grpc]);
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
    let gateway = Gateway::start(&documents(&[
        &route,
        fixed,
        &resolver_policy(dns.addr(), ""),
    ]));
    let client = Http2Client::connect(gateway.address());
    let mut socket = client.open_extended("http://a.example/", "websocket", &[]);
    assert_eq!(socket.response().unwrap().status, 403);
    assert_eq!(client.get("http://a.example/").status, 200);
}
