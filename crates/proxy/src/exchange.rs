//! One exchange while it runs.
//!
//! An [`Exchange`] is shared by the handler and the two bodies. When the last of them lets go, however that comes about,
//! the exchange has ended: its record is made, counted and logged.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use egret_config::access_log::{AccessLog, LogInputs};
use egret_config::expression::RequestForm;
use egret_config::name::DnsName;
use egret_config::policy::egress::{EgressDecision, EgressMode};
use egret_config::policy::route_tracing::RouteTracing;
use egret_config::policy::transformation::TemplateFields;
use egret_config::resources::ObjectRef;
use egret_config::snapshot::{
    FOREVER, Listener, ListenerSocket, LocalReplies, RouteRule, Scheme, TimeoutSetting,
};
use http::header::{HeaderValue, SET_COOKIE, USER_AGENT};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, Method, StatusCode, Version};

use crate::client::stream_watch::StreamWatch;
use crate::client::{ClientConnection, HelloFacts};
use crate::clock;
use crate::message::few_fields;
use crate::message::trace::{TRACEPARENT, TraceField};
use crate::plan::destination::DestinationKey;
use crate::plan::session::Session;
use crate::policy::ext_proc::Processor;
use crate::policy::fault::{self, ActiveFaults, Pace};
use crate::policy::limit::{LimitAudit, LimitShare};
use crate::policy::transformation::{self, ResponseTransformation};
use crate::policy::{self, ClientIdentity};
use crate::record::{
    ExchangeEnd, ExchangeForm, FollowedRedirect, MessageFields, RequestOrigin, SniViolation, Trip,
    VerdictFacts,
};
use crate::refusal::{Refusal, RefusalId, RefusalRow, RefusalSubject};
use crate::telemetry::traces::TracedRequest;
use crate::telemetry::{DecisionLabels, WorkerTelemetry};

mod client_body;
mod hop;
mod interim;
mod own_response;
mod progress;
mod settled;

pub(crate) use client_body::ClientBody;
pub(crate) use hop::ExchangePosition;
pub(crate) use progress::{BodyConsent, Progress, TunnelBytes};
use settled::SettledFacts;

/// One request and its response, or a tunnel.
pub(crate) struct Exchange {
    connection: Rc<ClientConnection>,
    /// The HTTP/2 stream, if there is one.
    stream: Option<Rc<StreamWatch>>,
    telemetry: Rc<WorkerTelemetry>,
    progress: Progress,
    trip: Trip,
    status: Cell<Option<StatusCode>>,
    end: Cell<Option<ExchangeEnd>>,
    form: Cell<ExchangeForm>,
    /// Interim responses that may still be passed on.
    interim_left: Cell<u8>,
    /// Whether an HTTP/2 client waits for a 100 response, which hyper sends over HTTP/1.1.
    owes_continue: Cell<bool>,
    /// The generation of the configuration when the exchange began.
    generation: u64,
    facts: RefCell<RequestFacts>,
    /// Who sends the request, if that is not just the other end of the connection.
    sender: OnceCell<Rc<ClientIdentity>>,
}

/// What is known of the request.
#[derive(Default)]
struct RequestFacts {
    head: Option<LoggedHead>,
    listener: Option<Arc<Listener>>,
    rule: Option<Arc<RouteRule>>,
    /// The backend that the request was planned for.
    backend: Option<ObjectRef>,
    /// The origin of the page that may read the response.
    origin: Option<HeaderValue>,
    /// The cookie that the response gives to the client.
    cookie: Option<HeaderValue>,
    /// The session that the request belongs to.
    session: Option<Box<Session>>,
    user: Option<Arc<str>>,
    details: Option<String>,
    /// The refusal in Envoy's words, if a format may ask for them.
    code_details: Option<Box<CodeDetails>>,
    /// What the formats of the listener's log ask for; kept only if there are any.
    messages: Option<Box<MessageFields>>,
    /// Likewise for responses of the gateway's own.
    reply_messages: Option<Box<MessageFields>>,
    /// Where it is logged if it has no listener.
    unrouted_log: AccessLog,
    /// What becomes of a response of the gateway's own then.
    unrouted_replies: Option<Arc<LocalReplies>>,
    refusal: Option<RefusalId>,
    verdict: VerdictFacts,
    first_byte: Option<Duration>,
    /// The ClientHello inside the tunnel.
    inner_hello: Option<HelloFacts>,
    /// Its place among the requests that are open at once.
    share: Option<LimitShare>,
    /// What services that policies asked add to the response.
    added: Vec<(HeaderName, HeaderValue)>,
    /// The fields of the request, if templates for responses may ask for them.
    fields: Option<Arc<TemplateFields>>,
    /// The service that saw the request, and may see the response.
    processor: Option<Rc<Processor>>,
    /// Its place in a trace.
    traced: Option<TracedRequest>,
    /// Whether it was a health check, which the listener answered itself.
    is_health_check: bool,
    /// The redirects that were followed.
    redirects: Vec<FollowedRedirect>,
}

