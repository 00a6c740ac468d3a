//! Authentication of tunnels, and configuration changes while tunnels are open.

use super::{ANN, BASIC, TestSetup, WRONG, assert_no_secret, connect, head, text};

/// Admits ann with another password, `wrong`, and bob with the password `secret`.
const OTHERS: &str = "basicAuth: {users: ['ann:{SHA}pLSKgc2rHhpd03kH1shcocYd3Hw=', 'bob:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=']}";

/// After a change, the credentials of an open tunnel are checked again.
#[test]
fn a_tunnel_ends_when_its_credentials_are_no_longer_right() {
    let mut setup = TestSetup::new(BASIC, &[]);
    let at = setup.authority();
    let fields = [("proxy-authorization", ANN)];
    let mut h1 = setup.gateway.connect();
    assert_eq!(h1.request(connect(&at, &fields)).status, 200);
    // Requests inside the tunnel are for the origin, and are forwarded as they are.
    let inside = h1.request(head("GET /x HTTP/1.1", &at, &[("authorization", WRONG)]));
    assert_eq!(inside.status, 200);
    let upgrade = [
        ("authorization", ANN),
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
    ];
    let mut socket = setup.gateway.connect();
    socket.send_request(head("GET /upgrade HTTP/1.1", &at, &upgrade));
    assert_eq!(socket.read_head().status, 101);
    setup.gateway.wait_for_metric("egret_tunnels", 2.0);
    for asked in setup.upstream.requests() {
        assert_eq!(asked.header("proxy-authorization"), None);
    }
    assert_eq!(setup.upstream.requests()[1].header("authorization"), None);

    // An unrelated change keeps the tunnels open.
    let more = format!("{BASIC}\n  retry: {{retryOn: [reset]}}");
    setup.gateway.apply(&text(&setup.dns, &more, &[]));
    setup.gateway.wait_for_metric("egret_tunnels", 2.0);
    assert_eq!(h1.get("/y", &at).status, 200);
    socket.send("still");
    assert_eq!(socket.read_exactly(5), b"still");

    setup.gateway.apply(&text(&setup.dns, OTHERS, &[]));
    assert!(h1.is_closed() && socket.is_closed());
    for record in setup.gateway.wait_for_records(2) {
        assert_eq!(record["reason"], "policy_changed");
        assert_eq!(record["user"], "ann");
        assert_no_secret(&record.to_string());
    }
}

/// A tunnel without credentials is closed when the configuration starts to require them.
#[test]
fn a_tunnel_of_nobody_ends_when_credentials_are_asked_for() {
    let mut setup = TestSetup::new("basicAuth: {disable: {}}", &[]);
    let at = setup.authority();
    let mut named = setup.gateway.connect();
    let fields = [("proxy-authorization", ANN)];
    assert_eq!(named.request(connect(&at, &fields)).status, 200);
    let mut nobody = setup.gateway.connect();
    assert_eq!(nobody.request(connect(&at, &[])).status, 200);
    setup.gateway.wait_for_metric("egret_tunnels", 2.0);
    setup.gateway.apply(&text(&setup.dns, BASIC, &[]));
    assert!(nobody.is_closed());
    assert_eq!(named.get("/x", &at).status, 200);
    assert_eq!(setup.record(1)["reason"], "policy_changed");
}
