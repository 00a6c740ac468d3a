//! What ends a connection before there is a request, and so no exchange: it is counted and logged all the same. Heads that
//! the HTTP library refuses itself, and what comes before HTTP.

use std::error::Error as _;
use std::net::SocketAddr;
use std::rc::Rc;

use egret_config::name::DnsName;
use egret_config::snapshot::BindAddress;
use http::StatusCode;

use crate::accept::begin::HelloFacts;
use crate::clock;
use crate::meter::LabelValue as _;
use crate::refusal::Refusal;
use crate::request;
use crate::serve::{Connection, Origin};
use crate::telemetry::access_log::Line;
use crate::worker::Worker;

/// Counts and logs what ended a connection, if it is a head that was refused.
pub(crate) fn tell(connection: &Connection, error: &hyper::Error) {
    let refusal = if error.is_parse_too_large() {
        Refusal::HeadTooLarge
    } else if error.is_parse() {
        Refusal::MalformedHead
    } else {
        return;
    };
    let row = refusal.row();
    // Who begins with HTTP/2 would not understand an answer, and gets none.
    let status = (!error.is_parse_version_h2()).then_some(row.status);
    let metrics = &connection.worker.metrics;
    metrics.refusals.increment(row.reason);
    match status {
        Some(status) => metrics.response(status),
        None => metrics.unanswered.increment(),
    }
    log(&connection.into(), &refusal, status, &connection.worker);
}

/// Counts and logs what ended a connection of HTTP/2, if it is that its client broke the protocol. What was in progress has
/// a line of its own.
pub(crate) fn tell_http2(connection: &Connection, error: &hyper::Error) {
    let error = error.source().and_then(|error| error.downcast_ref());
    let broken = |error: &&h2::Error| !error.is_io() && !error.is_remote();
    let Some(error) = error.filter(broken) else {
        return;
    };
    let worker = &connection.worker;
    let refusal = Refusal::ClientHttp2(error.to_string());
    worker.metrics.refusals.increment(refusal.row().reason);
    log(&connection.into(), &refusal, None, worker);
}

/// Counts and logs a connection that is refused before HTTP. Its status is told in the log alone.
pub(crate) fn refused(origin: &Origin, refusal: &Refusal, worker: &Rc<Worker>) {
    let row = refusal.row();
    worker.metrics.refusals.increment(row.reason);
    log(&origin.into(), refusal, Some(row.status), worker);
}

struct Whose<'a> {
    client: SocketAddr,
    bind: BindAddress,
    hello: Option<&'a HelloFacts>,
}

impl<'a> From<&'a Connection> for Whose<'a> {
    fn from(connection: &'a Connection) -> Self {
        Self {
            client: connection.client,
            bind: connection.bind,
            hello: connection.hello.as_ref(),
        }
    }
}

impl<'a> From<&'a Origin> for Whose<'a> {
    fn from(origin: &'a Origin) -> Self {
        Self {
            client: origin.client,
            bind: origin.bind,
            hello: origin.hello.as_ref(),
        }
    }
}

fn log(whose: &Whose<'_>, refusal: &Refusal, status: Option<StatusCode>, worker: &Rc<Worker>) {
    let Whose {
        client,
        bind,
        hello,
    } = whose;
    let snapshot = worker.snapshot();
    // Whose listener it is for cannot be known.
    let socket = snapshot.sockets.get(bind);
    if !socket.is_some_and(request::logs) {
        return;
    }
    worker.log(&Line {
        time: crate::record::time(clock::wall()),
        client: client.to_string(),
        sni: hello
            .and_then(|hello| hello.sni.as_ref())
            .map(DnsName::as_str),
        ech: hello.map(|hello| hello.ech).filter(|ech| *ech),
        protocol: hello.map_or("", |_| "TLS"),
        status: status.map(|status| status.as_u16()),
        reason: Some(refusal.row().reason.as_str()),
        details: Some(&refusal.details()),
        ..Line::default()
    });
}
