//! Metrics and log lines of connections that are refused before there is a request, and so without an exchange: in the
//! PROXY header, in the TLS handshake, or by hyper's parser.

use std::net::SocketAddr;

use egret_config::snapshot::{BindAddress, ListenerSocket};
use http::StatusCode;

use super::DownstreamConnection;
use crate::client::{ClientConnection, ConnectionOrigin, HelloFacts};
use crate::clock;
use crate::context::WorkerContext;
use crate::record::{ClientFacts, ExchangeEnd, FormatFacts, Record};
use crate::refusal::{Refusal, RefusalSubject};
use crate::telemetry::DecisionLabels;

/// What the HTTP/2 library calls a head that is more than four times as large as allowed, for which it ends the connection.
const FAR_TOO_LARGE: &str = "header_list_way_too_large";

/// Counts and logs an HTTP/1 connection that ended with a malformed or too large request head.
pub(crate) fn record_head_error(connection: &DownstreamConnection, error: &hyper::Error) {
    let refusal = if error.is_parse_too_large() {
        Refusal::HeadTooLarge
    } else if error.is_parse() {
        Refusal::MalformedHead
    } else {
        return;
    };
    // hyper sends no response to the HTTP/2 connection preface.
    let status = (!error.is_parse_version_h2()).then_some(refusal.row().status);
    record_head(connection, &refusal, status);
}

/// Counts and logs a malformed or too large request head that got a response of this status, or none.
pub(crate) fn record_head(
    connection: &DownstreamConnection,
    refusal: &Refusal,
    status: Option<StatusCode>,
) {
    let row = refusal.row();
    let context = &connection.context;
    let telemetry = &context.telemetry;
    with_labels(connection.client.bind, context, |labels| {
        telemetry.metrics.refusals.increment(row.reason, labels);
        match status {
            Some(status) => telemetry.responded(status, labels),
            None => telemetry.metrics.unanswered.increment(),
        }
    });
    log(&connection.client.as_ref().into(), refusal, status, context);
}

/// Counts and logs an HTTP/2 connection that ended with a protocol error of the client. Exchanges in progress have log
/// lines of their own.
pub(crate) fn record_http2_error(connection: &DownstreamConnection, error: &h2::Error) {
    if error.is_io() || error.is_remote() {
        return;
    }
    let context = &connection.context;
    let text = error.to_string();
    let refusal = if text.contains(FAR_TOO_LARGE) {
        Refusal::HeadTooLarge
    } else {
        Refusal::ClientHttp2(text)
    };
    let reason = refusal.row().reason;
    with_labels(connection.client.bind, context, |labels| {
        context.telemetry.metrics.refusals.increment(reason, labels);
    });
    log(&connection.client.as_ref().into(), &refusal, None, context);
}

/// Counts and logs a connection that is refused before HTTP. The status is in the log only; nothing is sent.
pub(crate) fn record(origin: &ConnectionOrigin, refusal: &Refusal, context: &WorkerContext) {
    let row = refusal.row();
    with_labels(origin.bind, context, |labels| {
        let metrics = &context.telemetry.metrics;
        metrics.refusals.increment(row.reason, labels);
    });
    log(&origin.into(), refusal, Some(row.status), context);
}

/// Calls a function with the labels of a connection.
fn with_labels(bind: BindAddress, context: &WorkerContext, count: impl FnOnce(DecisionLabels<'_>)) {
    let snapshot = context.snapshot();
    count(DecisionLabels::of_socket(snapshot.sockets.get(&bind)));
}

/// The facts of a connection that its log line has.
struct ConnectionFacts<'a> {
    client: SocketAddr,
    bind: BindAddress,
    hello: Option<&'a HelloFacts>,
    client_facts: &'a ClientFacts,
}

impl<'a> From<&'a ClientConnection> for ConnectionFacts<'a> {
    fn from(connection: &'a ClientConnection) -> Self {
        Self {
            client: connection.address,
            bind: connection.bind,
            hello: connection.hello.as_ref(),
            client_facts: &connection.facts,
        }
    }
}

impl<'a> From<&'a ConnectionOrigin> for ConnectionFacts<'a> {
    fn from(origin: &'a ConnectionOrigin) -> Self {
        Self {
            client: origin.client,
            bind: origin.bind,
            hello: origin.hello.as_ref(),
            client_facts: &origin.facts,
        }
    }
}

fn log(
    facts: &ConnectionFacts<'_>,
    refusal: &Refusal,
    status: Option<StatusCode>,
    context: &WorkerContext,
) {
    let ConnectionFacts {
        client,
        bind,
        hello,
        client_facts,
    } = facts;
    let snapshot = context.snapshot();
    // It is unknown which listener the client meant.
    let socket = snapshot.sockets.get(bind);
    let Some(log) = socket
        .map(ListenerSocket::unrouted_log)
        .filter(|log| !log.is_off())
    else {
        return;
    };
    let about = RefusalSubject::default();
    let code_details = refusal.code_details(&about);
    let record = Record {
        started: Some(clock::wall()),
        client: Some(*client),
        sni: hello.and_then(|hello| hello.sni.as_ref()),
        ech: hello.is_some_and(|hello| hello.ech),
        protocol: hello.map_or("", |_| "TLS"),
        status,
        end: Some(ExchangeEnd::Refused(refusal.row().reason)),
        details: Some(refusal.details(&about).into()),
        facts: FormatFacts {
            client: Some(client_facts),
            code_details: Some(&code_details),
            ..FormatFacts::default()
        },
        ..Record::default()
    };
    context.telemetry.log(log, &record);
}
