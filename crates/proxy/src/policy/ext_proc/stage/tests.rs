//! Bodies on their way past a service.

use std::convert::Infallible;
use std::task::Waker;

use http::HeaderValue;
use prost::Message as _;

use super::*;
use crate::policy::envoy::HeaderField;
use crate::policy::envoy::auth::HeaderOption;
use crate::policy::envoy::ext_proc::{
    BodyMutation, CommonReply, CommonResponse, HeaderMutation, NewBody, ProcessingRequest,
    ProcessingResponse, Question, Reply, TrailersReply,
};
use crate::policy::ext_proc::Conversation;
use crate::policy::ext_proc::conversation::ToldFacts;
use crate::policy::ext_proc::denial::ClientForm;
use crate::policy::ext_proc::tests::{policy, proc};
use crate::transfer::MessageBody;

/// A body, with what comes of it and what the service was told.
struct Way {
    stage: BodyStage,
    source: VecDeque<SourceFrame>,
    source_has_ended: bool,
    conversation: Rc<Conversation>,
    told: MessageBody,
}

const ALL: StageQuestions = StageQuestions {
    data: true,
    trailers: true,
};

fn way(gives: StageQuestions, fails_open: bool) -> Way {
    let mut proc = proc();
    proc.fails_open = fails_open;
    let processor = Processor::new(
        &policy(),
        &proc.into(),
        ClientForm::Plain,
        ToldFacts::default(),
    );
    let (conversation, told) = processor.open().unwrap();
    Way {
        stage: BodyStage::new(processor.into(), Direction::Request, gives),
        source: VecDeque::new(),
        source_has_ended: false,
        conversation,
        told,
    }
}

impl Way {
    fn comes(&mut self, data: &'static str, is_last: bool) {
        self.source.push_back(SourceFrame {
            frame: Frame::data(data.into()),
            is_last,
        });
    }

    fn ends_with_trailers(&mut self) {
        let trailers = HeaderMap::from_iter([("x-sum".parse().unwrap(), HeaderValue::from(1))]);
        self.source.push_back(SourceFrame {
            frame: Frame::trailers(trailers),
            is_last: true,
        });
    }

    /// What comes out next: data, or trailers in brackets; `-` for nothing now, `!` for a refusal, `.` for the end.
    fn next(&mut self) -> String {
        let Self {
            stage,
            source,
            source_has_ended,
            ..
        } = self;
        let mut cx = Context::from_waker(Waker::noop());
        let polled = stage.poll(&mut cx, |_| match source.pop_front() {
            Some(frame) => Poll::Ready(Some(Ok::<_, Infallible>(frame))),
            None if *source_has_ended => Poll::Ready(None),
            None => Poll::Pending,
        });
        match polled {
            Poll::Pending => "-".to_owned(),
            Poll::Ready(None) => ".".to_owned(),
            Poll::Ready(Some(Err(_))) => "!".to_owned(),
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => String::from_utf8(data.to_vec()).unwrap(),
                Err(frame) => format!("{:?}", frame.into_trailers().unwrap()),
            },
        }
    }

    /// What the service was told: pieces, with a dot after the last, and trailers as `T`.
    fn told(&self) -> String {
        let cx = Context::from_waker(Waker::noop());
        let mut told = Vec::new();
        while let Poll::Ready(Some(piece)) = self.told.poll_next(&cx) {
            let request = ProcessingRequest::decode(&piece[5..]).unwrap().request;
            told.push(match request {
                Some(Question::RequestBody(body)) => {
                    let text = String::from_utf8(body.body.to_vec()).unwrap();
                    let end = if body.end_of_stream { "." } else { "" };
                    format!("{text}{end}")
                }
                Some(Question::RequestTrailers(_)) => "T".to_owned(),
                other => panic!("{other:?}"),
            });
        }
        told.join(" ")
    }

    fn answers(&self, reply: Reply) {
        let response = ProcessingResponse {
            response: Some(reply),
            ..ProcessingResponse::default()
        };
        self.conversation.heard(response.encode_to_vec().into());
    }

    fn answers_data(&self, new: Option<NewBody>) {
        let response = CommonResponse {
            body_mutation: new.map(|new| BodyMutation {
                mutation: Some(new),
            }),
            ..CommonResponse::default()
        };
        self.answers(Reply::RequestBody(CommonReply {
            response: Some(response),
        }));
    }
}

