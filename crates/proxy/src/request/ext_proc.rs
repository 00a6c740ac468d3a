//! Shows requests and responses to the service of `extProc` of a TrafficPolicy, and makes its changes.

use std::rc::Rc;

use bytes::Bytes;
use egret_config::policy::ext_proc::{BodyMode, MessageMode};
use egret_config::policy::traffic::TrafficSettings;
use egret_config::snapshot::Scheme;
use http::header::{CONTENT_LENGTH, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use http::request::Parts;
use http_body::Body as _;

use super::buffer;
use super::limits::Enquiry;
use crate::policy::ext_proc::{
    Answer, BodyStage, Direction, Processor, SectionQuestion, StageQuestions, request_too_large,
};
use crate::policy::{Cleared, ProcessedRequest, Unprocessed};
use crate::refusal::Refusal;
use crate::upstream::{RequestBody, WholeBodyFault};

mod response;

pub(super) use response::{SeenResponse, response};

/// A request that a service sees.
pub(super) struct SeenRequest<'r> {
    pub(super) parts: &'r mut Parts,
    pub(super) body: &'r mut RequestBody,
    pub(super) scheme: Scheme,
    /// Whether it asks for a tunnel, in which there are no bodies to see.
    pub(super) is_tunnel: bool,
}

/// A request that a service has seen, and the service, which may see its response.
pub(super) struct Processed<'a> {
    pub(super) cleared: Cleared<'a>,
    pub(super) processor: Rc<Processor>,
}

/// A request that a service sees, and what it has said.
struct RequestProcessing<'r, 'a> {
    unprocessed: Box<Unprocessed<'a>>,
    processor: Rc<Processor>,
    request: SeenRequest<'r>,
    /// The most bytes of a body that is read as a whole.
    most: usize,
}

/// Shows a request to the service, as much of it as configured. A body that the service gets piece by piece is shown when it
/// is sent.
///
/// # Errors
/// [`Refusal::Denied`] if the service answers the client itself, gives no answer or the body is too large;
/// [`Refusal::Policy`] with what denies another method or path; [`Refusal::RequestBody`] if the client does not send its body.
pub(super) async fn request<'a>(
    unprocessed: Box<Unprocessed<'a>>,
    request: SeenRequest<'_>,
    policies: &TrafficSettings,
    enquiry: Enquiry<'_>,
) -> Result<Processed<'a>, Refusal> {
    let Enquiry {
        exchange,
        upstreams,
        snapshot,
        ..
    } = enquiry;
    let mut processing = RequestProcessing {
        processor: Rc::new(unprocessed.processor(request.parts, request.is_tunnel)),
        unprocessed,
        request,
        most: buffer::most(policies),
    };
    let mode = processing.processor.mode().request;
    if mode.sends_anything() {
        upstreams.begin_conversation(snapshot, &processing.processor);
        if !mode.headers || processing.headers().await? {
            processing.body().await?;
        }
    }
    let RequestProcessing {
        unprocessed,
        processor,
        ..
    } = processing;
    let ProcessedRequest { cleared, decision } = unprocessed.processed()?;
    if let Some(decision) = decision {
        exchange.cleared(&decision);
    }
    Ok(Processed { cleared, processor })
}

/// What is made of a request that is sent, unless the service answers the client itself before, or fails it.
///
/// # Errors
/// Likewise.
pub(super) async fn unless_refused<T>(
    processor: Rc<Processor>,
    sent: impl Future<Output = Result<T, Refusal>>,
) -> Result<T, Refusal> {
    tokio::select! {
        biased;
        refusal = processor.refused() => Err(refusal),
        sent = sent => sent.map_err(|refusal| processor.refusal().unwrap_or(refusal)),
    }
}

