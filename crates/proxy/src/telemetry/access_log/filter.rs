//! Which exchanges a sink writes: pure decisions over records.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use egret_config::access_log::{HeaderCondition, LogFilter};
use egret_config::expression::{
    EgressDestination, Expression, RequestForm, RequestHead, RequestView, ResponseView,
};
use egret_config::name::{Authority, Port};
use egret_config::snapshot::Scheme;
use http::{Method, StatusCode};

use super::format::{LineFacts, grpc, milliseconds, words};
use crate::record::{ExchangeForm, Record};

/// An address that is not known.
const UNKNOWN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// Whether a filter lets an exchange through; `ticket_below` gives random numbers below a bound.
pub(in super::super) fn admits(
    filter: &LogFilter,
    facts: LineFacts<'_>,
    ticket_below: &impl Fn(u32) -> u32,
) -> bool {
    let record = facts.record;
    match filter {
        LogFilter::All => true,
        LogFilter::None => false,
        LogFilter::NotHealthCheck => !record.facts.is_health_check,
        LogFilter::Sampled => record.facts.is_sampled,
        LogFilter::StatusCode(comparison) => comparison.holds(u64::from(code(record))),
        LogFilter::Duration(comparison) => comparison.holds(milliseconds(record.duration)),
        LogFilter::Header(condition) => has_header(condition, facts),
        LogFilter::GrpcStatus(set) => set.contains(grpc::status(facts)),
        LogFilter::Flags(wanted) => words::flags(record)
            .iter()
            .any(|flag| wanted.contains(&flag)),
        LogFilter::Expression(expression) => is_true(expression, facts),
        LogFilter::Share(share) => share.includes(ticket_below),
        LogFilter::Every(filters) => filters.iter().all(|one| admits(one, facts, ticket_below)),
        LogFilter::Either(filters) => filters.iter().any(|one| admits(one, facts, ticket_below)),
    }
}

/// The status, as `%RESPONSE_CODE%` tells it.
fn code(record: &Record<'_>) -> u16 {
    let status = record.status.filter(|_| record.form != ExchangeForm::Tls);
    status.map_or(0, |status: StatusCode| status.as_u16())
}

/// Whether a line of the field is as asked.
fn has_header(condition: &HeaderCondition, facts: LineFacts<'_>) -> bool {
    let names = &facts.inputs.request_lines;
    let place = names.iter().position(|name| *name == condition.name);
    let messages = facts.record.facts.messages;
    let (Some(place), Some(messages)) = (place, messages) else {
        return false;
    };
    let mut lines = messages.request_lines.iter();
    lines.any(|(of, value)| *of == place && condition.value.holds(value.as_bytes()))
}

/// Whether an expression is true. An error, such as a header that is missing, is not.
fn is_true(expression: &Expression, facts: LineFacts<'_>) -> bool {
    let record = facts.record;
    let asked = record.authority.map(str::as_bytes);
    let asked = asked.and_then(|text| Authority::parse(text).ok());
    let sent = record.destination.map(|(host, port)| Authority {
        host: host.clone(),
        port: Some(port),
    });
    // What could not be read has no host, of which expressions may ask.
    let Some(asked) = asked.or_else(|| sent.clone()) else {
        return false;
    };
    let sent = sent.as_ref().unwrap_or(&asked);
    let view = view(&asked, sent, facts);
    view.is_some_and(|view| expression.evaluate(&view).unwrap_or(false))
}

/// The exchange as expressions see it.
fn view<'a>(
    asked: &'a Authority,
    sent: &'a Authority,
    facts: LineFacts<'a>,
) -> Option<RequestView<'a>> {
    let record = facts.record;
    let form = match record.form {
        ExchangeForm::Tls => RequestForm::Sni,
        _ if record.method == Some(&Method::CONNECT) => RequestForm::Connect,
        ExchangeForm::Messages | ExchangeForm::Tunnel => RequestForm::Host,
    };
    let messages = record.facts.messages;
    let scheme = messages.and_then(|messages| messages.scheme);
    let default_port = match scheme {
        Some("http") => Port::HTTP,
        _ => Port::HTTPS,
    };
    let head = messages.and_then(|messages| messages.head.as_deref());
    let client = record.facts.client;
    let tls = client.and_then(|client| client.tls.as_ref());
    Some(RequestView {
        form,
        scheme: scheme.filter(|_| form == RequestForm::Host),
        host: &asked.host,
        port: asked.port,
        head: head.map(|head| RequestHead {
            method: &head.method,
            uri: &head.uri,
            version: head.version,
            headers: &head.headers,
        }),
        source: record.client?,
        listener: client.and_then(|client| client.local).unwrap_or(UNKNOWN),
        server_name: record.sni,
        user: record.user,
        // They are not kept until the log is written.
        claims: None,
        certificate: tls.and_then(|tls| tls.certificate.as_ref()),
        egress: EgressDestination {
            scheme: record.scheme.map(Scheme::as_str),
            host: &sent.host,
            port: sent.port.unwrap_or(default_port),
        },
        response: Some(ResponseView {
            code: code(record),
            code_details: words::details(record),
            flags: words::flags(record).bits(),
            grpc_status: grpc::status(facts),
            size: record.response_bytes,
        }),
    })
}

#[cfg(test)]
mod tests;
