//! Conversations in simulated time.

use std::time::Duration;

use tokio::time::timeout;

use super::*;
use crate::policy::envoy::ext_proc::{CommonReply, ImmediateResponse, Question, Reply, SomeTime};
use crate::policy::ext_proc::tests::{policy, proc};

const MS: Duration = Duration::from_millis(1);

struct Service {
    processor: Processor,
    conversation: Rc<Conversation>,
    body: MessageBody,
}

fn begin(change: impl FnOnce(&mut ExtProc)) -> Service {
    let mut proc = proc();
    change(&mut proc);
    let processor = Processor::new(
        &policy(),
        &Arc::new(proc),
        ClientForm::Plain,
        ToldFacts::default(),
    );
    let (conversation, body) = processor.open().unwrap();
    assert!(processor.open().is_none());
    Service {
        processor,
        conversation,
        body,
    }
}

fn piece(text: &'static str) -> SectionQuestion {
    SectionQuestion::body(Direction::Request, text.into(), false)
}

impl Service {
    /// What the service was told next; `None` if nothing more will come.
    fn told(&self) -> Option<ProcessingRequest> {
        let cx = Context::from_waker(Waker::noop());
        match self.body.poll_next(&cx) {
            Poll::Ready(piece) => {
                piece.map(|piece| ProcessingRequest::decode(&piece[5..]).unwrap())
            }
            Poll::Pending => panic!("nothing was said"),
        }
    }

    fn says(&self, reply: Reply) {
        let response = ProcessingResponse {
            response: Some(reply),
            ..ProcessingResponse::default()
        };
        self.conversation.heard(response.encode_to_vec().into());
    }

    fn answers_body(&self) {
        self.says(Reply::RequestBody(CommonReply::default()));
    }

    async fn answer(&self) -> Result<Option<Answer>, Refusal> {
        self.processor.answer(Direction::Request).await
    }
}

fn status(refused: Result<Option<Answer>, Refusal>) -> u16 {
    refused.unwrap_err().row().status.as_u16()
}

#[tokio::test(start_paused = true)]
async fn questions_are_answered_in_order() {
    let service = begin(|_| {});
    service.processor.ask(piece("a"));
    service.processor.ask(piece("b"));
    let first = service.told().unwrap();
    assert!(first.protocol_config.is_some());
    assert!(matches!(first.request, Some(Question::RequestBody(body)) if body.body == "a"));
    assert!(service.told().unwrap().protocol_config.is_none());
    service.answers_body();
    service.answers_body();
    for _ in 0..2 {
        assert_eq!(service.answer().await.unwrap(), Some(Answer::default()));
    }
    drop(service.processor);
    let cx = Context::from_waker(Waker::noop());
    assert_eq!(service.body.poll_next(&cx), Poll::Ready(None));
    service.conversation.over().await;
}

#[tokio::test(start_paused = true)]
async fn a_service_without_an_answer_fails_the_request_or_is_left_out() {
    for fails_open in [false, true] {
        let ask = || {
            let service = begin(|proc| proc.fails_open = fails_open);
            service.processor.ask(piece("a"));
            service
        };
        let slow = ask();
        let begun = clock::now();
        let answer = slow.answer().await;
        assert_eq!(clock::now() - begun, 200 * MS);
        let down = ask();
        down.conversation
            .ended(Err("no answer: connect_refused".to_owned()));
        let unasked = ask();
        unasked.says(Reply::RequestHeaders(CommonReply::default()));
        let garbage = ask();
        garbage.conversation.heard(Bytes::from_static(b"\xff\xff"));
        let answers = [
            (answer, 504),
            (down.answer().await, 500),
            (unasked.answer().await, 500),
            (garbage.answer().await, 500),
        ];
        for (answer, expected) in answers {
            match fails_open {
                true => assert_eq!(answer.unwrap(), None),
                false => assert_eq!(status(answer), expected),
            }
        }
        assert_eq!(slow.processor.is_refused(), !fails_open);
        // What is said later is not heard.
        slow.answers_body();
        assert_eq!(slow.answer().await.is_ok(), fails_open);
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_ends_the_conversation_is_left_out() {
    let service = begin(|proc| proc.fails_open = false);
    service.processor.ask(piece("a"));
    service.processor.ask(piece("b"));
    service.answers_body();
    service.conversation.ended(Ok(()));
    assert!(service.answer().await.unwrap().is_some());
    assert_eq!(service.answer().await.unwrap(), None);
    assert!(service.processor.is_over() && !service.processor.is_refused());
}

#[tokio::test(start_paused = true)]
async fn a_service_that_asks_for_more_time_gets_it() {
    let service = begin(|proc| {
        proc.fails_open = false;
        proc.max_message_timeout = Some(900 * MS);
    });
    service.processor.ask(piece("a"));
    let late = async {
        sleep_until((clock::now() + 150 * MS).into()).await;
        let more = ProcessingResponse {
            override_message_timeout: Some(SomeTime {
                seconds: 0,
                nanos: 900_000_000,
            }),
            ..ProcessingResponse::default()
        };
        service.conversation.heard(more.encode_to_vec().into());
        sleep_until((clock::now() + 800 * MS).into()).await;
        service.answers_body();
    };
    let (answer, ()) = tokio::join!(service.answer(), late);
    assert_eq!(answer.unwrap(), Some(Answer::default()));
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_learns_that_the_request_is_refused() {
    let service = begin(|_| {});
    service.processor.ask(piece("a"));
    let pending = timeout(100 * MS, service.processor.refused()).await;
    assert!(pending.is_err());
    let immediate = async {
        let response = ImmediateResponse {
            details: "not\nyou".to_owned(),
            body: "no".into(),
            ..ImmediateResponse::default()
        };
        service.says(Reply::Immediate(response));
    };
    let (refusal, answer, ()) =
        tokio::join!(service.processor.refused(), service.answer(), immediate);
    assert_eq!(refusal.row().status, 200);
    assert_eq!(status(answer), 200);
    let response = refusal.response(&crate::refusal::RefusalSubject::default());
    assert_eq!(response.body(), "no");
}
