//! One request, top to bottom: what is decided, in which order, and who answers.

use std::cell::Cell;
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use egret_config::route::{Found, RequestFacts};
use egret_config::snapshot::{
    Action, Listener, Rule, Snapshot, Socket, WeightedBackend, WeightedBackends,
};
use http::header::{CONNECTION, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::ext::Protocol;
use hyper::upgrade::OnUpgrade;

use crate::body::{RequestBody, ResponseBody};
use crate::credentials::Caller;
use crate::local;
use crate::plan::{Plan, compared_path};
use crate::policy;
use crate::record::Exchange;
use crate::refusal::{Refusal, grpc};
use crate::serve::Connection;
use crate::serve::http2::StreamWatch;
use crate::target::{Target, check_framing};
use crate::tunnel::{Tunnel, connect, upgrade};
use send::Chosen;

mod check;
mod send;

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
    if must_close(&response, is_connect, &connection) {
        if is_http2 {
            connection.retire();
        } else {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
    }
    Ok(response)
}

/// Whether no request follows on the connection. One of HTTP/1.1 that becomes a tunnel says nothing of that.
fn must_close(
    response: &Response<ResponseBody>,
    is_connect: bool,
    connection: &Connection,
) -> bool {
    if connection.is_http2() {
        return connection.is_worn();
    }
    let upgraded = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    // What follows a refused CONNECT was sent in the hope of a tunnel (draft-ietf-httpbis-optimistic-upgrade).
    let hopeless = is_connect && !response.status().is_success();
    hopeless || (connection.is_worn() && !is_connect && !upgraded)
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
    let target = identify(&parts, socket, client)?;
    target.override_host(&mut parts.headers, parts.version);
    check::fields(&parts, connection.limits())?;
    let listener = socket.listener_for(&target.host);
    if let Some(listener) = listener {
        exchange.taken_by(listener);
    }
    check_framing(&parts.headers)?;
    connect::check_framing(&parts)?;
    worker.shared.via.check(&parts.headers)?;

    let listener = listener.ok_or(Refusal::NoListener)?;
    check::listener(listener, connection)?;
    let path = compared_path(parts.uri.path(), &parts.method);
    let found = route(listener, &target, &parts, &path)?;
    exchange.routed(found.rule);
    let caller = policy::authenticate(found.rule, &target, &parts, exchange)?;
    let asked = Asked {
        target: &target,
        found: &found,
        caller,
        extended,
    };
    match asked.decide(&mut parts, body, client)? {
        Next::Answer(response) => Ok(response),
        Next::Tunnel(plan) => {
            let request = connect::Request {
                target: &target,
                parts: &parts,
                plan,
                rule: found.rule,
                snapshot: &snapshot,
            };
            // Boxed, so that it costs requests that are forwarded nothing.
            Box::pin(connect::open(request, client)).await
        }
        Next::Forward(chosen, body) => send::forward(chosen, &snapshot, parts, body, client).await,
    }
}

/// A request, and the rule that it falls under.
struct Asked<'a> {
    target: &'a Target,
    found: &'a Found<'a>,
    caller: Option<Caller<'a>>,
    /// What an extended CONNECT asks for.
    extended: Option<Protocol>,
}

/// What the rule says.
enum Next<'a> {
    /// The gateway answers.
    Answer(Response<ResponseBody>),
    /// A tunnel to there.
    Tunnel(Box<Plan<'a>>),
    /// Another server answers.
    Forward(Chosen<'a>, RequestBody),
}

impl<'a> Asked<'a> {
    fn decide(
        self,
        parts: &mut Parts,
        body: Incoming,
        client: &Client,
    ) -> Result<Next<'a>, Refusal> {
        let Self {
            target,
            found,
            caller,
            extended,
        } = self;
        let Client {
            connection,
            exchange,
            ..
        } = client;
        let rule = &**found.rule;
        let is_connect = target.connect || extended.is_some();
        let response = match &rule.action {
            Action::Refuse(why) => return Err(Refusal::Misconfigured(why.clone())),
            Action::Respond(fixed) if is_connect && fixed.status.is_success() => {
                return Err(Refusal::NoTunnel("a direct response is no tunnel"));
            }
            Action::Respond(fixed) => local::respond(fixed, Rc::clone(exchange)),
            Action::Redirect(redirect) => {
                if let Some(caller) = &caller {
                    caller.take_off_query(&mut parts.uri);
                }
                let at = local::Here {
                    target,
                    scheme: connection.scheme(),
                    port: connection.bind.port,
                    matched_prefix: found.matched_prefix,
                };
                local::redirect(redirect, &at, parts, Rc::clone(exchange))?
            }
            Action::Forward(backends) => {
                let backend = pick(backends);
                let plan = Plan::new(target, found, backend, parts, &connection.worker)?;
                let plan = Box::new(plan);
                if target.connect {
                    check::connect(found, connection, parts.version)?;
                    return Ok(Next::Tunnel(plan));
                }
                let body = RequestBody::new(body, Rc::clone(exchange));
                let wanted =
                    upgrade::wanted(parts, &body, extended.as_ref(), rule.policies.upgrades())?;
                let chosen = Chosen {
                    target,
                    rule,
                    caller,
                    plan,
                    wanted,
                };
                return Ok(Next::Forward(chosen, body));
            }
        };
        Ok(Next::Answer(filtered(response, rule)))
    }
}

/// An answer of our own, after the same filters as one that was forwarded.
fn filtered(mut response: Response<ResponseBody>, rule: &Rule) -> Response<ResponseBody> {
    let edit = &rule.filters.response_headers;
    edit.apply(response.headers_mut());
    response
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
