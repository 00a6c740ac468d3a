//! One request, top to bottom: what is decided, in which order, and who answers.

use std::borrow::Cow;
use std::cell::Cell;
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use egret_config::name::{Host, Port};
use egret_config::policy::traffic::TrafficSettings;
use egret_config::route::RouteMatch;
use egret_config::snapshot::{Listener, ListenerSocket, RouteRule, Snapshot};
use h2::ext::Protocol;
use http::header::{CONNECTION, EXPECT, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Version};
use http_body::Body as _;

use crate::body::ResponseBody;
use crate::client::ClientConnection;
use crate::client::stream_watch::StreamWatch;
use crate::configuration::{WorkerSnapshot, describes_requests};
use crate::downstream::{DownstreamConnection, TunnelSlot};
use crate::exchange::{BodyConsent, Exchange};
use crate::message::target::{Target, check_framing};
use crate::message::{grpc, upgrade};
use crate::plan::compared_path;
use crate::policy::ext_proc::Processor;
use crate::policy::transformation::ResponseTransformation;
use crate::policy::{Admission, Clearance, Cleared, Passage, PolicyContext, credentials};
use crate::refusal::{self, Refusal};
use crate::transfer::ReceivedBody;
use crate::tunnel::Tunnel;
use crate::upstream::{OutgoingRequest, RequestBody};
use decide::{NextStep, RoutedRequest};
use ext_proc::{Processed, SeenRequest, SeenResponse};
use limits::Enquiry;
use redirect::{AnsweredRequest, ServedAt};
use send::{Forwarded, ForwardedRequest};
use transformation::{ResponseScope, TransformedRequest};

mod buffer;
mod check;
mod compression;
mod connect;
mod decide;
mod edge;
pub(crate) mod explain;
mod ext_auth;
mod ext_proc;
mod forwarding;
mod limits;
mod local;
mod mirror;
mod redirect;
mod send;
pub(crate) mod tls;
mod transformation;

/// A request's client, and the exchange with it.
pub(crate) struct RequestClient {
    pub(crate) connection: Rc<DownstreamConnection>,
    pub(crate) exchange: Rc<Exchange>,
    /// Takes the tunnel that the stream of an HTTP/2 CONNECT becomes.
    slot: Option<TunnelSlot>,
    /// Whether the answer is consent to a tunnel.
    consents: Cell<bool>,
}

/// A request whose target is known, and the listener that serves it.
struct EnteredRequest<'s> {
    target: Target,
    /// The protocol that an extended CONNECT asks for.
    extended: Option<Protocol>,
    listener: &'s Arc<Listener>,
}

/// Begins the exchange of a request, which is put in its place: a future that begins with it would have to move it. `stream`
/// is the stream of an HTTP/2 request, and `slot` takes the tunnel that it becomes if it is a CONNECT.
pub(crate) fn begin(
    request: Request<ReceivedBody>,
    connection: Rc<DownstreamConnection>,
    stream: Option<Rc<StreamWatch>>,
    slot: Option<TunnelSlot>,
) -> (Box<OutgoingRequest>, RequestClient) {
    let telemetry = Rc::clone(&connection.context.telemetry);
    let exchange = Exchange::begin(Rc::clone(&connection.client), stream, telemetry);
    let request = request.map(|body| RequestBody::of_client(body, Rc::clone(&exchange)));
    let client = RequestClient {
        slot,
        connection,
        exchange,
        consents: Cell::default(),
    };
    (OutgoingRequest::boxed(request), client)
}

