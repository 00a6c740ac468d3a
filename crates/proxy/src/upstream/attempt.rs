//! One attempt of a request: over a connection to one address of its destination, until the response's head.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::time::Instant;

use egret_config::snapshot::HttpVersion;
use http::Response;
use http::header::TE;

use super::attempt_outcome::{AttemptFailure, AttemptResponse};
use super::checkout::Checkout;
use super::connection::UpstreamConnection;
use super::health::ObservedOutcome;
use super::http1::{Http1Answer, NextRequest};
use super::incoming::IncomingBody;
use super::lease::LeasedConnection;
use super::outgoing::{OutgoingRequest, Replay};
use super::request::UpstreamRequest;
use super::retry;
use super::timeouts::{after, earliest};
use crate::clock;
use crate::refusal::Refusal;

mod stream;

use stream::{AttemptDeadlines, NextStep, StreamAttempt};

impl UpstreamRequest<'_> {
    /// Makes one attempt: over idle connections until one takes the request, or over a new one.
    ///
    /// The upstream may have closed an idle connection just as the request was sent, which is nobody's failure. A
    /// request of which nothing was sent can always be sent again; otherwise only if it is idempotent.
    pub(super) async fn attempt(
        &mut self,
        mut request: Box<OutgoingRequest>,
        replay: Option<&Replay<'_>>,
    ) -> Result<AttemptResponse, AttemptFailure> {
        let now = clock::now();
        let longest = self.cleared.plan().settings.max_stream_duration;
        let whole = earliest(
            after(self.timeouts.backend_request, now),
            longest.map(|limit| now + limit),
        );
        let deadline = earliest(self.deadline, whole);
        let per_try = self.retry.and_then(|policy| policy.per_try_timeout);
        let head_by = earliest(deadline, per_try.map(|limit| now + limit));
        let mut resends = 0;
        loop {
            let silent = now + self.idle_timeout();
            let until = head_by.map_or(silent, |head_by| head_by.min(silent));
            let (mut lease, reused) = self.connection(until).await?;
            lease.tell(self.trip, reused);
            let idempotent = retry::is_idempotent(&request.parts.method);
            let UpstreamConnection::Http1(connection) = lease.borrow() else {
                let by = AttemptDeadlines { head_by, deadline };
                let stream = StreamAttempt { lease, reused, by };
                // Boxed, so that requests over HTTP/1.1 do not pay for its size.
                match Box::pin(self.over_stream(request, replay, stream, &mut resends)).await? {
                    NextStep::Answered(answered) => return Ok(*answered),
                    NextStep::Again(again) => request = again,
                }
                continue;
            };
            if self.cleared.plan().destination.version != HttpVersion::Http1 {
                // `TE` was kept for HTTP/2, where it is not a hop-by-hop field.
                request.parts.headers.remove(TE);
            }
            connection.wire.send(NextRequest {
                request,
                may_switch: self.upgrade,
            });
            let sent = pin!(poll_fn(|cx| connection.wire.poll_answer(cx)));
            let begin = if reused { now } else { clock::now() };
            let mut failed = match self.head(sent, begin, head_by).await {
                Ok(Ok(Http1Answer { response, switched })) => {
                    let response = response.map(IncomingBody::from);
                    self.answered(&lease, &response, reused);
                    return Ok(AttemptResponse {
                        response,
                        lease,
                        upgraded: switched,
                        deadline,
                    });
                }
                Ok(Err(failed)) => failed,
                Err(refusal) => return Err(self.failed(&lease, AttemptFailure::slow(refusal))),
            };
            // A configured retry policy decides about these cases too.
            let automatic_retry = idempotent && self.retry.is_none();
            let again = || {
                let replay = replay.filter(|_| automatic_retry);
                replay.and_then(Replay::request)
            };
            if reused
                && let Some(mut again) = failed.unsent.take().or_else(again)
                && again.body.claim()
            {
                request = again;
                continue;
            }
            return Err(self.failed(&lease, AttemptFailure::of(failed)));
        }
    }

    /// Waits for the response's head: until `head_by`, and not longer than the idle timeout after `begin` and the last
    /// progress of the request body.
    pub(super) async fn head<F: Future>(
        &self,
        mut sent: Pin<&mut F>,
        begin: Instant,
        head_by: Option<Instant>,
    ) -> Result<F::Output, Refusal> {
        loop {
            let moved = self.progress.last_moved().max(begin);
            let silent = moved + self.idle_timeout();
            let until = head_by.map_or(silent, |head_by| head_by.min(silent));
            if let Some(output) = self.memo.timer.until(until, sent.as_mut()).await {
                return Ok(output);
            }
            if head_by.is_some_and(|head_by| clock::now() >= head_by) {
                return Err(Refusal::ResponseTimeout);
            }
            if self.progress.last_moved() <= moved {
                let client = self.progress.waits_for_client();
                return Err(if client {
                    Refusal::RequestBody
                } else {
                    Refusal::ResponseTimeout
                });
            }
        }
    }

    /// Records the address as attempted, and the failure for outlier detection.
    pub(super) fn failed(
        &mut self,
        lease: &LeasedConnection,
        failed: AttemptFailure,
    ) -> AttemptFailure {
        self.attempted.push(lease.peer());
        if failed.broken.is_some() {
            self.observe(lease, ObservedOutcome::LocalFailure);
        }
        failed
    }

    /// Acquires a connection, to another host of the backend if the planned one cannot be connected to.
    async fn connection(
        &mut self,
        until: Instant,
    ) -> Result<(LeasedConnection, bool), AttemptFailure> {
        let mut others = self.cleared.plan().other_hosts();
        loop {
            let host_pool = self.host_pool();
            let found = Checkout {
                cleared: &self.cleared,
                host_pool: &host_pool,
                upstreams: self.upstreams,
                trip: self.trip,
                attempted: &self.attempted,
                until,
            }
            .acquire()
            .await;
            let refusal = match found {
                Ok(found) => return Ok(found),
                Err(refusal) => refusal,
            };
            let left = Some(others).filter(|_| refusal.elsewhere());
            let Some(left) = left.and_then(|others| self.turn_to_next_host(others)) else {
                return Err(AttemptFailure::unconnected(refusal));
            };
            others = left;
        }
    }

    /// Turns to the next host of the backend that the policies allow, if one of the next `others` is. Returns how many of
    /// them come after that.
    pub(super) fn turn_to_next_host(&mut self, others: usize) -> Option<usize> {
        let left = self.cleared.next_host(others)?;
        let destination = &self.cleared.plan().destination;
        self.trip.heads_for(&destination.host, destination.port);
        Some(left)
    }

    pub(super) fn answered(
        &self,
        lease: &LeasedConnection,
        response: &Response<IncomingBody>,
        reused: bool,
    ) {
        if reused {
            self.upstreams.metrics.reused.increment();
        }
        self.observe(lease, ObservedOutcome::Response(response.status()));
    }

    fn observe(&self, lease: &LeasedConnection, observed: ObservedOutcome) {
        let settings = self.cleared.plan().settings;
        let state = &lease.host_pool().state;
        state.observe(lease.health(), observed, settings, &self.upstreams.metrics);
    }
}
