//! One sending of a request: over a connection to one of its destination's addresses, to the response's head.

use std::future::Future;
use std::pin::pin;
use std::time::Instant;

use egret_config::snapshot::HttpVersion;
use http::header::TE;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use tokio::sync::oneshot;
use tokio::time::timeout_at;

use super::connection::{Connection, Lease, UpgradedStream};
use super::health::Observed;
use super::http2::send::{By, Next, OnStream};
use super::request::{UpstreamRequest, after, copy, earliest, observe};
use super::request_body::RequestBody;
use super::retry::{self, Broken};
use super::checkout::Seeker;
use crate::clock;
use crate::refusal::Refusal;
use crate::tls::TlsFailure;

/// A response's head, and what its body comes over.
pub(super) struct Answered {
    pub(super) response: Response<Incoming>,
    pub(super) lease: Lease,
    /// Brings the connection, if the request asked for another protocol.
    pub(super) upgraded: Option<oneshot::Receiver<UpgradedStream>>,
    /// When the attempt that brought it must be over, if ever.
    pub(super) deadline: Option<Instant>,
}

/// Why one sending brought no response.
pub(super) struct Failed {
    pub(super) refusal: Refusal,
    pub(super) broken: Option<Broken>,
    /// The request as it was, if none of it was sent.
    pub(super) unsent: Option<Request<RequestBody>>,
}

impl UpstreamRequest<'_> {
    /// One sending: over connections that waited until one takes the request, or a new one.
    ///
    /// A connection that waited may have been closed by its upstream just as the request was sent. That is nobody's
    /// failure: what was not sent can always be sent again; what was, only if doing it twice is the same.
    pub(super) async fn attempt(
        &mut self,
        mut request: Request<RequestBody>,
        spare: Option<&Request<RequestBody>>,
    ) -> Result<Answered, Failed> {
        let now = clock::now();
        let whole = after(self.timeouts.backend_request, now);
        let deadline = earliest(self.deadline, whole);
        let per_try = self.retry.and_then(|policy| policy.per_try_timeout);
        let head_by = earliest(deadline, per_try.map(|limit| now + limit));
        let mut resent = 0;
        loop {
            let silent = now + self.idle_timeout();
            let until = head_by.map_or(silent, |head_by| head_by.min(silent));
            let (mut lease, reused) = self.connection(until).await?;
            self.trip.has_connection(lease.peer(), reused);
            let idempotent = retry::is_idempotent(request.method());
            let Connection::Http1(connection) = lease.borrow() else {
                let by = By { head_by, deadline };
                let stream = OnStream { lease, reused, by };
                // Boxed, so that it costs a request over HTTP/1.1 nothing.
                match Box::pin(self.over_stream(request, spare, stream, &mut resent)).await? {
                    Next::Answered(answered) => return Ok(answered),
                    Next::Again(again) => request = again,
                }
                continue;
            };
            let upgraded = self.upgrade.then(|| connection.expect_switch());
            if self.cleared.plan().destination.version != HttpVersion::Http1 {
                // Kept for HTTP/2, where it is not about one hop.
                request.headers_mut().remove(TE);
            }
            let sent = connection.sender.try_send_request(request);
            let mut error = match self.head(sent, head_by).await {
                Ok(Ok(response)) => {
                    self.answered(&lease, &response, reused);
                    return Ok(Answered {
                        response,
                        lease,
                        upgraded,
                        deadline,
                    });
                }
                Ok(Err(error)) => error,
                Err(refusal) => return Err(self.failed(&lease, Failed::slow(refusal))),
            };
            // Who says when requests are sent again means these too.
            let unasked = idempotent && self.retry.is_none();
            let again = || spare.filter(|_| unasked).and_then(copy);
            if reused
                && let Some(mut again) = error.take_message().or_else(again)
                && again.body_mut().takes_over()
            {
                request = again;
                continue;
            }
            return Err(self.failed(&lease, Failed::of(error)));
        }
    }

    /// Waits for the response's head: until `head_by`, and as long as something of the request moves.
    pub(super) async fn head<F: Future>(
        &self,
        sent: F,
        head_by: Option<Instant>,
    ) -> Result<F::Output, Refusal> {
        let mut sent = pin!(sent);
        let begin = clock::now();
        loop {
            let moved = self.progress.last_moved().max(begin);
            let silent = moved + self.idle_timeout();
            let until = head_by.map_or(silent, |head_by| head_by.min(silent));
            if let Ok(output) = timeout_at(until.into(), sent.as_mut()).await {
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

    /// Remembers where the request has been in vain.
    pub(super) fn failed(&mut self, lease: &Lease, failed: Failed) -> Failed {
        self.tried.push(lease.peer());
        if failed.broken.is_some() {
            self.observe(lease, Observed::LocalFailure);
        }
        failed
    }

    /// A connection for the request, to another of the backend's hosts if the first cannot be connected to.
    async fn connection(&mut self, until: Instant) -> Result<(Lease, bool), Failed> {
        let mut others = self.cleared.plan().other_hosts();
        loop {
            let shelf = self.shelf();
            let found = Seeker {
                cleared: &self.cleared,
                shelf: &shelf,
                upstreams: self.upstreams,
                trip: self.trip,
                tried: &self.tried,
                until,
            }
            .find()
            .await;
            let refusal = match found {
                Ok(found) => return Ok(found),
                Err(refusal) => refusal,
            };
            if !refusal.elsewhere() || others == 0 || !self.go_elsewhere() {
                return Err(Failed::unconnected(refusal));
            }
            others -= 1;
        }
    }

    /// Turns to the next host of the backend that the policies allow, if there is one.
    pub(super) fn go_elsewhere(&mut self) -> bool {
        let turned = self.cleared.next_host();
        if turned {
            let destination = &self.cleared.plan().destination;
            self.trip.heads_for(&destination.host, destination.port);
        }
        turned
    }

    pub(super) fn answered(&self, lease: &Lease, response: &Response<Incoming>, reused: bool) {
        if reused {
            self.upstreams.metrics.reused.increment();
        }
        self.observe(lease, Observed::Response(response.status()));
    }

    fn observe(&self, lease: &Lease, observed: Observed) {
        let site = &lease.shelf().site;
        let settings = self.cleared.plan().settings;
        observe(site, settings, lease.health(), observed, self.upstreams);
    }
}

impl Failed {
    /// Nothing came in time: from the upstream, or from the client.
    pub(super) fn slow(refusal: Refusal) -> Self {
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
