//! Sending a request, again if need be, and waiting for the response's head.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use egret_config::snapshot::{BackendSettings, RetryPolicy, Rule, Timeout, Timeouts};
use http::{Request, Response, StatusCode};
use hyper::body::{Body, Incoming};
use hyper::client::conn::TrySendError;
use tokio::sync::oneshot;
use tokio::time::{sleep_until, timeout_at};

use crate::body::{Limit as BodyLimit, RequestBody, ResponseBody};
use crate::plan::Plan;
use crate::policy;
use crate::record::Exchange;
use crate::refusal::{Limit, Refusal};
use crate::telemetry::clock;
use crate::tls::TlsFailure;
use crate::worker::Worker;
use connection::{Lease, Outlet};
use health::{Health, Observed};
use limits::Permit;
use retry::Broken;
use seek::Seeker;
use site::Site;

pub(crate) mod balance;
pub(crate) mod connection;
pub(crate) mod destination;
pub(crate) mod direct;
pub(crate) mod families;
pub(crate) mod health;
pub(crate) mod limits;
mod open;
pub(crate) mod pool;
pub(crate) mod retry;
mod seek;
mod service;
pub(crate) mod shelf;
pub(crate) mod site;
mod slot;
pub(crate) mod stream;
mod warm;

/// How long nothing may move when the rule switches timeouts off: as good as for ever, and no overflow.
const FOREVER: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// One request on its way out.
pub(crate) struct Sending<'a> {
    plan: Plan<'a>,
    rule: &'a Rule,
    worker: &'a Rc<Worker>,
    exchange: &'a Rc<Exchange>,
    /// When the whole exchange must be over, if ever.
    deadline: Option<Instant>,
    /// Where the request has been.
    tried: Vec<SocketAddr>,
    /// How often it was sent again.
    retries: u32,
    /// While it is being sent again.
    retrying: Option<Permit>,
    /// Whether it asks for another protocol.
    upgrade: bool,
}

/// What came of a request.
pub(crate) enum Reply {
    Response(Response<ResponseBody>),
    /// The upstream agreed to another protocol, which the connection now carries.
    Switched(Response<()>, Outlet, Lease),
}

/// A response's head, and what its body comes over.
struct Answered {
    response: Response<Incoming>,
    lease: Lease,
    /// Brings the connection, if the request asked for another protocol.
    outlet: Option<oneshot::Receiver<Outlet>>,
    /// When the attempt that brought it must be over, if ever.
    deadline: Option<Instant>,
}

/// Why one sending brought no response.
struct Failed {
    refusal: Refusal,
    broken: Option<Broken>,
    /// The request as it was, if none of it was sent.
    unsent: Option<Request<RequestBody>>,
}

impl<'a> Sending<'a> {
    pub(crate) fn new(
        plan: Plan<'a>,
        rule: &'a Rule,
        worker: &'a Rc<Worker>,
        exchange: &'a Rc<Exchange>,
    ) -> Self {
        Self {
            deadline: after(rule.timeouts.request, exchange.started()),
            plan,
            rule,
            worker,
            exchange,
            tried: Vec::new(),
            retries: 0,
            retrying: None,
            upgrade: false,
        }
    }

    /// The request asks for another protocol.
    pub(crate) fn upgrading(self, upgrade: bool) -> Self {
        Self { upgrade, ..self }
    }

    /// Sends the request and waits for the response's head.
    ///
    /// # Errors
    /// Every way in which an upstream can fail to answer.
    pub(crate) async fn send(
        mut self,
        mut request: Request<RequestBody>,
    ) -> Result<Reply, Refusal> {
        if self.policy().is_some() {
            let limit = self.plan.settings.replay_limit;
            request.body_mut().keep(limit);
        }
        loop {
            let spare = self.spare(&request);
            let outcome = self.attempt(request, spare.as_ref()).await;
            self.retrying = None;
            let again = match outcome {
                Ok(answered) => match self.after_response(&answered, spare) {
                    Some(again) => {
                        discard(answered);
                        again
                    }
                    None => return self.respond(answered).await,
                },
                Err(mut failed) => match self.after_failure(&mut failed, spare) {
                    Some(again) => again,
                    None => return Err(failed.refusal),
                },
            };
            self.pause().await;
            request = again;
        }
    }

