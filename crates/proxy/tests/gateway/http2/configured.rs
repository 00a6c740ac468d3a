//! Settings of HTTP/2 and of upgrades in a ListenerPolicy.

use egret_testkit::Gateway;
use egret_testkit::client::connect_request;
use h2::Reason;
use http::Request;

use super::TestSetup;

#[test]
fn other_protocols_are_let_through_where_configured() {
    let setup = TestSetup::limited("upgradeConfig: {enabledUpgrades: [Custom/1]}");
    let uri = setup.uri("/upgrade");
    let mut stream = setup.client.open_extended(&uri, "custom/1", &[]);
    let head = stream.head().unwrap();
    assert_eq!(head.status, 200, "{head:?}");
    stream.send(b"frames", false).unwrap();
    assert_eq!(stream.read_exactly(6), b"frames");
    let mut client = setup.gateway.connect();
    let ask = |protocol: &str| {
        let host = setup.authority();
        format!(
            "GET /upgrade HTTP/1.1\r\nhost: {host}\r\nconnection: upgrade\r\nupgrade: {protocol}\r\n\r\n"
        )
    };
    client.send_request(ask("websocket, CUSTOM/1"));
    let head = client.read_head();
    assert_eq!(
        (head.status, head.header("upgrade")),
        (101, Some("custom/1"))
    );
    client.send("frames");
    assert_eq!(client.read_exactly(6), b"frames");
    // The list replaces the default list: websocket is not enabled any more.
    let mut socket = setup.client.open_extended(&uri, "websocket", &[]);
    assert_eq!(socket.response().unwrap().status, 403);
    let declined = setup.gateway.connect().request(ask("websocket"));
    assert_eq!(declined.status, 426, "{declined:?}");
    let mut tunnel = setup.client.open_tunnel(&setup.authority());
    let refused = tunnel.response().unwrap();
    assert_eq!(refused.status, 403);
    assert!(refused.text().contains("not enabled"), "{refused:?}");
    assert_eq!(connect(&setup.gateway, &setup.authority()), 403);
}

#[test]
fn connect_can_be_left_to_http1() {
    let setup = TestSetup::limited("http2ProtocolOptions: {allowConnect: false}");
    let mut tunnel = setup.client.open_tunnel(&setup.authority());
    assert_eq!(tunnel.response().unwrap().status, 403);
    assert_eq!(connect(&setup.gateway, &setup.authority()), 200);
}

/// Sends a CONNECT over HTTP/1.1 on a new connection, and returns the status of the response.
fn connect(gateway: &Gateway, authority: &str) -> u16 {
    let request = connect_request(authority);
    gateway.connect().request(request).status
}

#[test]
fn a_connection_has_as_many_streams_at_once_as_configured() {
    let setup = TestSetup::limited("http2ProtocolOptions: {maxConcurrentStreams: 2}");
    // A client may exceed the limit until it has received the SETTINGS.
    assert_eq!(setup.client.get(&setup.uri("/")).status, 200);
    let request = || Request::get(setup.uri("/hold/x")).body(()).unwrap();
    let mut one = setup.client.open(request(), true);
    let mut two = setup.client.open(request(), true);
    setup.upstream.wait_for_requests(3);
    assert_eq!(setup.client.max_streams(), 2);
    setup.upstream.release("x");
    assert_eq!(one.response().unwrap().status, 200);
    assert_eq!(two.response().unwrap().status, 200);
}

#[test]
fn a_request_brings_no_more_ahead_than_configured() {
    const WINDOW: usize = 100_000;
    let windows =
        format!("initialStreamWindowSize: {WINDOW}, initialConnectionWindowSize: {WINDOW}");
    let setup = TestSetup::limited(&format!("http2ProtocolOptions: {{{windows}}}"));
    assert_eq!(setup.client.get(&setup.uri("/")).status, 200);
    // The upstream does not read the body.
    let request = Request::post(setup.uri("/early/200")).body(()).unwrap();
    let mut stream = setup.client.open(request, false);
    assert_eq!(stream.window(2 * WINDOW), WINDOW);
    stream.reset(Reason::CANCEL);
}
