//! Tunnels, and what a change of the configuration makes of those that are open.

use super::{ANN, BASIC, Lab, WRONG, assert_no_secret, connect, head, text};

/// Lets in ann with another password, `wrong`, and bob with `secret`.
const OTHERS: &str = "basicAuth: {users: ['ann:{SHA}pLSKgc2rHhpd03kH1shcocYd3Hw=', 'bob:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=']}";

/// A tunnel is judged again with the credentials that it came with.
#[test]
fn a_tunnel_ends_when_its_credentials_are_no_longer_right() {
    let mut lab = Lab::new(BASIC, &[]);
    let at = lab.authority();
    let fields = [("proxy-authorization", ANN)];
    let mut h1 = lab.gateway.connect();
    assert_eq!(h1.request(connect(&at, &fields)).status, 200);
    // Inside it requests are the origin's: whatever they carry goes there.
    let inside = h1.request(head("GET /x HTTP/1.1", &at, &[("authorization", WRONG)]));
    assert_eq!(inside.status, 200);
    let upgrade = [
        ("authorization", ANN),
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
    ];
    let mut socket = lab.gateway.connect();
    socket.send_request(head("GET /upgrade HTTP/1.1", &at, &upgrade));
    assert_eq!(socket.read_head().status, 101);
    lab.gateway.wait_for_metric("egret_tunnels", 2.0);
    for asked in lab.upstream.requests() {
        assert_eq!(asked.header("proxy-authorization"), None);
    }
    assert_eq!(lab.upstream.requests()[1].header("authorization"), None);

    // Nothing that concerns them: they go on.
    let more = format!("{BASIC}\n  retry: {{retryOn: [reset]}}");
    lab.gateway.apply(&text(&lab.dns, &more, &[]));
    lab.gateway.wait_for_metric("egret_tunnels", 2.0);
    assert_eq!(h1.get("/y", &at).status, 200);
    socket.send("still");
    assert_eq!(socket.read_exactly(5), b"still");

    lab.gateway.apply(&text(&lab.dns, OTHERS, &[]));
    assert!(h1.is_closed() && socket.is_closed());
    for record in lab.gateway.wait_for_records(2) {
        assert_eq!(record["reason"], "policy_changed");
        assert_eq!(record["user"], "ann");
        assert_no_secret(&record.to_string());
    }
}

/// One that nobody was asked for ends when somebody is.
#[test]
fn a_tunnel_of_nobody_ends_when_credentials_are_asked_for() {
    let mut lab = Lab::new("basicAuth: {disable: {}}", &[]);
    let at = lab.authority();
    let mut named = lab.gateway.connect();
    let fields = [("proxy-authorization", ANN)];
    assert_eq!(named.request(connect(&at, &fields)).status, 200);
    let mut nobody = lab.gateway.connect();
    assert_eq!(nobody.request(connect(&at, &[])).status, 200);
    lab.gateway.wait_for_metric("egret_tunnels", 2.0);
    lab.gateway.apply(&text(&lab.dns, BASIC, &[]));
    assert!(nobody.is_closed());
    assert_eq!(named.get("/x", &at).status, 200);
    assert_eq!(lab.record(1)["reason"], "policy_changed");
}