    async fn respond(&self, answered: Answered) -> Result<Reply, Refusal> {
        let Answered {
            response,
            lease,
            outlet,
            deadline,
        } = answered;
        if let Some(outlet) = outlet
            && response.status() == StatusCode::SWITCHING_PROTOCOLS
        {
            // It fails if there was more than HTTP allows to be read with the head.
            let outlet = outlet.await.map_err(|_| Refusal::UpstreamProtocol)?;
            return Ok(Reply::Switched(response.map(drop), outlet, lease));
        }
        if let Some(deadline) = deadline {
            self.exchange.must_end(deadline);
        }
        let limit = BodyLimit::new(self.silence(), deadline);
        let exchange = Rc::clone(self.exchange);
        let response =
            response.map(|incoming| ResponseBody::upstream(incoming, lease, limit, exchange));
        Ok(Reply::Response(response))
    }

    fn policy(&self) -> Option<&'a RetryPolicy> {
        self.rule.retry.as_deref()
    }

    /// How long nothing may move.
    fn silence(&self) -> Duration {
        let Timeouts {
            request,
            backend_request,
        } = self.rule.timeouts;
        if [request, backend_request].contains(&Timeout::Never) {
            FOREVER
        } else {
            self.exchange.silence()
        }
    }

    /// A copy to send again, if the request may ever be.
    fn spare(&self, request: &Request<RequestBody>) -> Option<Request<RequestBody>> {
        let idempotent = retry::is_idempotent(request.method());
        (idempotent || self.policy().is_some())
            .then(|| copy(request))
            .flatten()
    }

    /// One sending: over connections that waited until one takes the request, or a new one.
    ///
    /// A connection that waited may have been closed by its upstream just as the request was sent. That is nobody's
    /// failure: what was not sent can always be sent again; what was, only if doing it twice is the same.
    async fn attempt(
        &mut self,
        mut request: Request<RequestBody>,
        spare: Option<&Request<RequestBody>>,
    ) -> Result<Answered, Failed> {
        let now = clock::now();
        let whole = after(self.rule.timeouts.backend_request, now);
        let deadline = earliest(self.deadline, whole);
        let per_try = self.policy().and_then(|policy| policy.per_try_timeout);
        let head_by = earliest(deadline, per_try.map(|limit| now + limit));
        loop {
            let silent = now + self.silence();
            let until = head_by.map_or(silent, |head_by| head_by.min(silent));
            let (mut lease, reused) = self.connection(until, &request).await?;
            self.exchange.upstream(lease.peer(), reused);
            let idempotent = retry::is_idempotent(request.method());
            let outlet = self.upgrade.then(|| lease.expect_switch());
            let sent = lease.sender().try_send_request(request);
            let mut error = match self.head(sent, head_by).await {
                Ok(Ok(response)) => {
                    self.answered(&lease, &response, reused);
                    return Ok(Answered {
                        response,
                        lease,
                        outlet,
                        deadline,
                    });
                }
                Ok(Err(error)) => error,
                Err(refusal) => return Err(self.failed(&lease, Failed::slow(refusal))),
            };
            let again = || spare.filter(|_| idempotent).and_then(copy);
            if reused && let Some(again) = error.take_message().or_else(again) {
                request = again;
                request.body_mut().takes_over();
                continue;
            }
            return Err(self.failed(&lease, Failed::of(error)));
        }
    }

    /// Waits for the response's head: until `head_by`, and as long as something of the request moves.
    async fn head<F: Future>(
        &self,
        sent: F,
        head_by: Option<Instant>,
    ) -> Result<F::Output, Refusal> {
        let mut sent = pin!(sent);
        let begin = clock::now();
        loop {
            let moved = self.exchange.last_moved().max(begin);
            let silent = moved + self.silence();
            let until = head_by.map_or(silent, |head_by| head_by.min(silent));
            if let Ok(output) = timeout_at(until.into(), sent.as_mut()).await {
                return Ok(output);
            }
            if head_by.is_some_and(|head_by| clock::now() >= head_by) {
                return Err(Refusal::ResponseTimeout);
            }
            if self.exchange.last_moved() <= moved {
                let client = self.exchange.waits_for_client();
                return Err(if client {
                    Refusal::RequestBody
                } else {
                    Refusal::ResponseTimeout
                });
            }
        }
    }

    /// Remembers where the request has been in vain.
    fn failed(&mut self, lease: &Lease, failed: Failed) -> Failed {
        self.tried.push(lease.peer());
        if failed.broken.is_some() {
            self.observe(lease, Observed::LocalFailure);
        }
        failed
    }

    /// A connection for the request, to another of the backend's hosts if the first cannot be connected to.
    async fn connection(
        &mut self,
        until: Instant,
        request: &Request<RequestBody>,
    ) -> Result<(Lease, bool), Failed> {
        let mut others = self.plan.others();
        loop {
            let shelf = self
                .worker
                .pool
                .shelf(&self.plan.destination, self.plan.settings);
            let found = Seeker {
                plan: &self.plan,
                shelf: &shelf,
                worker: self.worker,
                exchange: self.exchange,
                method: request.method(),
                tried: &self.tried,
                until,
            }
            .find()
            .await;
            let refusal = match found {
                Ok(found) => return Ok(found),
                Err(refusal) => refusal,
            };
            let elsewhere = matches!(
                refusal,
                Refusal::Connect(_) | Refusal::Tls(_) | Refusal::Dns(_) | Refusal::Address(_)
            );
            if !elsewhere || others == 0 || !self.go_elsewhere(request) {
                return Err(Failed::unconnected(refusal));
            }
            others -= 1;
        }
    }

    /// Turns to the next of the backend's hosts that the policies allow, if it has several.
    fn go_elsewhere(&mut self, request: &Request<RequestBody>) -> bool {
        for _ in 0..self.plan.others() {
            self.plan.next_host();
            if policy::allows(&self.plan, request.method()) {
                self.exchange.planned(&self.plan.destination);
                return true;
            }
        }
        // Once around, to where it was.
        self.plan.next_host();
        false
    }

    fn answered(&self, lease: &Lease, response: &Response<Incoming>, reused: bool) {
        if reused {
            self.worker.metrics.reused.increment();
        }
        self.observe(lease, Observed::Response(response.status()));
    }

    fn observe(&self, lease: &Lease, observed: Observed) {
        let site = &lease.shelf().site;
        let settings = self.plan.settings;
        observe(site, settings, lease.health(), observed, self.worker);
    }

    /// The request to send again instead of passing the response on.
    fn after_response(
        &mut self,
        answered: &Answered,
        spare: Option<Request<RequestBody>>,
    ) -> Option<Request<RequestBody>> {
        let policy = self.policy()?;
        let (status, headers) = (answered.response.status(), answered.response.headers());
        if !retry::after_response(&policy.on, status, headers) {
            return None;
        }
        self.tried.push(answered.lease.peer());
        self.again(policy.attempts, spare)
    }

    /// The request to send again instead of giving up.
    fn after_failure(
        &mut self,
        failed: &mut Failed,
        spare: Option<Request<RequestBody>>,
    ) -> Option<Request<RequestBody>> {
        let broken = failed.broken?;
        let spare = failed.unsent.take().or(spare);
        if let Some(policy) = self.policy() {
            let wanted = retry::after_failure(&policy.on, broken);
            return wanted.then(|| self.again(policy.attempts, spare)).flatten();
        }
        // Nobody asked for it, so only where it is right in any case: once, elsewhere, and what was sent only if twice
        // is the same as once, which is when there is a spare.
        let reset = matches!(failed.refusal, Refusal::Terminated);
        (reset && self.has_another_address())
            .then(|| self.again(1, spare))
            .flatten()
    }

    fn has_another_address(&self) -> bool {
        let pool = &self.worker.pool;
        let shelf = pool.shelf(&self.plan.destination, self.plan.settings);
        self.plan.others() > 0 || shelf.has_other_than(&self.tried)
    }

    /// Once more, if there may be one more, and the body is still there.
    fn again(
        &mut self,
        attempts: u32,
        spare: Option<Request<RequestBody>>,
    ) -> Option<Request<RequestBody>> {
        if self.retries >= attempts {
            return None;
        }
        let mut again = spare?;
        if self
            .deadline
            .is_some_and(|deadline| clock::now() >= deadline)
            || !again.body_mut().takes_over()
        {
            return None;
        }
        let pool = &self.worker.pool;
        let shelf = pool.shelf(&self.plan.destination, self.plan.settings);
        let breakers = &self.plan.settings.circuit_breakers;
        let Some(permit) = shelf.site.limits.enter(Limit::Retries, breakers) else {
            self.worker.metrics.retries_limited.increment();
            return None;
        };
        self.retrying = Some(permit);
        self.retries += 1;
        self.worker.metrics.retries.increment();
        self.exchange.sent_again();
        self.go_elsewhere(&again);
        Some(again)
    }

    async fn pause(&self) {
        if let Some(policy) = self.policy() {
            let delay = retry::delay(policy, self.retries, rand::random());
            let at = clock::now() + delay;
            let at = self.deadline.map_or(at, |deadline| deadline.min(at));
            sleep_until(at.into()).await;
        }
    }
}