/// A refusal in Envoy's words.
struct CodeDetails {
    details: String,
    /// Why the connection to the upstream could not be made.
    transport_failure: Option<String>,
}

/// The request as it came; kept only for an exchange that is logged.
struct LoggedHead {
    at: SystemTime,
    /// Absent for TLS passthrough.
    method: Option<Method>,
    authority: Option<String>,
    /// How it names that.
    form: Option<RequestForm>,
    target: Option<PathAndQuery>,
    protocol: &'static str,
    scheme: Option<Scheme>,
    user_agent: Option<HeaderValue>,
    traceparent: Option<HeaderValue>,
}

impl LoggedHead {
    /// The path; empty if the request has none.
    fn path(&self) -> &str {
        self.target.as_ref().map_or("", PathAndQuery::path)
    }
}

impl RequestFacts {
    /// The full name of the listener that took the request.
    fn listener_name(&self) -> Option<&Arc<str>> {
        self.listener.as_ref().map(|listener| &listener.full_name)
    }

    /// Where the exchange is logged.
    fn log(&self) -> &AccessLog {
        let listener = self.listener.as_ref();
        listener.map_or(&self.unrouted_log, |listener| &listener.access_log)
    }

    /// What formats ask for, of the log and of responses of the gateway's own, and where each is kept.
    fn asked_for(&mut self) -> impl Iterator<Item = (&LogInputs, &mut MessageFields)> {
        let listener = self.listener.as_deref();
        let log = listener.and_then(|listener| listener.access_log.inputs());
        let replies = listener.and_then(|listener| listener.http.as_ref());
        let replies = replies.and_then(|http| http.local_replies.as_ref());
        let of_log = log.map(|inputs| (inputs, &mut **self.messages.get_or_insert_default()));
        let of_replies = replies.map(|replies| {
            let messages = self.reply_messages.get_or_insert_default();
            (&replies.inputs, &mut **messages)
        });
        of_log.into_iter().chain(of_replies)
    }

    /// Whether somebody may ask for the refusal in Envoy's words.
    fn tells_code_details(&self) -> bool {
        matches!(self.log(), AccessLog::Sinks(_)) || self.local_replies().is_some()
    }
}

impl Exchange {
    /// Begins the exchange of a request whose head has been read, or of a TLS connection that is routed by its server
    /// name.
    pub(crate) fn begin(
        connection: Rc<ClientConnection>,
        stream: Option<Rc<StreamWatch>>,
        telemetry: Rc<WorkerTelemetry>,
    ) -> Rc<Self> {
        connection.exchange_begins();
        Rc::new(Self {
            progress: Progress::new(clock::now(), connection.stream_idle_timeout()),
            connection,
            stream,
            trip: Trip::default(),
            status: Cell::default(),
            end: Cell::default(),
            form: Cell::default(),
            interim_left: Cell::default(),
            owes_continue: Cell::default(),
            generation: telemetry.generation(),
            facts: RefCell::default(),
            sender: OnceCell::new(),
            telemetry,
        })
    }

    /// Who sends the request: the client of the connection, or for whom a proxy says that it speaks.
    pub(crate) fn identity(&self) -> &Rc<ClientIdentity> {
        let connection = || self.connection.identity();
        self.sender.get().unwrap_or_else(connection)
    }

    /// The listener has its own word about who sends the request, and what upstreams are told of that.
    pub(crate) fn sent_by(&self, sender: ClientIdentity) {
        // It is said once, when the listener is found.
        let _ = self.sender.set(Rc::new(sender));
    }

    /// How far the bodies have come.
    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// The way to the upstream.
    pub(crate) fn trip(&self) -> &Trip {
        &self.trip
    }

