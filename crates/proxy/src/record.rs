//! What is known of one exchange, from the request's head to the end of its response.
//!
//! An [`Exchange`] is shared by the handler and the two bodies. When the last of them lets go, however that comes
//! about, it is over, and is counted and logged.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

use egret_config::name::DnsName;
use egret_config::policy::egress::{Action, Decision};
use egret_config::resources::ObjectRef;
use egret_config::snapshot::{Listener, Rule, Scheme};
use http::request::Parts;
use http::{Method, StatusCode, Version};

use crate::clock;
use crate::dns::AnswerSource;
use crate::meter::LabelValue as _;
use crate::plan::destination::Destination;
use crate::refusal::{Refusal, Row};
use crate::serve::Connection;
use crate::serve::http2::StreamWatch;
use crate::telemetry::access_log::Line;
use crate::tunnel::between::Moved;

/// One request and its response.
pub(crate) struct Exchange {
    connection: Rc<Connection>,
    /// Of HTTP/2, the stream.
    stream: Option<Rc<StreamWatch>>,
    started: Instant,
    /// Octets of the request body forwarded so far.
    request_bytes: Cell<u64>,
    /// When some of it was last forwarded.
    last_moved: Cell<Instant>,
    /// Whether more of it is waited for.
    waits_for_client: Cell<bool>,
    /// Whether the response has been sent, or let go.
    is_answered: Cell<bool>,
    /// Who is to know when it is.
    waits_for_answer: Cell<Option<Waker>>,
    /// Octets of the response body sent so far.
    pub(crate) response_bytes: Cell<u64>,
    status: Cell<Option<StatusCode>>,
    reason: Cell<Option<&'static str>>,
    form: Cell<Form>,
    details: RefCell<Details>,
}

/// What it is, and so how it is counted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// A request and its response.
    Messages,
    /// These made a tunnel, whose octets are counted there.
    Tunnel,
    /// A connection that is passed on as it comes: likewise, and there was no response.
    Passthrough,
}

/// What the log tells besides.
#[derive(Default)]
struct Details {
    head: Option<Head>,
    listener: Option<Arc<Listener>>,
    rule: Option<Arc<Rule>>,
    user: Option<Arc<str>>,
    refusal: Option<String>,
    verdict: Option<Verdict>,
    upstream: Option<SocketAddr>,
    reused: bool,
    sent_again: u32,
    dns: Option<(AnswerSource, Duration)>,
    connect: Option<Duration>,
    tls: Option<Duration>,
    first_byte: Option<Duration>,
}

/// The request as it came; kept only for those that are logged.
struct Head {
    at: SystemTime,
    /// Absent if it is no request but a connection.
    method: Option<Method>,
    authority: Option<String>,
    path: String,
    protocol: &'static str,
    scheme: Option<Scheme>,
    destination: Option<String>,
}

struct Verdict {
    text: &'static str,
    policy: Option<ObjectRef>,
    rule: Option<Arc<str>>,
}

impl Exchange {
    pub(crate) fn begin(connection: Rc<Connection>, stream: Option<Rc<StreamWatch>>) -> Rc<Self> {
        connection.begins();
        let now = clock::now();
        Rc::new(Self {
            connection,
            stream,
            started: now,
            request_bytes: Cell::default(),
            last_moved: Cell::new(now),
            waits_for_client: Cell::default(),
            is_answered: Cell::default(),
            waits_for_answer: Cell::default(),
            response_bytes: Cell::default(),
            status: Cell::default(),
            reason: Cell::default(),
            form: Cell::new(Form::Messages),
            details: RefCell::default(),
        })
    }

    /// When the request's head had been read.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// How long nothing of it may move.
    pub(crate) fn silence(&self) -> Duration {
        self.connection.silence()
    }

    /// Some of the request body is forwarded.
    pub(crate) fn forwarded(&self, octets: usize) {
        self.request_bytes
            .set(self.request_bytes.get() + octets as u64);
        self.last_moved.set(clock::now());
    }

    /// When the last of the request so far was forwarded.
    pub(crate) fn last_moved(&self) -> Instant {
        self.last_moved.get()
    }

    /// Whether it is the client that has to send more of the request now.
    pub(crate) fn waits_for_client(&self) -> bool {
        self.waits_for_client.get()
    }

    pub(crate) fn set_waits_for_client(&self, waits: bool) {
        self.waits_for_client.set(waits);
    }

    /// The response has been sent, or let go.
    pub(crate) fn answered(&self) {
        self.is_answered.set(true);
        if let Some(waker) = self.waits_for_answer.take() {
            waker.wake();
        }
    }

    /// Ready once the response has been sent, or let go.
    pub(crate) fn poll_answered(&self, cx: &Context<'_>) -> Poll<()> {
        if self.is_answered.get() {
            return Poll::Ready(());
        }
        self.waits_for_answer.set(Some(cx.waker().clone()));
        Poll::Pending
    }