/// Answers a request, with the upstream's response, a response of the gateway's own, or a refusal.
pub(crate) async fn handle(
    request: Box<OutgoingRequest>,
    client: RequestClient,
) -> Result<Response<ResponseBody>, Infallible> {
    let RequestClient {
        connection,
        exchange,
        ..
    } = &client;
    let parts = &request.parts;
    let is_connect = parts.method == Method::CONNECT;
    // A refusal to gRPC has the status 200, which to a CONNECT would be consent.
    let is_grpc = !is_connect && grpc::is_asked_for(parts.version, &parts.headers);
    let scope = ResponseScope::of(&parts.method, is_grpc);
    let mut is_last = false;
    let mut response = match answer(request, &client).await {
        Ok(response) => response,
        Err(refusal) => {
            is_last = refusal.ends_connection();
            let transformation = exchange.response_transformation();
            let transformation = transformation.filter(|_| !refusal.is_of_transformation());
            let mut response = refused(&refusal, is_grpc, exchange);
            if let Some(by) = transformation {
                let transformed = transformation::response(by, response, scope, exchange);
                let transformed = Box::pin(transformed).await;
                response =
                    transformed.unwrap_or_else(|refusal| refused(&refusal, is_grpc, exchange));
            }
            if let Some(processor) = exchange.take_processor() {
                let seen = SeenResponse { response, scope };
                let seen = Box::pin(ext_proc::response(processor, seen, &client)).await;
                response = seen.unwrap_or_else(|refusal| refused(&refusal, is_grpc, exchange));
            }
            response
        }
    };
    if is_connect && !client.consents.get() && response.status().is_success() {
        // Whatever service or policy has said so: the client would take what follows for the other end of its tunnel.
        *response.status_mut() = StatusCode::FORBIDDEN;
    }
    exchange.edit_response(response.headers_mut());
    exchange.finish_response(response.headers_mut());
    if let Some(pace) = exchange.response_pace(&connection.context.shared.faults) {
        response.body_mut().send_slowly(pace);
    }
    exchange.answers(response.headers(), response.body().size_hint().exact());
    exchange.responded(response.status());
    if exchange.progress().is_body_unasked() {
        // The next bytes could be the body or a next request.
        is_last = true;
        exchange.progress().set_body_consent(BodyConsent::Withheld);
    }
    if must_close(&response, is_connect, is_last, &connection.client) {
        close(&mut response, &connection.client);
    }
    Ok(response)
}

/// The response to a refusal, which the exchange is told of.
fn refused(refusal: &Refusal, is_grpc: bool, exchange: &Rc<Exchange>) -> Response<ResponseBody> {
    let about = exchange.refused(refusal);
    let response = refusal.response(&about).map(Bytes::from);
    let mut response = exchange.localized(response);
    if is_grpc {
        response = refusal::grpc::response(response);
    }
    response.map(|text| ResponseBody::text(text, Rc::clone(exchange)))
}