impl RequestProcessing<'_, '_> {
    /// Shows the header. False if nothing more of the request is shown.
    async fn headers(&mut self) -> Result<bool, Refusal> {
        let SeenRequest {
            parts,
            body,
            scheme,
            is_tunnel,
        } = &self.request;
        let is_end = *is_tunnel || body.is_end_stream();
        let question = SectionQuestion::request_headers(parts, scheme.as_str(), is_end);
        let Some(answer) = self.ask(question).await? else {
            return Ok(false);
        };
        if !answer.replaces_message {
            return Ok(true);
        }
        if let Some(data) = answer.body.filter(|_| !self.request.is_tunnel) {
            self.replace(data);
        }
        Ok(false)
    }

    /// Asks about a part of the request, and makes the changes to the header. `None` if there is no answer.
    async fn ask(&mut self, question: SectionQuestion) -> Result<Option<Answer>, Refusal> {
        self.processor.ask(question);
        let Some(answer) = self.processor.answer(Direction::Request).await? else {
            return Ok(None);
        };
        let SeenRequest {
            parts, is_tunnel, ..
        } = &mut self.request;
        if let Err(fault) = self.unprocessed.change(&answer, parts, *is_tunnel) {
            self.processor.rejects_answer(fault)?;
            return Ok(None);
        }
        Ok(Some(answer))
    }

    /// Shows the body, as the service wants it.
    async fn body(&mut self) -> Result<(), Refusal> {
        let mode = self.processor.mode().request;
        let SeenRequest {
            parts,
            body,
            is_tunnel,
            ..
        } = &mut self.request;
        if *is_tunnel || body.is_end_stream() || self.processor.is_over() {
            return Ok(());
        }
        let fault = |fault| match fault {
            WholeBodyFault::TooLarge => request_too_large(self.processor.policy(), self.most),
            WholeBodyFault::Incomplete => Refusal::RequestBody,
        };
        match mode.body {
            BodyMode::None => {}
            BodyMode::Streamed => {
                state_length(&mut parts.headers, None);
                self.stage(mode, true);
                return Ok(());
            }
            BodyMode::Buffered => {
                body.read_whole(self.most).await.map_err(fault)?;
                if self.whole_body(true).await? {
                    return Ok(());
                }
            }
            BodyMode::BufferedPartial => {
                let beginning = body.read_beginning(self.most).await.map_err(fault)?;
                if self.whole_body(beginning.is_whole).await? {
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
    async fn whole_body(&mut self, is_whole: bool) -> Result<bool, Refusal> {
        let body = &self.request.body;
        let data = body.buffered();
        let is_end = is_whole && !body.has_trailers();
        let question = SectionQuestion::body(Direction::Request, data.clone(), is_end);
        let Some(answer) = self.ask(question).await? else {
            return Ok(false);
        };
        if answer.replaces_message {
            self.replace(answer.body.unwrap_or(data));
            return Ok(true);
        }
        if let Some(data) = answer.body {
            let length = is_end.then_some(data.len());
            state_length(&mut self.request.parts.headers, length);
            self.request.body.replace_data(data);
        }
        Ok(false)
    }

    /// Sends this in place of the body, whether or not there is one.
    fn replace(&mut self, data: Bytes) {
        let SeenRequest { parts, body, .. } = &mut self.request;
        state_length(&mut parts.headers, Some(data.len()));
        body.replace(data);
    }

    /// Has the rest of the body pass the service when it is sent.
    fn stage(&mut self, mode: MessageMode, data: bool) {
        let gives = StageQuestions {
            data,
            trailers: mode.trailers,
        };
        let processor = Rc::clone(&self.processor);
        let stage = BodyStage::new(processor, Direction::Request, gives);
        self.request.body.process(Box::new(stage));
    }
}

/// Says in the header how long the body is; `None` if that is not known, or trailers follow.
fn state_length(headers: &mut HeaderMap, length: Option<usize>) {
    if let Some(length) = length {
        headers.remove(TRANSFER_ENCODING);
        headers.insert(CONTENT_LENGTH, length.into());
    } else {
        headers.remove(CONTENT_LENGTH);
        // Tells the HTTP client that a body of unknown length follows.
        let chunked = HeaderValue::from_static("chunked");
        headers.insert(TRANSFER_ENCODING, chunked);
    }
}
