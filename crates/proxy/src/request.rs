//! One request, top to bottom: what is decided, in which order, and who answers.

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

use crate::body::{RequestBody, ResponseBody};
use crate::forward::Forwarded;
use crate::local;
use crate::plan::{Plan, compared_path};
use crate::policy;
use crate::record::Exchange;
use crate::refusal::Refusal;
use crate::serve::Connection;
use crate::target::{Target, check_framing};
use crate::tunnel::live::Facts;
use crate::tunnel::{Held, Kind, Tunnel, connect, upgrade};
use crate::upstream::{Reply, Sending};
use crate::worker::Current;

/// Answers a request, with the upstream's response, our own, or a refusal.
pub(crate) async fn handle(
    request: Request<Incoming>,
    connection: Rc<Connection>,
) -> Result<Response<ResponseBody>, Infallible> {
    let exchange = Exchange::begin(Rc::clone(&connection));
    let is_connect = request.method() == Method::CONNECT;
    let mut response = answer(request, &connection, &exchange)
        .await
        .unwrap_or_else(|refusal| {
            exchange.refused(&refusal);
            refusal
                .response()
                .map(|text| ResponseBody::text(Bytes::from(text), Rc::clone(&exchange)))
        });
    let upgraded = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    let hopeless = is_connect && !response.status().is_success();
    if hopeless || (connection.is_worn() && !is_connect && !upgraded) {
        // What follows a refused CONNECT was sent in the hope of a tunnel (draft-ietf-httpbis-optimistic-upgrade).
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    exchange.responded(response.status());
    Ok(response)
}

async fn answer(
    request: Request<Incoming>,
    connection: &Rc<Connection>,
    exchange: &Rc<Exchange>,
) -> Result<Response<ResponseBody>, Refusal> {
    let worker = &connection.worker;
    let snapshot = worker.snapshot();
    let socket = socket(&snapshot, connection)?;
    let (mut parts, body) = request.into_parts();
    let target = identify(&parts, socket, exchange)?;
    target.override_host(&mut parts.headers);
    let listener = socket.listener_for(&target.host);
    if let Some(listener) = listener {
        exchange.taken_by(listener);
    }
    check_framing(&parts.headers)?;
    connect::check_framing(&parts)?;
    worker.shared.via.check(&parts.headers)?;

    let listener = listener.ok_or(Refusal::NoListener)?;
    let path = compared_path(parts.uri.path(), &parts.method);
    let found = route(listener, &target, &parts, &path)?;
    exchange.routed(found.rule);
    match &found.rule.action {
        Action::Refuse(why) => Err(Refusal::Misconfigured(why.clone())),
        Action::Respond(fixed) if target.connect && fixed.status.is_success() => {
            Err(Refusal::NoTunnel("a direct response is no tunnel"))
        }
        Action::Respond(fixed) => {
            let response = local::respond(fixed, Rc::clone(exchange));
            Ok(filtered(response, found.rule))
        }
        Action::Redirect(redirect) => {
            let at = local::Here {
                target: &target,
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
                let request = connect::Request {
                    target: &target,
                    parts: &parts,
                    plan,
                    rule: found.rule,
                    snapshot: &snapshot,
                };
                return connect::open(request, connection, exchange).await;
            }
            let body = RequestBody::new(body, Rc::clone(exchange));
            let chosen = Chosen {
                target: &target,
                rule: found.rule,
                plan,
                snapshot: &snapshot,
            };
            forward(chosen, parts, body, connection, exchange).await
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
    plan: Plan<'a>,
    snapshot: &'a Current,
}

async fn forward(
    Chosen {
        target,
        rule,
        plan,
        snapshot,
    }: Chosen<'_>,
    mut parts: Parts,
    body: RequestBody,
    connection: &Rc<Connection>,
    exchange: &Rc<Exchange>,
) -> Result<Response<ResponseBody>, Refusal> {
    exchange.planned(&plan.destination);
    policy::admit(&plan, &parts.method, exchange)?;

    let via = &connection.worker.shared.via;
    let filters = [&rule.filters, plan.filters];
    let facts = upgrade::is_asked_for(&parts, &body)
        .then(|| Box::new(Facts::new(connection.bind, target, &parts, &plan)));
    let host = parts.headers.get(http::header::HOST).cloned();
    let from = (!plan.dynamic).then(|| Forwarded {
        client: connection.client.ip(),
        host: host.as_ref(),
    });
    let headers = &mut parts.headers;
    via.prepare_request(headers, parts.version, from.as_ref(), filters);
    plan.address(&mut parts, host);
    if facts.is_some() {
        upgrade::put_on(&mut parts.headers);
    }

    let request = Request::from_parts(parts, body);
    let worker = &connection.worker;
    let sending = Sending::new(plan, rule, worker, exchange).upgrading(facts.is_some());
    match (sending.send(request).await?, facts) {
        (Reply::Response(mut response), _) => {
            via.prepare_response(&mut response, filters)?;
            Ok(response)
        }
        (Reply::Switched(mut response, outlet, lease), Some(facts)) => {
            via.prepare_switch(&mut response, filters)?;
            connection.then(Tunnel {
                kind: Kind::Upgrade,
                outlet,
                facts: *facts,
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
fn identify(parts: &Parts, socket: &Socket, exchange: &Exchange) -> Result<Target, Refusal> {
    let target = Target::of(parts);
    if logs(socket) {
        let authority = target.as_ref().ok().map(|target| {
            let Target { host, port, .. } = target;
            port.map_or_else(|| host.to_string(), |port| format!("{host}:{port}"))
        });
        exchange.describe(parts, authority);
    }
    target
}

/// Whether a request that no listener is known of is logged.
pub(crate) fn logs(socket: &Socket) -> bool {
    socket.listeners.iter().any(|listener| listener.access_log)
}

fn route<'a>(
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
fn pick(backends: &WeightedBackends) -> &WeightedBackend {
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
