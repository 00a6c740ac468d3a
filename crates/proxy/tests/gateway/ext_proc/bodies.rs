//! Bodies of requests.

use std::sync::atomic::{AtomicUsize, Ordering};

use egret_testkit::grpc::stream::{StreamMessage, StreamService, StreamStep};
use egret_testkit::protobuf::Written;
use egret_testkit::{Http2Client, Upstream};

use super::{
    PATIENT, REQUEST_BODY, REQUEST_HEADERS, REQUEST_TRAILERS, TestSetup, answer, body, changer,
    fields, kind, piece, same,
};

const MIB: usize = 1 << 20;

/// Answers pieces of a request's body with the same in capitals, and everything else with nothing.
fn capitals(message: StreamMessage<'_>) -> Vec<StreamStep> {
    match kind(message.bytes) {
        REQUEST_BODY => {
            let (data, _) = piece(message.bytes);
            vec![answer(REQUEST_BODY, &body(&data.to_ascii_uppercase()))]
        }
        _ => same(message),
    }
}

/// The pieces of the request's body that a service got in a call.
fn pieces(service: &StreamService, call: usize) -> Vec<(Vec<u8>, bool)> {
    let calls = service.calls();
    let about_body = calls[call]
        .iter()
        .filter(|message| kind(message) == REQUEST_BODY);
    about_body.map(|message| piece(message)).collect()
}

#[test]
fn a_streamed_body_goes_on_piece_by_piece() {
    let service = StreamService::start(capitals);
    let setup = TestSetup::processing(&service, "requestBodyMode: STREAMED", "");
    let client = Http2Client::connect(setup.gateway.address());
    let request = http::Request::post(format!("http://{}/duplex", setup.host()));
    let request = request.header("content-length", 8).body(()).unwrap();
    let mut stream = client.open(request, false);
    stream.send(b"half", false).unwrap();
    assert_eq!(stream.head().unwrap().status, 200);
    // The first half is there before the second one is sent.
    assert_eq!(stream.read_exactly(4), b"HALF");
    stream.send(b"rest", true).unwrap();
    assert_eq!(stream.read_exactly(4), b"REST");
    assert_eq!(
        pieces(&service, 0),
        [(b"half".to_vec(), false), (b"rest".to_vec(), true)]
    );
    let request = &setup.upstream.requests()[0];
    assert_eq!(request.header("content-length"), None);
    assert_eq!(request.header("transfer-encoding"), Some("chunked"));
    let response = setup.ask("POST /", "", "abc");
    assert_eq!(response.status, 200);
    assert_eq!(setup.upstream.requests()[1].body, b"ABC");
}

#[test]
fn ten_megabytes_pass_a_service_in_pieces() {
    let longest = std::sync::Arc::new(AtomicUsize::new(0));
    let seen = std::sync::Arc::clone(&longest);
    let service = StreamService::start(move |message| {
        seen.fetch_max(message.bytes.len(), Ordering::Relaxed);
        same(message)
    });
    let setup = TestSetup::processing(
        &service,
        "requestBodyMode: STREAMED, responseBodyMode: STREAMED",
        "",
    );
    let length = 10 * MIB as u64;
    let mut client = setup.gateway.connect();
    client.send_request(setup.head("POST /sink", &format!("content-length: {length}\r\n")));
    client.send_body_of(length);
    assert_eq!(client.read_response().text(), length.to_string());
    client.send_request(setup.head(&format!("GET /bytes/{length}"), ""));
    assert_eq!(client.read_head().status, 200);
    assert_eq!(client.read_body_discarding(), length);
    let longest = longest.load(Ordering::Relaxed);
    assert!(longest < MIB, "{longest}");
}

#[test]
fn a_whole_body_is_read_and_replaced_with_its_header() {
    let service = StreamService::start(|message| match kind(message.bytes) {
        REQUEST_BODY => {
            let changes = fields(&[("x-length", "3")], &[]);
            let new = body(b"new");
            let both = [changes.into_bytes(), new.into_bytes()].concat();
            let answer =
                Written::default().bytes(3, &Written::default().bytes(1, &both).into_bytes());
            vec![StreamStep::Say(answer)]
        }
        _ => same(message),
    });
    let mode = "requestBodyMode: BUFFERED, requestTrailerMode: SEND";
    let setup = TestSetup::processing(&service, mode, "");
    assert_eq!(setup.ask("POST /", "", "0123456789").status, 200);
    let chunked = "trailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n4\r\nabcd\r\n3\r\nefg\r\n0\r\nx-sum: 1\r\n";
    assert_eq!(setup.ask("POST /", chunked, "").status, 200);
    assert_eq!(setup.ask("GET /", "", "").status, 200);
    let requests = setup.upstream.requests();
    for request in &requests[..2] {
        assert_eq!(request.body, b"new");
        assert_eq!(request.header("x-length"), Some("3"));
    }
    assert_eq!(requests[0].header("content-length"), Some("3"));
    assert_eq!(requests[1].trailers["x-sum"], "1");
    assert_eq!(requests[2].header("x-length"), None);
    assert_eq!(pieces(&service, 0), [(b"0123456789".to_vec(), true)]);
    assert_eq!(pieces(&service, 1), [(b"abcdefg".to_vec(), false)]);
    let kinds: Vec<u32> = service.calls()[1].iter().map(|it| kind(it)).collect();
    let expected = [REQUEST_HEADERS, REQUEST_BODY, REQUEST_TRAILERS];
    assert_eq!(kinds[..3], expected);
    let too_large = "x".repeat(MIB + 1);
    let refused = setup.ask("POST /", "", &too_large);
    assert_eq!((refused.status, refused.text()), (413, "Payload Too Large"));
}

