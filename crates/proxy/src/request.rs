//! One request, top to bottom: what is decided, in which order, and who answers.

use std::cell::Cell;
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use egret_config::route::{Found, RequestFacts};
use egret_config::snapshot::{
    Action, ConnectionLimits, Listener, Rule, Snapshot, Socket, WeightedBackend, WeightedBackends,
};
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderValue, TE, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;

use crate::body::{RequestBody, ResponseBody};
use crate::credentials::Caller;
use crate::forward::{Forwarded, takes_trailers};
use crate::local;
use crate::plan::{Plan, compared_path};
use crate::policy;
use crate::record::Exchange;
use crate::refusal::{Refusal, grpc};
use crate::serve::Connection;
use crate::serve::http2::StreamWatch;
use crate::target::{Target, check_framing};
use crate::tunnel::live::Facts;
use crate::tunnel::upgrade::Wanted;
use crate::tunnel::{Held, Kind, Tunnel, connect, upgrade};
use crate::upstream::{Reply, Sending};
use crate::worker::Current;

/// Whose request it is.
pub(crate) struct Client {
    pub(crate) connection: Rc<Connection>,
    pub(crate) exchange: Rc<Exchange>,
    /// Of a CONNECT of HTTP/2: brings its stream once it is answered.
    upgrade: Cell<Option<OnUpgrade>>,
}

/// Answers a request, with the upstream's response, our own, or a refusal. `stream` is that of HTTP/2.
pub(crate) async fn handle(
    mut request: Request<Incoming>,
    connection: Rc<Connection>,
    stream: Option<Rc<StreamWatch>>,
) -> Result<Response<ResponseBody>, Infallible> {
    let is_http2 = stream.is_some();
    let exchange = Exchange::begin(Rc::clone(&connection), stream);
    let is_connect = request.method() == Method::CONNECT;
    // A refusal to gRPC has the status 200, which to a CONNECT would be consent.
    let is_grpc = !is_connect && grpc::is_asked_for(request.version(), request.headers());
    let client = Client {
        upgrade: Cell::new((is_http2 && is_connect).then(|| hyper::upgrade::on(&mut request))),
        connection: Rc::clone(&connection),
        exchange: Rc::clone(&exchange),
    };
    let mut response = answer(request, &client).await.unwrap_or_else(|refusal| {
        exchange.refused(&refusal);
        let response = if is_grpc {
            grpc::response(&refusal)
        } else {
            refusal.response()
        };
        response.map(|text| ResponseBody::text(Bytes::from(text), Rc::clone(&exchange)))
    });
    exchange.responded(response.status());
    if is_http2 {
        if connection.is_worn() {
            connection.retire();
        }
        return Ok(response);
    }
    let upgraded = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    let hopeless = is_connect && !response.status().is_success();
    if hopeless || (connection.is_worn() && !is_connect && !upgraded) {
        // What follows a refused CONNECT was sent in the hope of a tunnel (draft-ietf-httpbis-optimistic-upgrade).
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    Ok(response)
}

impl Client {
    /// Once this is answered, it is a tunnel.
    pub(crate) fn then(&self, tunnel: Tunnel) {
        self.connection.then(tunnel, self.upgrade.take());
    }
}

async fn answer(
    request: Request<Incoming>,
    client: &Client,
) -> Result<Response<ResponseBody>, Refusal> {
    let Client {
        connection,
        exchange,
        ..
    } = client;
    let worker = &connection.worker;
    let snapshot = worker.snapshot();
    let socket = socket(&snapshot, connection)?;
    let (mut parts, body) = request.into_parts();
    let extended = upgrade::unwrap_extended(&mut parts);
    let is_connect = parts.method == Method::CONNECT || extended.is_some();
    let target = identify(&parts, socket, client)?;
    target.override_host(&mut parts.headers, parts.version);
    check_fields(&parts, connection.limits())?;
    let listener = socket.listener_for(&target.host);
    if let Some(listener) = listener {
        exchange.taken_by(listener);
    }
    check_framing(&parts.headers)?;
    connect::check_framing(&parts)?;
    worker.shared.via.check(&parts.headers)?;

    let listener = listener.ok_or(Refusal::NoListener)?;
    check_listener(listener, connection)?;
    let path = compared_path(parts.uri.path(), &parts.method);
    let found = route(listener, &target, &parts, &path)?;
    exchange.routed(found.rule);
    let caller = policy::authenticate(found.rule, &target, &parts, exchange)?;
    match &found.rule.action {
        Action::Refuse(why) => Err(Refusal::Misconfigured(why.clone())),
        Action::Respond(fixed) if is_connect && fixed.status.is_success() => {
            Err(Refusal::NoTunnel("a direct response is no tunnel"))
        }
        Action::Respond(fixed) => {
            let response = local::respond(fixed, Rc::clone(exchange));
            Ok(filtered(response, found.rule))
        }
        Action::Redirect(redirect) => {
            if let Some(caller) = &caller {
                caller.take_off_query(&mut parts.uri);
            }
            let at = local::Here {
                target: &target,
                scheme: connection.scheme(),
                port: connection.bind.port,
                matched_prefix: found.matched_prefix,
            };
            let response = local::redirect(redirect, &at, &parts, Rc::clone(exchange))?;
            Ok(filtered(response, found.rule))
        }
        Action::Forward(backends) => {
            let backend = pick(backends);
            let plan = Plan::new(&target, &found, backend, &parts, worker)?;
            if target.connect {
                check_connect(&found, connection, parts.version)?;
                let request = connect::Request {
                    target: &target,
                    parts: &parts,
                    plan,
                    rule: found.rule,
                    snapshot: &snapshot,
                };
                return connect::open(request, client).await;
            }
            let body = RequestBody::new(body, Rc::clone(exchange));
            let allowed = &found.rule.upgrades;
            let wanted = upgrade::wanted(&parts, &body, extended.as_ref(), allowed)?;
            let chosen = Chosen {
                target: &target,
                rule: found.rule,
                caller,
                plan,
                snapshot: &snapshot,
                wanted,
            };
            forward(chosen, parts, body, client).await
        }
    }
}

/// An answer of our own, after the same filters as one that was forwarded.
fn filtered(mut response: Response<ResponseBody>, rule: &Rule) -> Response<ResponseBody> {
    let edit = &rule.filters.response_headers;
    edit.apply(response.headers_mut());
    response
}

struct Chosen<'a> {
    target: &'a Target,
    rule: &'a Rule,
    caller: Option<Caller<'a>>,
    plan: Plan<'a>,
    snapshot: &'a Current,
    wanted: Option<Wanted>,
}

