//! The conversation with a service about one request, as those see it who wait for its answers: they and the task that
//! reads what the service says share it.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use egret_config::policy::ext_proc::{ExtProc, ProcessingMode};
use egret_config::resources::ObjectRef;
use prost::Message as _;
use tokio::sync::Notify;
use tokio::time::{Sleep, sleep_until};

use super::denial::{self, ClientForm, ImmediateAnswer};
use super::dialogue::{Answer, Dialogue, Direction, HeardMessage};
use super::fault::ProcessorFault;
use super::question::{SectionQuestion, configuration};
use crate::clock;
use crate::message::grpc::unary::framed;
use crate::policy::envoy::ext_proc::{Metadata, ProcessingRequest, ProcessingResponse};
use crate::policy::envoy::structure::Struct;
use crate::refusal::Refusal;
use crate::transfer::{MessageBody, MessageSender, message_body};

/// The longest message of a service in bytes, which is what libraries of gRPC allow by default.
pub(crate) const MAX_MESSAGE: usize = 4 << 20;

/// A service as those see it who ask it about one request. When the last of them is dropped, the conversation is over.
pub(crate) struct Processor {
    conversation: Rc<Conversation>,
}

/// What they share with the task that reads what the service says.
pub(crate) struct Conversation {
    policy: ObjectRef,
    proc: Arc<ExtProc>,
    form: ClientForm,
    told: ToldFacts,
    state: RefCell<ConversationState>,
    /// Notified when nothing more is asked.
    over: Notify,
    /// Notified when the request is refused.
    refused: Notify,
}

struct ConversationState {
    dialogue: Dialogue,
    /// The way to the service; `None` when the conversation is over.
    sender: Option<MessageSender>,
    /// What is to be sent, until somebody sends it.
    unopened: Option<MessageBody>,
    has_begun: bool,
    request: WaitingAnswers,
    response: WaitingAnswers,
    end: Option<ConversationEnd>,
}

/// The answers about one message that were not taken.
#[derive(Default)]
struct WaitingAnswers {
    answers: VecDeque<Answer>,
    taker: Option<Waker>,
}

/// Why the service is not asked any more.
enum ConversationEnd {
    /// It has ended it, or gave no answer and need not. What was asked goes on as it is.
    Over,
    /// It answers the client itself.
    Immediate(Box<ImmediateAnswer>),
    /// It gave no answer.
    Failed(ProcessorFault),
}

/// What a service is told of a request beside its message.
#[derive(Debug, Default)]
pub(crate) struct ToldFacts {
    /// In every question.
    pub(super) metadata: Option<Metadata>,
    /// In the first question.
    pub(super) attributes: BTreeMap<String, Struct>,
}

/// Waits for answers, each within its time.
#[derive(Default)]
pub(crate) struct AnswerTimer(Option<Pin<Box<Sleep>>>);

impl Processor {
    pub(crate) fn new(
        policy: &ObjectRef,
        proc: &Arc<ExtProc>,
        form: ClientForm,
        told: ToldFacts,
    ) -> Self {
        let (sender, body) = message_body();
        let state = ConversationState {
            dialogue: Dialogue::new(Arc::clone(proc)),
            sender: Some(sender),
            unopened: Some(body),
            has_begun: false,
            request: WaitingAnswers::default(),
            response: WaitingAnswers::default(),
            end: None,
        };
        Self {
            conversation: Rc::new(Conversation {
                policy: policy.clone(),
                proc: Arc::clone(proc),
                form,
                told,
                state: RefCell::new(state),
                over: Notify::new(),
                refused: Notify::new(),
            }),
        }
    }

    /// The policy.
    pub(crate) fn policy(&self) -> &ObjectRef {
        &self.conversation.policy
    }

    /// What the service gets, as configured or as it has said since.
    pub(crate) fn mode(&self) -> ProcessingMode {
        self.conversation.state.borrow().dialogue.mode()
    }

    /// Whether nothing more is asked.
    pub(crate) fn is_over(&self) -> bool {
        self.conversation.state.borrow().end.is_some()
    }

    /// Whether the request is refused.
    pub(crate) fn is_refused(&self) -> bool {
        let state = self.conversation.state.borrow();
        !matches!(state.end, None | Some(ConversationEnd::Over))
    }

    /// The conversation, and what is sent in it, if nobody has begun to send it.
    pub(crate) fn open(&self) -> Option<(Rc<Conversation>, MessageBody)> {
        let body = self.conversation.state.borrow_mut().unopened.take()?;
        Some((Rc::clone(&self.conversation), body))
    }

    /// Asks about a part of a message. Whoever asks waits for the answers in the same order.
    pub(crate) fn ask(&self, question: SectionQuestion) {
        let SectionQuestion {
            direction,
            section,
            question,
        } = question;
        let Conversation { told, state, .. } = &*self.conversation;
        let mut state = state.borrow_mut();
        let is_first = !std::mem::replace(&mut state.has_begun, true);
        let mode = state.dialogue.mode();
        let Some(sender) = &state.sender else { return };
        sender.send(framed(&ProcessingRequest {
            request: Some(question),
            metadata_context: told.metadata.clone(),
            attributes: match is_first {
                true => told.attributes.clone(),
                false => BTreeMap::new(),
            },
            protocol_config: is_first.then(|| configuration(mode)),
        }));
        state.dialogue.asked(direction, section, clock::now());
    }

