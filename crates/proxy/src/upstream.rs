//! Sending a request, again if need be, and waiting for the response's head.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use egret_config::snapshot::{BackendSettings, FOREVER, RetryPolicy, Rule, Timeout, Timeouts};
use http::{Request, Response, StatusCode};
use hyper::body::Body;
use tokio::time::sleep_until;

use crate::body::{Limit as BodyLimit, RequestBody, ResponseBody};
use crate::plan::Plan;
use crate::record::Exchange;
use crate::refusal::{Limit, Refusal};
use crate::telemetry::clock;
use crate::worker::Worker;
use attempt::{Answered, Failed};
use connection::{Lease, Outlet};
use health::{Health, Observed};
use limits::Permit;
use shelf::Shelf;
use site::Site;

mod attempt;
pub(crate) mod balance;
pub(crate) mod connection;
pub(crate) mod destination;
pub(crate) mod direct;
pub(crate) mod families;
pub(crate) mod health;
pub(crate) mod http2;
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

/// One request on its way out.
pub(crate) struct Sending<'a> {
    plan: Box<Plan<'a>>,
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

impl<'a> Sending<'a> {
    pub(crate) fn new(
        plan: Box<Plan<'a>>,
        rule: &'a Rule,
        worker: &'a Rc<Worker>,
        exchange: &'a Rc<Exchange>,
        upgrade: bool,
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
            upgrade,
        }
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
        self.rule.policies.retry.value().map(|retry| &**retry)
    }

    /// How long nothing may move: for ever if the rule switches timeouts off.
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

    /// The connections to where the request goes now.
    fn shelf(&self) -> Rc<Shelf> {
        let pool = &self.worker.pool;
        pool.shelf(&self.plan.destination, self.plan.settings)
    }

    fn has_another_address(&self) -> bool {
        self.plan.others() > 0 || self.shelf().has_other_than(&self.tried)
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
        let shelf = self.shelf();
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
