//! Durations between points of an exchange. The record has how long each step took, of which the points are put together.

use std::time::Duration;

use egret_config::access_log::{DurationUnit, TimePoint, TimeSpan};

use http::Method;

use super::value::number;
use crate::record::{ExchangeEnd, ExchangeForm, Record, TunnelEnd};

/// Whole milliseconds.
pub(in super::super) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn write(span: TimeSpan, record: &Record<'_>, out: &mut Vec<u8>) -> Option<()> {
    let took = point(span.to, record)?.saturating_sub(point(span.from, record)?);
    let count = match span.unit {
        DurationUnit::Milliseconds => took.as_millis(),
        DurationUnit::Microseconds => took.as_micros(),
        DurationUnit::Nanoseconds => took.as_nanos(),
    };
    number(u64::try_from(count).unwrap_or(u64::MAX), out)
}

/// When a point was reached, from the beginning of the exchange.
pub(in super::super::super) fn point(point: TimePoint, record: &Record<'_>) -> Option<Duration> {
    let upstream = record.facts.upstream;
    let is_connect = record.method == Some(&Method::CONNECT);
    let is_messages = record.form == ExchangeForm::Messages;
    let dns = record.resolution.map(|(_, took)| took);
    let resolved = dns.unwrap_or_default();
    let tried = record.connect.map(|took| resolved + took);
    let connected = tried.filter(|_| upstream.is_connected);
    let secured = record.tls.and_then(|took| Some(connected? + took));
    // A connection from the pool was ready at once.
    let ready = secured.or(connected).or(dns).unwrap_or_default();
    let ready = upstream.is_connected.then_some(ready);
    let whole_request = record.facts.whole_request;
    let whole_request = whole_request.filter(|_| is_messages && !is_connect);
    let end = Some(record.duration).filter(|_| has_whole_response(record));
    match point {
        TimePoint::RequestBegin => Some(Duration::ZERO),
        TimePoint::RequestEnd => whole_request,
        TimePoint::DnsBegin => dns.map(|_| Duration::ZERO),
        TimePoint::DnsEnd => dns,
        TimePoint::ConnectBegin => connected.map(|_| resolved),
        TimePoint::ConnectEnd => connected,
        TimePoint::HandshakeEnd => secured,
        TimePoint::ConnectionReady => ready.or(tried),
        TimePoint::UpstreamRequestBegin => {
            ready.filter(|_| !is_connect && record.form != ExchangeForm::Tls)
        }
        TimePoint::UpstreamRequestEnd => Some(ready?.max(whole_request?)),
        TimePoint::UpstreamResponseBegin => record.first_byte.filter(|_| upstream.has_answered),
        TimePoint::UpstreamResponseEnd => end.filter(|_| upstream.has_answered),
        TimePoint::ResponseBegin => record.first_byte,
        TimePoint::ResponseEnd => end,
        TimePoint::Never => None,
    }
}

/// Whether a response was sent to its end. That of a CONNECT ends when the upstream closes the tunnel first.
fn has_whole_response(record: &Record<'_>) -> bool {
    let closed = Some(ExchangeEnd::Tunnel(TunnelEnd::UpstreamClosed));
    match record.form {
        ExchangeForm::Messages => {
            record.status.is_some() && matches!(record.end, None | Some(ExchangeEnd::Refused(_)))
        }
        ExchangeForm::Tunnel => record.end == closed && record.method == Some(&Method::CONNECT),
        ExchangeForm::Tls => false,
    }
}
