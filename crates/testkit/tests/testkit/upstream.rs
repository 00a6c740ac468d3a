//! Tests of the fake HTTP server.

use std::io::ErrorKind;
use std::net::Ipv6Addr;

use bytes::Bytes;
use egret_testkit::client::get;
use egret_testkit::pattern::pattern;
use egret_testkit::{Client, Upstream};
use http::{Response, StatusCode};
use serde_json::json;

const HOST: &str = "x.test";
/// A body length that exceeds all buffers.
const LARGE: u64 = 20_000_000;

fn fetch(upstream: &Upstream, target: &str) -> egret_testkit::Response {
    get(upstream.addr(), target, HOST)
}

#[test]
fn an_echo_tells_all_about_the_request() {
    let upstream = Upstream::start().named("blue");
    let mut client = Client::connect(upstream.addr());
    let response = client.request(
        "POST /a?b=c HTTP/1.1\r\nHost: x.test\r\nX-Two: 1\r\nX-Two: 2\r\nContent-Length: 2\r\n\r\nhi",
    );
    assert_eq!(response.header("x-upstream"), Some("blue"));
    let echo = response.json();
    assert_eq!(echo["server"], "blue");
    assert_eq!(echo["method"], "POST");
    assert_eq!(echo["path"], "/a?b=c");
    assert_eq!(echo["version"], "HTTP/1.1");
    assert_eq!(echo["connection"], 1);
    assert_eq!(
        (&echo["body"], &echo["body_length"]),
        (&json!("hi"), &json!(2))
    );
    let headers = json!([
        ["host", "x.test"],
        ["x-two", "1"],
        ["x-two", "2"],
        ["content-length", "2"]
    ]);
    assert_eq!(echo["headers"], headers);
}