/// Whether the client asks for consent before it sends its body (RFC 9110 10.1.1).
fn expects_continue(parts: &Parts) -> bool {
    let expectation = parts.headers.get_all(EXPECT).iter().next_back();
    parts.version != Version::HTTP_10
        && expectation.is_some_and(|it| it.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// Whether no request follows on the connection: `is_last` says so for HTTP/1.1. An HTTP/1.1 connection that becomes a
/// tunnel says nothing of that.
fn must_close(
    response: &Response<ResponseBody>,
    is_connect: bool,
    is_last: bool,
    connection: &ClientConnection,
) -> bool {
    if connection.is_http2() {
        return connection.is_closing();
    }
    let upgraded = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    // What follows a refused CONNECT was sent in the hope of a tunnel (draft-ietf-httpbis-optimistic-upgrade).
    let hopeless = is_connect && !response.status().is_success();
    hopeless || is_last || (connection.is_closing() && !is_connect && !upgraded)
}

/// Says that no request follows on the connection.
fn close(response: &mut Response<ResponseBody>, connection: &ClientConnection) {
    if connection.is_http2() {
        return connection.go_away();
    }
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(CONNECTION, close);
    connection.take_no_more();
}

impl RequestClient {
    /// What the policies of a rule are asked about, of a request that comes for the first time.
    fn policy_context<'a, 'r>(
        &'r self,
        rule: &'a RouteRule,
        target: &'r Target,
        request: &'r Parts,
    ) -> PolicyContext<'a, 'r> {
        PolicyContext {
            rule,
            target,
            request,
            client: self.exchange.identity(),
            credentials: self.connection.context.upstreams.credentials(),
            asked_before: false,
        }
    }

    /// By whom a service is asked about a request.
    fn enquiry<'r>(&'r self, snapshot: &'r WorkerSnapshot) -> Enquiry<'r> {
        Enquiry {
            client: self.exchange.identity(),
            exchange: &self.exchange,
            upstreams: &self.connection.context.upstreams,
            snapshot,
        }
    }

    /// Makes a tunnel of the connection, or of its stream, once the request is answered.
    fn then(&self, tunnel: Tunnel) {
        self.consents.set(true);
        self.connection
            .open_tunnel_after_response(tunnel, self.slot.as_ref());
    }
}

async fn answer(
    mut request: Box<OutgoingRequest>,
    client: &RequestClient,
) -> Result<Response<ResponseBody>, Refusal> {
    let (connection, exchange) = (&client.connection, &client.exchange);
    let snapshot = connection.context.snapshot();
    let socket = socket(&snapshot, &connection.client)?;
    expect(&request, exchange);
    let parts = &mut request.parts;
    let entered = enter(parts, socket, client)?;
    let (mut target, extended) = (entered.target, entered.extended);
    if let Some(answer) = edge::begin(entered.listener, &mut target, parts, client)? {
        return Ok(answer);
    }
    let path = compared_path(parts.uri.path(), &parts.method);
    let has_normal_path = matches!(path, Cow::Borrowed(path) if path == parts.uri.path());
    let found = decide::route(entered.listener, &target, parts, &path)?;
    let policies = &found.rule.policies;
    edge::trace_rule(policies, parts, exchange);
    transformation::keep(policies, parts, connection.client.scheme(), exchange);
    if let Some(fault) = decide::fault(&found, parts, client) {
        // Boxed, so that it costs other requests nothing.
        Box::pin(fault).await?;
    }
    if let Some(answer) = decide::preflight(&found, parts, exchange) {
        return Ok(answer);
    }
    let admitted = match admit(&found, &target, parts, client, &snapshot).await? {
        Admission::Admitted(admitted) => admitted,
        Admission::Identified(identified) => {
            let enquiry = client.enquiry(&snapshot);
            let asked = ext_auth::ask(identified, &target, &mut request, enquiry);
            // Likewise.
            Box::pin(asked).await?
        }
    };
    let scope = ResponseScope::of(&request.parts.method, extended.is_some());
    let routed = RoutedRequest {
        target: &target,
        found,
        has_normal_path,
        admitted,
        extended,
        snapshot: &snapshot,
    };
    let at = ServedAt {
        target: &target,
        snapshot: &snapshot,
        socket,
    };
    let answered = match routed.decide(&mut request.parts, &request.body, client)? {
        NextStep::Answer(response) => AnsweredRequest {
            response,
            policies,
            accepted: compression::accepted(policies, &request.parts),
        },
        NextStep::Tunnel(clearance) => {
            let request = connect::ConnectRequest {
                target: &target,
                parts: &request.parts,
                clearance,
                rule: found.rule,
                snapshot: &snapshot,
            };
            // Boxed, so that it costs requests that are forwarded nothing.
            return Box::pin(connect::open(request, client)).await;
        }
        NextStep::Forward(clearance, forwarded) => {
            send_on(clearance, forwarded, request, at, client).await?
        }
    };
    let AnsweredRequest {
        mut response,
        policies,
        accepted,
    } = answered;
    if let Some(change) = ResponseChange::of(policies, exchange) {
        // Likewise.
        response = Box::pin(change.make(SeenResponse { response, scope }, client)).await?;
    }
    if let Some(accepted) = accepted {
        accepted.apply(&mut response);
    }
    Ok(response)
}

/// Sends a request that is forwarded, and follows the redirects that the policies of its rule follow.
async fn send_on<'a>(
    clearance: Clearance<'a>,
    forwarded: ForwardedRequest<'a, '_>,
    mut request: Box<OutgoingRequest>,
    at: ServedAt<'a>,
    client: &RequestClient,
) -> Result<AnsweredRequest<'a>, Refusal> {
    let policies = &forwarded.rule.policies;
    let accepted = compression::accepted(policies, &request.parts);
    let followed = redirect::keep(&forwarded, &clearance, &mut request, at, client);
    let passage = settle(
        clearance,
        at.target,
        &mut request.parts,
        client,
        at.snapshot,
    );
    let change = ChangedRequest {
        passage: passage.await?,
        request: &mut request,
        is_upgrade: forwarded.wanted.is_some(),
    };
    let cleared = change.by(policies, client, at.snapshot).await?;
    let sent = send_once(forwarded, cleared, request, client).await?;
    match followed {
        // Boxed, so that it costs other requests nothing.
        Some(followed) => Box::pin(followed.follow(sent, client)).await,
        None => {
            let via = &client.connection.context.shared.via;
            Ok(AnsweredRequest {
                response: sent.for_client(via, &client.exchange)?,
                policies,
                accepted,
            })
        }
    }
}

