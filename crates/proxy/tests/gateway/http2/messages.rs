//! Requests and responses over HTTP/2.

use egret_testkit::Http2Client;
use egret_testkit::gateway::egress_policy;
use egret_testkit::upstream::raw::RawServer;
use http::{HeaderMap, Request};

use super::TestSetup;

#[test]
fn a_request_is_forwarded_as_one_of_http1_and_answered() {
    let setup = TestSetup::new();
    let request = Request::get(setup.uri("/echo?x=y"))
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .body(())
        .unwrap();
    let response = setup.client.request(request, b"").unwrap();
    assert_eq!(response.status, 200);
    assert_eq!(response.header("connection"), None);
    assert!(response.header("via").unwrap().starts_with("1.1 egret-"));
    let asked = &setup.upstream.requests()[0];
    let field = |name: &str| asked.headers.get(name).map(|value| value.to_str().unwrap());
    assert_eq!(field("host"), Some(&*setup.authority()));
    assert_eq!(field("cookie"), Some("a=1; b=2"));
    assert!(field("via").unwrap().starts_with("2 egret-"));
    assert_eq!(field("transfer-encoding"), None);
    let record = &setup.gateway.wait_for_records(1)[0];
    assert_eq!(record["protocol"], "HTTP/2");
    assert_eq!(record["authority"], setup.authority());
    assert_eq!(record["path"], "/echo");
    assert_eq!(record["verdict"], "allow");
}

#[test]
fn bodies_pass_with_and_without_a_length() {
    let setup = TestSetup::new();
    for length in [None, Some("5")] {
        for method in ["POST", "GET"] {
            let mut request = Request::builder().method(method).uri(setup.uri("/sink"));
            if let Some(length) = length {
                request = request.header("content-length", length);
            }
            let response = setup.client.request(request.body(()).unwrap(), b"hello");
            assert_eq!(response.unwrap().text(), "5", "{method} {length:?}");
        }
    }
    let response = setup.client.get(&setup.uri("/bytes/100000"));
    assert_eq!(response.body.len(), 100_000);
    assert_eq!(response.header("content-length"), Some("100000"));
}

#[test]
fn a_body_that_is_not_as_long_as_it_says_is_refused() {
    let setup = TestSetup::new();
    let request = Request::post(setup.uri("/sink")).header("content-length", "5");
    let response = setup.client.request(request.body(()).unwrap(), b"too long");
    assert!(response.is_err() || response.unwrap().status == 400);
}