    /// Keeps what the access log will need of the request. Without this the exchange is counted but not logged.
    pub(crate) fn describe(&self, parts: &Parts, authority: Option<String>) {
        self.details.borrow_mut().head = Some(Head {
            at: clock::wall(),
            method: Some(parts.method.clone()),
            authority,
            path: parts.uri.path().to_owned(),
            protocol: protocol(parts.version),
            scheme: None,
            destination: None,
        });
    }

    /// It is TLS that is passed on.
    pub(crate) fn begins_passthrough(&self, logged: bool) {
        self.form.set(Form::Passthrough);
        self.details.borrow_mut().head = logged.then(|| Head {
            at: clock::wall(),
            method: None,
            authority: None,
            path: String::new(),
            protocol: "TLS",
            scheme: None,
            destination: None,
        });
    }

    /// Whose request it is, and so whether it is logged.
    pub(crate) fn taken_by(&self, listener: &Arc<Listener>) {
        self.details.borrow_mut().listener = Some(Arc::clone(listener));
    }

    pub(crate) fn routed(&self, rule: &Arc<Rule>) {
        self.details.borrow_mut().rule = Some(Arc::clone(rule));
    }

    /// Who sent it, now that it is proven.
    pub(crate) fn sent_by(&self, user: Option<&Arc<str>>) {
        self.details.borrow_mut().user = user.cloned();
    }

    /// Where the request is to be sent, which is what policies decide about.
    pub(crate) fn planned(
        &self,
        Destination {
            scheme, host, port, ..
        }: &Destination,
    ) {
        if let Some(head) = &mut self.details.borrow_mut().head {
            let is_tunnel = head.method.as_ref().is_none_or(|it| it == Method::CONNECT);
            head.scheme = Some(*scheme).filter(|_| !is_tunnel);
            head.destination = Some(format!("{host}:{port}"));
        }
    }

    /// Keeps what the policies said.
    pub(crate) fn decided(&self, decision: &Decision<'_>) {
        if decision.audited {
            self.connection.worker.metrics.audited.increment();
        }
        let mut details = self.details.borrow_mut();
        if details.head.is_none() {
            return;
        }
        let text = match decision.action {
            Action::Allow if decision.audited => "audit",
            Action::Allow => "allow",
            Action::Deny => "deny",
        };
        details.verdict = Some(Verdict {
            text,
            policy: decision.policy.cloned(),
            rule: decision.rule.cloned(),
        });
    }

    /// Keeps that an address was refused, or would have been by `policy` in audit mode.
    pub(crate) fn decided_address(&self, text: &'static str, policy: Option<&ObjectRef>) {
        if text == "audit" {
            self.connection.worker.metrics.audited.increment();
        }
        self.details.borrow_mut().verdict = Some(Verdict {
            text,
            policy: policy.cloned(),
            rule: None,
        });
    }

    pub(crate) fn resolved(&self, how: AnswerSource, took: Duration) {
        self.details.borrow_mut().dns = Some((how, took));
    }

    pub(crate) fn connected(&self, took: Duration) {
        self.details.borrow_mut().connect = Some(took);
    }

    pub(crate) fn secured(&self, took: Duration) {
        self.details.borrow_mut().tls = Some(took);
    }

    pub(crate) fn upstream(&self, address: SocketAddr, reused: bool) {
        let mut details = self.details.borrow_mut();
        details.upstream = Some(address);
        details.reused = reused;
    }

    /// The request is sent once more.
    pub(crate) fn sent_again(&self) {
        self.details.borrow_mut().sent_again += 1;
    }

    /// The response's head is about to be sent.
    pub(crate) fn responded(&self, status: StatusCode) {
        self.status.set(Some(status));
        let mut details = self.details.borrow_mut();
        if details.head.is_some() {
            details.first_byte = Some(clock::now() - self.started);
        }
    }

    pub(crate) fn refused(&self, refusal: &Refusal) {
        let Row { status, reason, .. } = refusal.row();
        self.connection.worker.metrics.refusals.increment(reason);
        self.reason.set(Some(reason.as_str()));
        if self.form.get() == Form::Passthrough {
            // Told in the log alone.
            self.status.set(Some(status));
        }
        let mut details = self.details.borrow_mut();
        if details.head.is_some() {
            details.refusal = Some(refusal.details());
        }
    }

    /// The response must have been sent by then.
    pub(crate) fn must_end(&self, deadline: Instant) {
        match &self.stream {
            Some(stream) => stream.must_end(deadline),
            None => self.connection.must_end(deadline),
        }
    }

    /// A piece of the response is there to be sent.
    pub(crate) fn gave(&self) {
        if let Some(stream) = &self.stream {
            stream.gave();
        }
    }

    /// The next piece of it is asked for.
    pub(crate) fn asked(&self) {
        if let Some(stream) = &self.stream {
            stream.asked();
        }
    }

