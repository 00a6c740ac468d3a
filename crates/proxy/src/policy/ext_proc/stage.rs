//! A body on its way past a service: what the service gets of it piece by piece, and what becomes of the pieces.

use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;

use super::conversation::{AnswerTimer, Processor};
use super::dialogue::{Answer, Direction};
use super::question::SectionQuestion;

/// The most bytes that wait for answers. While there are more, no more of the body is read.
const MAX_UNANSWERED: usize = 256 * 1024;
/// The most pieces that do: an answer may be longer than its piece.
const MAX_WAITING: usize = 16;

/// Gives the frames of a body to a service, and gives on what it makes of them. When the service gives no answers any more,
/// what has none goes on as it came.
pub(crate) struct BodyStage {
    processor: Rc<Processor>,
    direction: Direction,
    gives: StageQuestions,
    /// Frames that were read before the others.
    ahead: VecDeque<Frame<Bytes>>,
    /// What was read and cannot go on yet, in order.
    waiting: VecDeque<WaitingFrame>,
    /// The bytes of it.
    unanswered: usize,
    ready: VecDeque<Frame<Bytes>>,
    /// Whether all of the body was read.
    has_read_all: bool,
    timer: AnswerTimer,
}

/// What of a body the service gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StageQuestions {
    pub(crate) data: bool,
    pub(crate) trailers: bool,
}

/// A frame that waits for its answer, or for those before it.
enum WaitingFrame {
    Asked(AskedFrame),
    Passed(Frame<Bytes>),
}

enum AskedFrame {
    Data(Bytes),
    Trailers(HeaderMap),
}

/// A frame of a body, and whether it is known to be the last.
pub(crate) struct SourceFrame {
    pub(crate) frame: Frame<Bytes>,
    pub(crate) is_last: bool,
}

/// Why a body ends before its end.
#[derive(Debug)]
pub(crate) enum StageError<E> {
    /// It came to no end.
    Source(E),
    /// The service refuses it, or gave no answer.
    Refused,
}

type Polled<E> = Poll<Option<Result<Frame<Bytes>, StageError<E>>>>;

impl BodyStage {
    pub(crate) fn new(
        processor: Rc<Processor>,
        direction: Direction,
        gives: StageQuestions,
    ) -> Self {
        Self {
            processor,
            direction,
            gives,
            ahead: VecDeque::new(),
            waiting: VecDeque::new(),
            unanswered: 0,
            ready: VecDeque::new(),
            has_read_all: false,
            timer: AnswerTimer::default(),
        }
    }

    /// These frames were read, and come before the others.
    pub(crate) fn read_ahead(&mut self, frames: impl IntoIterator<Item = Frame<Bytes>>) {
        self.ahead.extend(frames);
    }

    /// The service as this stage asks it.
    pub(crate) fn processor(&self) -> &Processor {
        &self.processor
    }

    /// Whether the last frame has been given, after which `source_has_ended` or not.
    pub(crate) fn has_ended(&self, source_has_ended: bool) -> bool {
        let is_drained = self.ready.is_empty() && self.waiting.is_empty() && self.ahead.is_empty();
        // Of a body that is given as data, the service is told the end.
        is_drained && (self.has_read_all || source_has_ended && !self.asks_about_data())
    }