#[test]
fn of_a_body_that_is_too_large_the_service_gets_the_beginning() {
    let service = StreamService::start(|message| match kind(message.bytes) {
        REQUEST_BODY => vec![answer(REQUEST_BODY, &body(b"begin:"))],
        _ => same(message),
    });
    let mode = "requestBodyMode: BUFFERED_PARTIAL";
    let setup = TestSetup::processing(&service, mode, "");
    assert_eq!(setup.ask("POST /", "", "all of it").status, 200);
    let long = "x".repeat(2 * MIB);
    assert_eq!(setup.ask("POST /", "", &long).status, 200);
    let requests = setup.upstream.requests();
    assert_eq!(requests[0].body, b"begin:");
    assert_eq!(requests[0].header("content-length"), Some("6"));
    assert_eq!(pieces(&service, 0), [(b"all of it".to_vec(), true)]);
    let [(beginning, is_end)] = &pieces(&service, 1)[..] else {
        panic!("one piece");
    };
    assert!(beginning.len() >= MIB && !is_end);
    let rest = 2 * MIB - beginning.len();
    assert_eq!(requests[1].body_length, (6 + rest) as u64);
}

#[test]
fn a_message_is_replaced_as_a_whole() {
    let service = StreamService::start(|message| match kind(message.bytes) {
        REQUEST_HEADERS => {
            let new = Written::default()
                .number(1, 1)
                .message(
                    2,
                    &Written::default().message(1, &super::option(":method", "PUT")),
                )
                .message(3, &Written::default().bytes(1, b"other"));
            vec![answer(REQUEST_HEADERS, &new)]
        }
        _ => same(message),
    });
    let mode = "requestBodyMode: STREAMED, responseHeaderMode: SKIP";
    let setup = TestSetup::processing(&service, mode, "");
    assert_eq!(setup.ask("POST /", "", "body").status, 200);
    assert_eq!(setup.ask("GET /", "", "").status, 200);
    for request in setup.upstream.requests() {
        assert_eq!(
            (request.method.as_str(), &*request.body),
            ("PUT", &b"other"[..])
        );
        assert_eq!(request.header("content-length"), Some("5"));
    }
    assert!(service.calls().iter().all(|call| call.len() == 1));
}

#[test]
fn the_service_chooses_what_it_gets_if_it_may() {
    let service = StreamService::start(|message| match kind(message.bytes) {
        REQUEST_HEADERS => {
            let chosen = Written::default().number(2, 2).number(3, 2);
            let answer = Written::default()
                .message(1, &Written::default())
                .message(9, &chosen);
            vec![StreamStep::Say(answer)]
        }
        _ => capitals(message),
    });
    for (more, expected) in [
        ("", "abc"),
        ("allowProcessingModeOverride: true", "ABC"),
        (
            "allowProcessingModeOverride: true\n    allowedProcessingModeOverrides: [{requestBodyMode: STREAMED}]",
            "abc",
        ),
    ] {
        let setup = TestSetup::processing(&service, "", more);
        assert_eq!(setup.ask("POST /", "", "abc").status, 200);
        assert_eq!(
            setup.upstream.requests()[0].body,
            expected.as_bytes(),
            "{more}"
        );
    }
}

#[test]
fn other_policies_read_what_the_service_made() {
    let service = StreamService::start(capitals);
    let extension = format!("{PATIENT}\n    processingMode: {{requestBodyMode: STREAMED}}");
    let upstream = Upstream::start();
    let templates = egret_testkit::gateway::traffic_policy(
        "templates",
        "transformation: {request: {set: [{name: x-body, value: '{{ body() }}'}], body: {parseAs: AsString}}}",
    );
    let changer = changer(service.addr(), &extension, "");
    let setup = TestSetup::with_upstream(upstream, &changer, &[&templates]);
    assert_eq!(setup.ask("POST /", "", "abc").status, 200);
    let request = &setup.upstream.requests()[0];
    assert_eq!(request.header("x-body"), Some("ABC"));
    assert_eq!(request.body, b"ABC");
}

#[test]
fn trailers_of_requests_are_changed() {
    let service = StreamService::start(|message| match kind(message.bytes) {
        REQUEST_TRAILERS => {
            let mutation = Written::default().message(1, &super::option("x-sum", "2"));
            vec![answer(
                REQUEST_TRAILERS,
                &Written::default().message(1, &mutation),
            )]
        }
        _ => capitals(message),
    });
    for body in ["STREAMED", "NONE", "BUFFERED"] {
        let mode = format!("requestBodyMode: {body}, requestTrailerMode: SEND");
        let setup = TestSetup::processing(&service, &mode, "");
        let client = Http2Client::connect(setup.gateway.address());
        let request = http::Request::post(format!("http://{}/", setup.host()));
        let request = request.header("trailer", "x-sum").body(()).unwrap();
        let mut stream = client.open(request, false);
        stream.send(b"abc", false).unwrap();
        let trailers = [("x-sum".parse().unwrap(), "1".parse().unwrap())];
        stream
            .send_trailers(trailers.into_iter().collect())
            .unwrap();
        assert_eq!(stream.response().unwrap().status, 200);
        let request = &setup.upstream.requests()[0];
        assert_eq!(request.trailers["x-sum"], "2", "{body}");
    }
}
