//! Limits of a ListenerPolicy on HTTP/2 connections.

use std::sync::{Arc, Barrier};
use std::time::Duration;

use egret_testkit::{Http2Client, RawServer};
use h2::Reason;
use http::Request;

use super::TestSetup;

#[test]
fn heads_may_have_as_many_fields_and_bytes_as_configured() {
    let setup = TestSetup::limited("maxHeadersCount: 4, maxRequestHeadersKb: 2");
    let status = |fields: usize, bytes: usize| {
        let mut request = Request::get(setup.uri("/"));
        for _ in 0..fields {
            request = request.header("x", "y".repeat(bytes));
        }
        let response = setup.client.request(request.body(()).unwrap(), b"");
        response.unwrap().status
    };
    // `Host` counts as a field.
    assert_eq!([status(3, 1), status(4, 1)], [200, 431]);
    assert_eq!([status(1, 1500), status(1, 2500)], [200, 431]);
    let refusals = r#"egret_refusals_total{reason="head_too_large"}"#;
    setup.gateway.wait_for_metric(refusals, 2.0);
}

/// HTTP/2 splits cookies into as many fields (RFC 9113 8.2.3).
#[test]
fn cookies_are_one_field_however_many_there_are() {
    let setup = TestSetup::new();
    let mut request = Request::get(setup.uri("/"));
    for number in 0..150 {
        request = request.header("cookie", format!("c{number}=1"));
    }
    let response = setup.client.request(request.body(()).unwrap(), b"");
    assert_eq!(response.unwrap().status, 200);
    let requests = setup.upstream.requests();
    let joined = requests[0].header("cookie").unwrap_or_default();
    assert_eq!(joined.split("; ").count(), 150, "{joined}");
}

/// A client that streams small messages to a server that does not read them yet.
#[test]
fn many_small_messages_wait_without_harm_to_the_connection() {
    let setup = TestSetup::new();
    let busy = Arc::new(Barrier::new(2));
    let theirs = Arc::clone(&busy);
    let server = RawServer::start(move |connection| {
        connection.read_head();
        theirs.wait();
        connection.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        connection.read_to_end();
    });
    let uri = format!("http://a.example:{}/", server.port());
    let mut stream = setup
        .client
        .open(Request::post(uri).body(()).unwrap(), false);
    for _ in 0..60_000 {
        stream.send(&[b'x'; 100], false).unwrap();
    }
    for _ in 0..20 {
        assert_eq!(setup.client.get(&setup.uri("/")).status, 200);
    }
    busy.wait();
    assert_eq!(stream.head().unwrap().status, 200);
}

#[test]
fn a_connection_has_as_many_requests_as_configured() {
    let setup = TestSetup::limited("maxRequestsPerConnection: 2");
    assert_eq!(setup.client.get(&setup.uri("/")).status, 200);
    assert_eq!(setup.client.get(&setup.uri("/")).status, 200);
    assert_eq!(setup.client.until_closed(), None);
}

#[test]
fn quiet_connections_are_told_and_closed() {
    let setup = TestSetup::limited("idleTimeout: 200ms");
    let uri = setup.uri("/");
    assert_eq!(setup.client.get(&uri).status, 200);
    assert_eq!(setup.client.until_closed(), None);
}

#[test]
fn a_client_that_takes_nothing_loses_the_stream_alone() {
    let setup = TestSetup::limited("streamIdleTimeout: 300ms");
    let client = Http2Client::with_windows(setup.gateway.address(), Some(10));
    let request = Request::get(setup.uri("/bytes/1000000")).body(()).unwrap();
    let mut stalled = client.open(request, true);
    assert_eq!(stalled.head().unwrap().status, 200);
    // The record is written when the stream is reset.
    let record = &setup.gateway.wait_for_records(1)[0];
    assert_eq!(record["reason"], "client_stalled");
    let request = Request::get(setup.uri("/bytes/5")).body(()).unwrap();
    assert_eq!(client.request(request, b"").unwrap().body.len(), 5);
    let broken = loop {
        match stalled.read_some() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("it looks whole"),
            Err(error) => break error,
        }
    };
    assert!(broken.is_reset(), "{broken:?}");
}

#[test]
fn a_gateway_that_stops_finishes_what_is_in_progress() {
    let mut setup = TestSetup::new();
    let request = Request::get(setup.uri("/hold/x")).body(()).unwrap();
    let mut stream = setup.client.open(request, true);
    setup.upstream.wait_for_requests(1);
    let stopping = setup.gateway.begin_drain(Duration::from_secs(30));
    // No further requests are accepted after the GOAWAY.
    let refused = loop {
        let next = Request::get(setup.uri("/")).body(()).unwrap();
        match setup.client.request(next, b"") {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(
        refused.is_go_away()
            || refused.reason() == Some(Reason::REFUSED_STREAM)
            || refused.is_library(),
        "{refused:?}"
    );
    setup.upstream.release("x");
    assert_eq!(stream.response().unwrap().status, 200);
    drop(stream);
    let cut_off = setup.gateway.block_on(stopping).unwrap();
    assert_eq!(cut_off, 0);
}
