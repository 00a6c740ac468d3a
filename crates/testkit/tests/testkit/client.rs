//! Tests of the raw client against canned responses.

use std::io::ErrorKind;

use egret_testkit::{Client, RawServer, Response};

fn answered(request: &str, answer: &str) -> Response {
    let server = RawServer::answer(answer);
    Client::connect(server.addr()).request(request)
}

fn fails(answer: &str) -> ErrorKind {
    let server = RawServer::answer_and_close(answer);
    let mut client = Client::connect(server.addr());
    client.send_request("GET / HTTP/1.1\r\n\r\n");
    let error = client.try_read_response().expect_err("a response");
    error.kind()
}

#[test]
fn heads_are_kept_as_written() {
    let response = answered(
        "GET / HTTP/1.1\r\n\r\n",
        "HTTP/1.1 404 Not Here\r\nX-One: a: b \r\nx-one:c\r\nContent-Length: 0\r\n\r\n",
    );
    assert_eq!(response.version, "HTTP/1.1");
    assert_eq!(
        (response.status, response.reason.as_str()),
        (404, "Not Here")
    );
    assert_eq!(
        response.headers.0[0],
        ("X-One".to_owned(), "a: b".to_owned())
    );
    assert_eq!(response.header("X-ONE"), Some("a: b"));
    assert_eq!(
        response.headers.all("x-one").collect::<Vec<_>>(),
        ["a: b", "c"]
    );
    assert_eq!(response.header("x-two"), None);
}

#[test]
fn chunks_and_trailers_are_decoded() {
    let response = answered(
        "GET / HTTP/1.1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
         3;ext=1\r\nabc\r\nA\r\n0123456789\r\n0\r\nX-Sum: 13\r\n\r\n",
    );
    assert_eq!(response.text(), "abc0123456789");
    assert_eq!(response.trailers.get("x-sum"), Some("13"));
}

#[test]
fn some_responses_have_no_body_whatever_they_say() {
    let length = "Content-Length: 5\r\n\r\n";
    for (request, status) in [
        ("HEAD / HTTP/1.1\r\n\r\n", "200 OK"),
        ("GET / HTTP/1.1\r\n\r\n", "304 Not Modified"),
        ("CONNECT x.test:443 HTTP/1.1\r\n\r\n", "200 OK"),
    ] {
        let response = answered(request, &format!("HTTP/1.1 {status}\r\n{length}"));
        assert!(response.body.is_empty(), "{request}");
    }
    let refused = answered(
        "CONNECT x.test:443 HTTP/1.1\r\n\r\n",
        &format!("HTTP/1.1 403 No\r\n{length}enied"),
    );
    assert_eq!(refused.text(), "enied");
}

#[test]
fn interim_responses_come_one_by_one() {
    let server = RawServer::answer(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n\
         HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
    );
    let mut client = Client::connect(server.addr());
    assert_eq!(client.request("HEAD / HTTP/1.1\r\n\r\n").status, 100);
    assert_eq!(client.read_response().status, 103);
    let last = client.read_response();
    assert_eq!((last.status, last.body.len()), (200, 0));
}

#[test]
fn what_is_cut_short_or_malformed_is_an_error() {
    let cut = ErrorKind::UnexpectedEof;
    assert_eq!(fails("HTTP/1.1 200 OK\r\nContent-Le"), cut);
    assert_eq!(
        fails("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc"),
        cut
    );
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n";
    assert_eq!(fails(&format!("{chunked}\r\n3\r\nabc\r\n")), cut);
    let bad = ErrorKind::InvalidData;
    assert_eq!(fails(&format!("{chunked}\r\n3\r\nabcd\r\n0\r\n\r\n")), bad);
    assert_eq!(fails(&format!("{chunked}\r\nzz\r\n\r\n")), bad);
    assert_eq!(
        fails(&format!("{chunked}Content-Length: 3\r\n\r\nabc")),
        bad
    );
    assert_eq!(fails("HTTP/9 200 OK\r\n\r\n"), bad);
    assert_eq!(fails("HTTP/1.1 200 OK\r\nno colon\r\n\r\n"), bad);
}

#[test]
fn a_tunnel_is_a_stream_to_read_and_write() {
    let server = RawServer::start(|connection| {
        connection.read_head();
        connection.send("HTTP/1.1 200 OK\r\n\r\n");
        let said = connection.read_to_end();
        connection.send(said);
    });
    let mut client = Client::connect(server.addr());
    assert_eq!(
        client.request("CONNECT x.test:1 HTTP/1.1\r\n\r\n").status,
        200
    );
    client.send("said");
    client.shutdown_write();
    assert_eq!(client.read_some(), b"said");
    assert!(client.is_closed());
}

#[test]
fn data_is_not_a_close() {
    let server = RawServer::answer("x");
    let mut client = Client::connect(server.addr());
    assert!(client.is_idle());
    client.send("\r\n\r\n");
    assert!(!client.is_closed());
    assert!(!client.is_idle());
    assert_eq!(client.read_exactly(1), b"x");
    assert!(client.is_idle());
}
