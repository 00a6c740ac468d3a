//! Sending a request: over a connection from the pool, or a new one.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use egret_config::name::Host;
use egret_config::snapshot::{Timeout, Timeouts};
use http::{HeaderMap, Method, Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout_at;

use crate::body::{Limit, RequestBody, ResponseBody};
use crate::dial::egress::{Guard, Permitted};
use crate::dial::race;
use crate::dns::{Failure, ResolveError};
use crate::plan::Plan;
use crate::record::Exchange;
use crate::refusal::Refusal;
use crate::task;
use crate::telemetry::clock;
use crate::worker::Worker;
use pool::{Connection, Lease};

pub(crate) mod balance;
pub(crate) mod pool;

/// How long an upstream may be silent, before its response's head or within the body, when the rule says nothing.
const SILENCE: Duration = Duration::from_secs(5 * 60);
/// Octets that are buffered of one direction of a connection.
const BUFFER: usize = 64 * 1024;
/// Octets that a response's head may have.
const MAX_HEAD: usize = 60 * 1024;

/// Sends the request and waits for the response's head.
///
/// # Errors
/// Every way in which an upstream can fail to answer.
pub(crate) async fn send(
    request: Request<RequestBody>,
    plan: &Plan<'_>,
    timeouts: &Timeouts,
    worker: &Rc<Worker>,
    exchange: &Rc<Exchange>,
) -> Result<Response<ResponseBody>, Refusal> {
    let deadline = deadline(timeouts, exchange.started());
    let silence = exchange.started() + SILENCE;
    let head_by = deadline.map_or(silence, |deadline| deadline.min(silence));
    let attempts = attempt(request, plan, worker, exchange);
    let answer = timeout_at(head_by.into(), attempts).await;
    let (response, lease) = answer.unwrap_or(Err(Refusal::ResponseTimeout))?;
    let limit = Limit::new(SILENCE, deadline);
    Ok(
        response
            .map(|incoming| ResponseBody::upstream(incoming, lease, limit, Rc::clone(exchange))),
    )
}

/// When the whole exchange must be over, if ever.
fn deadline(timeouts: &Timeouts, started: Instant) -> Option<Instant> {
    let after = |timeout| match timeout {
        Timeout::After(limit) => Some(started + limit),
        Timeout::Default | Timeout::Never => None,
    };
    // There is one attempt at a backend, so that both run from the start.
    [timeouts.request, timeouts.backend_request]
        .into_iter()
        .filter_map(after)
        .min()
}

/// Tries pooled connections until one takes the request, then a new one.
///
/// A connection that waited may have been closed by its upstream just as the request was sent. What was not sent can
/// always be sent again; what was sent and not answered only if doing it twice is the same (RFC 9110 9.2.2) and there
/// is no body that is gone.
async fn attempt(
    mut request: Request<RequestBody>,
    plan: &Plan<'_>,
    worker: &Rc<Worker>,
    exchange: &Rc<Exchange>,
) -> Result<(Response<Incoming>, Lease), Refusal> {
    loop {
        let (mut lease, reused) = match pooled(plan, worker) {
            Some(lease) => (lease, true),
            None => (dial(plan, worker, exchange).await?, false),
        };
        exchange.upstream(lease.peer(), reused);
        let spare = if reused { repeat(&request) } else { None };
        let mut error = match lease.sender().try_send_request(request).await {
            Ok(response) => {
                if reused {
                    worker.metrics.reused.increment();
                }
                return Ok((response, lease));
            }
            Err(error) => error,
        };
        match error.take_message().or(spare) {
            Some(again) if reused => request = again,
            _ => return Err(failure(error.error())),
        }
    }
}

/// A connection that waits and that this rule may use.
fn pooled(plan: &Plan<'_>, worker: &Worker) -> Option<Lease> {
    let own = worker.shared.own.load();
    let guard = Guard {
        egress: plan.egress,
        own: &own,
    };
    loop {
        let lease = worker.pool.take(&plan.destination)?;
        // The connection may be from before a policy changed, or from under another rule.
        if guard.permit(lease.peer()).is_ok() {
            return Some(lease);
        }
    }
}

/// A copy to send once more, if that is allowed.
fn repeat(request: &Request<RequestBody>) -> Option<Request<RequestBody>> {
    let idempotent = [
        Method::GET,
        Method::HEAD,
        Method::OPTIONS,
        Method::PUT,
        Method::DELETE,
        Method::TRACE,
    ];
    if !idempotent.contains(request.method()) {
        return None;
    }
    let body = request.body().repeat()?;
    let mut copy = Request::new(body);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = HeaderMap::clone(request.headers());
    Some(copy)
}

/// Resolves, checks every address, and connects to the first that answers.
async fn dial(plan: &Plan<'_>, worker: &Rc<Worker>, exchange: &Exchange) -> Result<Lease, Refusal> {
    let addresses = addresses(plan, worker, exchange).await?;
    let permitted = {
        let own = worker.shared.own.load();
        let guard = Guard {
            egress: plan.egress,
            own: &own,
        };
        guard.permit_all(addresses).map_err(|denied| {
            exchange.decided_address("deny", denied.policy.as_ref());
            Refusal::Address(denied)
        })?
    };
    let (stream, peer) = connect(&permitted, plan, worker, exchange).await?;
    let peer = peer.get();
    if let Some(policy) = plan.egress.audit_address(peer.ip()) {
        exchange.decided_address("audit", Some(policy));
    }
    let connection = handshake(stream, peer, worker).await?;
    Ok(worker.pool.lease(connection, plan.destination.clone()))
}

/// Races the addresses, and remembers those that lost.
async fn connect(
    addresses: &[Permitted<SocketAddr>],
    plan: &Plan<'_>,
    worker: &Worker,
    exchange: &Exchange,
) -> Result<(TcpStream, Permitted<SocketAddr>), Refusal> {
    let begin = clock::now();
    let balance = &worker.balance;
    let order = balance.order(&plan.destination, addresses, Permitted::get, begin);
    let raced = race::connect(order).await;
    let now = clock::now();
    raced
        .lost
        .into_iter()
        .for_each(|address| balance.failed(address.get(), now));
    exchange.connected(now - begin);
    match raced.outcome {
        Ok((stream, peer)) => {
            balance.succeeded(peer.get());
            worker.metrics.connected.increment();
            worker.metrics.connect_duration.observe(now - begin);
            Ok((stream, peer))
        }
        Err(failure) => {
            worker.metrics.connect_failure(failure);
            Err(Refusal::Connect(failure))
        }
    }
}

async fn addresses(
    plan: &Plan<'_>,
    worker: &Worker,
    exchange: &Exchange,
) -> Result<Vec<SocketAddr>, Refusal> {
    let port = plan.destination.port.get();
    let name = match &plan.destination.host {
        Host::Ip(ip) => return Ok(vec![SocketAddr::new(*ip, port)]),
        Host::Name(name) => name,
    };
    let Some(resolver) = worker.shared.resolvers.get(&plan.destination.resolver) else {
        // The configuration that this request began under is gone, and its resolver with it.
        return Err(Refusal::Dns(Failure::Network(
            "the resolver was removed".into(),
        )));
    };
    let begin = clock::now();
    let resolved = resolver.resolve(name, plan.destination.scheme).await;
    let took = clock::now() - begin;
    match resolved {
        Ok(resolved) => {
            exchange.resolved(resolved.how, took);
            let addresses = resolved.addresses.iter();
            Ok(addresses.map(|ip| SocketAddr::new(*ip, port)).collect())
        }
        Err(ResolveError::Failed { failure, how }) => {
            exchange.resolved(how, took);
            Err(Refusal::Dns(failure))
        }
        Err(ResolveError::Overloaded) => Err(Refusal::DnsOverload),
    }
}

async fn handshake(
    stream: TcpStream,
    peer: SocketAddr,
    worker: &Rc<Worker>,
) -> Result<Connection, Refusal> {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(BUFFER).max_header_size(MAX_HEAD);
    let (sender, connection) = builder
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| failure(&error))?;
    let metrics = std::sync::Arc::clone(&worker.metrics);
    metrics.upstream_connections.add(1);
    task::spawn(async move {
        // Its errors are those of the requests on it, which tell them.
        let _ = connection.await;
        metrics.upstream_connections.add(-1);
    });
    Ok(Connection::new(sender, peer))
}

fn failure(error: &hyper::Error) -> Refusal {
    if error.is_parse() {
        Refusal::UpstreamProtocol
    } else if error.is_user() || error.is_body_write_aborted() {
        Refusal::RequestBody
    } else {
        Refusal::Terminated
    }
}
