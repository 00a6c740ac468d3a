//! What a service may say, and when.

use egret_config::policy::ext_proc::ModeOverrides;

use super::*;
use crate::policy::envoy::auth::HttpStatus;
use crate::policy::ext_proc::tests::{MODE, proc};

const MS: Duration = Duration::from_millis(1);

fn now() -> Instant {
    crate::clock::now()
}

fn reply(reply: Reply) -> ProcessingResponse {
    ProcessingResponse {
        response: Some(reply),
        ..ProcessingResponse::default()
    }
}

fn dialogue() -> Dialogue {
    Dialogue::new(Arc::new(proc()))
}

/// What was asked, what is said, and about which message that is.
type AnswerCase<'a> = (
    &'a [(Direction, Section)],
    Reply,
    Result<Direction, ProcessorFault>,
);

#[test]
fn an_answer_is_to_the_first_question_about_its_message() {
    use Direction::{Request, Response};
    use Section::{Body, Headers, Trailers};
    let common = CommonReply::default;
    let of_request = || Reply::RequestBody(common());
    let cases: Vec<AnswerCase<'_>> = vec![
        (
            &[(Request, Headers)],
            Reply::RequestHeaders(common()),
            Ok(Request),
        ),
        (
            &[(Request, Body), (Request, Body)],
            of_request(),
            Ok(Request),
        ),
        (
            &[(Request, Body), (Response, Headers)],
            Reply::ResponseHeaders(common()),
            Ok(Response),
        ),
        (
            &[(Response, Trailers)],
            Reply::ResponseTrailers(TrailersReply::default()),
            Ok(Response),
        ),
        (
            &[],
            Reply::RequestHeaders(common()),
            Err(ProcessorFault::Unasked),
        ),
        (
            &[(Request, Headers)],
            of_request(),
            Err(ProcessorFault::Unasked),
        ),
        (
            &[(Request, Headers)],
            Reply::ResponseHeaders(common()),
            Err(ProcessorFault::Unasked),
        ),
        (
            &[(Request, Body), (Request, Trailers)],
            Reply::RequestTrailers(TrailersReply::default()),
            Err(ProcessorFault::Unasked),
        ),
    ];
    for (asked, said, expected) in cases {
        let mut dialogue = dialogue();
        for (direction, section) in asked {
            dialogue.asked(*direction, *section, now());
        }
        let heard = dialogue.heard(reply(said.clone()), now());
        let heard = heard.map(|heard| match heard {
            HeardMessage::Answer(direction, _) => direction,
            other => panic!("{other:?}"),
        });
        assert_eq!(heard, expected, "{asked:?} {said:?}");
    }
    let empty = dialogue().heard(ProcessingResponse::default(), now());
    assert_eq!(empty, Err(ProcessorFault::Empty));
}

#[test]
fn a_service_answers_the_client_whenever_it_wants() {
    let immediate = ImmediateResponse {
        status: Some(HttpStatus { code: 403 }),
        ..ImmediateResponse::default()
    };
    let heard = dialogue().heard(reply(Reply::Immediate(immediate.clone())), now());
    assert_eq!(heard, Ok(HeardMessage::Immediate(Box::new(immediate))));
}

#[test]
fn each_answer_has_its_time() {
    let begin = now();
    let mut dialogue = dialogue();
    let at = |dialogue: &Dialogue| {
        let deadline = dialogue.deadline(Direction::Request);
        deadline.map(|deadline| deadline - begin)
    };
    assert_eq!(at(&dialogue), None);
    dialogue.asked(Direction::Request, Section::Body, begin);
    dialogue.asked(Direction::Request, Section::Body, begin + 150 * MS);
    assert_eq!(at(&dialogue), Some(200 * MS));
    assert_eq!(dialogue.deadline(Direction::Response), None);
    let body = || reply(Reply::RequestBody(CommonReply::default()));
    dialogue.heard(body(), begin + 190 * MS).unwrap();
    assert_eq!(at(&dialogue), Some(390 * MS));
    dialogue.heard(body(), begin + 200 * MS).unwrap();
    assert_eq!(at(&dialogue), None);
}

#[test]
fn a_service_gets_more_time_once_and_within_limits() {
    let begin = now();
    let wanted = |millis: i32| ProcessingResponse {
        override_message_timeout: Some(SomeTime {
            seconds: 0,
            nanos: millis * 1_000_000,
        }),
        ..ProcessingResponse::default()
    };
    for (most, asks, expected) in [
        (None, &[500][..], 200 * MS),
        (Some(600 * MS), &[500], 600 * MS),
        (Some(600 * MS), &[500, 600], 600 * MS),
        (Some(600 * MS), &[601], 200 * MS),
        (Some(600 * MS), &[0, -1, 50], 150 * MS),
    ] {
        let mut dialogue = Dialogue::new(Arc::new(ExtProc {
            max_message_timeout: most,
            ..proc()
        }));
        dialogue.asked(Direction::Request, Section::Headers, begin);
        for millis in asks {
            let heard = dialogue.heard(wanted(*millis), begin + 100 * MS);
            assert_eq!(heard, Ok(HeardMessage::MoreTime));
        }
        let deadline = dialogue.deadline(Direction::Request).unwrap();
        assert_eq!(deadline - begin, expected, "{most:?} {asks:?}");
    }
}

#[test]
fn the_mode_is_changed_by_answers_about_headers_if_that_is_allowed() {
    let chosen = |body: BodySendMode| ModeOverride {
        request_body_mode: body.into(),
        ..ModeOverride::default()
    };
    let buffered = ProcessingMode {
        request: MessageMode {
            body: BodyMode::Buffered,
            ..MODE.request
        },
        ..MODE
    };
    let headers = Reply::RequestHeaders(CommonReply::default());
    let body = Reply::RequestBody(CommonReply::default());
    for (overrides, section, said, body, expected) in [
        (
            ModeOverrides::Any,
            Section::Headers,
            &headers,
            BodySendMode::Buffered,
            buffered,
        ),
        (
            ModeOverrides::Ignored,
            Section::Headers,
            &headers,
            BodySendMode::Buffered,
            MODE,
        ),
        (
            ModeOverrides::Among(vec![MODE]),
            Section::Headers,
            &headers,
            BodySendMode::Buffered,
            MODE,
        ),
        (
            ModeOverrides::Any,
            Section::Body,
            &body,
            BodySendMode::Buffered,
            MODE,
        ),
        (
            ModeOverrides::Any,
            Section::Headers,
            &headers,
            BodySendMode::FullDuplexStreamed,
            MODE,
        ),
    ] {
        let mut dialogue = Dialogue::new(Arc::new(ExtProc {
            overrides,
            ..proc()
        }));
        dialogue.asked(Direction::Request, section, now());
        let message = ProcessingResponse {
            mode_override: Some(chosen(body)),
            ..reply(said.clone())
        };
        dialogue.heard(message, now()).unwrap();
        assert_eq!(dialogue.mode(), expected, "{section:?} {body:?}");
    }
}

#[test]
fn bodies_are_replaced_or_cleared() {
    for (new, expected) in [
        (
            NewBody::Body("b".into()),
            Ok(Some(Bytes::from_static(b"b"))),
        ),
        (NewBody::Clear(true), Ok(Some(Bytes::new()))),
        (NewBody::Clear(false), Ok(None)),
        (NewBody::Streamed("".into()), Err(ProcessorFault::Unasked)),
    ] {
        let mutation = BodyMutation {
            mutation: Some(new.clone()),
        };
        assert_eq!(new_body(mutation), expected, "{new:?}");
    }
}
