//! What a service was asked about a request and its response, and what its answers mean. Pure: it is told the time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use egret_config::policy::ext_proc::{BodyMode, ExtProc, MessageMode, ProcessingMode};

use super::fault::ProcessorFault;
use super::mutation::FieldMutation;
use crate::policy::envoy::ext_proc::{
    BodyMutation, BodySendMode, CommonReply, HeaderSendMode, ImmediateResponse, ModeOverride,
    NewBody, ProcessingResponse, Reply, ReplyStatus, SomeTime, TrailersReply,
};

/// Which message is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Request,
    Response,
}

/// Which part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Headers,
    Body,
    Trailers,
}

/// A conversation about one request.
#[derive(Debug)]
pub(super) struct Dialogue {
    policy: Arc<ExtProc>,
    mode: ProcessingMode,
    request: OpenQuestions,
    response: OpenQuestions,
}

/// What was asked about a message and has no answer.
#[derive(Debug, Default)]
struct OpenQuestions {
    sections: VecDeque<Section>,
    /// When the next answer has to be there; `None` if there is no question.
    deadline: Option<Instant>,
    /// Whether the service has asked for more time.
    is_extended: bool,
}

/// What a service said.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HeardMessage {
    /// The answer to a question about this message.
    Answer(Direction, Box<Answer>),
    /// What is to be answered to the client in place of everything else.
    Immediate(Box<ImmediateResponse>),
    /// It needs more time.
    MoreTime,
}

/// What a service makes of a part of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Whether all of the message is replaced, and nothing more of it is asked about.
    pub(crate) replaces_message: bool,
    pub(crate) fields: FieldMutation,
    /// What takes the place of the body, or of the piece that was asked about.
    pub(crate) body: Option<Bytes>,
}

impl Dialogue {
    pub(super) fn new(policy: Arc<ExtProc>) -> Self {
        Self {
            mode: policy.mode,
            policy,
            request: OpenQuestions::default(),
            response: OpenQuestions::default(),
        }
    }

    /// What the service gets.
    pub(super) const fn mode(&self) -> ProcessingMode {
        self.mode
    }

    /// When the next answer about a message has to be there.
    pub(super) const fn deadline(&self, direction: Direction) -> Option<Instant> {
        match direction {
            Direction::Request => self.request.deadline,
            Direction::Response => self.response.deadline,
        }
    }

    /// Something was asked.
    pub(super) fn asked(&mut self, direction: Direction, section: Section, now: Instant) {
        let timeout = self.policy.message_timeout;
        let questions = self.questions(direction);
        questions.sections.push_back(section);
        if questions.deadline.is_none() {
            questions.await_answer(now + timeout);
        }
    }

    /// The service says something.
    ///
    /// # Errors
    /// If it makes no sense. The service is not listened to any more then.
    pub(super) fn heard(
        &mut self,
        message: ProcessingResponse,
        now: Instant,
    ) -> Result<HeardMessage, ProcessorFault> {
        if let Some(wanted) = message.override_message_timeout {
            self.give_time(wanted, now);
            return Ok(HeardMessage::MoreTime);
        }
        let chosen = message.mode_override;
        let (direction, section, answer) = match message.response {
            None => return Err(ProcessorFault::Empty),
            Some(Reply::Immediate(response)) => {
                return Ok(HeardMessage::Immediate(Box::new(response)));
            }
            Some(reply) => answer(reply)?,
        };
        let timeout = self.policy.message_timeout;
        let questions = self.questions(direction);
        if questions.sections.front() != Some(&section) {
            return Err(ProcessorFault::Unasked);
        }
        questions.sections.pop_front();
        questions.deadline = None;
        if !questions.sections.is_empty() {
            questions.await_answer(now + timeout);
        }
        if section == Section::Headers
            && let Some(mode) = chosen.and_then(|chosen| read_mode(&chosen))
            && self.policy.overrides.allow(&mode)
        {
            self.mode = mode;
        }
        Ok(HeardMessage::Answer(direction, Box::new(answer)))
    }

    fn questions(&mut self, direction: Direction) -> &mut OpenQuestions {
        match direction {
            Direction::Request => &mut self.request,
            Direction::Response => &mut self.response,
        }
    }

