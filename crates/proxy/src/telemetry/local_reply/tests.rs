//! What mappers make of a response, for one kind of exchange.

use egret_config::access_log::{
    ComparisonOperator, LogFilter, LogFormat, NumberComparison, ResponseFlag,
};
use egret_config::policy::headers::HeaderEdit;
use egret_config::snapshot::{BodyFormat, LocalReplyMapper};
use http::{HeaderName, StatusCode};

use super::*;
use crate::telemetry::access_log::situations;

/// A mapper of every response that changes nothing.
fn mapper() -> LocalReplyMapper {
    LocalReplyMapper {
        filter: LogFilter::All,
        status: None,
        body: None,
        format: None,
        headers: HeaderEdit::default(),
    }
}

fn text(format: &str) -> BodyFormat {
    BodyFormat {
        format: LogFormat::text(format).unwrap(),
        content_type: TEXT,
    }
}

fn json(object: &str) -> BodyFormat {
    BodyFormat {
        format: LogFormat::json(&serde_json::from_str(object).unwrap()).unwrap(),
        content_type: HeaderValue::from_static("application/json"),
    }
}

fn refusal() -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(b"egret: no\n"));
    *response.status_mut() = StatusCode::FORBIDDEN;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    let phrase = ReasonPhrase::from_static(b"Forbidden: no");
    response.extensions_mut().insert(phrase);
    response
}

fn of(replies: &LocalReplies, response: Response<Bytes>) -> Response<Bytes> {
    let mut made = None;
    let mut response = Some(response);
    situations::refused().with_record(&replies.inputs, |record| {
        let mut record = record.clone();
        record.status = response.as_ref().map(Response::status);
        made = response
            .take()
            .map(|response| mapped(replies, record, response));
    });
    made.unwrap()
}

fn told(response: &Response<Bytes>) -> (u16, Option<&str>, &str) {
    let kind = response.headers().get(CONTENT_TYPE);
    (
        response.status().as_u16(),
        kind.map(|kind| kind.to_str().unwrap()),
        str::from_utf8(response.body()).unwrap(),
    )
}

#[test]
fn the_first_mapper_that_fits_changes_the_response() {
    let status = |operator, value| LogFilter::StatusCode(NumberComparison { operator, value });
    let name = HeaderName::from_static("x-why");
    let fitting = LocalReplyMapper {
        filter: status(ComparisonOperator::AtLeast, 400),
        status: Some(StatusCode::BAD_GATEWAY),
        body: Some("not today".into()),
        headers: HeaderEdit {
            set: vec![(name.clone(), HeaderValue::from_static("policy"))],
            ..HeaderEdit::default()
        },
        ..mapper()
    };
    let other = LocalReplyMapper {
        filter: status(ComparisonOperator::Equal, 404),
        status: Some(StatusCode::OK),
        ..mapper()
    };
    let last = LocalReplyMapper {
        status: Some(StatusCode::IM_A_TEAPOT),
        ..mapper()
    };
    let replies = LocalReplies::new(vec![other, fitting, last], None);
    let response = of(&replies, refusal());
    assert_eq!(told(&response), (502, Some("text/plain"), "not today"));
    assert_eq!(response.headers()[&name], "policy");
    let phrase = response.extensions().get::<ReasonPhrase>();
    assert!(phrase.is_none(), "it says another status");
}

#[test]
fn what_no_mapper_takes_is_as_it_was() {
    let flags = LogFilter::Flags(vec![ResponseFlag::named("DC").unwrap()]);
    let replies = LocalReplies::new(
        vec![LocalReplyMapper {
            filter: flags,
            body: Some("x".into()),
            ..mapper()
        }],
        None,
    );
    let response = of(&replies, refusal());
    let plain = Some("text/plain; charset=utf-8");
    assert_eq!(told(&response), (403, plain, "egret: no\n"));
    assert!(response.extensions().get::<ReasonPhrase>().is_some());
}

#[test]
fn formats_tell_the_body_and_the_new_status() {
    let object = r#"{"error": {"code": "%RESPONSE_CODE%", "said": "%LOCAL_REPLY_BODY%"}}"#;
    let changed = LocalReplyMapper {
        status: Some(StatusCode::SERVICE_UNAVAILABLE),
        body: Some("later".into()),
        ..mapper()
    };
    let own = LocalReplyMapper {
        format: Some(text("<%LOCAL_REPLY_BODY%>")),
        ..changed.clone()
    };
    let expected = "{\"error\":{\"code\":503,\"said\":\"later\"}}\n";
    let replies = LocalReplies::new(vec![changed], Some(json(object)));
    let response = of(&replies, refusal());
    assert_eq!(told(&response), (503, Some("application/json"), expected));
    let replies = LocalReplies::new(vec![own], Some(json(object)));
    let response = of(&replies, refusal());
    assert_eq!(told(&response), (503, Some("text/plain"), "<later>"));
}

#[test]
fn the_type_of_a_mapper_stays() {
    let html = HeaderValue::from_static("text/html");
    let typed = LocalReplyMapper {
        body: Some("<p>no</p>".into()),
        headers: HeaderEdit {
            set: vec![(CONTENT_TYPE, html)],
            ..HeaderEdit::default()
        },
        ..mapper()
    };
    let replies = LocalReplies::new(vec![typed], None);
    assert_eq!(
        told(&of(&replies, refusal())),
        (403, Some("text/html"), "<p>no</p>")
    );
    let empty = LocalReplyMapper {
        body: Some("".into()),
        ..mapper()
    };
    let replies = LocalReplies::new(vec![empty], None);
    assert_eq!(told(&of(&replies, refusal())), (403, None, ""));
    // A redirect has no body, and gets one from the format.
    let replies = LocalReplies::new(Vec::new(), Some(text("%RESPONSE_CODE%")));
    let mut redirect = Response::new(Bytes::new());
    *redirect.status_mut() = StatusCode::FOUND;
    assert_eq!(
        told(&of(&replies, redirect)),
        (302, Some("text/plain"), "302")
    );
}
