//! What is configured of HTTP/2 and of upgrades.

use egret_testkit::{Client, Gateway};
use h2::Reason;
use http::Request;

use super::Lab;

#[test]
fn other_protocols_are_let_through_where_configured() {
    let lab = Lab::limited("upgradeConfig: {enabledUpgrades: [Custom/1]}");
    let uri = lab.uri("/upgrade");
    let mut stream = lab.client.open_extended(&uri, "custom/1", &[]);
    let head = stream.head().unwrap();
    assert_eq!(head.status, 200, "{head:?}");
    stream.send(b"octets", false).unwrap();
    assert_eq!(stream.read_exactly(6), b"octets");
    let mut client = lab.gateway.connect();
    let ask = |protocol: &str| {
        let host = lab.authority();
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
    client.send("octets");
    assert_eq!(client.read_exactly(6), b"octets");
    // The list is all there is: what is not on it is not, although it is by default.
    let mut socket = lab.client.open_extended(&uri, "websocket", &[]);
    assert_eq!(socket.response().unwrap().status, 403);
    let declined = lab.gateway.connect().request(ask("websocket"));
    assert_eq!(declined.status, 426, "{declined:?}");
    let mut tunnel = lab.client.open_tunnel(&lab.authority());
    let refused = tunnel.response().unwrap();
    assert_eq!(refused.status, 403);
    assert!(refused.text().contains("not enabled"), "{refused:?}");
    assert_eq!(
        connect(&lab.gateway, &lab.authority()).request_connect(),
        403
    );
}

#[test]
fn connect_can_be_left_to_http1() {
    let lab = Lab::limited("http2ProtocolOptions: {allowConnect: false}");
    let mut tunnel = lab.client.open_tunnel(&lab.authority());
    assert_eq!(tunnel.response().unwrap().status, 403);
    assert_eq!(
        connect(&lab.gateway, &lab.authority()).request_connect(),
        200
    );
}

/// A client that is about to ask for a tunnel.
struct Connect(Client, String);

fn connect(gateway: &Gateway, authority: &str) -> Connect {
    Connect(gateway.connect(), authority.to_owned())
}

impl Connect {
    fn request_connect(mut self) -> u16 {
        let authority = self.1;
        let request = format!("CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n\r\n");
        self.0.request(request).status
    }
}

#[test]
fn a_connection_has_as_many_streams_at_once_as_configured() {
    let lab = Lab::limited("http2ProtocolOptions: {maxConcurrentStreams: 2}");
    // Until it has heard of the limit a client may ask for more.
    assert_eq!(lab.client.get(&lab.uri("/")).status, 200);
    let request = || Request::get(lab.uri("/hold/x")).body(()).unwrap();
    let mut one = lab.client.open(request(), true);
    let mut two = lab.client.open(request(), true);
    lab.upstream.wait_for_requests(3);
    assert_eq!(lab.client.max_streams(), 2);
    lab.upstream.release("x");
    assert_eq!(one.response().unwrap().status, 200);
    assert_eq!(two.response().unwrap().status, 200);
}

#[test]
fn a_request_brings_no_more_ahead_than_configured() {
    const WINDOW: usize = 100_000;
    let windows =
        format!("initialStreamWindowSize: {WINDOW}, initialConnectionWindowSize: {WINDOW}");
    let lab = Lab::limited(&format!("http2ProtocolOptions: {{{windows}}}"));
    assert_eq!(lab.client.get(&lab.uri("/")).status, 200);
    // Nobody takes the body.
    let request = Request::post(lab.uri("/early/200")).body(()).unwrap();
    let mut stream = lab.client.open(request, false);
    assert_eq!(stream.window(2 * WINDOW), WINDOW);
    stream.reset(Reason::CANCEL);
}
