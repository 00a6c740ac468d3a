//! The values of operators that take no parameters.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::OnceLock;

use egret_config::access_log::{AddressSource, LogField};
use egret_config::certificate::{AlternativeName, CertificateFacts};
use egret_config::resources::ObjectRef;
use egret_config::snapshot::{BackendDestination, RuleAction};
use http::HeaderName;

use super::super::{line, plain};
use super::span::milliseconds;
use super::value::{number, push, show, socket_address, written};
use super::{LineFacts, message, words};
use crate::message::trace::push_hex;
use crate::record::{ClientTlsFacts, ExchangeEnd, ExchangeForm, Record};
use crate::refusal::Reason;

/// Writes the value of a field; `None` if it has none.
pub(super) fn write(field: LogField, facts: LineFacts<'_>, out: &mut Vec<u8>) -> Option<()> {
    let record = facts.record;
    match field {
        LogField::Protocol => push(protocol(record)?.as_bytes(), out),
        LogField::ResponseCode => {
            // There is no response in TLS that is passed through.
            let status = record.status.filter(|_| record.form != ExchangeForm::Tls);
            number(status?.as_u16(), out)
        }
        LogField::ResponseCodeDetails => push(words::details(record)?.as_bytes(), out),
        LogField::ResponseFlags | LogField::ResponseFlagsLong => flags(field, record, out),
        LogField::BytesReceived => number(record.request_bytes, out),
        LogField::BytesSent => number(record.response_bytes, out),
        LogField::RequestHeadersBytes => number(record.facts.messages?.request_size, out),
        LogField::ResponseHeadersBytes => number(record.facts.messages?.response_size, out),
        LogField::ResponseTrailersBytes => number(record.facts.messages?.trailers_size, out),
        LogField::Duration => number(milliseconds(record.duration), out),
        LogField::RouteName => push(record.rule?.full_name().as_bytes(), out),
        LogField::FilterChainName => push(record.listener?.full_name.as_bytes(), out),
        LogField::AccessLogType => push(
            match record.form {
                ExchangeForm::Tls => b"TcpConnectionEnd",
                ExchangeForm::Messages | ExchangeForm::Tunnel => b"DownstreamEnd".as_slice(),
            },
            out,
        ),
        LogField::StreamId => {
            message::request_header(&HeaderName::from_static("x-request-id"), facts, out)
        }
        LogField::UniqueId => unique_id(out),
        LogField::TraceId => written(&record.trace_id?, |id, out| push_hex(id, out), out),
        LogField::SpanId => written(&record.span_id?, |id, out| push_hex(id, out), out),
        LogField::Hostname => push(hostname()?.as_bytes(), out),
        LogField::LocalReplyBody => push(record.facts.local_reply_body?, out),
        _ => client(field, facts, out).or_else(|| upstream(field, facts, out)),
    }
}

/// The protocol towards the client, if it is HTTP.
fn protocol<'a>(record: &Record<'a>) -> Option<&'a str> {
    let is_http = record.form != ExchangeForm::Tls && !matches!(record.protocol, "" | "TLS");
    is_http.then_some(record.protocol)
}

fn flags(field: LogField, record: &Record<'_>, out: &mut Vec<u8>) -> Option<()> {
    let begin = out.len();
    for flag in words::flags(record).iter() {
        if out.len() > begin {
            out.push(b',');
        }
        let name = match field {
            LogField::ResponseFlagsLong => flag.long(),
            _ => flag.short(),
        };
        out.extend(name.as_bytes());
    }
    (out.len() > begin).then_some(())
}

/// Writes a fact of the client's connection.
fn client(field: LogField, facts: LineFacts<'_>, out: &mut Vec<u8>) -> Option<()> {
    let record = facts.record;
    let end = |source| socket_address(source, facts);
    match field {
        LogField::DownstreamRemoteAddress => {
            written(end(AddressSource::DownstreamRemote)?, plain::address, out)
        }
        LogField::DownstreamRemotePort => number(end(AddressSource::DownstreamRemote)?.port(), out),
        LogField::DownstreamDirectRemoteAddress => written(
            end(AddressSource::DownstreamDirectRemote)?,
            plain::address,
            out,
        ),
        LogField::DownstreamDirectRemotePort => {
            number(end(AddressSource::DownstreamDirectRemote)?.port(), out)
        }
        LogField::DownstreamLocalAddress | LogField::DownstreamDirectLocalAddress => {
            written(end(AddressSource::DownstreamLocal)?, plain::address, out)
        }
        LogField::DownstreamLocalPort | LogField::DownstreamDirectLocalPort => {
            number(end(AddressSource::DownstreamLocal)?.port(), out)
        }
        LogField::ConnectionId => number(record.facts.client?.id, out),
        LogField::DownstreamTransportFailureReason => {
            let is_tls = record.end == Some(ExchangeEnd::Refused(Reason::ClientTls));
            push(
                record.details.as_deref().filter(|_| is_tls)?.as_bytes(),
                out,
            )
        }
        _ => tls(field, record.facts.client?.tls.as_ref()?, out),
    }
}

