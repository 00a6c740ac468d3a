//! One attempt of a request over an HTTP/2 stream, until the response's head.

use std::pin::pin;
use std::time::Instant;

use bytes::Bytes;
use http::header::{HeaderValue, UPGRADE};
use http::{HeaderMap, Response};

use crate::clock;
use crate::refusal::Refusal;
use crate::transfer::DuplexStream;
use crate::upstream::attempt_outcome::{AttemptFailure, AttemptResponse};
use crate::upstream::http2::{
    Http2Connection, StreamError, StreamFault, StreamResponse, convert, is_too_large,
};
use crate::upstream::incoming::IncomingBody;
use crate::upstream::lease::LeasedConnection;
use crate::upstream::outgoing::{OutgoingRequest, Replay};
use crate::upstream::request::UpstreamRequest;
use crate::upstream::retry::{self, FailureStage};
use crate::upstream::stream::UpstreamStream;
use crate::upstream::upgraded::UpgradedStream;

/// The outcome of a request on a stream.
enum StreamOutcome {
    /// The response's head, and the stream if the upstream agreed to the upgrade.
    Answered(Response<IncomingBody>, Option<Box<UpgradedStream>>),
    /// No response.
    Failed(StreamFault, Refusal),
}

/// How often one attempt goes on with another connection because the upstream did not process the request. More often
/// than this is no accident.
const MAX_RESENDS: u32 = 3;
/// Bytes of a request body that are buffered until the upstream answers. An upstream that does not process a request
/// says so early.
const MAX_KEPT: usize = 64 * 1024;

/// A stream on which a request is to be sent.
pub(super) struct StreamAttempt {
    pub(super) lease: LeasedConnection,
    /// Whether the connection was open before.
    pub(super) reused: bool,
    pub(super) by: AttemptDeadlines,
}

/// The deadlines of an attempt, if any.
#[derive(Clone, Copy)]
pub(super) struct AttemptDeadlines {
    /// The deadline for the response's head.
    pub(super) head_by: Option<Instant>,
    /// The deadline for the whole attempt.
    pub(super) deadline: Option<Instant>,
}

/// What follows an attempt over a stream.
pub(super) enum NextStep {
    Answered(Box<AttemptResponse>),
    /// The request is to be sent again, over any connection, as if it had not been sent.
    Again(Box<OutgoingRequest>),
}

