//! Responses and their bodies.

use bytes::Bytes;
use egret_testkit::grpc::stream::{StreamMessage, StreamService, StreamStep};
use egret_testkit::protobuf::Written;
use egret_testkit::{Http2Client, RawServer, Upstream};

use super::{
    PATIENT, RESPONSE_BODY, RESPONSE_HEADERS, RESPONSE_TRAILERS, TestSetup, answer, body, changer,
    fields, immediate, kind, option, piece, same,
};

const MIB: usize = 1 << 20;

fn capitals(message: StreamMessage<'_>) -> Vec<StreamStep> {
    match kind(message.bytes) {
        RESPONSE_BODY => {
            let (data, _) = piece(message.bytes);
            vec![answer(RESPONSE_BODY, &body(&data.to_ascii_uppercase()))]
        }
        RESPONSE_TRAILERS => {
            let mutation = Written::default().message(1, &option("x-sum", "2"));
            vec![answer(
                RESPONSE_TRAILERS,
                &Written::default().message(1, &mutation),
            )]
        }
        _ => same(message),
    }
}

/// An upstream whose responses have this body.
fn upstream(text: &'static str) -> Upstream {
    Upstream::start()
        .answering(move |_| Some(http::Response::new(Bytes::from_static(text.as_bytes()))))
}

fn setup(service: &StreamService, upstream: Upstream, mode: &str) -> TestSetup {
    let extension = format!("{PATIENT}\n    processingMode: {{{mode}}}");
    let changer = changer(service.addr(), &extension, "");
    TestSetup::with_upstream(upstream, &changer, &[])
}

#[test]
fn bodies_of_responses_are_changed_in_every_mode() {
    let service = StreamService::start(capitals);
    for mode in ["STREAMED", "BUFFERED", "BUFFERED_PARTIAL"] {
        let mode = format!("requestHeaderMode: SKIP, responseBodyMode: {mode}");
        let setup = setup(&service, upstream("hello"), &mode);
        let response = setup.ask("GET /", "", "");
        assert_eq!((response.status, response.text()), (200, "HELLO"), "{mode}");
        let is_streamed = mode.contains("STREAMED");
        assert_eq!(response.header("content-length").is_none(), is_streamed);
        // There is no body to show.
        let head = setup.ask("HEAD /", "", "");
        assert_eq!(
            (head.status, head.header("content-length").is_some()),
            (200, true)
        );
    }
    let calls = service.calls();
    assert!(calls.iter().step_by(2).all(|call| call.len() == 2));
    assert!(calls.iter().skip(1).step_by(2).all(|call| call.len() == 1));
}

#[test]
fn trailers_of_responses_are_changed() {
    let service = StreamService::start(capitals);
    let upstream = RawServer::answer_each(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nx-sum: 1\r\n\r\n",
    );
    for (mode, text) in [("STREAMED", "BODY"), ("NONE", "body"), ("BUFFERED", "BODY")] {
        let mode = format!("responseBodyMode: {mode}, responseTrailerMode: SEND");
        let setup = setup(&service, Upstream::start(), &mode);
        let client = Http2Client::connect(setup.gateway.address());
        let response = client.get(&format!("http://a.example:{}/", upstream.port()));
        assert_eq!(response.text(), text);
        assert_eq!(response.trailers.get("x-sum"), Some("2"), "{mode}");
    }
}

#[test]
fn a_response_that_is_too_large_to_be_read_is_not_sent() {
    let service = StreamService::start(capitals);
    let path = format!("GET /bytes/{}", 2 * MIB);
    let whole = setup(&service, Upstream::start(), "responseBodyMode: BUFFERED");
    let refused = whole.ask(&path, "", "");
    assert_eq!(refused.status, 500);
    let told = refused.header("proxy-status").unwrap();
    assert!(told.contains("error=http_response_body_size"), "{told}");
    let partial = setup(
        &service,
        Upstream::start(),
        "responseBodyMode: BUFFERED_PARTIAL",
    );
    assert_eq!(partial.ask(&path, "", "").body.len(), 2 * MIB);
}

#[test]
fn the_status_and_the_whole_response_are_replaced() {
    let service = StreamService::start(|message| match kind(message.bytes) {
        RESPONSE_HEADERS => {
            let wanted = super::asked(message.bytes, "x-want").unwrap_or_default();
            let changes = match &*wanted {
                "status" => fields(&[(":status", "418")], &[]),
                "none" => fields(&[(":status", "204")], &[]),
                "odd" => fields(&[(":status", "99")], &[]),
                "own" => return vec![immediate(451, "not this")],
                _ => Written::default()
                    .number(1, 1)
                    .message(3, &Written::default().bytes(1, b"other")),
            };
            vec![answer(RESPONSE_HEADERS, &changes)]
        }
        _ => same(message),
    });
    let strict = format!("{PATIENT}\n    failOpen: false");
    let setup = TestSetup::new(service.addr(), &strict, &[]);
    let ask = |want: &str| setup.ask(&format!("GET /headers?x-want={want}"), "", "");
    for (want, status, text) in [
        ("status", 418, None),
        ("none", 204, Some("")),
        ("own", 451, Some("not this")),
        ("all", 200, Some("other")),
        ("odd", 500, None),
    ] {
        let response = ask(want);
        assert_eq!(response.status, status, "{want}");
        if let Some(text) = text {
            assert_eq!(response.text(), text, "{want}");
        }
    }
}

#[test]
fn a_response_that_is_refused_after_its_head_is_broken_off() {
    let service = StreamService::start(|message| match kind(message.bytes) {
        RESPONSE_BODY => vec![immediate(403, "too late")],
        _ => same(message),
    });
    let setup = setup(&service, Upstream::start(), "responseBodyMode: STREAMED");
    let mut client = setup.gateway.connect();
    client.send_request(setup.head("GET /bytes/10", ""));
    assert!(client.try_read_response().is_err());
    let record = &setup.gateway.wait_for_records(1)[0];
    assert_eq!(record["status"], 200);
    assert_eq!(record["reason"], "ext_proc");
}

#[test]
fn refusals_of_the_gateway_are_shown_to_the_service() {
    let service = StreamService::start(|message| match kind(message.bytes) {
        RESPONSE_HEADERS => {
            let status = super::asked(message.bytes, ":status").unwrap();
            vec![answer(
                RESPONSE_HEADERS,
                &fields(&[("x-seen", &status)], &[]),
            )]
        }
        _ => same(message),
    });
    let setup = TestSetup::new(service.addr(), PATIENT, &[]);
    let refused = setup.ask("GET /close", "", "");
    assert_eq!(
        (refused.status, refused.header("x-seen")),
        (502, Some("502"))
    );
}