async fn forward(
    Chosen {
        target,
        rule,
        caller,
        mut plan,
        snapshot,
        wanted,
    }: Chosen<'_>,
    mut parts: Parts,
    body: RequestBody,
    client: &Client,
) -> Result<Response<ResponseBody>, Refusal> {
    let Client {
        connection,
        exchange,
        ..
    } = client;
    exchange.planned(&plan.destination);
    policy::admit(&plan, &parts.method, exchange)?;

    let via = &connection.worker.shared.via;
    let filters = [&rule.filters, plan.filters];
    // HTTP/2 says it end to end (RFC 9113 8.2.2), and gRPC relies on it.
    let trailers = plan.may_speak_http2() && takes_trailers(&parts.headers);
    let upgrade = wanted.map(|wanted| {
        let facts = Facts::new(connection.bind, target, &parts, &plan);
        let facts = facts.of_upgrade(wanted.protocol());
        Box::new((wanted, facts))
    });
    let host = parts.headers.get(http::header::HOST).cloned();
    let from = (!plan.dynamic).then(|| Forwarded {
        client: connection.client.ip(),
        scheme: connection.scheme(),
        host: host.as_ref(),
    });
    let headers = &mut parts.headers;
    if let Some(caller) = &caller {
        caller.take_off_fields(headers);
    }
    if parts.version == Version::HTTP_2 {
        say_length(headers, &body);
    }
    via.prepare_request(headers, parts.version, from.as_ref(), filters);
    if trailers {
        parts
            .headers
            .insert(TE, HeaderValue::from_static("trailers"));
    }
    plan.address(&mut parts, host);
    if let Some(caller) = &caller {
        caller.take_off_query(&mut parts.uri);
        caller.introduce(&mut parts.headers);
    }
    if let Some((wanted, _)) = upgrade.as_deref() {
        plan.upgrades();
        wanted.put_on(&mut parts.headers);
    }

    let request = Request::from_parts(parts, body);
    let worker = &connection.worker;
    let sending = Sending::new(plan, rule, worker, exchange).upgrading(upgrade.is_some());
    match (sending.send(request).await?, upgrade) {
        (Reply::Response(mut response), upgrade) => {
            let status = response.status();
            if upgrade.is_some_and(|upgrade| upgrade.0.is_misread(status)) {
                return Err(Refusal::UpstreamProtocol);
            }
            via.prepare_response(&mut response, filters)?;
            Ok(response)
        }
        (Reply::Switched(mut response, outlet, lease), Some(upgrade)) => {
            let (wanted, facts) = *upgrade;
            via.prepare_switch(&mut response, &wanted, filters)?;
            client.then(Tunnel {
                kind: Kind::Upgrade,
                outlet,
                facts,
                held: Held::Leased(lease),
                exchange: Rc::clone(exchange),
                judged_by: Rc::clone(snapshot),
            });
            Ok(response.map(|()| ResponseBody::text(Bytes::new(), Rc::clone(exchange))))
        }
        (Reply::Switched(..), None) => Err(Refusal::UpstreamProtocol),
    }
}