    /// Keeps what the access log will need of the request, which names an authority in a form. Without this the exchange is
    /// counted but not logged.
    pub(crate) fn describe(&self, parts: &Parts, named: Option<(String, RequestForm)>) {
        let (authority, form) = named.unzip();
        let [user_agent, traceparent] =
            few_fields::first(&[USER_AGENT, TRACEPARENT], &parts.headers);
        self.facts.borrow_mut().head = Some(LoggedHead {
            at: clock::wall(),
            method: Some(parts.method.clone()),
            authority,
            form,
            target: parts.uri.path_and_query().cloned(),
            protocol: protocol(parts.version),
            scheme: None,
            user_agent: user_agent.cloned(),
            traceparent: traceparent.cloned(),
        });
    }

    /// The exchange is a TLS connection that is routed by its server name.
    pub(crate) fn is_tls(&self, logged: bool) {
        self.form.set(ExchangeForm::Tls);
        self.facts.borrow_mut().head = logged.then(|| LoggedHead {
            at: clock::wall(),
            method: None,
            authority: None,
            form: Some(RequestForm::Sni),
            target: None,
            protocol: "TLS",
            scheme: None,
            user_agent: None,
            traceparent: None,
        });
    }

    /// The listener that takes the request, which says whether it is logged.
    pub(crate) fn taken_by(&self, listener: &Arc<Listener>) {
        self.connection.taken_by(&listener.full_name);
        self.facts.borrow_mut().listener = Some(Arc::clone(listener));
    }

    /// No listener takes the request, which the log of the socket tells, and the socket answers.
    pub(crate) fn is_unrouted(&self, socket: &ListenerSocket) {
        let mut facts = self.facts.borrow_mut();
        facts.unrouted_log = socket.unrouted_log().clone();
        facts.unrouted_replies = socket.unrouted_replies().cloned();
    }

    /// Keeps what formats ask for of a request that a listener took.
    pub(crate) fn received(&self, parts: &Parts) {
        let mut facts = self.facts.borrow_mut();
        let head = facts.head.take();
        let http = facts.listener.as_ref().and_then(|it| it.http.as_ref());
        let is_edited = http.is_some_and(|http| http.early_headers.is_some());
        let origin = RequestOrigin {
            is_described: head.is_some() && !is_edited,
            ..self.origin(head.as_ref())
        };
        for (inputs, messages) in facts.asked_for() {
            messages.receive(inputs, parts, origin);
        }
        facts.head = head;
    }

