//! API keys.

use egret_testkit::Gateway;

use super::forms::redirecting;
use super::{BASIC, Lab, assert_challenged, assert_no_secret, head, seen, text};

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
    let lab = Lab::new(&keys(PLACES), &[KEYS]);
    let at = lab.authority();
    let mut client = lab.gateway.connect();
    let cases: &[(&str, &[(&str, &str)])] = &[
        ("/x?a=b", &[("x-key", "k-123")]),
        ("/x?a=b", &[("X-Key", "Bearer k-123")]),
        ("/x?key=k-123&a=b", &[]),
        ("/x?a=b&ke%79=k-123", &[]),
        ("/x?a=b", &[("cookie", "c=d; key=k-123")]),
        // Those of the other places end here too.
        (
            "/x?a=b&key=k-wrong",
            &[("x-key", "k-123"), ("cookie", "key=k-wrong")],
        ),
    ];
    for (count, (target, fields)) in cases.iter().enumerate() {
        let start = format!("GET {target} HTTP/1.1");
        let response = client.request(head(&start, &at, fields));
        assert_eq!(response.status, 200, "{target} {fields:?}");
        assert_eq!(lab.record(count + 1)["user"], "robot");
    }
    for asked in lab.upstream.requests() {
        assert_eq!(asked.target, "/x?a=b");
        assert_no_secret(&seen(&asked.target, &asked.headers));
    }
    let cookies = &lab.upstream.requests()[4];
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
    assert_eq!(lab.upstream.requests().len(), 6);
    let _ = lab.record(12);
}

#[test]
fn a_key_for_the_proxy_is_a_token_or_a_password() {
    let lab = Lab::new(&keys(PLACES), &[KEYS]);
    let at = lab.authority();
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
            let response = lab.gateway.connect().request(head(&start, &at, &fields));
            match is_right {
                true => assert_eq!(response.status, 200, "{value}"),
                false => assert_challenged(&response, 407, &challenges),
            }
        }
    }
    for asked in lab.upstream.requests() {
        // Here the places of keys are the origin's own.
        assert_eq!(asked.target, "/x?key=1");
        assert_eq!(asked.header("x-key"), Some("the origin's"));
        assert_no_secret(&seen(&asked.target, &asked.headers));
    }
}

#[test]
fn the_upstream_gets_the_key_and_the_client_if_the_policy_says_so() {
    let more = format!("{PLACES}, forwardCredential: true, clientIdHeader: x-client");
    let lab = Lab::new(&keys(&more), &[KEYS]);
    let at = lab.authority();
    let forged = [
        ("x-client", "admin"),
        ("x-key", "k-123"),
        ("connection", "x-client"),
    ];
    let response = lab
        .gateway
        .connect()
        .request(head("GET /x?key=k-456 HTTP/1.1", &at, &forged));
    assert_eq!(response.status, 200);
    let asked = &lab.upstream.requests()[0];
    assert_eq!(asked.target, "/x?key=k-456");
    assert_eq!(asked.header("x-key"), Some("k-123"));
    let clients: Vec<_> = asked.headers.get_all("x-client").iter().collect();
    assert_eq!(clients, ["robot"]);
}

/// A key that was for us is not sent to wherever a redirect leads.
#[test]
fn a_redirect_does_not_tell_the_key() {
    let lab = Lab::new(&keys(PLACES), &[KEYS]);
    let gateway = Gateway::start(&redirecting(&text(&lab.dns, &keys(PLACES), &[KEYS])));
    let response = gateway.get("a.example", "/x?a=b&key=k-123");
    assert_eq!(response.status, 302);
    let location = response.header("location").unwrap();
    assert!(location.ends_with("/x?a=b"), "{location}");
    assert!(location.starts_with("http://b.example"), "{location}");
}

/// The configuration that is told is without secrets.
#[test]
fn what_is_told_of_the_configuration_has_no_secrets() {
    let both = format!("{BASIC}\n  {}", keys(PLACES));
    let lab = Lab::new(&both, &[KEYS]);
    for path in ["/config", "/report"] {
        let told = lab.gateway.ask(path);
        assert_eq!(told.status, 200);
        assert_no_secret(told.text());
        assert!(!told.text().contains("k-456"));
    }
    assert!(lab.gateway.ask("/config").text().contains("robot"));
}
