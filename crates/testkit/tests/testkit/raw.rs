//! Tests of the scripted TCP server.

use std::io::ErrorKind;

use egret_testkit::{Client, RawServer};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const GET: &str = "GET / HTTP/1.1\r\nHost: x.test\r\n\r\n";

#[test]
fn canned_bytes_answer_the_first_head_and_all_is_recorded() {
    let server = RawServer::answer(OK);
    let mut client = Client::connect(server.addr());
    client.send(&GET[..10]);
    client.send(&GET[10..]);
    assert_eq!(client.read_response().text(), "ok");
    client.send("smuggled");
    server.wait_for_bytes("smuggled");
    assert!(client.is_idle());
    assert_eq!(server.received(), [format!("{GET}smuggled").into_bytes()]);
    assert_eq!(server.connections(), 1);
}

#[test]
fn each_head_can_be_answered() {
    let server = RawServer::answer_each(OK);
    let mut client = Client::connect(server.addr());
    client.send([GET, GET].concat());
    assert_eq!(client.read_response().text(), "ok");
    assert_eq!(client.read_response().text(), "ok");
}

#[test]
fn an_answer_may_end_the_connection() {
    let server = RawServer::answer_and_close("HTTP/1.0 200 OK\r\n\r\nto the end");
    let mut client = Client::connect(server.addr());
    assert_eq!(client.request(GET).text(), "to the end");
    assert!(client.is_closed());
}

#[test]
fn a_script_sees_its_connection() {
    let server = RawServer::start(|connection| {
        let head = connection.read_head().expect("a head");
        let body = connection.read_exactly(3).expect("a body");
        connection.send(format!("{} {} ", connection.index(), head.len()));
        connection.send(body);
    });
    for index in 0..2 {
        let mut client = Client::connect(server.addr());
        client.send("POST / HTTP/1.1\r\n\r\nabc");
        assert_eq!(client.read_to_end(), format!("{index} 19 abc").as_bytes());
    }
    server.wait_for_connections(2);
}

#[test]
fn a_reset_is_seen_as_one() {
    let server = RawServer::reset_after_head();
    let mut client = Client::connect(server.addr());
    client.send_request(GET);
    let error = client.try_read_response().expect_err("no response");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    server.wait_for_bytes(GET);
}

#[test]
fn a_reset_on_accept_needs_no_request() {
    let server = RawServer::reset();
    let response = Client::try_connect(server.addr()).and_then(|mut c| c.try_read_response());
    let error = response.expect_err("no response");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_silent_server_records_and_dropping_it_closes() {
    let server = RawServer::silent();
    let mut client = Client::connect(server.addr());
    client.send(GET);
    server.until_bytes(GET).await;
    assert!(client.is_idle());
    drop(server);
    assert!(client.is_closed());
}