/// Sends a request, unless the service that has seen it answers the client itself.
async fn send_once<'a>(
    forwarded: ForwardedRequest<'a, '_>,
    cleared: Cleared<'a>,
    request: Box<OutgoingRequest>,
    client: &RequestClient,
) -> Result<Forwarded<'a>, Refusal> {
    match client.exchange.processor() {
        None => send::forward(forwarded, cleared, request, client).await,
        Some(processor) => {
            // Boxed, so that it costs other requests nothing.
            let sent = send::forward_boxed(forwarded, cleared, request, client);
            ext_proc::unless_refused(processor, sent).await
        }
    }
}

/// Asks the services that keep limits about a request, if there are any.
async fn settle<'a>(
    clearance: Clearance<'a>,
    target: &Target,
    parts: &mut Parts,
    client: &RequestClient,
    snapshot: &WorkerSnapshot,
) -> Result<Passage<'a>, Refusal> {
    match clearance {
        Clearance::Settled(passage, _) => Ok(passage),
        Clearance::Unsettled(unsettled) => {
            // Boxed, so that it costs other requests nothing.
            let asked = Box::pin(limits::ask(
                unsettled,
                target,
                parts,
                client.enquiry(snapshot),
            ));
            let asked = asked.await?;
            parts.headers.extend(asked.added);
            Ok(asked.passage)
        }
    }
}

/// A request within all limits that policies change before it is sent.
struct ChangedRequest<'r, 'a> {
    request: &'r mut OutgoingRequest,
    passage: Passage<'a>,
    is_upgrade: bool,
}

impl<'a> ChangedRequest<'_, 'a> {
    /// Lets the policies of a rule change the request. What is boxed costs other requests nothing.
    async fn by(
        self,
        policies: &TrafficSettings,
        client: &RequestClient,
        snapshot: &WorkerSnapshot,
    ) -> Result<Cleared<'a>, Refusal> {
        let Self {
            request,
            passage,
            is_upgrade,
        } = self;
        let OutgoingRequest { parts, body, .. } = request;
        compression::decode(policies, parts, body);
        if let Some(reading) = buffer::read_whole(policies, body) {
            Box::pin(reading).await?;
        }
        let exchange = &client.exchange;
        let scheme = client.connection.client.scheme();
        let mut cleared = match passage {
            Passage::Cleared(cleared) => cleared,
            Passage::Unprocessed(unprocessed) => {
                let seen = SeenRequest {
                    parts: &mut *parts,
                    body: &mut *body,
                    scheme,
                    is_tunnel: is_upgrade,
                };
                let enquiry = client.enquiry(snapshot);
                let processed = ext_proc::request(unprocessed, seen, policies, enquiry);
                let Processed { cleared, processor } = Box::pin(processed).await?;
                exchange.seen_by(processor);
                cleared
            }
        };
        let request = TransformedRequest {
            parts,
            body,
            scheme,
            is_upgrade,
        };
        if let Some(change) = transformation::request(policies, request, &mut cleared, exchange) {
            Box::pin(change).await?;
        }
        Ok(cleared)
    }
}

/// What policies of a rule change in the response.
struct ResponseChange {
    by: Option<ResponseTransformation>,
    processor: Option<Rc<Processor>>,
}

impl ResponseChange {
    /// The changes to the response of a request that was answered; `None` if there are none.
    fn of(policies: &TrafficSettings, exchange: &Exchange) -> Option<Self> {
        let by = transformation::of_response(policies, exchange);
        let processor = exchange.take_processor();
        (by.is_some() || processor.is_some()).then_some(Self { by, processor })
    }

    async fn make(
        self,
        SeenResponse {
            mut response,
            scope,
        }: SeenResponse,
        client: &RequestClient,
    ) -> Result<Response<ResponseBody>, Refusal> {
        if let Some(by) = self.by {
            response = transformation::response(by, response, scope, &client.exchange).await?;
        }
        match self.processor {
            None => Ok(response),
            Some(processor) => {
                let seen = SeenResponse { response, scope };
                ext_proc::response(processor, seen, client).await
            }
        }
    }
}

/// Tells the exchange what the client expects before the answer.
fn expect(OutgoingRequest { parts, body, .. }: &OutgoingRequest, exchange: &Exchange) {
    if !body.is_end_stream() && expects_continue(parts) {
        exchange.awaits_consent();
    }
    // Nothing comes before the answer to a CONNECT: most clients take the first status for it.
    if parts.version != Version::HTTP_10 && parts.method != Method::CONNECT {
        exchange.takes_interim();
    }
}

