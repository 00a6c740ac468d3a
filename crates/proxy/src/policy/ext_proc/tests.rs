//! What the tests of this policy have in common, and what a service gets of a message.

use std::time::Duration;

use egret_config::policy::ext_proc::{BodyMode, MessageMode, ModeOverrides, ProcessingMode};
use egret_config::policy::service::{CalledService, ServiceId};
use egret_config::resources::{Kind, ObjectRef};
use http::header::HOST;
use http::{HeaderMap, HeaderValue, Request, StatusCode};

use super::question::SectionQuestion;
use super::*;
use crate::policy::envoy::ext_proc::{HttpHeaders, Question};

const HEADERS: MessageMode = MessageMode {
    headers: true,
    body: BodyMode::None,
    trailers: false,
};
/// The default mode.
pub(super) const MODE: ProcessingMode = ProcessingMode {
    request: HEADERS,
    response: HEADERS,
};

pub(super) fn policy() -> ObjectRef {
    ObjectRef::new(Kind::TrafficPolicy, "n", "p")
}

pub(super) fn proc() -> ExtProc {
    ExtProc {
        service: CalledService {
            id: ServiceId::new(&policy(), "x"),
            authority: "proc:9000".to_owned(),
            timeout: Duration::from_secs(60),
            retries: 0,
            back_off: (Duration::ZERO, Duration::ZERO),
        },
        fails_open: true,
        message_timeout: Duration::from_millis(200),
        max_message_timeout: None,
        mode: MODE,
        overrides: ModeOverrides::Ignored,
        attributes: Vec::new(),
        forwards_claims: false,
        forwards_authorization: false,
    }
}

/// The fields of a question about a header, as text.
fn fields(question: SectionQuestion) -> String {
    let (Question::RequestHeaders(headers) | Question::ResponseHeaders(headers)) =
        question.question
    else {
        panic!("no question about a header");
    };
    let HttpHeaders {
        headers,
        end_of_stream,
    } = headers;
    let fields = headers.unwrap().headers;
    let fields = fields.iter().map(|field| {
        let value = String::from_utf8_lossy(&field.raw_value);
        format!("{}={value};", field.key)
    });
    format!("{}{end_of_stream}", fields.collect::<String>())
}

#[test]
fn a_service_gets_all_fields_but_what_is_for_the_proxy() {
    let request = |method: &str, uri: &str| {
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header(HOST, "a.test:81")
            .header("proxy-authorization", "Basic secret")
            .header("x-a", "1")
            .header("x-a", "2");
        request.body(()).unwrap().into_parts().0
    };
    let get = request("GET", "http://a.test:81/a?b=c");
    let told = fields(SectionQuestion::request_headers(&get, "http", true));
    let expected = ":authority=a.test:81;:method=GET;:path=/a?b=c;:scheme=http;x-a=1;x-a=2;true";
    assert_eq!(told, expected);
    let connect = request("CONNECT", "a.test:81");
    let told = fields(SectionQuestion::request_headers(&connect, "http", false));
    assert_eq!(
        told,
        ":authority=a.test:81;:method=CONNECT;x-a=1;x-a=2;false"
    );
    let headers = HeaderMap::from_iter([(HOST, HeaderValue::from_static("h"))]);
    let told = SectionQuestion::response_headers(StatusCode::NOT_FOUND, &headers, false);
    assert_eq!(fields(told), ":status=404;host=h;false");
}

#[test]
fn a_path_takes_the_place_of_another_in_every_form() {
    for (uri, expected) in [("/a?b", "/c?d"), ("http://h.test/a", "http://h.test/c?d")] {
        let mut changed: Uri = uri.parse().unwrap();
        replace_path(&mut changed, &PathAndQuery::from_static("/c?d"));
        assert_eq!(changed, expected);
    }
}