    /// Waits longer for the answer to what was asked, if the service may ask for that; once for each answer.
    fn give_time(&mut self, wanted: SomeTime, now: Instant) {
        let Some(most) = self.policy.max_message_timeout else {
            return;
        };
        let wanted = duration(wanted);
        let Some(wanted) = wanted.filter(|it| (LEAST_TIME..=most).contains(it)) else {
            return;
        };
        for questions in [&mut self.request, &mut self.response] {
            if questions.deadline.is_some() && !questions.is_extended {
                questions.deadline = Some(now + wanted);
                questions.is_extended = true;
            }
        }
    }
}

/// The shortest time that a service can ask for.
const LEAST_TIME: Duration = Duration::from_millis(1);

impl OpenQuestions {
    fn await_answer(&mut self, until: Instant) {
        self.deadline = Some(until);
        self.is_extended = false;
    }
}

/// What is answered, and to which question.
fn answer(reply: Reply) -> Result<(Direction, Section, Answer), ProcessorFault> {
    use Direction::{Request, Response};
    use Section::{Body, Headers, Trailers};
    Ok(match reply {
        Reply::RequestHeaders(reply) => (Request, Headers, common(reply)?),
        Reply::ResponseHeaders(reply) => (Response, Headers, common(reply)?),
        Reply::RequestBody(reply) => (Request, Body, common(reply)?),
        Reply::ResponseBody(reply) => (Response, Body, common(reply)?),
        Reply::RequestTrailers(reply) => (Request, Trailers, of_trailers(&reply)?),
        Reply::ResponseTrailers(reply) => (Response, Trailers, of_trailers(&reply)?),
        Reply::Immediate(_) => return Err(ProcessorFault::Unasked),
    })
}

fn common(reply: CommonReply) -> Result<Answer, ProcessorFault> {
    let response = reply.response.unwrap_or_default();
    let replaces_message = response.status() == ReplyStatus::ContinueAndReplace;
    let fields = response.header_mutation.as_ref();
    let fields = fields.map(|fields| FieldMutation::read(fields, replaces_message));
    Ok(Answer {
        replaces_message,
        fields: fields.transpose()?.unwrap_or_default(),
        body: response.body_mutation.map_or(Ok(None), new_body)?,
    })
}

fn of_trailers(reply: &TrailersReply) -> Result<Answer, ProcessorFault> {
    let fields = reply.header_mutation.as_ref();
    let fields = fields.map(|fields| FieldMutation::read(fields, false));
    Ok(Answer {
        fields: fields.transpose()?.unwrap_or_default(),
        ..Answer::default()
    })
}

fn new_body(mutation: BodyMutation) -> Result<Option<Bytes>, ProcessorFault> {
    match mutation.mutation {
        Some(NewBody::Body(body)) => Ok(Some(body)),
        Some(NewBody::Clear(true)) => Ok(Some(Bytes::new())),
        Some(NewBody::Clear(false)) | None => Ok(None),
        Some(NewBody::Streamed(_)) => Err(ProcessorFault::Unasked),
    }
}

fn duration(time: SomeTime) -> Option<Duration> {
    let seconds = u64::try_from(time.seconds).ok()?;
    let nanos = u32::try_from(time.nanos).ok()?;
    Duration::from_secs(seconds).checked_add(Duration::from_nanos(nanos.into()))
}

/// The mode that a service chooses; `None` if it has something that is not supported.
fn read_mode(chosen: &ModeOverride) -> Option<ProcessingMode> {
    let headers = |mode| mode != HeaderSendMode::Skip;
    let trailers = |mode| mode == HeaderSendMode::Send;
    Some(ProcessingMode {
        request: MessageMode {
            headers: headers(chosen.request_header_mode()),
            body: body_mode(chosen.request_body_mode())?,
            trailers: trailers(chosen.request_trailer_mode()),
        },
        response: MessageMode {
            headers: headers(chosen.response_header_mode()),
            body: body_mode(chosen.response_body_mode())?,
            trailers: trailers(chosen.response_trailer_mode()),
        },
    })
}

const fn body_mode(mode: BodySendMode) -> Option<BodyMode> {
    Some(match mode {
        BodySendMode::None => BodyMode::None,
        BodySendMode::Streamed => BodyMode::Streamed,
        BodySendMode::Buffered => BodyMode::Buffered,
        BodySendMode::BufferedPartial => BodyMode::BufferedPartial,
        BodySendMode::FullDuplexStreamed | BodySendMode::Grpc => return None,
    })
}

#[cfg(test)]
mod tests;
