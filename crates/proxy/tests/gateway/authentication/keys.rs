//! API key authentication.

use egret_testkit::Gateway;

use super::forms::redirecting;
use super::{BASIC, TestSetup, assert_challenged, assert_no_secret, head, seen, text};

const KEYS: &str = "apiVersion: v1
kind: Secret
metadata: {name: keys, namespace: kgateway-system}
stringData: {robot: k-123, other: k-456}
";

fn keys(more: &str) -> String {
    format!("apiKeyAuth: {{secretRef: {{name: keys}}{more}}}")
}

const PLACES: &str = ", keySources: [{header: x-key}, {query: key}, {cookie: key}]";

#[test]
fn keys_come_by_field_parameter_and_cookie_and_end_here() {
    let setup = TestSetup::new(&keys(PLACES), &[KEYS]);
    let at = setup.authority();
    let mut client = setup.gateway.connect();
    let cases: &[(&str, &[(&str, &str)])] = &[
        ("/x?a=b", &[("x-key", "k-123")]),
        ("/x?a=b", &[("X-Key", "Bearer k-123")]),
        ("/x?key=k-123&a=b", &[]),
        ("/x?a=b&ke%79=k-123", &[]),
        ("/x?a=b", &[("cookie", "c=d; key=k-123")]),
        // Keys in the other sources are removed too.
        (
            "/x?a=b&key=k-wrong",
            &[("x-key", "k-123"), ("cookie", "key=k-wrong")],
        ),
    ];
    for (count, (target, fields)) in cases.iter().enumerate() {
        let start = format!("GET {target} HTTP/1.1");
        let response = client.request(head(&start, &at, fields));
        assert_eq!(response.status, 200, "{target} {fields:?}");
        assert_eq!(setup.record(count + 1)["user"], "robot");
    }
    for asked in setup.upstream.requests() {
        assert_eq!(asked.target, "/x?a=b");
        assert_no_secret(&seen(&asked.target, &asked.headers));
    }
    let cookies = &setup.upstream.requests()[4];
    assert_eq!(cookies.header("cookie"), Some("c=d"));

    let cases: &[(&str, &[(&str, &str)])] = &[
        ("/x", &[]),
        ("/x?key=k-wrong", &[]),
        ("/x?key=k-123&key=k-123", &[]),
        ("/x", &[("x-key", "k-wrong"), ("cookie", "key=k-123")]),
        ("/x", &[("api-key", "k-123")]),
        ("/x", &[("authorization", "Bearer k-123")]),
    ];
    for (target, fields) in cases {
        let start = format!("GET {target} HTTP/1.1");
        let response = client.request(head(&start, &at, fields));
        assert_challenged(&response, 401, &["ApiKey realm=\"egret\""]);
    }
    assert_eq!(setup.upstream.requests().len(), 6);
    let _ = setup.record(12);
}

#[test]
fn a_key_for_the_proxy_is_a_token_or_a_password() {
    let setup = TestSetup::new(&keys(PLACES), &[KEYS]);
    let at = setup.authority();
    let challenges = ["Basic realm=\"egret\"", "Bearer realm=\"egret\""];
    // x:k-123 and x:k-wrong
    for (value, is_right) in [
        ("Bearer k-123", true),
        ("Basic eDprLTEyMw==", true),
        ("Bearer k-wrong", false),
        ("Basic eDprLXdyb25n", false),
        ("k-123", false),
    ] {
        let fields = [("proxy-authorization", value), ("x-key", "the origin's")];
        for start in [
            format!("GET http://{at}/x?key=1 HTTP/1.1"),
            format!("CONNECT {at} HTTP/1.1"),
        ] {
            let response = setup.gateway.connect().request(head(&start, &at, &fields));
            match is_right {
                true => assert_eq!(response.status, 200, "{value}"),
                false => assert_challenged(&response, 407, &challenges),
            }
        }
    }
    for asked in setup.upstream.requests() {
        // In requests to a proxy, the sources of keys belong to the origin.
        assert_eq!(asked.target, "/x?key=1");
        assert_eq!(asked.header("x-key"), Some("the origin's"));
        assert_no_secret(&seen(&asked.target, &asked.headers));
    }
}

#[test]
fn a_key_for_the_proxy_may_be_where_the_policy_says() {
    let setup = TestSetup::new(&keys(PLACES), &[KEYS]);
    let at = setup.authority();
    for start in [
        format!("GET http://{at}/x?a=b HTTP/1.1"),
        format!("CONNECT {at} HTTP/1.1"),
    ] {
        for (field, status) in [(("x-key", "k-123"), 200), (("api-key", "k-123"), 407)] {
            let mut client = setup.gateway.connect();
            let response = client.request(head(&start, &at, &[field]));
            assert_eq!(response.status, status, "{start} {field:?}");
        }
    }
    for (target, cookie) in [
        ("x?key=k-123&a=b", "c=d"),
        ("x?a=b&key=k-0", "c=d; key=k-123"),
    ] {
        let start = format!("GET http://{at}/{target} HTTP/1.1");
        // The first place that has a key decides.
        let expected = if target.contains("k-0") { 407 } else { 200 };
        let mut client = setup.gateway.connect();
        let response = client.request(head(&start, &at, &[("cookie", cookie)]));
        assert_eq!(response.status, expected, "{target}");
    }
    for asked in setup.upstream.requests() {
        assert_eq!(asked.target, "/x?a=b");
        assert_no_secret(&seen(&asked.target, &asked.headers));
    }
}

#[test]
fn the_upstream_gets_the_key_and_the_client_if_the_policy_says_so() {
    let more = format!("{PLACES}, forwardCredential: true, clientIdHeader: x-client");
    let setup = TestSetup::new(&keys(&more), &[KEYS]);
    let at = setup.authority();
    let forged = [
        ("x-client", "admin"),
        ("x-key", "k-123"),
        ("connection", "x-client"),
    ];
    let response = setup
        .gateway
        .connect()
        .request(head("GET /x?key=k-456 HTTP/1.1", &at, &forged));
    assert_eq!(response.status, 200);
    let asked = &setup.upstream.requests()[0];
    assert_eq!(asked.target, "/x?key=k-456");
    assert_eq!(asked.header("x-key"), Some("k-123"));
    let clients: Vec<_> = asked.headers.get_all("x-client").iter().collect();
    assert_eq!(clients, ["robot"]);
}

/// A redirect does not contain the key.
#[test]
fn a_redirect_does_not_tell_the_key() {
    let setup = TestSetup::new(&keys(PLACES), &[KEYS]);
    let gateway = Gateway::start(&redirecting(&text(&setup.dns, &keys(PLACES), &[KEYS])));
    let response = gateway.get("a.example", "/x?a=b&key=k-123");
    assert_eq!(response.status, 302);
    let location = response.header("location").unwrap();
    assert!(location.ends_with("/x?a=b"), "{location}");
    assert!(location.starts_with("http://b.example"), "{location}");
}

/// The admin server shows the configuration without secrets.
#[test]
fn what_is_told_of_the_configuration_has_no_secrets() {
    let both = format!("{BASIC}\n  {}", keys(PLACES));
    let setup = TestSetup::new(&both, &[KEYS]);
    for path in ["/config", "/report"] {
        let told = setup.gateway.ask(path);
        assert_eq!(told.status, 200);
        assert_no_secret(told.text());
        assert!(!told.text().contains("k-456"));
    }
    assert!(setup.gateway.ask("/config").text().contains("robot"));
}
