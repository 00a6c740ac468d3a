//! Requests of one session go to the same endpoint (`sessionPersistence`).

use std::collections::BTreeSet;

use egret_testkit::{Client, Gateway, Response, Upstream};

use super::shop;

fn upstreams() -> [Upstream; 3] {
    ["a", "b", "c"].map(|name| Upstream::start().named(name))
}

/// A gateway with two workers, for a Service with these endpoints.
fn gateway(upstreams: &[&Upstream], persistence: &str) -> Gateway {
    let endpoints: Vec<_> = upstreams.iter().map(|upstream| upstream.addr()).collect();
    let line = "  rules: [{backendRefs: [{name: shop, port: 80}]}]\n";
    let with = format!(
        "  rules: [{{sessionPersistence: {persistence}, backendRefs: [{{name: shop, port: 80}}]}}]\n"
    );
    // That of the HTTPRoute, which is the first one.
    let yaml = shop(&endpoints).replacen(line, &with, 1);
    Gateway::start_with_workers(&yaml, 2)
}

/// Sends a request with this field over a connection of its own.
fn ask(gateway: &Gateway, field: &str) -> Response {
    let mut client = Client::connect(gateway.address_of(8080));
    let head = format!("GET / HTTP/1.1\r\nhost: shop.example\r\n{field}\r\n\r\n");
    let response = client.request(head);
    assert_eq!(response.status, 200, "{response:?}");
    response
}

fn name_of(response: &Response) -> String {
    response.header("x-upstream").expect("a name").to_owned()
}

/// The cookie that a response gives, and its attributes.
fn cookie_of(response: &Response) -> (String, String) {
    let (cookie, attributes) = response
        .header("set-cookie")
        .expect("a cookie")
        .split_once("; ")
        .expect("attributes");
    (cookie.to_owned(), attributes.to_owned())
}

#[test]
fn a_session_stays_where_it_began_over_all_workers() {
    let all = upstreams();
    let gateway = gateway(&all.each_ref(), "{sessionName: sid, absoluteTimeout: 10m}");
    for _ in 0..4 {
        let first = ask(&gateway, "x: y");
        let (cookie, attributes) = cookie_of(&first);
        assert!(cookie.starts_with("sid="), "{cookie}");
        assert_eq!(attributes, "Max-Age=600; Path=/; HttpOnly");
        for _ in 0..6 {
            let again = ask(&gateway, &format!("cookie: a=b; {cookie}"));
            assert_eq!(again.header("set-cookie"), None);
            assert_eq!(name_of(&again), name_of(&first));
        }
    }
    // Each has its turn, after those to which there is a connection already.
    let mut names = BTreeSet::new();
    let mut all_names = (0..100).map(|_| name_of(&ask(&gateway, "x: y")));
    let is_last = |name| names.insert(name) && names.len() == 3;
    assert!(all_names.any(is_last), "new sessions are balanced");
}

#[test]
fn a_session_whose_endpoint_is_gone_goes_on_elsewhere() {
    let [a, b, c] = upstreams();
    let (cookie, _) = cookie_of(&ask(&gateway(&[&a], "{}"), "x: y"));
    let others = gateway(&[&b, &c], "{}");
    let moved = ask(&others, &format!("cookie: {cookie}"));
    let (other, attributes) = cookie_of(&moved);
    assert_ne!(other, cookie);
    assert_eq!(attributes, "Path=/; HttpOnly");
    for _ in 0..4 {
        let again = ask(&others, &format!("cookie: {other}"));
        assert_eq!(name_of(&again), name_of(&moved));
    }
    assert_eq!(a.requests().len(), 1);
}

#[test]
fn a_header_does_the_same_for_clients_without_cookies() {
    let all = upstreams();
    let gateway = gateway(&all.each_ref(), "{type: Header, idleTimeout: 1h}");
    let first = ask(&gateway, "x: y");
    let mut token = first.header("x-session-persistence").unwrap().to_owned();
    assert_eq!(first.header("set-cookie"), None);
    for _ in 0..6 {
        let again = ask(&gateway, &format!("x-session-persistence: {token}"));
        assert_eq!(name_of(&again), name_of(&first));
        // It ends later now, unless that was within the same second.
        if let Some(next) = again.header("x-session-persistence") {
            next.clone_into(&mut token);
        }
    }
}
