//! Shows responses to the service that saw their requests.

use std::rc::Rc;

use bytes::Bytes;
use egret_config::policy::ext_proc::{BodyMode, MessageMode};
use egret_config::policy::transformation::PseudoField;
use http::header::CONTENT_LENGTH;
use http::response::Parts;
use http::{HeaderMap, Response, StatusCode};
use http_body::Body as _;

use super::super::RequestClient;
use super::super::transformation::{ResponseScope, status};
use crate::body::{ResponseBody, UnreadBody};
use crate::message::response_head::has_no_content;
use crate::policy::ext_proc::{
    Answer, BodyStage, Direction, Processor, ProcessorFault, SectionQuestion, StageQuestions,
    response_too_large,
};
use crate::policy::transformation::MAX_BODY;
use crate::refusal::Refusal;

/// A response that a service sees.
pub(in super::super) struct SeenResponse {
    pub(in super::super) response: Response<ResponseBody>,
    pub(in super::super) scope: ResponseScope,
}

struct ResponseProcessing<'r> {
    processor: Rc<Processor>,
    head: Parts,
    body: ResponseBody,
    scope: ResponseScope,
    client: &'r RequestClient,
}

/// Shows a response to the service, as much of it as configured. A body that the service gets piece by piece is shown when it
/// is sent.
///
/// # Errors
/// [`Refusal::Denied`] if the service answers the client itself, gives no answer or the body is too large, and why the body
/// cannot be read.
pub(in super::super) async fn response(
    processor: Rc<Processor>,
    SeenResponse { response, scope }: SeenResponse,
    client: &RequestClient,
) -> Result<Response<ResponseBody>, Refusal> {
    let mode = processor.mode().response;
    let begins_tunnel = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    if begins_tunnel || processor.is_over() || !mode.sends_anything() {
        return Ok(response);
    }
    let context = &client.connection.context;
    let upstreams = &context.upstreams;
    upstreams.begin_conversation(&context.snapshot(), &processor);
    let (head, body) = response.into_parts();
    let mut processing = ResponseProcessing {
        processor,
        head,
        body,
        scope,
        client,
    };
    if !mode.headers || processing.headers().await? {
        processing.body().await?;
    }
    let ResponseProcessing { head, body, .. } = processing;
    Ok(Response::from_parts(head, body))
}

impl ResponseProcessing<'_> {
    fn has_body(&self) -> bool {
        let Self {
            head, body, scope, ..
        } = self;
        *scope == ResponseScope::All && !has_no_content(head.status) && !body.is_end_stream()
    }

    /// Shows the header. False if nothing more of the response is shown.
    async fn headers(&mut self) -> Result<bool, Refusal> {
        let Parts {
            status, headers, ..
        } = &self.head;
        let question = SectionQuestion::response_headers(*status, headers, !self.has_body());
        let Some(answer) = self.ask(question).await? else {
            return Ok(false);
        };
        if !answer.replaces_message {
            return Ok(true);
        }
        let may_have_body = self.scope == ResponseScope::All && !has_no_content(self.head.status);
        if let Some(data) = answer.body.filter(|_| may_have_body) {
            self.replace(data);
        }
        Ok(false)
    }

    /// Asks about a part of the response, and makes the changes to the header. `None` if there is no answer.
    async fn ask(&mut self, question: SectionQuestion) -> Result<Option<Answer>, Refusal> {
        self.processor.ask(question);
        let Some(answer) = self.processor.answer(Direction::Response).await? else {
            return Ok(None);
        };
        let changed = answer.fields.pseudo.iter();
        let mut changed = changed.filter(|(field, _)| *field == PseudoField::Status);
        if let Some((_, text)) = changed.next_back()
            && self.scope != ResponseScope::Fields
        {
            let Some(status) = status(text) else {
                let fault = ProcessorFault::Fields(":status is not one of 200 to 599");
                self.processor.rejects_answer(fault)?;
                return Ok(None);
            };
            self.change_status(status);
        }
        answer.fields.apply(&mut self.head.headers);
        Ok(Some(answer))
    }

    fn change_status(&mut self, status: StatusCode) {
        if has_no_content(self.head.status) != has_no_content(status) {
            self.replace(Bytes::new());
            self.head.headers.remove(CONTENT_LENGTH);
        }
        self.head.status = status;
    }

    /// Shows the body, as the service wants it.
    async fn body(&mut self) -> Result<(), Refusal> {
        let mode = self.processor.mode().response;
        if !self.has_body() || self.processor.is_over() {
            return Ok(());
        }
        let fault = |fault| match fault {
            UnreadBody::TooLarge => response_too_large(self.processor.policy(), MAX_BODY),
            UnreadBody::BrokenOff => Refusal::Terminated,
            UnreadBody::Timeout => Refusal::ResponseTimeout,
        };
        match mode.body {
            BodyMode::None => {}
            BodyMode::Streamed => {
                self.head.headers.remove(CONTENT_LENGTH);
                self.stage(mode, true);
                return Ok(());
            }
            BodyMode::Buffered => {
                let data = self.body.read_whole(MAX_BODY).await.map_err(fault)?;
                if self.whole_body(data, true).await? {
                    return Ok(());
                }
            }
            BodyMode::BufferedPartial => {
                let beginning = self.body.read_beginning(MAX_BODY).await.map_err(fault)?;
                if self.whole_body(beginning.data, beginning.is_whole).await? {
                    return Ok(());
                }
            }
        }
        if mode.trailers && !self.processor.is_over() {
            self.stage(mode, false);
        }
        Ok(())
    }

    /// Shows a body that was read, as a whole or its beginning. True if it takes the place of all of the body.
    async fn whole_body(&mut self, data: Bytes, is_whole: bool) -> Result<bool, Refusal> {
        let is_end = is_whole && !self.body.has_trailers();
        let question = SectionQuestion::body(Direction::Response, data.clone(), is_end);
        let Some(answer) = self.ask(question).await? else {
            return Ok(false);
        };
        if answer.replaces_message {
            self.replace(answer.body.unwrap_or(data));
            return Ok(true);
        }
        if let Some(data) = answer.body {
            state_length(&mut self.head.headers, is_end.then_some(data.len()));
            self.body.replace(data);
        }
        Ok(false)
    }

    /// Sends this in place of the body, whether or not there is one.
    fn replace(&mut self, data: Bytes) {
        state_length(&mut self.head.headers, Some(data.len()));
        let exchange = Rc::clone(&self.client.exchange);
        self.body = ResponseBody::text(data, exchange);
    }

    /// Has the rest of the body pass the service when it is sent.
    fn stage(&mut self, mode: MessageMode, data: bool) {
        let gives = StageQuestions {
            data,
            trailers: mode.trailers,
        };
        let processor = Rc::clone(&self.processor);
        let stage = BodyStage::new(processor, Direction::Response, gives);
        self.body.process(Box::new(stage));
    }
}

/// Says in the header how long the body is; `None` if that is not known, or trailers follow.
fn state_length(headers: &mut HeaderMap, length: Option<usize>) {
    match length {
        Some(length) => {
            headers.insert(CONTENT_LENGTH, length.into());
        }
        None => {
            headers.remove(CONTENT_LENGTH);
        }
    }
}
