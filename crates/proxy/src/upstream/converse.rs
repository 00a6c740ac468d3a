//! Conversations of the gateway's own with services over gRPC: messages each way, for as long as a request takes.

use std::rc::Rc;
use std::time::Duration;

use egret_config::policy::service::CalledService;
use egret_config::snapshot::WeightedBackend;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt as _;
use tokio::time::sleep;

use super::call::AnswerError;
use super::enquiry::{CallError, service};
use super::request_body::RequestBody;
use super::response_body::UpstreamBody;
use super::upstreams::Upstreams;
use crate::configuration::WorkerSnapshot;
use crate::message::grpc::stream::{self, MessageReader};
use crate::message::grpc::unary::{self, GrpcError};
use crate::policy::envoy::ext_proc::PROCESS;
use crate::policy::ext_proc::{Conversation, MAX_MESSAGE, Processor};
use crate::task;
use crate::transfer::MessageBody;

/// How long a service may take to end a conversation that the gateway has ended.
const END_TIMEOUT: Duration = Duration::from_secs(1);

impl Upstreams {
    /// Begins the conversation with a service, if it has not begun, in a task of its own. That ends with the conversation.
    pub(crate) fn begin_conversation(
        self: &Rc<Self>,
        snapshot: &WorkerSnapshot,
        processor: &Processor,
    ) {
        let Some((conversation, body)) = processor.open() else {
            return;
        };
        let (upstreams, snapshot) = (Rc::clone(self), Rc::clone(snapshot));
        task::spawn(async move {
            let given_up = async {
                conversation.over().await;
                sleep(END_TIMEOUT).await;
            };
            tokio::select! {
                biased;
                how = upstreams.converse(&snapshot, &conversation, body) => {
                    conversation.ended(how.map_err(|error| error.to_string()));
                }
                () = given_up => {}
            }
        });
    }

    /// Sends what is said, and tells what is heard, until the service ends the conversation.
    async fn converse(
        self: &Rc<Self>,
        snapshot: &WorkerSnapshot,
        conversation: &Conversation,
        body: MessageBody,
    ) -> Result<(), CallError> {
        let to = &conversation.proc().service;
        let service = service(snapshot, to)?;
        // Boxed, because it is short, and the conversation is long.
        let opened = Box::pin(self.open_conversation(service, to, body));
        let (head, mut body) = opened.await?.into_parts();
        unary::begun(&head)?;
        let mut reader = MessageReader::new(MAX_MESSAGE);
        let mut trailers = HeaderMap::new();
        while let Some(frame) = body.frame().await {
            match frame.map_err(AnswerError::BrokenOff)?.into_data() {
                Ok(data) => {
                    reader.give(&data);
                    while let Some(message) = reader.next()? {
                        conversation.heard(message);
                    }
                }
                Err(other) => trailers = other.into_trailers().unwrap_or_default(),
            }
        }
        unary::succeeded(&head, &trailers)?;
        if reader.is_at_boundary() {
            Ok(())
        } else {
            Err(GrpcError::Framing("it is cut off").into())
        }
    }

    /// Sends the head of the call, and waits for that of the response. What fails for the moment is tried again as
    /// configured, as long as nothing of the answer has come.
    async fn open_conversation(
        self: &Rc<Self>,
        service: &WeightedBackend,
        to: &CalledService,
        mut body: MessageBody,
    ) -> Result<Response<UpstreamBody>, CallError> {
        let (mut pause, longest) = to.back_off;
        let mut left = to.retries;
        loop {
            let next = body.again();
            let (head, ()) = stream::request(&to.authority, PROCESS)?.into_parts();
            let request = Request::from_parts(head, RequestBody::of_messages(body));
            let called = self.call_with(service, request, to.timeout).await;
            let error = match called {
                Ok(response) => return Ok(response),
                Err(refusal) => CallError::Answer(AnswerError::Refused(refusal)),
            };
            let next = next.filter(|_| left > 0 && error.may_pass());
            let Some(mut next) = next else {
                return Err(error);
            };
            if !next.claim() {
                return Err(error);
            }
            left -= 1;
            sleep(pause).await;
            pause = pause.saturating_mul(2).min(longest);
            body = next;
        }
    }
}
