//! Sending a request to an upstream, with retries, until the response's head.

use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use egret_config::snapshot::{FOREVER, RetryPolicy, RouteTimeouts, TimeoutSetting};
use http::Response;
use hyper::body::Body;
use tokio::time::sleep_until;

use super::attempt_outcome::{AttemptFailure, AttemptResponse};
use super::client_memo::ClientMemo;
use super::host_pool::HostPool;
use super::lease::LeasedConnection;
use super::limits::LimitPermit;
use super::outgoing::{OutgoingRequest, Replay};
use super::response_body::{BodyLimit, UpstreamBody};
use super::retry;
use super::timeouts::after;
use super::upgraded::UpgradedStream;
use super::upstreams::Upstreams;
use crate::clock;
use crate::exchange::Progress;
use crate::plan::destination::DestinationKey;
use crate::policy::Cleared;
use crate::record::{RetryEnd, Trip};
use crate::refusal::{CircuitBreakerLimit, Refusal};

/// A request to an upstream, with its deadlines and retries.
pub(crate) struct UpstreamRequest<'a> {
    pub(super) cleared: Cleared<'a>,
    pub(super) timeouts: RouteTimeouts,
    pub(super) retry: Option<&'a RetryPolicy>,
    pub(super) upstreams: &'a Rc<Upstreams>,
    pub(super) progress: &'a Progress,
    pub(super) trip: &'a Trip,
    pub(super) memo: &'a ClientMemo,
    /// The deadline of the whole exchange, if any.
    pub(super) deadline: Option<Instant>,
    /// The addresses that the request has attempted.
    pub(super) attempted: Vec<SocketAddr>,
    /// The number of retries so far.
    retries: u32,
    /// The delay before the next attempt that the response asked for.
    asked: Option<Duration>,
    /// The permit of the retry in progress.
    retrying: Option<LimitPermit>,
    /// Whether the request asks for an upgrade.
    pub(super) upgrade: bool,
}

/// The reply to a request.
pub(crate) enum UpstreamReply {
    Response(Response<UpstreamBody>),
    /// The upstream agreed to another protocol, which the connection now carries.
    Switched {
        response: Response<()>,
        upstream: UpgradedStream,
        lease: LeasedConnection,
        /// Where the request went in the end: another host than planned may have agreed.
        destination: Box<DestinationKey>,
    },
}

/// How a request is sent, apart from its destination.
pub(crate) struct SendOptions<'a> {
    pub(crate) timeouts: RouteTimeouts,
    /// The retry policy; `None` retries only what is always safe to retry.
    pub(crate) retry: Option<&'a RetryPolicy>,
    /// Whether the request asks for an upgrade.
    pub(crate) upgrade: bool,
    /// The progress of the request body, which bounds how long the response's head may take.
    pub(crate) progress: &'a Progress,
    /// Filled in as the request proceeds.
    pub(crate) trip: &'a Trip,
    /// What the client's connection keeps of one request for the next.
    pub(crate) memo: &'a ClientMemo,
}

impl Upstreams {
    /// Sends a request and waits for the response's head.
    ///
    /// # Errors
    /// Every way in which an upstream can fail to answer.
    pub(crate) fn send<'a>(
        self: &'a Rc<Self>,
        cleared: Cleared<'a>,
        request: Box<OutgoingRequest>,
        options: SendOptions<'a>,
    ) -> impl Future<Output = Result<UpstreamReply, Refusal>> + 'a {
        let SendOptions {
            timeouts,
            retry,
            upgrade,
            progress,
            trip,
            memo,
        } = options;
        let upstream_request = UpstreamRequest {
            deadline: after(timeouts.request, progress.started()),
            cleared,
            timeouts,
            retry,
            upstreams: self,
            progress,
            trip,
            memo,
            attempted: Vec::new(),
            retries: 0,
            asked: None,
            retrying: None,
            upgrade,
        };
        upstream_request.send(request)
    }
}

impl<'a> UpstreamRequest<'a> {
    /// Sends the request and waits for the response's head.
    ///
    /// # Errors
    /// Every way in which an upstream can fail to answer.
    async fn send(mut self, mut request: Box<OutgoingRequest>) -> Result<UpstreamReply, Refusal> {
        if self.retry.is_some() {
            let limit = self.cleared.plan().settings.replay_limit;
            request.body.keep(limit);
        }
        loop {
            let replay = self.replay(&request);
            let outcome = self.attempt(request, replay.as_ref()).await;
            self.retrying = None;
            let again = match outcome {
                Ok(answered) => match self.after_response(&answered, replay.as_ref()) {
                    Some(again) => {
                        discard(answered);
                        again
                    }
                    None if answered.is_switch() => return self.switch(answered),
                    None => return Ok(self.respond(answered)),
                },
                Err(mut failed) => match self.after_failure(&mut failed, replay.as_ref()) {
                    Some(again) => again,
                    None => return Err(failed.refusal),
                },
            };
            self.pause().await;
            request = again;
        }
    }

    fn respond(&self, answered: AttemptResponse) -> UpstreamReply {
        self.trip.answered();
        let AttemptResponse {
            response,
            lease,
            deadline,
            ..
        } = answered;
        let limit = BodyLimit::new(self.idle_timeout(), deadline);
        let body = |incoming| UpstreamBody::new(incoming, lease, limit);
        UpstreamReply::Response(response.map(body))
    }

