//! Passwords with hashes of bcrypt.

use egret_testkit::Client;

use super::{ANN, BASIC, TestSetup, WRONG, assert_challenged, connect, head, text};

/// Admits ann with the password `secret`.
const BCRYPT: &str =
    "basicAuth: {users: ['ann:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a']}";
/// The same password with another salt.
const RESALTED: &str =
    "basicAuth: {users: ['ann:$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW']}";
/// eve:secret
const NOBODY: &str = "Basic ZXZlOnNlY3JldA==";

#[test]
fn a_password_is_compared_in_every_form_of_request() {
    let setup = TestSetup::new(BCRYPT, &[]);
    let at = setup.authority();
    // The second time it is known.
    for _ in 0..2 {
        let right = head("GET / HTTP/1.1", &at, &[("authorization", ANN)]);
        assert_eq!(setup.gateway.connect().request(right).status, 200);
        for wrong in [WRONG, NOBODY] {
            let wrong = head("GET / HTTP/1.1", &at, &[("authorization", wrong)]);
            let refused = setup.gateway.connect().request(wrong);
            assert_challenged(&refused, 401, &["Basic realm=\"egret\""]);
            let body = "User authentication failed. Invalid username/password combination.";
            assert!(refused.text().contains(body), "{}", refused.text());
        }
    }
    let mut tunnel = setup.gateway.connect();
    let refused = tunnel.request(connect(&at, &[("proxy-authorization", WRONG)]));
    assert_challenged(&refused, 407, &["Basic realm=\"egret\""]);
    let mut tunnel = setup.gateway.connect();
    let opened = tunnel.request(connect(&at, &[("proxy-authorization", ANN)]));
    assert_eq!(opened.status, 200);
    let record = setup.record(7);
    assert_eq!(record["reason"], "unauthenticated", "{record}");
}

#[test]
fn many_requests_with_one_password_share_its_comparison() {
    let setup = TestSetup::new(BCRYPT, &[]);
    let at = setup.authority();
    let right = head("GET / HTTP/1.1", &at, &[("authorization", ANN)]);
    let mut clients: Vec<Client> = (0..64).map(|_| setup.gateway.connect()).collect();
    for client in &mut clients {
        client.send_request(&right);
    }
    for client in &mut clients {
        assert_eq!(client.read_response().status, 200);
    }
}

#[test]
fn a_tunnel_ends_when_the_line_of_its_user_changes() {
    let mut setup = TestSetup::new(BCRYPT, &[]);
    let at = setup.authority();
    let fields = [("proxy-authorization", ANN)];
    let mut tunnel = setup.gateway.connect();
    assert_eq!(tunnel.request(connect(&at, &fields)).status, 200);
    setup.gateway.wait_for_metric("egret_tunnels", 1.0);
    let more = format!("{BCRYPT}\n  retry: {{retryOn: [reset]}}");
    setup.gateway.apply(&text(&setup.dns, &more, &[]));
    assert_eq!(tunnel.get("/y", &at).status, 200);
    setup.gateway.apply(&text(&setup.dns, RESALTED, &[]));
    assert!(tunnel.is_closed());
    for line in [RESALTED, BASIC, BCRYPT] {
        setup.gateway.apply(&text(&setup.dns, line, &[]));
        let mut tunnel = setup.gateway.connect();
        assert_eq!(tunnel.request(connect(&at, &fields)).status, 200, "{line}");
    }
}