#[test]
fn the_target_is_recorded_as_received() {
    let upstream = Upstream::start();
    let mut client = Client::connect(upstream.addr());
    let echo = client.get("http://y.test/a?b", HOST).json();
    assert_eq!(
        (&echo["target"], &echo["path"]),
        (&json!("http://y.test/a?b"), &json!("/a?b"))
    );
    let recorded = &upstream.requests()[0];
    assert_eq!(recorded.target, "http://y.test/a?b");
    assert_eq!(recorded.header("Host"), Some(HOST));
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn it_starts_on_other_loopback_addresses() {
    let v6 = Upstream::start_on(Ipv6Addr::LOCALHOST);
    assert!(v6.addr().is_ipv6());
    assert_eq!(fetch(&v6, "/status/204").status, 204);
    let other = Upstream::start_on([127, 0, 0, 2]);
    assert_eq!(
        fetch(&other, "/").json()["server"],
        other.addr().to_string()
    );
}

#[test]
fn statuses_and_headers_are_answered_as_asked() {
    let upstream = Upstream::start();
    assert_eq!(fetch(&upstream, "/status/503").status, 503);
    let response = fetch(&upstream, "/headers?x-a=1&x-a=2");
    assert_eq!(response.headers.all("x-a").collect::<Vec<_>>(), ["1", "2"]);
}

#[test]
fn a_closure_answers_before_the_path_does() {
    let upstream = Upstream::start().answering(|request| {
        let mut response = Response::new(Bytes::from(request.body.clone()));
        *response.status_mut() = StatusCode::ACCEPTED;
        (request.method == "PUT").then_some(response)
    });
    let mut client = Client::connect(upstream.addr());
    let response = client.request("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi");
    assert_eq!((response.status, response.text()), (202, "hi"));
    assert_eq!(client.get("/status/201", HOST).status, 201);
}

#[test]
fn bodies_come_with_a_length_in_chunks_and_with_trailers() {
    let upstream = Upstream::start();
    let bytes = fetch(&upstream, "/bytes/40000");
    assert_eq!(bytes.header("content-length"), Some("40000"));
    assert_eq!(bytes.body, pattern(40_000));
    let chunked = fetch(&upstream, "/chunked/40000");
    assert_eq!(chunked.header("transfer-encoding"), Some("chunked"));
    assert_eq!(chunked.body, pattern(40_000));
    let trailers = Client::connect(upstream.addr())
        .request("GET /trailers/5 HTTP/1.1\r\nHost: x\r\nTE: trailers\r\n\r\n");
    assert_eq!(trailers.body, pattern(5));
    assert_eq!(trailers.trailers.get("x-checked"), Some("yes"));
    assert_eq!(fetch(&upstream, "/bytes/0").body, b"");
}

#[test]
fn large_bodies_stream_both_ways() {
    let upstream = Upstream::start();
    let mut client = Client::connect(upstream.addr());
    client.send_request(format!(
        "POST /sink HTTP/1.1\r\nHost: x\r\nContent-Length: {LARGE}\r\n\r\n"
    ));
    client.send_body_of(LARGE);
    assert_eq!(client.read_response().text(), LARGE.to_string());
    let recorded = &upstream.requests()[0];
    assert!(recorded.complete && recorded.body_length == LARGE);
    assert_eq!(recorded.body, pattern(64 * 1024));

    client.send_request(format!("GET /bytes/{LARGE} HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert_eq!(client.read_head().status, 200);
    assert_eq!(client.read_body_discarding(), LARGE);
    client.send_request(format!("GET /chunked/{LARGE} HTTP/1.1\r\nHost: x\r\n\r\n"));
    client.read_head();
    assert_eq!(client.read_body_discarding(), LARGE);
}

#[test]
fn request_trailers_are_recorded() {
    let upstream = Upstream::start();
    let mut client = Client::connect(upstream.addr());
    let echo = client.request(
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: x-t\r\n\r\n\
         2\r\nhi\r\n0\r\nX-T: 1\r\n\r\n",
    );
    assert_eq!(echo.json()["trailers"], json!([["x-t", "1"]]));
    assert_eq!(upstream.requests()[0].trailers["x-t"], "1");
}

#[test]
fn a_duplex_answers_while_the_request_still_comes() {
    let upstream = Upstream::start();
    let mut client = Client::connect(upstream.addr());
    client.send_request("POST /duplex HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab");
    assert_eq!(client.read_head().status, 200);
    client.send("cd");
    assert_eq!(client.read_body_discarding(), 4);
}

#[test]
fn an_early_answer_does_not_wait_for_the_body() {
    let upstream = Upstream::start();
    let mut client = Client::connect(upstream.addr());
    let response =
        client.request("POST /early/413 HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n");
    assert_eq!(response.status, 413);
    assert!(!upstream.requests()[0].complete);
}

#[test]
fn expectations_are_met_with_100() {
    let upstream = Upstream::start();
    let mut client = Client::connect(upstream.addr());
    client.send_request(
        "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
    );
    assert_eq!(client.read_response().status, 100);
    client.send("hi");
    assert_eq!(client.read_response().json()["body"], "hi");
}

#[test]
fn an_answer_is_held_until_released() {
    let upstream = Upstream::start();
    let mut held = Client::connect(upstream.addr());
    held.send_request("GET /hold/a HTTP/1.1\r\nHost: x\r\n\r\n");
    upstream.wait_for_complete_requests(1);
    assert_eq!(fetch(&upstream, "/delay/1").status, 200);
    assert!(held.is_idle());
    upstream.release("a");
    assert_eq!(held.read_response().status, 200);
    assert_eq!(held.get("/hold/a", HOST).status, 200);
}

#[test]
fn a_client_that_leaves_a_hanging_request_ends_its_connection() {
    let upstream = Upstream::start();
    let mut client = Client::connect(upstream.addr());
    client.send_request("GET /hang HTTP/1.1\r\nHost: x\r\n\r\n");
    upstream.wait_for_requests(1);
    assert_eq!(upstream.open_connections(), 1);
    assert!(client.is_idle());
    drop(client);
    upstream.wait_for_open_connections(0);
}

#[test]
fn connections_close_without_an_answer() {
    let upstream = Upstream::start();
    let mut client = Client::connect(upstream.addr());
    client.send_request("GET /close HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(client.is_closed());

    let mut client = Client::connect(upstream.addr());
    assert_eq!(client.get("/close-if-reused", HOST).status, 200);
    client.send_request("GET /close-if-reused HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(client.is_closed());
    assert_eq!(upstream.requests()[2].nth, 2);
}

#[test]
fn bodies_end_early_or_stall() {
    let upstream = Upstream::start();
    for (target, received) in [
        ("/partial/30000", 15_000),
        ("/partial-chunked/30000", 15_000),
    ] {
        let mut client = Client::connect(upstream.addr());
        client.send_request(format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n"));
        let error = client.try_read_response().expect_err("half a response");
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{target}");
        let mut client = Client::connect(upstream.addr());
        client.send_request(format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert!(client.read_to_end().len() > received, "{target}");
    }
    let mut client = Client::connect(upstream.addr());
    client.send_request("GET /stall-body/100 HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(client.read_head().header("content-length"), Some("100"));
    assert_eq!(client.read_exactly(50), pattern(50));
    assert!(client.is_idle());
}

#[test]
fn kept_connections_close_when_told() {
    let upstream = Upstream::start();
    let mut idle = Client::connect(upstream.addr());
    assert_eq!(idle.get("/", HOST).json()["connection"], 1);
    assert_eq!(idle.get("/", HOST).json()["connection"], 1);
    let mut busy = Client::connect(upstream.addr());
    busy.send_request("GET /hold/a HTTP/1.1\r\nHost: x\r\n\r\n");
    upstream.wait_for_complete_requests(3);
    upstream.close_idle();
    assert!(idle.is_closed());
    upstream.wait_for_open_connections(1);
    upstream.release("a");
    assert_eq!(busy.read_response().header("connection"), Some("close"));
    assert!(busy.is_closed());
    assert_eq!(upstream.connections(), 2);
}

#[test]
fn without_keep_alive_each_answer_is_the_last() {
    let upstream = Upstream::start();
    upstream.keep_alive(false);
    let mut client = Client::connect(upstream.addr());
    assert_eq!(client.get("/", HOST).header("connection"), Some("close"));
    assert!(client.is_closed());
}

#[test]
fn an_upgrade_sends_every_byte_back() {
    let upstream = Upstream::start();
    assert_eq!(fetch(&upstream, "/upgrade").status, 426);
    let mut client = Client::connect(upstream.addr());
    let response = client.request(
        "GET /upgrade HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    );
    assert_eq!(response.status, 101);
    assert_eq!(response.header("upgrade"), Some("websocket"));
    client.send("bytes");
    assert_eq!(client.read_exactly(5), b"bytes");
    client.shutdown_write();
    assert!(client.is_closed());
}

#[tokio::test]
async fn a_test_on_one_thread_can_wait_for_requests() {
    let upstream = Upstream::start();
    let mut client = Client::connect(upstream.addr());
    client.send("GET /hang HTTP/1.1\r\nHost: x\r\n\r\n");
    upstream.until_requests(1).await;
    drop(upstream);
    assert!(client.is_closed());
}