    /// What formats may ask for of a request beside its head.
    fn origin<'h>(&self, head: Option<&'h LoggedHead>) -> RequestOrigin<'h> {
        let authority = head.and_then(|head| head.authority.as_deref());
        RequestOrigin {
            scheme: self.connection.scheme(),
            authority: authority.unwrap_or_default(),
            is_described: false,
        }
    }

    /// The request was a health check, which the listener answers itself.
    pub(crate) fn is_health_check(&self) {
        self.facts.borrow_mut().is_health_check = true;
    }

    /// The `traceparent` of a request with these fields, which the listener may have edited.
    pub(crate) fn traceparent(&self, headers: &HeaderMap, is_edited: bool) -> Option<HeaderValue> {
        match &self.facts.borrow().head {
            Some(head) if !is_edited => head.traceparent.clone(),
            _ => headers.get(TRACEPARENT).cloned(),
        }
    }

    /// The request has this place in a trace.
    pub(crate) fn traced(&self, traced: TracedRequest) {
        self.facts.borrow_mut().traced = Some(traced);
    }

    /// A rule has its own word about the trace: whether it is drawn, and what spans say.
    pub(crate) fn retraced(
        &self,
        rule: &RouteTracing,
        is_drawn: Option<bool>,
        headers: &HeaderMap,
    ) {
        if let Some(traced) = &mut self.facts.borrow_mut().traced {
            traced.follow(rule, is_drawn, headers);
        }
    }

    /// Tells the upstream of the trace that the request belongs to, and keeps what formats ask for of the request as it is
    /// sent on. Returns the field of the trace, unless it is among the others, because somebody asks for them.
    pub(crate) fn sends(&self, parts: &mut Parts) -> Option<TraceField> {
        let mut facts = self.facts.borrow_mut();
        let traced = facts.traced.as_ref();
        let mut trace = traced.and_then(|traced| traced.inject(&mut parts.headers));
        for (inputs, messages) in facts.asked_for() {
            if inputs.reads_request_fields()
                && let Some(trace) = trace.take()
            {
                trace.insert_into(&mut parts.headers);
            }
            messages.send(inputs, parts);
        }
        trace
    }

    /// Keeps what formats ask for of the response; `length` is the size of its body, if that is known.
    pub(crate) fn answers(&self, headers: &HeaderMap, length: Option<u64>) {
        for (inputs, messages) in self.facts.borrow_mut().asked_for() {
            messages.respond(inputs, headers, length);
        }
    }

    /// Keeps what formats ask for of the trailers of the response.
    pub(crate) fn ends_with(&self, trailers: &HeaderMap) {
        for (inputs, messages) in self.facts.borrow_mut().asked_for() {
            messages.end(inputs, trailers);
        }
    }

    /// The rule that the request falls under.
    pub(crate) fn routed(&self, rule: &Arc<RouteRule>) {
        match rule.timeouts.stream_idle {
            TimeoutSetting::Default => {}
            TimeoutSetting::Never => self.progress.set_idle_timeout(FOREVER),
            TimeoutSetting::After(limit) => self.progress.set_idle_timeout(limit),
        }
        self.facts.borrow_mut().rule = Some(Arc::clone(rule));
    }

    /// Makes the changes of the policies of the rule, if one was found, to the head of the response.
    pub(crate) fn edit_response(&self, headers: &mut HeaderMap) {
        let facts = self.facts.borrow();
        if let Some(rule) = &facts.rule {
            policy::edit_response(&rule.policies, facts.origin.as_ref(), headers);
        }
        for (name, value) in &facts.added {
            headers.append(name, value.clone());
        }
    }

    /// Keeps the fields of the request for the templates for responses.
    pub(crate) fn keeps_fields(&self, fields: Arc<TemplateFields>) {
        self.facts.borrow_mut().fields = Some(fields);
    }

    /// How the response is transformed, if the rule says so.
    pub(crate) fn response_transformation(&self) -> Option<ResponseTransformation> {
        let facts = self.facts.borrow();
        let rule = facts.rule.as_ref()?;
        Some(ResponseTransformation {
            by: transformation::of_responses(&rule.policies)?,
            request: facts.fields.clone()?,
        })
    }

    /// This service saw the request, and may see the response.
    pub(crate) fn seen_by(&self, processor: Rc<Processor>) {
        self.facts.borrow_mut().processor = Some(processor);
    }

    /// The service that saw the request.
    pub(crate) fn processor(&self) -> Option<Rc<Processor>> {
        self.facts.borrow().processor.clone()
    }

    /// The service that saw the request, and is asked about nothing but this response after that.
    pub(crate) fn take_processor(&self) -> Option<Rc<Processor>> {
        self.facts.borrow_mut().processor.take()
    }

    /// The response gives this cookie to the client.
    pub(crate) fn set_cookie(&self, cookie: HeaderValue) {
        self.facts.borrow_mut().cookie = Some(cookie);
    }

    /// The request belongs to this session.
    pub(crate) fn belongs_to(&self, session: Box<Session>) {
        self.facts.borrow_mut().session = Some(session);
    }

    /// Gives the client its cookie and its session, and says in `Server` what the listener wants.
    pub(crate) fn finish_response(&self, headers: &mut HeaderMap) {
        let mut facts = self.facts.borrow_mut();
        if let Some(cookie) = facts.cookie.take() {
            headers.append(SET_COOKIE, cookie);
        }
        let persistence = facts.rule.as_ref().and_then(|rule| rule.session.as_ref());
        if let Some(policy) = persistence
            && let Some(place) = self.trip.place()
        {
            let known = facts.session.as_deref();
            let field = Session::field(policy, known, place, clock::unix_time());
            if let Some((name, value)) = field {
                headers.append(name, value);
            }
        }
        let http = facts.listener.as_ref().and_then(|it| it.http.as_ref());
        if let Some(server) = http.and_then(|http| http.server.as_ref()) {
            server.apply(headers);
        }
    }

    /// The rate at which the body of the response is sent, if a policy of the rule wants it slow.
    pub(crate) fn response_pace(&self, active: &Arc<ActiveFaults>) -> Option<Box<Pace>> {
        let facts = self.facts.borrow();
        fault::response_pace(&facts.rule.as_ref()?.policies, active)
    }

    /// The page of this origin sent the request, and may read the response.
    pub(crate) fn shared_with(&self, origin: HeaderValue) {
        self.facts.borrow_mut().origin = Some(origin);
    }

    /// The user or client that the credentials proved.
    pub(crate) fn authenticated(&self, user: Option<&Arc<str>>) {
        self.facts.borrow_mut().user = user.cloned();
    }

    /// Where the request is to be sent, which is what policies decide about.
    pub(crate) fn planned(&self, destination: &DestinationKey, backend: &ObjectRef) {
        let DestinationKey {
            scheme, host, port, ..
        } = destination;
        let mut facts = self.facts.borrow_mut();
        facts.backend = Some(backend.clone());
        if let Some(head) = &mut facts.head {
            let is_tunnel = head.method.as_ref().is_none_or(|it| it == Method::CONNECT);
            head.scheme = Some(*scheme).filter(|_| !is_tunnel);
        }
        self.trip.heads_for(host, *port);
        self.connection.heads_for(host);
    }

    /// The full name of the rule that the request falls under; empty if none was found.
    pub(crate) fn route(&self) -> String {
        let facts = self.facts.borrow();
        facts
            .rule
            .as_ref()
            .map(|rule| rule.full_name())
            .unwrap_or_default()
    }

    /// The policies let the destination through by its name.
    pub(crate) fn cleared(&self, decision: &EgressDecision<'_>) {
        let mut facts = self.facts.borrow_mut();
        if decision.audited {
            let labels = DecisionLabels {
                listener: facts.listener_name(),
                policy: decision.policy,
                rule: decision.rule,
                ..DecisionLabels::default()
            };
            self.telemetry.metrics.audited.increment((), labels);
        }
        facts.verdict.cleared(decision);
    }

    /// What the exchange took from the limits of requests.
    pub(crate) fn limited(&self, share: LimitShare) {
        let mut facts = self.facts.borrow_mut();
        if let Some(LimitAudit { policy, limit }) = share.audited() {
            let labels = DecisionLabels {
                listener: facts.listener_name(),
                policy: Some(policy),
                rule: Some(limit),
                ..DecisionLabels::default()
            };
            self.telemetry.metrics.audited.increment((), labels);
            facts.verdict.over_limit(policy, limit);
        }
        facts.share = Some(share).filter(|share| !share.is_done());
    }

    /// A service that a policy asked adds fields to the response.
    pub(crate) fn adds_to_response(&self, fields: Vec<(HeaderName, HeaderValue)>) {
        self.facts.borrow_mut().added.extend(fields);
    }

    /// The generation of the configuration when the exchange began.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// The exchange is refused. Returns what the refusal is about.
    pub(crate) fn refused(&self, refusal: &Refusal) -> RefusalSubject {
        let about = RefusalSubject {
            destination: self.trip.destination(),
            address: self.trip.upstream(),
            id: Some(RefusalId::random()),
        };
        let RefusalRow { status, reason, .. } = refusal.row();
        self.end.set(Some(ExchangeEnd::Refused(reason)));
        if self.form.get() == ExchangeForm::Tls {
            // The client is told by a TLS alert, or not at all; the status is for the log.
            self.status.set(Some(status));
        }
        let mut facts = self.facts.borrow_mut();
        if facts.head.is_some() {
            facts.details = Some(refusal.details(&about));
            if facts.tells_code_details() {
                facts.code_details = Some(Box::new(CodeDetails {
                    details: refusal.code_details(&about),
                    transport_failure: refusal.transport_failure(),
                }));
            }
            facts.refusal = about.id;
        }
        facts.verdict.refused(refusal);
        let labels = DecisionLabels::of(facts.listener_name(), facts.verdict.denial())
            .towards(facts.rule.as_deref(), facts.backend.as_ref());
        self.telemetry.metrics.refusals.increment(reason, labels);
        about
    }

    /// The response's head is about to be sent.
    pub(crate) fn responded(&self, status: StatusCode) {
        self.status.set(Some(status));
        let mut facts = self.facts.borrow_mut();
        if facts.head.is_some() {
            facts.first_byte = Some(clock::now() - self.progress.started());
        }
    }

    /// The response must have been sent by then.
    pub(crate) fn must_end(&self, deadline: Instant) {
        match &self.stream {
            Some(stream) => stream.must_end(deadline),
            None => self.connection.watch.must_end(deadline),
        }
    }

    /// A frame of the response is ready to be sent.
    pub(crate) fn frame_ready(&self) {
        if let Some(stream) = &self.stream {
            stream.frame_ready();
        }
    }

    /// The next frame of the response is polled for.
    pub(crate) fn frame_polled(&self) {
        if let Some(stream) = &self.stream {
            stream.frame_polled();
        }
    }

    /// Ends when nothing more can be sent on the HTTP/2 stream that became a tunnel; never, if there is no stream.
    pub(crate) async fn stream_closed(&self) {
        match &self.stream {
            Some(stream) => stream.closed().await,
            None => std::future::pending().await,
        }
    }

    /// The exchange was broken off after the response's head, or was a tunnel that ended.
    pub(crate) fn broken_off(&self, end: ExchangeEnd) {
        self.end.set(Some(end));
    }

    /// The response body was dropped before its end.
    pub(crate) fn body_dropped(&self) {
        if self.end.get().is_none() {
            let stream = self.stream.as_ref();
            let stalled =
                self.connection.is_stalled() || stream.is_some_and(|stream| stream.is_stalled());
            self.end.set(Some(if stalled {
                ExchangeEnd::ClientStalled
            } else {
                self.dropped()
            }));
        }
    }

    /// Why an exchange ends that is dropped before it is over.
    fn dropped(&self) -> ExchangeEnd {
        if self.telemetry.is_cut_off() {
            ExchangeEnd::Drained
        } else {
            ExchangeEnd::ClientClosed
        }
    }

    /// What the ClientHello inside the tunnel said, and whether it is not as a policy requires.
    pub(crate) fn looked_inside(
        &self,
        hello: Option<(Option<&DnsName>, bool)>,
        violation: Option<(SniViolation, EgressMode)>,
    ) {
        let mut facts = self.facts.borrow_mut();
        facts.inner_hello = hello.map(|(name, ech)| HelloFacts {
            sni: name.cloned(),
            ech,
        });
        if let Some((violation, mode)) = violation {
            if mode == EgressMode::Audit {
                let labels = DecisionLabels {
                    listener: facts.listener_name(),
                    policy: Some(&violation.policy),
                    ..DecisionLabels::default()
                };
                self.telemetry.metrics.audited.increment((), labels);
            }
            facts.verdict.violated(violation, mode);
        }
    }

    /// The exchange of messages made a tunnel.
    pub(crate) fn becomes_tunnel(&self) {
        if self.form.get() == ExchangeForm::Messages {
            self.form.set(ExchangeForm::Tunnel);
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let now = clock::now();
        self.connection.exchange_ended(now);
        let unanswered = self.status.get().is_none().then(|| self.dropped());
        let destination = self.trip.take_destination();
        let audited_by = self.trip.take_audited_by();
        let RequestFacts {
            listener, verdict, ..
        } = self.facts.get_mut();
        count_audited(&self.telemetry, listener.as_deref(), audited_by.as_ref());
        let verdict = verdict.settle(audited_by);
        let facts = self.facts.borrow();
        let traced = facts.traced.as_ref();
        let traced = traced.filter(|it| it.trace.is_sampled);
        let log = facts.log();
        let is_logged = facts.head.is_some() && !log.is_off();
        let settled = SettledFacts {
            now,
            destination,
            verdict,
            end: self.end.get().or(unanswered),
            is_told: is_logged || traced.is_some(),
        };
        let record = self.record(&facts, &settled);
        let log = Some(log).filter(|_| is_logged);
        self.telemetry.tell(&record, now, log, traced);
    }
}

/// Counts an exchange whose address a policy in audit mode would have denied, if there was one.
fn count_audited(
    telemetry: &WorkerTelemetry,
    listener: Option<&Listener>,
    policy: Option<&ObjectRef>,
) {
    if policy.is_none() {
        return;
    }
    let labels = DecisionLabels {
        listener: listener.map(|listener| &listener.full_name),
        policy,
        ..DecisionLabels::default()
    };
    telemetry.metrics.audited.increment((), labels);
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_11 => "HTTP/1.1",
        Version::HTTP_2 => "HTTP/2",
        _ => "HTTP",
    }
}