    /// Takes the connection that carries another protocol from now on.
    fn switch(&self, answered: AttemptResponse) -> Result<UpstreamReply, Refusal> {
        self.trip.answered();
        let upgraded = answered.upgraded.ok_or(Refusal::UpstreamProtocol)?;
        Ok(UpstreamReply::Switched {
            response: answered.response.map(drop),
            upstream: *upgraded,
            lease: answered.lease,
            destination: Box::new(self.cleared.plan().destination.clone()),
        })
    }

    /// The idle timeout, or forever if the rule switches timeouts off and says nothing of this one.
    pub(super) fn idle_timeout(&self) -> Duration {
        let RouteTimeouts {
            request,
            backend_request,
            stream_idle,
        } = self.timeouts;
        let is_off = [request, backend_request].contains(&TimeoutSetting::Never);
        if is_off && stream_idle == TimeoutSetting::Default {
            FOREVER
        } else {
            self.progress.idle_timeout()
        }
    }

    /// What is needed to send the request again, if it may ever be retried.
    fn replay(&self, request: &OutgoingRequest) -> Option<Replay<'a>> {
        let idempotent = retry::is_idempotent(&request.parts.method);
        (idempotent || self.retry.is_some())
            .then(|| Replay::of(request, &self.memo.replay))
            .flatten()
    }

    /// The request to retry instead of forwarding the response.
    fn after_response(
        &mut self,
        answered: &AttemptResponse,
        replay: Option<&Replay<'_>>,
    ) -> Option<Box<OutgoingRequest>> {
        let policy = self.retry?;
        let (status, headers) = (answered.response.status(), answered.response.headers());
        if !retry::after_response(&policy.on, status, headers) {
            return None;
        }
        let reset = policy.reset.as_ref();
        self.asked = reset.and_then(|reset| {
            retry::asked_delay(reset, headers, clock::unix_time(), rand::random())
        });
        if let (Some(asked), Some(deadline)) = (self.asked, self.deadline)
            && clock::now() + asked >= deadline
        {
            // The client can wait better than the request, which would be over.
            return None;
        }
        self.attempted.push(answered.lease.peer());
        self.again(policy.attempts, replay.and_then(Replay::request))
    }

    /// The request to retry instead of failing.
    fn after_failure(
        &mut self,
        failed: &mut AttemptFailure,
        replay: Option<&Replay<'_>>,
    ) -> Option<Box<OutgoingRequest>> {
        let broken = failed.broken?;
        let unsent = failed.unsent.take();
        let replay = || unsent.or_else(|| replay.and_then(Replay::request));
        if let Some(policy) = self.retry {
            let wanted = retry::after_failure(&policy.on, broken);
            return wanted
                .then(|| self.again(policy.attempts, replay()))
                .flatten();
        }
        // No policy asks for it, so it is retried only where that is always safe: once, at another address, and if it
        // was sent, only if it is idempotent, which is when there is a replay.
        let reset = matches!(failed.refusal, Refusal::Terminated);
        (reset && self.has_another_address())
            .then(|| self.again(1, replay()))
            .flatten()
    }

    /// The pool of the current destination.
    pub(super) fn host_pool(&self) -> Rc<HostPool> {
        let pool = &self.upstreams.pool;
        let plan = self.cleared.plan();
        self.memo.host_pool(pool, &plan.destination, plan.settings)
    }

    fn has_another_address(&self) -> bool {
        self.cleared.plan().other_hosts() > 0
            || self.host_pool().has_endpoint_besides(&self.attempted)
    }

    /// The request for one more attempt, if the limits allow it and the body is still there.
    fn again(
        &mut self,
        attempts: u32,
        replay: Option<Box<OutgoingRequest>>,
    ) -> Option<Box<OutgoingRequest>> {
        if self.retries >= attempts {
            if self.retry.is_some() {
                self.trip.gave_up(RetryEnd::Exhausted);
            }
            return None;
        }
        let mut again = replay?;
        if self
            .deadline
            .is_some_and(|deadline| clock::now() >= deadline)
            || !again.body.claim()
        {
            return None;
        }
        let host_pool = self.host_pool();
        let breakers = &self.cleared.plan().settings.circuit_breakers;
        let Some(permit) = host_pool
            .state
            .limits
            .enter(CircuitBreakerLimit::Retries, breakers)
        else {
            self.upstreams.metrics.retries_limited.increment();
            self.trip.gave_up(RetryEnd::Limited);
            return None;
        };
        self.retrying = Some(permit);
        self.retries += 1;
        self.upstreams.metrics.retries.increment();
        self.trip.retried();
        // With no other host, it goes to the same one again.
        self.turn_to_next_host(self.cleared.plan().other_hosts());
        Some(again)
    }

    async fn pause(&mut self) {
        if let Some(policy) = self.retry {
            let asked = self.asked.take();
            let delay = asked.unwrap_or_else(|| retry::delay(policy, self.retries, rand::random()));
            let at = clock::now() + delay;
            let at = self.deadline.map_or(at, |deadline| deadline.min(at));
            sleep_until(at.into()).await;
        }
    }
}

/// Discards a response that is not forwarded.
fn discard(answered: AttemptResponse) {
    if answered.response.body().is_end_stream() {
        answered.lease.release();
    }
}
