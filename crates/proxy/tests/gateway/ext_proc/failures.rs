//! Services that are down, slow or wrong.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use egret_testkit::client::connect_request;
use egret_testkit::grpc::stream::{StreamService, StreamStep};
use egret_testkit::protobuf::Written;
use egret_testkit::{ClosedPort, RawServer};

use super::{
    PATIENT, REQUEST_BODY, REQUEST_HEADERS, RESPONSE_HEADERS, TestSetup, answer, body, kind, piece,
    same,
};

/// What a service may do in place of an answer.
fn lies() -> Vec<StreamStep> {
    let huge = Written::default().bytes(99, &vec![b'x'; 10_000_000]);
    vec![
        StreamStep::End(14),
        StreamStep::Reset,
        StreamStep::Say(huge),
        StreamStep::Send(Bytes::from_static(b"hello, this is no message")),
        StreamStep::Send(Bytes::from_static(b"\0\0\0\0\x02\xff\xff")),
        StreamStep::Say(Written::default()),
        answer(RESPONSE_HEADERS, &Written::default()),
        answer(REQUEST_BODY, &Written::default()),
        answer(REQUEST_HEADERS, &super::fields(&[("x a", "1")], &[])),
    ]
}

#[test]
fn without_an_answer_requests_fail_or_pass_as_configured_and_it_recovers() {
    for (fail_open, expected) in [(false, 500), (true, 200)] {
        let service = StreamService::start(|message| match lies().into_iter().nth(message.call) {
            Some(lie) => vec![lie],
            None => same(message),
        });
        let extension = format!("{PATIENT}\n    failOpen: {fail_open}");
        let setup = TestSetup::new(service.addr(), &extension, &[]);
        for (at, lie) in lies().into_iter().enumerate() {
            let response = setup.ask("GET /", "", "");
            let lie = format!("{lie:?}");
            let lie = lie.get(..80).unwrap_or(&lie);
            assert_eq!(response.status, expected, "{at} {lie}");
            let told = response.header("proxy-status").unwrap_or_default();
            let is_told = told.contains("error=proxy_internal_error");
            assert_eq!(is_told, !fail_open, "{told}");
        }
        assert_eq!(setup.ask("GET /", "", "").status, 200);
        assert_eq!(service.calls().last().unwrap().len(), 2);
    }
}

#[test]
fn a_service_that_is_down_or_silent_holds_nobody_up() {
    let silent = RawServer::silent();
    let quiet = StreamService::start(|_| Vec::new());
    let closed = ClosedPort::start();
    for (service, timeout, expected) in [
        (silent.addr(), "100ms", 504),
        (quiet.addr(), "100ms", 504),
        (closed.addr(), "60s", 500),
    ] {
        for fail_open in [false, true] {
            let extension = format!("messageTimeout: {timeout}\n    failOpen: {fail_open}");
            let setup = TestSetup::new(service, &extension, &[]);
            let expected = if fail_open { 200 } else { expected };
            assert_eq!(setup.ask("GET /", "", "").status, expected, "{service}");
            assert_eq!(
                setup.ask("POST /", "", "body").status,
                expected,
                "{service}"
            );
            let connect = connect_request(&setup.host());
            assert_eq!(setup.gateway.connect().request(connect).status, expected);
        }
    }
}

#[test]
fn nothing_of_a_body_is_lost_when_the_service_goes_away() {
    for (step, fail_open, expected) in [
        (StreamStep::End(0), false, Some("A b c")),
        (StreamStep::End(14), true, Some("A b c")),
        (StreamStep::Reset, true, Some("A b c")),
        (StreamStep::Reset, false, None),
    ] {
        let last = step.clone();
        let service =
            StreamService::start(move |message| match (kind(message.bytes), message.nth) {
                (REQUEST_BODY, 1) => {
                    let (data, _) = piece(message.bytes);
                    vec![answer(REQUEST_BODY, &body(&data.to_ascii_uppercase()))]
                }
                (REQUEST_BODY, _) => vec![last.clone()],
                _ => same(message),
            });
        let more = format!("failOpen: {fail_open}");
        let setup = TestSetup::processing(&service, "requestBodyMode: STREAMED", &more);
        let mut client = setup.gateway.connect();
        client.send_request(setup.head("POST /", "content-length: 5\r\n"));
        client.send("a");
        service.wait_for_messages(2);
        client.send(" b");
        service.wait_for_messages(3);
        client.send(" c");
        let response = client.read_response();
        let requests = setup.upstream.requests();
        match expected {
            Some(text) => {
                assert_eq!(response.status, 200, "{step:?}");
                assert_eq!(requests[0].body, text.as_bytes(), "{step:?}");
            }
            None => assert_eq!(response.status, 500),
        }
    }
}

#[test]
fn a_service_ends_a_request_whose_body_is_on_its_way() {
    let service = StreamService::start(|message| match kind(message.bytes) {
        REQUEST_BODY => vec![super::immediate(422, "not this body")],
        _ => same(message),
    });
    let setup = TestSetup::processing(&service, "requestBodyMode: STREAMED", "");
    let mut client = setup.gateway.connect();
    client.send_request(setup.head("POST /", "content-length: 100\r\n"));
    client.send("the beginning");
    // The rest of the body never comes.
    let refused = client.read_response();
    assert_eq!((refused.status, refused.text()), (422, "not this body"));
}

#[test]
fn a_call_that_found_no_service_is_made_again() {
    let tries = std::sync::Arc::new(AtomicUsize::new(0));
    let seen = std::sync::Arc::clone(&tries);
    let server = RawServer::start(move |connection| {
        seen.fetch_add(1, Ordering::Relaxed);
        connection.read_preface();
    });
    let extension = format!("{PATIENT}\n    failOpen: false");
    let retry = "retry: {attempts: 2, backoff: {baseInterval: 1ms}}, backendRef";
    let changer = super::changer(server.addr(), &extension, "").replace("backendRef", retry);
    let setup = TestSetup::with_upstream(egret_testkit::Upstream::start(), &changer, &[]);
    assert_eq!(setup.ask("GET /", "", "").status, 500);
    assert_eq!(tries.load(Ordering::Relaxed), 3);
}