#[tokio::test(start_paused = true)]
async fn pieces_go_on_as_the_service_makes_them() {
    let mut way = way(ALL, true);
    way.comes("a", false);
    way.comes("b", false);
    way.comes("", false);
    assert_eq!(way.next(), "-");
    assert_eq!(way.told(), "a b");
    way.answers_data(Some(NewBody::Body("AA".into())));
    assert_eq!(way.next(), "AA");
    way.comes("c", true);
    assert_eq!(way.next(), "-");
    assert_eq!(way.told(), "c.");
    way.answers_data(Some(NewBody::Clear(true)));
    way.answers_data(None);
    assert!(!way.stage.has_ended(true));
    assert_eq!((way.next(), way.next()), ("c".to_owned(), ".".to_owned()));
    assert!(way.stage.has_ended(true));
}

#[tokio::test(start_paused = true)]
async fn a_service_is_told_the_end_and_changes_the_trailers() {
    let mut bare = way(ALL, true);
    bare.comes("a", false);
    bare.source_has_ended = true;
    assert_eq!(bare.next(), "-");
    assert_eq!(bare.told(), "a .");
    let mut way = way(ALL, true);
    way.comes("a", false);
    way.ends_with_trailers();
    assert_eq!(way.next(), "-");
    assert_eq!(way.told(), "a T");
    way.answers_data(None);
    assert_eq!(way.next(), "a");
    let field = HeaderField {
        key: "x-sum".to_owned(),
        value: "2".to_owned(),
        raw_value: Vec::new(),
    };
    let option = HeaderOption {
        header: Some(field),
        ..HeaderOption::default()
    };
    way.answers(Reply::RequestTrailers(TrailersReply {
        header_mutation: Some(HeaderMutation {
            set_headers: vec![option],
            remove_headers: Vec::new(),
        }),
    }));
    assert_eq!(way.next(), "{\"x-sum\": \"2\"}");
    assert_eq!(way.next(), ".");
}

#[tokio::test(start_paused = true)]
async fn what_the_service_does_not_get_passes_in_order() {
    let only_data = StageQuestions {
        trailers: false,
        ..ALL
    };
    let mut first = way(only_data, true);
    first.comes("a", false);
    first.ends_with_trailers();
    assert_eq!(first.next(), "-");
    assert_eq!(first.told(), "a");
    first.answers_data(None);
    assert_eq!(first.next(), "a");
    assert_eq!(first.next(), "{\"x-sum\": \"1\"}");
    let only_trailers = StageQuestions { data: false, ..ALL };
    let mut second = way(only_trailers, true);
    second.stage.read_ahead([Frame::data("x".into())]);
    second.comes("a", false);
    second.ends_with_trailers();
    assert_eq!(
        (second.next(), second.next()),
        ("x".to_owned(), "a".to_owned())
    );
    assert_eq!(second.next(), "-");
    assert_eq!(second.told(), "T");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_when_the_service_goes_away() {
    for (how, fails_open, rest) in [
        (Ok(()), false, ["b", "c", "."]),
        (Err("gone".to_owned()), true, ["b", "c", "."]),
        (Err("gone".to_owned()), false, ["!", "!", "!"]),
    ] {
        let mut way = way(ALL, fails_open);
        way.comes("a", false);
        way.comes("b", false);
        assert_eq!(way.next(), "-");
        way.answers_data(Some(NewBody::Body("A".into())));
        assert_eq!(way.next(), "A");
        way.comes("c", true);
        way.conversation.ended(how);
        assert_eq!([way.next(), way.next(), way.next()], rest);
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_slow_stops_the_body() {
    let mut way = way(ALL, true);
    let big = Bytes::from(vec![b'x'; 100 * 1024]);
    for _ in 0..10 {
        way.source.push_back(SourceFrame {
            frame: Frame::data(big.clone()),
            is_last: false,
        });
    }
    assert_eq!(way.next(), "-");
    assert_eq!(way.source.len(), 7);
    way.answers_data(None);
    assert_eq!(way.next().len(), big.len());
    assert_eq!(way.next(), "-");
    assert_eq!(way.source.len(), 6);
    let mut small = self::way(ALL, true);
    for _ in 0..20 {
        small.comes("x", false);
    }
    assert_eq!(small.next(), "-");
    assert_eq!(small.source.len(), 4);
}
