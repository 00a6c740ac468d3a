//! Fields of messages.

use egret_config::access_log::{HeaderChoice, PathChoice, RequestField, ResponseField};
use http::header::{HOST, USER_AGENT};
use http::uri::PathAndQuery;
use http::{HeaderName, Method};
use percent_encoding::percent_decode_str;

use super::LineFacts;
use super::span::milliseconds;
use super::value::{number, push};
use crate::record::{ExchangeForm, kept};

/// Writes the first of two fields that is there.
fn first<F>(
    choice: &HeaderChoice<F>,
    out: &mut Vec<u8>,
    write: impl Fn(&F, &mut Vec<u8>) -> Option<()>,
) -> Option<()> {
    let first = choice.first.as_ref();
    let written = first.and_then(|field| write(field, out));
    written.or_else(|| write(choice.other.as_ref()?, out))
}

pub(super) fn request(
    choice: &HeaderChoice<RequestField>,
    facts: LineFacts<'_>,
    out: &mut Vec<u8>,
) -> Option<()> {
    first(choice, out, |field, out| match field {
        RequestField::Method => push(facts.record.method?.as_str().as_bytes(), out),
        RequestField::Scheme => push(facts.record.facts.messages?.scheme?.as_bytes(), out),
        RequestField::Authority => authority(facts, out),
        RequestField::Path => push(targets(facts).current?.as_bytes(), out),
        RequestField::OriginalPath => push(targets(facts).original?.as_bytes(), out),
        RequestField::Named(name) => request_header(name, facts, out),
    })
}

pub(super) fn request_header(
    name: &HeaderName,
    facts: LineFacts<'_>,
    out: &mut Vec<u8>,
) -> Option<()> {
    let messages = facts.record.facts.messages?;
    let names = &facts.inputs.request_headers;
    let value = kept(names, &messages.request, name);
    // What was not sent on may be as it was described when it came.
    let is_described = messages.request.is_empty() && *name == USER_AGENT;
    let described = || facts.record.user_agent.filter(|_| is_described);
    push(value.or_else(described)?.as_bytes(), out)
}

/// Writes the host that the request names; one that was sent on names the host that it was sent with.
fn authority(facts: LineFacts<'_>, out: &mut Vec<u8>) -> Option<()> {
    let messages = facts
        .record
        .facts
        .messages
        .filter(|messages| messages.was_sent);
    let names = &facts.inputs.request_headers;
    let sent = messages.and_then(|messages| kept(names, &messages.request, &HOST));
    match sent {
        Some(host) => push(host.as_bytes(), out),
        None => push(facts.record.authority?.as_bytes(), out),
    }
}

pub(super) fn response(
    choice: &HeaderChoice<ResponseField>,
    facts: LineFacts<'_>,
    out: &mut Vec<u8>,
) -> Option<()> {
    let record = facts.record;
    first(choice, out, |field, out| match field {
        ResponseField::Status => number(record.status?.as_u16(), out),
        ResponseField::ServiceTime => {
            let is_response =
                record.form == ExchangeForm::Messages && record.facts.upstream.has_answered;
            number(
                milliseconds(record.first_byte.filter(|_| is_response)?),
                out,
            )
        }
        ResponseField::Named(name) => {
            let messages = record.facts.messages?;
            let names = &facts.inputs.response_headers;
            push(kept(names, &messages.response, name)?.as_bytes(), out)
        }
    })
}

pub(super) fn trailer(
    choice: &HeaderChoice<HeaderName>,
    facts: LineFacts<'_>,
    out: &mut Vec<u8>,
) -> Option<()> {
    first(choice, out, |name, out| {
        let messages = facts.record.facts.messages?;
        let names = &facts.inputs.response_trailers;
        push(kept(names, &messages.trailers, name)?.as_bytes(), out)
    })
}

/// The paths of a request, with their queries.
#[derive(Clone, Copy, Default)]
struct Targets<'a> {
    /// As it was sent on, else as it came.
    current: Option<&'a str>,
    /// As it came, if it was sent on as another.
    original: Option<&'a str>,
}

fn targets<'a>(facts: LineFacts<'a>) -> Targets<'a> {
    let record = facts.record;
    if record.method == Some(&Method::CONNECT) && record.path.is_empty() {
        return Targets::default();
    }
    let messages = record.facts.messages;
    let received = messages.and_then(|messages| messages.received_target.as_ref());
    let received = received.map(PathAndQuery::as_str);
    let received = received.or_else(|| Some(record.path).filter(|path| !path.is_empty()));
    let sent = messages.and_then(|messages| messages.sent_target.as_ref());
    let sent = sent.map(PathAndQuery::as_str);
    Targets {
        current: sent.or(received),
        original: received.filter(|received| sent.is_some_and(|sent| sent != *received)),
    }
}

pub(super) fn path(choice: PathChoice, facts: LineFacts<'_>, out: &mut Vec<u8>) -> Option<()> {
    let targets = targets(facts);
    let original = targets.original.filter(|_| choice.original);
    let path = original.or_else(|| targets.current.filter(|_| choice.sent))?;
    let path = match path.split_once('?') {
        Some((path, _)) if choice.without_query => path,
        _ => path,
    };
    push(path.as_bytes(), out)
}

fn query_of(facts: LineFacts<'_>) -> Option<&str> {
    Some(targets(facts).current?.split_once('?')?.1)
}

pub(super) fn query(facts: LineFacts<'_>, out: &mut Vec<u8>) -> Option<()> {
    let query = query_of(facts).filter(|query| !query.is_empty());
    push(query?.as_bytes(), out)
}

/// Writes the first value of a parameter of the query, decoded.
pub(super) fn query_parameter(name: &str, facts: LineFacts<'_>, out: &mut Vec<u8>) -> Option<()> {
    let mut parameters = query_of(facts)?
        .split('&')
        .map(|parameter| parameter.split_once('=').unwrap_or((parameter, "")));
    let (_, value) = parameters.find(|(key, _)| percent_decode_str(key).eq(name.bytes()))?;
    out.extend(percent_decode_str(value));
    Some(())
}