impl UpstreamRequest<'_> {
    /// Makes one attempt over a stream. What the upstream did not process is sent again, up to a limit that `resends`
    /// is counted against.
    pub(super) async fn over_stream(
        &mut self,
        mut request: Box<OutgoingRequest>,
        replay: Option<&Replay<'_>>,
        StreamAttempt { lease, reused, by }: StreamAttempt,
        resends: &mut u32,
    ) -> Result<NextStep, AttemptFailure> {
        let automatic_retry = retry::is_idempotent(&request.parts.method) && self.retry.is_none();
        let own = if replay.is_none() {
            request.body.keep(MAX_KEPT);
            Replay::of(&request, &self.memo.replay)
        } else {
            None
        };
        let replay = replay.or(own.as_ref());
        let sent = match lease.stream() {
            Some(connection) => self.over_http2(request, connection, by.head_by).await,
            None => Err(Refusal::UpstreamProtocol),
        };
        let (fault, refusal) = match sent {
            Ok(StreamOutcome::Answered(response, upgraded)) => {
                self.answered(&lease, &response, reused);
                return Ok(NextStep::Answered(Box::new(AttemptResponse {
                    response,
                    lease,
                    upgraded,
                    deadline: by.deadline,
                })));
            }
            Ok(StreamOutcome::Failed(fault, refusal)) => (fault, refusal),
            Err(refusal) => return Err(self.failed(&lease, AttemptFailure::slow(refusal))),
        };
        let goes_on = match fault {
            StreamFault::Unsent | StreamFault::Unprocessed => true,
            // A configured retry policy decides about this case too.
            StreamFault::Refused => self.retry.is_none(),
            StreamFault::Http1Required => self.cleared.fall_back_to_http1(),
            // The upstream closed the connection just as the request was sent.
            StreamFault::Closed => reused && automatic_retry,
            _ => false,
        };
        let mut again = replay.and_then(Replay::request);
        if goes_on
            && *resends < MAX_RESENDS
            && let Some(again) = again.take_if(|again| again.body.claim())
        {
            if fault == StreamFault::Refused {
                self.attempted.push(lease.peer());
            }
            // There are only so many idle connections that can be gone.
            if !(fault == StreamFault::Unsent && reused) {
                *resends += 1;
            }
            if fault != StreamFault::Unsent {
                self.upstreams.metrics.unprocessed.increment();
            }
            return Ok(NextStep::Again(again));
        }
        let broken = fault.broken();
        let unprocessed = [
            Some(FailureStage::BeforeRequest),
            Some(FailureStage::Refused),
        ]
        .contains(&broken);
        let unsent = again.filter(|_| unprocessed);
        let failed = AttemptFailure {
            refusal,
            broken,
            unsent,
        };
        Err(self.failed(&lease, failed))
    }

    /// Sends a request that is still in HTTP/1.1 form, and waits for the response's head until `head_by`.
    ///
    /// # Errors
    /// If nothing came in time, or the upstream does not support the requested upgrade.
    async fn over_http2(
        &self,
        mut request: Box<OutgoingRequest>,
        connection: &Http2Connection,
        head_by: Option<Instant>,
    ) -> Result<StreamOutcome, Refusal> {
        let protocol = request.parts.headers.get(UPGRADE).cloned();
        if protocol.is_some() {
            // A connection that ends meanwhile fails the request below.
            let settings_received = pin!(connection.settings_received());
            let settings_received = self.head(settings_received, clock::now(), head_by).await?;
            if settings_received && !connection.allows_extended_connect() {
                return Err(Refusal::NoExtendedConnect);
            }
        }
        let scheme = self.cleared.plan().destination.scheme;
        let converted = convert::request(&mut request.parts, scheme);
        let key = converted.ok_or(Refusal::Framing("the Host to send is not an authority"))?;
        let sent = pin!(connection.send(request.into_request()));
        match self.head(sent, clock::now(), head_by).await? {
            Ok(StreamResponse { response, .. })
                if is_too_large(response.headers())
                    || self.has_too_many_fields(response.headers()) =>
            {
                let fault = StreamFault::HeadTooLarge;
                Ok(StreamOutcome::Failed(fault, refusal(fault, connection)))
            }
            Ok(StreamResponse { response, duplex }) => match protocol {
                Some(protocol) if response.status().is_success() => {
                    switch(response, duplex, protocol, key.as_ref())
                }
                _ => Ok(StreamOutcome::Answered(response, None)),
            },
            Err(error) => {
                let fault = match error {
                    StreamError::Unsent => StreamFault::Unsent,
                    StreamError::Failed(error) => StreamFault::of(&error),
                };
                Ok(StreamOutcome::Failed(fault, refusal(fault, connection)))
            }
        }
    }
}

impl UpstreamRequest<'_> {
    /// Whether the head of a response has more fields than the settings allow.
    fn has_too_many_fields(&self, fields: &HeaderMap) -> bool {
        let most = self.cleared.plan().settings.max_header_fields;
        most.is_some_and(|most| fields.len() > most)
    }
}

/// Turns the stream over to the other protocol.
fn switch(
    mut response: Response<IncomingBody>,
    duplex: Option<DuplexStream>,
    protocol: HeaderValue,
    key: Option<&HeaderValue>,
) -> Result<StreamOutcome, Refusal> {
    // Other successful statuses than 200 leave no stream to take over.
    let stream = duplex.ok_or(Refusal::UpstreamProtocol)?;
    convert::switched(&mut response, protocol, key);
    let upgraded = Box::new(UpgradedStream {
        stream: UpstreamStream::Http2(Box::new(stream)),
        read: Bytes::new(),
        permit: None,
    });
    Ok(StreamOutcome::Answered(response, Some(upgraded)))
}

fn refusal(fault: StreamFault, connection: &Http2Connection) -> Refusal {
    match fault {
        StreamFault::Ours => Refusal::RequestBody,
        StreamFault::Protocol => Refusal::UpstreamProtocol,
        StreamFault::HeadTooLarge => Refusal::ResponseHeadTooLarge,
        StreamFault::Closed => connection
            .tls_failure()
            .map_or(Refusal::Terminated, Refusal::Tls),
        StreamFault::Unsent
        | StreamFault::Unprocessed
        | StreamFault::Refused
        | StreamFault::Http1Required
        | StreamFault::Reset => Refusal::Terminated,
    }
}