impl Failed {
    /// Nothing came in time: from the upstream, or from the client.
    fn slow(refusal: Refusal) -> Self {
        let upstream = matches!(refusal, Refusal::ResponseTimeout);
        Self {
            refusal,
            broken: upstream.then_some(Broken::BeforeResponse),
            unsent: None,
        }
    }

    /// No connection was found.
    fn unconnected(refusal: Refusal) -> Self {
        let broken = matches!(refusal, Refusal::Connect(_) | Refusal::Tls(_));
        Self {
            broken: broken.then_some(Broken::Connect),
            refusal,
            unsent: None,
        }
    }

    /// The connection failed.
    fn of(mut error: TrySendError<Request<RequestBody>>) -> Self {
        let unsent = error.take_message();
        let error = error.error();
        let (refusal, broken) = if let Some(failure) = TlsFailure::within(error) {
            (Refusal::Tls(failure), Some(Broken::BeforeResponse))
        } else if error.is_parse() {
            (Refusal::UpstreamProtocol, Some(Broken::BeforeResponse))
        } else if error.is_user() || error.is_body_write_aborted() {
            (Refusal::RequestBody, None)
        } else if unsent.is_some() {
            (Refusal::Terminated, Some(Broken::BeforeRequest))
        } else {
            (Refusal::Terminated, Some(Broken::BeforeResponse))
        };
        Self {
            refusal,
            broken,
            unsent,
        }
    }
}

/// A copy to send once more, if the body can be.
fn copy(request: &Request<RequestBody>) -> Option<Request<RequestBody>> {
    let mut copy = Request::new(request.body().repeat()?);
    copy.method_mut().clone_from(request.method());
    copy.uri_mut().clone_from(request.uri());
    copy.headers_mut().clone_from(request.headers());
    Some(copy)
}

/// Lets go of a response that is not passed on.
fn discard(answered: Answered) {
    if answered.response.body().is_end_stream() {
        answered.lease.release();
    }
}

/// Counts what came of a use of an address, if that decides anything.
fn observe(
    site: &Site,
    settings: &BackendSettings,
    health: &Health,
    observed: Observed,
    worker: &Worker,
) {
    if let Some(detection) = &settings.outlier_detection
        && site.observe(health, observed, detection, clock::now())
    {
        worker.metrics.ejections.increment();
    }
}

fn after(timeout: Timeout, begin: Instant) -> Option<Instant> {
    match timeout {
        Timeout::After(limit) => Some(begin + limit),
        Timeout::Default | Timeout::Never => None,
    }
}

fn earliest(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    [one, other].into_iter().flatten().min()
}