/// Finds the target of a request, and the listener that serves it.
///
/// # Errors
/// Every reason why there is none, or why nothing can be said for sure.
fn enter<'s>(
    parts: &mut Parts,
    socket: &'s ListenerSocket,
    client: &RequestClient,
) -> Result<EnteredRequest<'s>, Refusal> {
    let RequestClient {
        connection,
        exchange,
        ..
    } = client;
    let extended = upgrade::unwrap_extended(parts);
    edge::complete_host(socket, parts);
    let target = identify(parts, socket, client)?;
    target.override_host(&mut parts.headers, parts.version);
    let unrouted = |_: &Refusal| exchange.is_unrouted(socket);
    check::fields(parts, connection.client.limits()).inspect_err(unrouted)?;
    let listener = socket.listener_for(&target.host);
    match listener {
        Some(listener) => {
            exchange.taken_by(listener);
            edge::receive(listener, parts, client);
            exchange.received(parts);
        }
        None => exchange.is_unrouted(socket),
    }
    check_framing(&parts.headers)?;
    connect::check_framing(parts)?;
    connection.context.shared.via.check(&parts.headers)?;

    let listener = listener.ok_or(Refusal::NoListener)?;
    check::listener(listener, &connection.client)?;
    let overload = &connection.context.overload;
    overload.admit(exchange.progress().started())?;
    Ok(EnteredRequest {
        target,
        extended,
        listener,
    })
}

/// Asks the policies of the rule. If the key of a token is not there, it may have come to the server since. A password that
/// takes long to compare is compared elsewhere.
async fn admit<'a>(
    found: &RouteMatch<'a>,
    target: &Target,
    parts: &Parts,
    client: &RequestClient,
    snapshot: &WorkerSnapshot,
) -> Result<Admission<'a>, Refusal> {
    let exchange = &client.exchange;
    let context = client.policy_context(found.rule, target, parts);
    let mut admitted = decide::admit(found, &context, exchange);
    if let Err(refusal) = &admitted
        && refusal.wants_comparison()
        && let Some(password) = credentials::slow_password(&context)
    {
        let passwords = &context.credentials.passwords;
        // Boxed, so that it costs other requests nothing.
        if Box::pin(passwords.compare(password)).await? {
            admitted = decide::admit(found, &context, exchange);
        }
    }
    match admitted {
        Err(refusal) if refusal.wants_keys() => {
            if let Some(jwt) = found.rule.policies.jwt_auth.value() {
                let upstreams = &client.connection.context.upstreams;
                Box::pin(upstreams.renew_keys(snapshot, jwt)).await;
            }
            decide::admit(found, &context, exchange)
        }
        outcome => outcome,
    }
}

/// The listeners of the socket that accepted the connection. They may be gone since.
fn socket<'a>(
    snapshot: &'a Snapshot,
    connection: &ClientConnection,
) -> Result<&'a ListenerSocket, Refusal> {
    snapshot
        .sockets
        .get(&connection.bind)
        .ok_or(Refusal::NoListener)
}

/// How a request names a host, which is in each line of a log.
fn authority(host: &Host, port: Option<Port>) -> String {
    let mut text = match host {
        Host::Name(name) => {
            let mut text = String::with_capacity(name.as_str().len() + ":65535".len());
            text.push_str(name.as_str());
            text
        }
        Host::Ip(_) => host.to_string(),
    };
    if let Some(port) = port {
        text.push(':');
        text.push_str(itoa::Buffer::new().format(port.get()));
    }
    text
}

/// Reads the target, and tells the exchange of the request, whether or not its target is valid.
fn identify(
    parts: &Parts,
    socket: &ListenerSocket,
    client: &RequestClient,
) -> Result<Target, Refusal> {
    let connection = &client.connection;
    let target = Target::of_client(parts, connection.client.scheme(), &connection.host);
    if describes_requests(socket) {
        let named = target.as_ref().ok().map(|target| {
            let Target { host, port, .. } = target;
            (authority(host, *port), target.request_form())
        });
        client.exchange.describe(parts, named);
    }
    if target.is_err() {
        client.exchange.is_unrouted(socket);
    }
    target.map_err(Refusal::Target)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task;

    /// Each connection that is not quiet holds one.
    #[test]
    fn the_future_of_a_request_is_bounded() {
        let size = task::size_of_future(|(request, client)| handle(request, client));
        assert!(size <= 8192, "{size} bytes");
    }
}