    /// The next frame. `next` polls the body for more.
    pub(crate) fn poll<E>(
        &mut self,
        cx: &mut Context<'_>,
        mut next: impl FnMut(&mut Context<'_>) -> Poll<Option<Result<SourceFrame, E>>>,
    ) -> Polled<E> {
        loop {
            self.pass();
            if let Some(frame) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(frame)));
            }
            if self.processor.is_refused() {
                return Poll::Ready(Some(Err(StageError::Refused)));
            }
            if !self.waiting.is_empty() {
                let answer = self
                    .processor
                    .poll_answer(self.direction, &mut self.timer, cx);
                match answer {
                    Poll::Ready(Ok(Some(answer))) => {
                        self.answered(answer);
                        continue;
                    }
                    Poll::Ready(Ok(None)) => {
                        self.go_on_without();
                        continue;
                    }
                    Poll::Ready(Err(_)) => return Poll::Ready(Some(Err(StageError::Refused))),
                    Poll::Pending if self.has_read_all || self.is_full() => {
                        return Poll::Pending;
                    }
                    Poll::Pending => {}
                }
            }
            if self.has_read_all {
                return Poll::Ready(None);
            }
            if let Some(frame) = self.ahead.pop_front() {
                self.take(frame, false);
                continue;
            }
            match next(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(SourceFrame { frame, is_last }))) => self.take(frame, is_last),
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(Some(Err(StageError::Source(error))));
                }
                Poll::Ready(None) => self.end(),
            }
        }
    }

    /// Whether no more is read before there are answers.
    fn is_full(&self) -> bool {
        self.unanswered >= MAX_UNANSWERED || self.waiting.len() >= MAX_WAITING
    }

    fn asks_about_data(&self) -> bool {
        self.gives.data && !self.processor.is_over()
    }

    /// Takes a frame of the body.
    fn take(&mut self, frame: Frame<Bytes>, is_last: bool) {
        self.has_read_all |= is_last;
        match frame.into_data() {
            Ok(data) if self.asks_about_data() => {
                if !data.is_empty() || is_last {
                    self.ask_about(data, is_last);
                }
            }
            Ok(data) => self.let_pass(Frame::data(data)),
            Err(frame) => {
                self.has_read_all = true;
                match frame.into_trailers() {
                    Ok(trailers) if self.gives.trailers && !self.processor.is_over() => {
                        let question = SectionQuestion::trailers(self.direction, &trailers);
                        self.processor.ask(question);
                        let asked = AskedFrame::Trailers(trailers);
                        self.waiting.push_back(WaitingFrame::Asked(asked));
                    }
                    Ok(trailers) => self.let_pass(Frame::trailers(trailers)),
                    Err(other) => self.let_pass(other),
                }
            }
        }
    }

    /// The body has ended.
    fn end(&mut self) {
        self.has_read_all = true;
        if self.asks_about_data() {
            self.ask_about(Bytes::new(), true);
        }
    }

    fn ask_about(&mut self, data: Bytes, is_last: bool) {
        let question = SectionQuestion::body(self.direction, data.clone(), is_last);
        self.processor.ask(question);
        self.unanswered += data.len();
        let asked = AskedFrame::Data(data);
        self.waiting.push_back(WaitingFrame::Asked(asked));
    }

    fn let_pass(&mut self, frame: Frame<Bytes>) {
        self.waiting.push_back(WaitingFrame::Passed(frame));
    }

    /// Gives on what waits for nothing.
    fn pass(&mut self) {
        while let Some(WaitingFrame::Passed(_)) = self.waiting.front() {
            if let Some(WaitingFrame::Passed(frame)) = self.waiting.pop_front() {
                self.ready.push_back(frame);
            }
        }
    }

    /// The service has answered the question about the first frame that waits.
    fn answered(&mut self, answer: Answer) {
        let Some(WaitingFrame::Asked(asked)) = self.waiting.pop_front() else {
            return;
        };
        let frame = match asked {
            AskedFrame::Data(data) => {
                self.unanswered -= data.len();
                let data = answer.body.unwrap_or(data);
                if data.is_empty() {
                    return;
                }
                Frame::data(data)
            }
            AskedFrame::Trailers(mut trailers) => {
                answer.fields.apply(&mut trailers);
                Frame::trailers(trailers)
            }
        };
        self.ready.push_back(frame);
    }

    /// Gives on everything as it came.
    fn go_on_without(&mut self) {
        self.unanswered = 0;
        for frame in self.waiting.drain(..) {
            self.ready.push_back(match frame {
                WaitingFrame::Passed(frame) => frame,
                WaitingFrame::Asked(AskedFrame::Data(data)) => Frame::data(data),
                WaitingFrame::Asked(AskedFrame::Trailers(trailers)) => Frame::trailers(trailers),
            });
        }
    }
}

#[cfg(test)]
mod tests;
