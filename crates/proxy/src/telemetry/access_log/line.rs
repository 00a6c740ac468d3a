//! The JSON of a line of the default access log.

use std::time::SystemTime;

use egret_config::resources::ObjectRef;
use egret_config::snapshot::{RouteRule, Scheme};
use http::{HeaderValue, Method, StatusCode};

use super::json_object::{JsonObject, key};
use super::plain;
use crate::message::trace::push_hex;
use crate::meter::LabelValue as _;
use crate::record::{ExchangeEnd, FollowedRedirect, Record};

/// Most bytes of a `User-Agent` that are logged.
const MAX_USER_AGENT: usize = 200;

/// Writes the line of an exchange, without its end. Members without a value are left out; `time`, `client`, the counts of bytes
/// and `total_ms` are always there. What each means is in docs/reference/log.md.
pub(super) fn write(record: &Record<'_>, out: &mut Vec<u8>) {
    let mut line = JsonObject::begin(out);
    who(record, &mut line);
    what(record, &mut line);
    outcome(record, &mut line);
    verdict(record, &mut line);
    way(record, &mut line);
    line.end();
}

/// Whose request it was, and by which listener and route it was taken.
fn who(record: &Record<'_>, line: &mut JsonObject<'_>) {
    line.plain_by(key!("time"), |out| time(record.started, out));
    if let Some(listener) = record.listener {
        line.text(key!("listener"), &*listener.full_name);
    }
    if let Some(rule) = record.rule {
        line.text_by(key!("route"), |out| route(rule, out));
    }
    line.plain_by(key!("client"), |out| {
        if let Some(client) = record.client {
            plain::address(client, out);
        }
    });
    if let Some(sni) = record.sni {
        line.text(key!("sni"), sni.as_str());
    }
    if record.ech {
        line.truth(key!("ech"), true);
    }
    if let Some(user) = record.user {
        line.text(key!("user"), user);
    }
}

/// What it asked for.
fn what(record: &Record<'_>, line: &mut JsonObject<'_>) {
    // A method is a token (RFC 9110 9.1), which has no character that is escaped.
    let method = record.method.map_or("", Method::as_str);
    if !method.is_empty() {
        line.plain_by(key!("method"), |out| {
            out.extend_from_slice(method.as_bytes());
        });
    }
    if let Some(form) = record.asked_by {
        line.word(key!("form"), form.as_str());
    }
    if let Some(scheme) = record.scheme.map(Scheme::as_str) {
        line.word(key!("scheme"), scheme);
    }
    if let Some(authority) = record.authority {
        line.text(key!("authority"), authority);
    }
    if let Some(destination) = record.destination {
        line.plain_by(key!("destination"), |out| {
            plain::destination(destination, out)
        });
    }
    // Without the query, which may contain credentials.
    if !record.path.is_empty() {
        line.text(key!("path"), record.path);
    }
    if !record.protocol.is_empty() {
        line.word(key!("protocol"), record.protocol);
    }
}

/// How it was answered.
fn outcome(record: &Record<'_>, line: &mut JsonObject<'_>) {
    if let Some(status) = record.status.map(|status| StatusCode::as_u16(&status)) {
        line.number(key!("status"), status);
    }
    if let Some(reason) = record.end.map(ExchangeEnd::as_str) {
        line.word(key!("reason"), reason);
    }
    if let Some(details) = &record.details {
        line.text(key!("details"), &**details);
    }
    if let Some(id) = record.refusal {
        line.text(key!("id"), id.to_string());
        line.number(key!("generation"), record.generation);
    }
    if let Some(trace_id) = record.trace_id {
        line.plain_by(key!("trace_id"), |out| push_hex(&trace_id, out));
    }
    if let Some(user_agent) = record.user_agent {
        line.text_by(key!("user_agent"), |out| begin_of(user_agent, out));
    }
}

/// What the policies decided.
fn verdict(record: &Record<'_>, line: &mut JsonObject<'_>) {
    let Some(verdict) = &record.verdict else {
        return;
    };
    line.word(key!("verdict"), verdict.as_str());
    if let Some(policy) = verdict.policy() {
        line.text_by(key!("policy"), |out| object(policy, out));
    }
    if let Some(rule) = verdict.rule() {
        line.text(key!("rule"), &**rule);
    }
    if let Some(reason) = verdict.rule_reason() {
        line.text(key!("rule_reason"), &**reason);
    }
}

/// Where it went, how much was sent either way, and how long that took.
fn way(record: &Record<'_>, line: &mut JsonObject<'_>) {
    if let Some(upstream) = record.upstream {
        line.plain_by(key!("upstream"), |out| plain::address(upstream, out));
        line.truth(key!("reused"), record.reused);
    }
    if record.retries > 0 {
        line.number(key!("retries"), record.retries);
    }
    if !record.redirects.is_empty() {
        line.objects(key!("redirects"), record.redirects, redirect);
    }
    if let Some((source, _)) = record.resolution {
        line.word(key!("dns"), source.as_str());
    }
    line.number(key!("bytes_received"), record.request_bytes);
    line.number(key!("bytes_sent"), record.response_bytes);
    for (key, duration) in [
        (key!("dns_ms"), record.resolution.map(|(_, took)| took)),
        (key!("connect_ms"), record.connect),
        (key!("tls_ms"), record.tls),
        (key!("first_byte_ms"), record.first_byte),
        (key!("total_ms"), Some(record.duration)),
    ] {
        if let Some(duration) = duration {
            line.milliseconds(key, duration);
        }
    }
}

/// A redirect that was followed in place of the client.
fn redirect(redirect: &FollowedRedirect, line: &mut JsonObject<'_>) {
    let FollowedRedirect {
        status,
        destination,
        location,
    } = redirect;
    line.number(key!("status"), *status);
    if let Some(destination) = destination {
        line.text(key!("destination"), destination);
    }
    line.text(key!("location"), location);
}

fn time(at: Option<SystemTime>, out: &mut Vec<u8>) {
    if let Some(at) = at {
        plain::time(at, out);
    }
}

/// An object, as `namespace/name`.
pub(super) fn object(object: &ObjectRef, out: &mut Vec<u8>) {
    out.extend_from_slice(object.namespace.as_bytes());
    out.push(b'/');
    out.extend_from_slice(object.name.as_bytes());
}

/// A rule of a route, as [`RouteRule::full_name`].
pub(super) fn route(rule: &RouteRule, out: &mut Vec<u8>) {
    object(&rule.route, out);
    out.push(b'/');
    match &rule.name {
        Some(name) => out.extend_from_slice(name.as_bytes()),
        None => plain::number(rule.index, out),
    }
}

/// The beginning of a `User-Agent`. It can have any length, and bytes that are no text.
fn begin_of(user_agent: &HeaderValue, out: &mut Vec<u8>) {
    let bytes = user_agent.as_bytes();
    let bytes = &bytes[..bytes.len().min(MAX_USER_AGENT)];
    out.extend_from_slice(String::from_utf8_lossy(bytes).as_bytes());
}