#[test]
fn a_length_that_is_said_twice_is_passed_on_once() {
    let setup = TestSetup::new();
    let server = RawServer::answer_each("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let request = Request::post(format!("http://a.example:{}/", server.port()))
        .header("content-length", "5")
        .header("content-length", "05");
    let response = setup.client.request(request.body(()).unwrap(), b"hello");
    assert_eq!(response.unwrap().status, 200);
    let received = String::from_utf8(server.received().concat()).unwrap();
    assert_eq!(received.matches("content-length").count(), 1, "{received}");
}

#[test]
fn trailers_pass() {
    let setup = TestSetup::new();
    let request = Request::post(setup.uri("/echo")).header("trailer", "x-sum");
    let mut stream = setup.client.open(request.body(()).unwrap(), false);
    stream.send(b"body", false).unwrap();
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", "7".parse().unwrap());
    stream.send_trailers(trailers).unwrap();
    assert_eq!(stream.response().unwrap().status, 200);
    assert_eq!(setup.upstream.requests()[0].trailers["x-sum"], "7");
}

#[test]
fn many_requests_are_in_progress_at_once() {
    let setup = TestSetup::new();
    let request = || Request::get(setup.uri("/hold/all")).body(()).unwrap();
    let mut streams: Vec<_> = (0..20)
        .map(|_| setup.client.open(request(), true))
        .collect();
    setup.upstream.wait_for_requests(20);
    setup.upstream.release("all");
    for stream in &mut streams {
        assert_eq!(stream.response().unwrap().status, 200);
    }
    assert_eq!(setup.gateway.metric("egret_downstream_connections"), 1.0);
}

#[test]
fn one_that_is_broken_off_does_not_disturb_the_others() {
    let setup = TestSetup::new();
    let request = || Request::get(setup.uri("/hold/x")).body(()).unwrap();
    let mut left = setup.client.open(request(), true);
    let mut stays = setup.client.open(request(), true);
    setup.upstream.wait_for_requests(2);
    left.reset(h2::Reason::CANCEL);
    setup.upstream.wait_for_open_connections(1);
    setup.upstream.release("x");
    assert_eq!(stays.response().unwrap().status, 200);
    let records = setup.gateway.wait_for_records(2);
    let reasons: Vec<_> = records
        .iter()
        .map(|record| record["reason"].as_str())
        .collect();
    assert!(reasons.contains(&Some("client_closed")), "{records:?}");
}

#[test]
fn what_the_policies_deny_is_refused_with_the_rule() {
    let deny = egress_policy(
        "deny",
        "rules: [{name: no-b, action: Deny, hosts: [b.example]}]",
    );
    let setup = TestSetup::with(&[&deny]);
    let response = setup.client.get("http://b.example/");
    assert_eq!(response.status, 403);
    assert!(
        response.header("proxy-status").unwrap().contains("no-b"),
        "{response:?}"
    );
    assert_eq!(setup.dns.lookups_for("b.example"), 0);
    let record = &setup.gateway.wait_for_records(1)[0];
    assert_eq!(
        (&record["verdict"], &record["rule"]),
        (&"deny".into(), &"no-b".into())
    );
    // An allowed request on the same connection is served.
    assert_eq!(setup.client.get(&setup.uri("/")).status, 200);
}

#[test]
fn another_scheme_than_the_connection_has_says_how_to_go_on() {
    let setup = TestSetup::new();
    // The upstream does not speak TLS.
    let response = setup.client.get(&format!("https://{}/", setup.authority()));
    assert!(response.status >= 500, "{response:?}");
    let record = &setup.gateway.wait_for_records(1)[0];
    assert_eq!(record["scheme"], "https");
}

#[test]
fn a_host_field_that_contradicts_the_authority_is_refused() {
    let setup = TestSetup::new();
    let with = |host: &str| {
        let request = Request::get(setup.uri("/")).header("host", host);
        setup
            .client
            .request(request.body(()).unwrap(), b"")
            .unwrap()
    };
    assert_eq!(with(&setup.authority()).status, 200);
    let refused = with("b.example");
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("another host"), "{refused:?}");
}

#[test]
fn grpc_requests_are_refused_in_the_words_of_grpc() {
    let deny = egress_policy(
        "deny",
        "rules: [{name: no-b, action: Deny, hosts: [b.example]}]",
    );
    let setup = TestSetup::with(&[&deny]);
    let request = Request::post("http://b.example/echo.Echo/Say")
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    let response = setup
        .client
        .request(request.body(()).unwrap(), b"\0\0\0\0\0")
        .unwrap();
    assert_eq!(response.status, 200);
    assert_eq!(response.header("grpc-status"), Some("7"));
    assert_eq!(response.header("content-type"), Some("application/grpc"));
    let message = response.header("grpc-message").unwrap();
    assert!(message.contains("denied by rule no-b"), "{message}");
    let record = &setup.gateway.wait_for_records(1)[0];
    assert_eq!(
        (&record["reason"], &record["rule"]),
        (&"egress_policy".into(), &"no-b".into())
    );
}

#[test]
fn a_client_that_speaks_slowly_at_first_is_understood() {
    let setup = TestSetup::new();
    // The preface is recognized even if it arrives in two pieces. A unit test has the table of all cases.
    let mut raw = setup.gateway.connect();
    raw.send("PRI * HT");
    assert!(raw.is_idle());
    raw.send("TP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    let settings = raw.read_some();
    assert_eq!(settings[3], 4, "{settings:?}");
    // One listener serves both versions.
    assert_eq!(
        setup.gateway.connect().get("/", &setup.authority()).status,
        200
    );
    assert_eq!(
        Http2Client::connect(setup.gateway.address())
            .get(&setup.uri("/"))
            .status,
        200
    );
}

#[test]
fn what_the_gateway_says_itself_has_no_body_for_a_head() {
    let deny = egress_policy("deny", "defaultAction: Deny");
    let setup = TestSetup::with(&[&deny]);
    let request = Request::head(setup.uri("/")).body(()).unwrap();
    let response = setup.client.request(request, b"").unwrap();
    assert_eq!(response.status, 403);
    assert_eq!(response.body, b"");
}