    /// The answer to the next question about a message; `None` if the conversation is over, and the message goes on as it
    /// is.
    ///
    /// # Errors
    /// The refusal of the request: the service says so, or gave no answer.
    pub(crate) fn poll_answer(
        &self,
        direction: Direction,
        timer: &mut AnswerTimer,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Answer>, Refusal>> {
        loop {
            let deadline = {
                let mut state = self.conversation.state.borrow_mut();
                let waiting = state.waiting(direction);
                if let Some(answer) = waiting.answers.pop_front() {
                    return Poll::Ready(Ok(Some(answer)));
                }
                if let Some(end) = &state.end {
                    return Poll::Ready(match self.conversation.refusal_for(end) {
                        Some(refusal) => Err(refusal),
                        None => Ok(None),
                    });
                }
                state.waiting(direction).taker = Some(cx.waker().clone());
                state.dialogue.deadline(direction)
            };
            let Some(deadline) = deadline else {
                return Poll::Pending;
            };
            let deadline = deadline.into();
            let sleep = timer
                .0
                .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
            if sleep.deadline() != deadline {
                sleep.as_mut().reset(deadline);
            }
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.conversation.fail(ProcessorFault::Timeout);
        }
    }

    /// As [`Self::poll_answer`].
    ///
    /// # Errors
    /// Likewise.
    pub(crate) async fn answer(&self, direction: Direction) -> Result<Option<Answer>, Refusal> {
        let mut timer = AnswerTimer::default();
        poll_fn(|cx| self.poll_answer(direction, &mut timer, cx)).await
    }

    /// The answer of the service to something that makes no sense, as of one that gave none.
    ///
    /// # Errors
    /// The refusal of the request, if it does not go on without the service.
    pub(crate) fn rejects_answer(&self, fault: ProcessorFault) -> Result<(), Refusal> {
        self.conversation.fail(fault);
        self.refusal().map_or(Ok(()), Err)
    }

    /// Why the request is refused, if it is.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        let state = self.conversation.state.borrow();
        self.conversation.refusal_for(state.end.as_ref()?)
    }

    /// The refusal of the request, whoever waits for an answer; never, if it is not refused.
    pub(crate) async fn refused(&self) -> Refusal {
        loop {
            let refused = self.conversation.refused.notified();
            if let Some(refusal) = self.refusal() {
                return refusal;
            }
            refused.await;
        }
    }
}

impl Drop for Processor {
    fn drop(&mut self) {
        self.conversation.end(ConversationEnd::Over);
    }
}

impl Conversation {
    /// The service, and how it is called.
    pub(crate) fn proc(&self) -> &ExtProc {
        &self.proc
    }

    /// Completes when nothing more is asked.
    pub(crate) async fn over(&self) {
        self.over.notified().await;
    }

    /// The service says something.
    pub(crate) fn heard(&self, message: Bytes) {
        let mut state = self.state.borrow_mut();
        if state.end.is_some() {
            return;
        }
        if let Some(sender) = &state.sender {
            sender.arrived();
        }
        let message = ProcessingResponse::decode(message);
        let message = message.map_err(|error| ProcessorFault::Call(error.to_string()));
        let heard = message.and_then(|message| state.dialogue.heard(message, clock::now()));
        match heard {
            Ok(HeardMessage::MoreTime) => {
                // Whoever waits learns of the time that is left.
                state.waiting(Direction::Request).wake();
                state.waiting(Direction::Response).wake();
            }
            Ok(HeardMessage::Answer(direction, answer)) => {
                let waiting = state.waiting(direction);
                waiting.answers.push_back(*answer);
                waiting.wake();
            }
            Ok(HeardMessage::Immediate(response)) => {
                drop(state);
                match ImmediateAnswer::read(&response, self.form) {
                    Ok(answer) => self.end(ConversationEnd::Immediate(Box::new(answer))),
                    Err(fault) => self.fail(fault),
                }
            }
            Err(fault) => {
                drop(state);
                self.fail(fault);
            }
        }
    }

    /// The service has ended the conversation, properly or not.
    pub(crate) fn ended(&self, how: Result<(), String>) {
        match how {
            Ok(()) => self.end(ConversationEnd::Over),
            Err(error) => self.fail(ProcessorFault::Call(error)),
        }
    }

    fn fail(&self, fault: ProcessorFault) {
        self.end(match self.proc.fails_open {
            true => ConversationEnd::Over,
            false => ConversationEnd::Failed(fault),
        });
    }

    /// The conversation ends, unless it has.
    fn end(&self, how: ConversationEnd) {
        let mut state = self.state.borrow_mut();
        if state.end.is_some() {
            return;
        }
        let is_refused = !matches!(how, ConversationEnd::Over);
        state.end = Some(how);
        state.sender = None;
        state.unopened = None;
        self.over.notify_one();
        state.request.wake();
        state.response.wake();
        if is_refused {
            self.refused.notify_waiters();
        }
    }

    /// The refusal of the request because the conversation ended so; `None` if it goes on.
    fn refusal_for(&self, end: &ConversationEnd) -> Option<Refusal> {
        match end {
            ConversationEnd::Over => None,
            ConversationEnd::Immediate(answer) => Some(denial::immediate(&self.policy, answer)),
            ConversationEnd::Failed(fault) => Some(denial::failed(&self.policy, &self.proc, fault)),
        }
    }
}

impl ConversationState {
    fn waiting(&mut self, direction: Direction) -> &mut WaitingAnswers {
        match direction {
            Direction::Request => &mut self.request,
            Direction::Response => &mut self.response,
        }
    }
}

impl WaitingAnswers {
    fn wake(&mut self) {
        if let Some(taker) = self.taker.take() {
            taker.wake();
        }
    }
}

#[cfg(test)]
mod tests;
