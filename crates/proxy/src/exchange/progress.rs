//! How far the bodies of an exchange have come, and who has to send next.

use std::cell::Cell;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::clock;

/// The progress of one exchange. Whoever sends a request reads its timers from here.
pub(crate) struct Progress {
    started: Instant,
    idle_timeout: Cell<Duration>,
    request_bytes: Cell<u64>,
    response_bytes: Cell<u64>,
    /// When some of the request body was last forwarded.
    last_moved: Cell<Instant>,
    /// Whether the request was received to its end.
    has_whole_request: Cell<bool>,
    waits_for_client: Cell<bool>,
    body_consent: Cell<BodyConsent>,
    is_answered: Cell<bool>,
    /// Woken when the response has been sent, or dropped, and when the consent to the body changes.
    waits_for_answer: Cell<Option<Waker>>,
}

/// Whether a client may send its body (RFC 9110 10.1.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum BodyConsent {
    /// The client sends it without waiting, or has been asked to.
    #[default]
    Given,
    /// The client waits for a 100 response.
    Awaited,
    /// The client got a final response instead.
    Withheld,
}

/// Bytes that were written to each end of a tunnel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TunnelBytes {
    /// To the upstream.
    pub(crate) up: u64,
    /// To the client.
    pub(crate) down: u64,
}

impl Progress {
    /// An exchange that began at `started` and of which nothing may stand still for longer than `idle_timeout`.
    pub(crate) fn new(started: Instant, idle_timeout: Duration) -> Self {
        Self {
            started,
            idle_timeout: Cell::new(idle_timeout),
            request_bytes: Cell::default(),
            response_bytes: Cell::default(),
            last_moved: Cell::new(started),
            has_whole_request: Cell::default(),
            waits_for_client: Cell::default(),
            body_consent: Cell::default(),
            is_answered: Cell::default(),
            waits_for_answer: Cell::default(),
        }
    }

    /// When the request's head had been read.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// How long nothing of the exchange may move.
    pub(crate) fn idle_timeout(&self) -> Duration {
        self.idle_timeout.get()
    }

    /// Changes how long nothing of the exchange may move.
    pub(crate) fn set_idle_timeout(&self, timeout: Duration) {
        self.idle_timeout.set(timeout);
    }

    /// Some of the request body is forwarded.
    pub(crate) fn forwarded(&self, bytes: usize) {
        self.request_bytes
            .set(self.request_bytes.get() + bytes as u64);
        self.last_moved.set(clock::now());
    }

    /// Some of the response body is sent.
    pub(crate) fn sent(&self, bytes: usize) {
        self.response_bytes
            .set(self.response_bytes.get() + bytes as u64);
    }

    /// Bytes of the request body forwarded so far.
    pub(crate) fn request_bytes(&self) -> u64 {
        self.request_bytes.get()
    }

    /// Bytes of the response body sent so far.
    pub(crate) fn response_bytes(&self) -> u64 {
        self.response_bytes.get()
    }

    /// Sets the bytes that a tunnel has moved. Returns the bytes that it had moved before.
    pub(crate) fn tunnelled(&self, moved: TunnelBytes) -> TunnelBytes {
        TunnelBytes {
            up: self.request_bytes.replace(moved.up),
            down: self.response_bytes.replace(moved.down),
        }
    }

    /// When the last of the request so far was forwarded.
    pub(crate) fn last_moved(&self) -> Instant {
        self.last_moved.get()
    }

    /// The request was received to its end.
    pub(crate) fn received_whole(&self) {
        self.has_whole_request.set(true);
    }

    /// From the head of the request to its end; `None` if that was not received.
    pub(crate) fn whole_request(&self) -> Option<Duration> {
        let took = self
            .last_moved
            .get()
            .saturating_duration_since(self.started);
        self.has_whole_request.get().then_some(took)
    }

    /// Whether the client has to send more of the request now.
    pub(crate) fn waits_for_client(&self) -> bool {
        self.waits_for_client.get()
    }

    pub(crate) fn set_waits_for_client(&self, waits: bool) {
        self.waits_for_client.set(waits);
    }

    /// Whether the client may send its body.
    pub(crate) fn body_consent(&self) -> BodyConsent {
        self.body_consent.get()
    }

    /// Whether the client was not asked for its body, and so may never send it.
    pub(crate) fn is_body_unasked(&self) -> bool {
        self.body_consent.get() != BodyConsent::Given
    }

    /// Changes whether the client may send its body.
    pub(crate) fn set_body_consent(&self, consent: BodyConsent) {
        self.body_consent.set(consent);
        if let Some(waker) = self.waits_for_answer.take() {
            waker.wake();
        }
    }

    /// The response has been sent, or dropped.
    pub(crate) fn answered(&self) {
        self.is_answered.set(true);
        if let Some(waker) = self.waits_for_answer.take() {
            waker.wake();
        }
    }

    /// Ready once the response has been sent, or dropped.
    pub(crate) fn poll_answered(&self, cx: &Context<'_>) -> Poll<()> {
        if self.is_answered.get() {
            return Poll::Ready(());
        }
        self.waits_for_answer.set(Some(cx.waker().clone()));
        Poll::Pending
    }
}