/// The listeners of the socket that the connection came in by. They may be gone since.
fn socket<'a>(snapshot: &'a Snapshot, connection: &Connection) -> Result<&'a Socket, Refusal> {
    snapshot
        .sockets
        .get(&connection.bind)
        .ok_or(Refusal::NoListener)
}

/// Reads the target, and tells the record of the request, whether or not it has a good one.
fn identify(parts: &Parts, socket: &Socket, client: &Client) -> Result<Target, Refusal> {
    let target = Target::of(parts, client.connection.scheme());
    if logs(socket) {
        let authority = target.as_ref().ok().map(|target| {
            let Target { host, port, .. } = target;
            port.map_or_else(|| host.to_string(), |port| format!("{host}:{port}"))
        });
        client.exchange.describe(parts, authority);
    }
    target
}

/// How many fields a request may have. Of HTTP/1.1 there are no more, or it would not have been read.
fn check_fields(parts: &Parts, limits: &ConnectionLimits) -> Result<(), Refusal> {
    if parts.headers.len() > limits.max_header_fields {
        return Err(Refusal::HeadTooLarge);
    }
    Ok(())
}

/// Whether a connection over TLS was made for the listener that takes the request.
fn check_listener(listener: &Listener, connection: &Connection) -> Result<(), Refusal> {
    let Some(secured) = &connection.tls else {
        return Ok(());
    };
    let seen = &secured.listener;
    if seen.gateway != listener.gateway || seen.name != listener.name {
        return Err(Refusal::Misdirected);
    }
    if !secured.is_good_for(listener) {
        connection.wear_out();
        return Err(Refusal::Misdirected);
    }
    Ok(())
}

fn check_connect(
    found: &Found<'_>,
    connection: &Connection,
    version: Version,
) -> Result<(), Refusal> {
    let limits = connection.limits();
    let served = version != Version::HTTP_2 || limits.http2.allow_connect;
    if found.rule.upgrades.connect && served {
        return Ok(());
    }
    Err(Refusal::NoTunnel("CONNECT is not enabled here"))
}

/// Says to whoever reads HTTP/1.1 how long a body is whose end HTTP/2 tells by itself.
fn say_length(headers: &mut HeaderMap, body: &RequestBody) {
    if let Some(length) = headers.get(CONTENT_LENGTH).cloned() {
        // It may say it more than once, if it is always the same (RFC 9110 8.6).
        headers.insert(CONTENT_LENGTH, length);
    } else if !body.is_end_stream() {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

/// Whether a request that no listener is known of is logged.
pub(crate) fn logs(socket: &Socket) -> bool {
    socket.listeners.iter().any(|listener| listener.access_log)
}

/// The rule of a request.
///
/// # Errors
/// If there is none, or the listener refuses all.
pub(crate) fn route<'a>(
    listener: &'a Arc<Listener>,
    target: &Target,
    parts: &Parts,
    path: &str,
) -> Result<Found<'a>, Refusal> {
    if let Some(why) = &listener.refuse {
        return Err(Refusal::Misconfigured(why.clone()));
    }
    let facts = RequestFacts {
        host: &target.host,
        method: &parts.method,
        path,
        query: parts.uri.query(),
        headers: &parts.headers,
    };
    listener.routes.find(&facts).ok_or(Refusal::NoRoute)
}

/// One of the backends, by weight.
pub(crate) fn pick(backends: &WeightedBackends) -> &WeightedBackend {
    let [first, rest @ ..] = backends.backends.as_slice() else {
        unreachable!("there is at least one backend")
    };
    if rest.is_empty() {
        return first;
    }
    let mut ticket = rand::random_range(0..backends.total);
    for backend in &backends.backends {
        match ticket.checked_sub(u64::from(backend.weight)) {
            Some(left) => ticket = left,
            None => return backend,
        }
    }
    first
}