fn tls(field: LogField, tls: &ClientTlsFacts, out: &mut Vec<u8>) -> Option<()> {
    match field {
        LogField::DownstreamTlsVersion => return push(tls.version?.as_bytes(), out),
        LogField::DownstreamTlsCipher => return push(tls.cipher?.as_bytes(), out),
        LogField::DownstreamTlsGroup => return push(tls.group?.as_bytes(), out),
        _ => {}
    }
    let certificate = tls.certificate.as_deref()?;
    match field {
        LogField::DownstreamPeerSubject => {
            let subject = certificate.subject_text();
            push(
                Some(subject).filter(|text| !text.is_empty())?.as_bytes(),
                out,
            )
        }
        LogField::DownstreamPeerUriSan => names(certificate, out, |name| match name {
            AlternativeName::Uri(uri) => Some(uri),
            _ => None,
        }),
        LogField::DownstreamPeerDnsSan => names(certificate, out, |name| match name {
            AlternativeName::Dns(name) => Some(name),
            _ => None,
        }),
        LogField::DownstreamPeerEmailSan => names(certificate, out, |name| match name {
            AlternativeName::Email(email) => Some(email),
            _ => None,
        }),
        LogField::DownstreamPeerIpSan => names(certificate, out, |name| match name {
            AlternativeName::Ip(ip) => Some(ip as &IpAddr),
            _ => None,
        }),
        _ => None,
    }
}

/// Writes the names of one type, with commas between them.
fn names<'a, N: std::fmt::Display + 'a>(
    certificate: &'a CertificateFacts,
    out: &mut Vec<u8>,
    of_type: impl Fn(&'a AlternativeName) -> Option<&'a N>,
) -> Option<()> {
    let begin = out.len();
    for name in certificate.names.iter().filter_map(of_type) {
        if out.len() > begin {
            out.push(b',');
        }
        show(name, out)?;
    }
    (out.len() > begin).then_some(())
}

/// Writes a fact of the way to the upstream.
fn upstream(field: LogField, facts: LineFacts<'_>, out: &mut Vec<u8>) -> Option<()> {
    let record = facts.record;
    let upstream = record.facts.upstream;
    let destination = || record.destination.filter(|_| record.upstream.is_some());
    let connected = || socket_address(AddressSource::UpstreamRemote, facts);
    let local = || socket_address(AddressSource::UpstreamLocal, facts);
    match field {
        LogField::UpstreamProtocol => {
            let protocol = upstream.protocol.filter(|protocol| !protocol.is_empty());
            push(protocol.filter(|_| upstream.is_connected)?.as_bytes(), out)
        }
        LogField::UpstreamHost => written(record.upstream?, plain::address, out),
        LogField::UpstreamHostsAttempted => match record.form {
            ExchangeForm::Tls => written(record.upstream?, plain::address, out),
            ExchangeForm::Messages | ExchangeForm::Tunnel => {
                written(connected()?, plain::address, out)
            }
        },
        LogField::UpstreamHostName | LogField::UpstreamHostNamesAttempted => {
            let is_told = field == LogField::UpstreamHostName || connected().is_some();
            written(destination().filter(|_| is_told)?, plain::destination, out)
        }
        LogField::UpstreamHostNameWithoutPort | LogField::UpstreamHostNamesAttemptedWithoutPort => {
            let is_told = field == LogField::UpstreamHostNameWithoutPort || connected().is_some();
            show(destination().filter(|_| is_told)?.0, out)
        }
        LogField::UpstreamCluster | LogField::UpstreamClusterRaw => {
            written(backend(record)?, line::object, out)
        }
        LogField::UpstreamLocalAddress => written(local()?, plain::address, out),
        LogField::UpstreamLocalPort => number(local()?.port(), out),
        LogField::UpstreamRemoteAddress => written(connected()?, plain::address, out),
        LogField::UpstreamRemotePort => number(connected()?.port(), out),
        LogField::UpstreamTransportFailureReason => {
            push(record.facts.transport_failure?.as_bytes(), out)
        }
        LogField::UpstreamRequestAttemptCount => number(attempts(record), out),
        _ => None,
    }
}

/// The backend that the request was planned for, or the only one of its rule.
fn backend<'a>(record: &Record<'a>) -> Option<&'a ObjectRef> {
    if record.backend.is_some() {
        return record.backend;
    }
    let RuleAction::Forward(backends) = &record.rule?.action else {
        return None;
    };
    let [one] = backends.backends.as_slice() else {
        return None;
    };
    match &one.destination {
        BackendDestination::Dynamic(dynamic) => Some(&dynamic.backend),
        BackendDestination::Static(fixed) => Some(&fixed.backend),
        BackendDestination::Service(service) => Some(&service.service),
        BackendDestination::Refuse(_) => None,
    }
}

/// How often the request was tried: none if it was refused before.
fn attempts(record: &Record<'_>) -> u32 {
    let was_tried = match record.end {
        Some(ExchangeEnd::Refused(
            Reason::ConnectRefused
            | Reason::ConnectTerminated
            | Reason::ConnectUnreachable
            | Reason::ConnectTimeout
            | Reason::ProxyRefused
            | Reason::TlsFailed
            | Reason::TlsCertificate
            | Reason::NoEndpoints
            | Reason::CircuitBreaker,
        )) => true,
        _ => record.facts.upstream.is_connected,
    };
    if was_tried { record.retries + 1 } else { 0 }
}

/// Writes a random UUID (RFC 9562 5.4).
fn unique_id(out: &mut Vec<u8>) -> Option<()> {
    let random: u128 = rand::random();
    // The version, which is 4, and the variant, which is 2.
    let id = (random & !(0xf << 76 | 0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let mut text = String::with_capacity(36);
    write!(text, "{id:032x}").ok()?;
    for place in [20, 16, 12, 8] {
        text.insert(place, '-');
    }
    push(text.as_bytes(), out)
}

/// The name of this machine.
pub(in super::super::super) fn hostname() -> Option<&'static str> {
    static HOSTNAME: OnceLock<Option<String>> = OnceLock::new();
    let name = HOSTNAME.get_or_init(|| nix::unistd::gethostname().ok()?.into_string().ok());
    name.as_deref()
}