    /// Ends when nothing more can be sent on the stream of HTTP/2 that became a tunnel; never, if there is none.
    pub(crate) async fn stream_closed(&self) {
        match &self.stream {
            Some(stream) => stream.closed().await,
            None => std::future::pending().await,
        }
    }

    /// Why the response was broken off, after its head.
    pub(crate) fn broken(&self, reason: &'static str) {
        self.reason.set(Some(reason));
    }

    /// The response was let go before its end.
    pub(crate) fn left(&self) {
        if self.reason.get().is_none() {
            let stream = self.stream.as_ref();
            let stalled =
                self.connection.is_stalled() || stream.is_some_and(|stream| stream.is_stalled());
            let reason = if stalled {
                "client_stalled"
            } else {
                "client_closed"
            };
            self.reason.set(Some(reason));
        }
    }

    /// From here on it is no exchange of messages any more.
    pub(crate) fn becomes_tunnel(&self) {
        if self.form.get() == Form::Messages {
            self.form.set(Form::Tunnel);
        }
    }

    /// So many octets have moved through the tunnel. Gives how many had before.
    pub(crate) fn moved(&self, moved: Moved) -> Moved {
        Moved {
            up: self.request_bytes.replace(moved.up),
            down: self.response_bytes.replace(moved.down),
        }
    }

    fn count(&self, took: Duration) {
        let metrics = &self.connection.worker.metrics;
        let form = self.form.get();
        match self.status.get() {
            _ if form == Form::Passthrough => return,
            Some(status) => metrics.response(status),
            None => metrics.unanswered.increment(),
        }
        if form == Form::Tunnel {
            return;
        }
        metrics.duration.observe(took);
        metrics.request_bytes.add(self.request_bytes.get());
        metrics.response_bytes.add(self.response_bytes.get());
    }

    fn log(&self, details: &Details, head: &Head, took: Duration) {
        let verdict = details.verdict.as_ref();
        let hello = self.connection.hello.as_ref();
        let reason = self
            .reason
            .get()
            .or_else(|| self.status.get().is_none().then_some("client_closed"));
        self.connection.worker.log(&Line {
            time: time(head.at),
            listener: details
                .listener
                .as_ref()
                .map(|at| named(&at.gateway, &at.name)),
            route: details.rule.as_ref().map(|rule| {
                rule.name.as_ref().map_or_else(
                    || named(&rule.route, &rule.index),
                    |name| named(&rule.route, name),
                )
            }),
            client: self.connection.client.to_string(),
            sni: hello
                .and_then(|hello| hello.sni.as_ref())
                .map(DnsName::as_str),
            ech: hello.map(|hello| hello.ech).filter(|ech| *ech),
            user: details.user.as_deref(),
            method: head.method.as_ref().map_or("", Method::as_str),
            scheme: head.scheme.map(Scheme::as_str),
            authority: head.authority.as_deref(),
            destination: head.destination.as_deref(),
            path: &head.path,
            protocol: head.protocol,
            status: self.status.get().map(|status| status.as_u16()),
            reason,
            details: details.refusal.as_deref(),
            verdict: verdict.map(|verdict| verdict.text),
            policy: verdict
                .and_then(|verdict| verdict.policy.as_ref())
                .map(|policy| {
                    let ObjectRef {
                        namespace, name, ..
                    } = policy;
                    format!("{namespace}/{name}")
                }),
            rule: verdict.and_then(|verdict| verdict.rule.as_deref()),
            upstream: details.upstream.map(|address| address.to_string()),
            reused: details.upstream.map(|_| details.reused),
            retries: Some(details.sent_again).filter(|count| *count > 0),
            dns: details.dns.map(|(how, _)| how.as_str()),
            bytes_received: self.request_bytes.get(),
            bytes_sent: self.response_bytes.get(),
            dns_ms: details.dns.map(|(_, took)| millis(took)),
            connect_ms: details.connect.map(millis),
            tls_ms: details.tls.map(millis),
            first_byte_ms: details.first_byte.map(millis),
            total_ms: millis(took),
        });
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let now = clock::now();
        let took = now - self.started;
        self.connection.ended(now);
        self.count(took);
        let details = self.details.take();
        let listener_logs = details
            .listener
            .as_ref()
            .is_none_or(|listener| listener.access_log);
        if let Some(head) = details.head.as_ref().filter(|_| listener_logs) {
            self.log(&details, head, took);
        }
    }
}

fn named(object: &ObjectRef, part: &impl std::fmt::Display) -> String {
    format!("{}/{}/{part}", object.namespace, object.name)
}

pub(crate) fn time(at: SystemTime) -> String {
    let at = jiff::Timestamp::try_from(at);
    at.map(|at| format!("{at:.3}")).unwrap_or_default()
}

/// To the microsecond: a cached name is resolved in less than one.
fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_11 => "HTTP/1.1",
        Version::HTTP_2 => "HTTP/2",
        _ => "HTTP",
    }
}
