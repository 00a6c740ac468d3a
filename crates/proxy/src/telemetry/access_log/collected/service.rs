//! Entries of Envoy's access log service.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, UNIX_EPOCH};

use egret_config::access_log::{
    AddressSource, LogField, OwnField, ResponseFlag, ResponseFlags, ServiceLog,
};
use egret_config::name::DnsName;
use http::{HeaderName, HeaderValue};
use prost::encoding::{bool as bool_field, bytes as bytes_field};

use super::super::format::{socket_address, words, write_own};
use super::{LineFacts, field, to_text};
use crate::policy::envoy::auth::{Address, SocketAddress};
use crate::record::{ExchangeForm, kept};
use crate::telemetry::envoy_log::{
    Code, Common, ConnectionProperties, HttpEntry, RequestProperties, ResponseProperties, TcpEntry,
    TimeSpan, Tls,
};

/// `AccessLogType`
const TCP_CONNECTION_END: i32 = 3;
/// `AccessLogType`
const DOWNSTREAM_END: i32 = 6;
/// The flag that is a message with a reason in place of `true`.
const UNAUTHORIZED_DETAILS: u32 = 13;
/// The last flag for which the protocol has a field.
const LAST_FLAG: u32 = 27;
/// `Unauthorized` with the reason `EXTERNAL_SERVICE`, encoded.
const EXTERNAL_SERVICE: [u8; 2] = [0x08, 0x01];
/// What Egret tells beside Envoy's fields.
const TAGS: [OwnField; 8] = [
    OwnField::Destination,
    OwnField::Listener,
    OwnField::Policy,
    OwnField::Reason,
    OwnField::Rule,
    OwnField::RuleReason,
    OwnField::User,
    OwnField::Verdict,
];

/// What is told of a request and its response, or of a tunnel.
pub(super) fn http_entry(log: &ServiceLog, facts: LineFacts<'_>) -> HttpEntry {
    let record = facts.record;
    let messages = record.facts.messages;
    HttpEntry {
        common: Some(common(facts)),
        protocol: match record.protocol {
            "HTTP/1.0" => 1,
            "HTTP/1.1" => 2,
            "HTTP/2" => 3,
            _ => 0,
        },
        request: Some(RequestProperties {
            method: record.method.map_or(0, |method| number(method.as_str())),
            scheme: messages
                .and_then(|it| it.scheme)
                .unwrap_or_default()
                .to_owned(),
            authority: record.authority.unwrap_or_default().to_owned(),
            path: record.path.to_owned(),
            user_agent: record.user_agent.map(shown).unwrap_or_default(),
            referer: request_field("referer", facts),
            forwarded_for: request_field("x-forwarded-for", facts),
            request_id: request_field("x-request-id", facts),
            headers_bytes: messages.map_or(0, |messages| messages.request_size),
            body_bytes: record.request_bytes,
            headers: messages.map_or_else(BTreeMap::new, |messages| {
                picked(
                    &log.request_headers,
                    &facts.inputs.request_headers,
                    &messages.request,
                )
            }),
        }),
        response: Some(ResponseProperties {
            code: record.status.map(|status| Code {
                value: status.as_u16().into(),
            }),
            headers_bytes: messages.map_or(0, |messages| messages.response_size),
            body_bytes: record.response_bytes,
            headers: messages.map_or_else(BTreeMap::new, |messages| {
                picked(
                    &log.response_headers,
                    &facts.inputs.response_headers,
                    &messages.response,
                )
            }),
            trailers: messages.map_or_else(BTreeMap::new, |messages| {
                picked(
                    &log.response_trailers,
                    &facts.inputs.response_trailers,
                    &messages.trailers,
                )
            }),
            code_details: field(LogField::ResponseCodeDetails, facts),
        }),
    }
}

/// What is told of TLS that is routed by its server name.
pub(super) fn tcp_entry(facts: LineFacts<'_>) -> TcpEntry {
    TcpEntry {
        common: Some(common(facts)),
        connection: Some(ConnectionProperties {
            received_bytes: facts.record.request_bytes,
            sent_bytes: facts.record.response_bytes,
        }),
    }
}

fn common(facts: LineFacts<'_>) -> Common {
    let record = facts.record;
    let end = |source| socket_address(source, facts).map(address);
    let started = record
        .started
        .and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    Common {
        downstream_remote_address: end(AddressSource::DownstreamRemote),
        downstream_direct_remote_address: end(AddressSource::DownstreamDirectRemote),
        downstream_local_address: end(AddressSource::DownstreamLocal),
        upstream_remote_address: end(AddressSource::UpstreamRemote),
        upstream_local_address: end(AddressSource::UpstreamLocal),
        tls: tls(facts),
        start_time: started.map(span),
        duration: Some(span(record.duration)),
        time_to_last_downstream_tx_byte: Some(span(record.duration)),
        time_to_first_upstream_rx_byte: record.first_byte.map(span),
        time_to_last_rx_byte: record.facts.whole_request.map(span),
        upstream_cluster: field(LogField::UpstreamCluster, facts),
        response_flags: flags(words::flags(record)),
        upstream_transport_failure_reason: field(LogField::UpstreamTransportFailureReason, facts),
        route_name: field(LogField::RouteName, facts),
        upstream_request_attempt_count: field(LogField::UpstreamRequestAttemptCount, facts)
            .parse()
            .unwrap_or_default(),
        stream_id: field(LogField::StreamId, facts),
        custom_tags: tags(facts),
        access_log_type: match record.form {
            ExchangeForm::Tls => TCP_CONNECTION_END,
            ExchangeForm::Messages | ExchangeForm::Tunnel => DOWNSTREAM_END,
        },
    }
}

fn tls(facts: LineFacts<'_>) -> Option<Tls> {
    let version = match field(LogField::DownstreamTlsVersion, facts).as_str() {
        "TLSv1.2" => 3,
        "TLSv1.3" => 4,
        _ => 0,
    };
    let sni = facts.record.sni.map(DnsName::as_str).unwrap_or_default();
    (version != 0 || !sni.is_empty()).then(|| Tls {
        version,
        sni: sni.to_owned(),
    })
}

fn tags(facts: LineFacts<'_>) -> BTreeMap<String, String> {
    let tags = TAGS.into_iter().filter_map(|tag| {
        let mut value = Vec::new();
        write_own(tag, facts, &mut value)?;
        Some((tag.name().to_owned(), to_text(value)))
    });
    tags.collect()
}

/// `ResponseFlags`: the field of a flag has its place among all flags as its number.
fn flags(flags: ResponseFlags) -> Option<Vec<u8>> {
    let mut encoded = Vec::new();
    for flag in flags.iter() {
        let number = flag as u32 + 1;
        match flag {
            ResponseFlag::UnauthorizedExternalService => {
                bytes_field::encode(
                    UNAUTHORIZED_DETAILS,
                    &EXTERNAL_SERVICE.to_vec(),
                    &mut encoded,
                );
            }
            _ if number <= LAST_FLAG => bool_field::encode(number, &true, &mut encoded),
            _ => {}
        }
    }
    (!encoded.is_empty()).then_some(encoded)
}

/// `RequestMethod`
fn number(method: &str) -> i32 {
    match method {
        "GET" => 1,
        "HEAD" => 2,
        "POST" => 3,
        "PUT" => 4,
        "DELETE" => 5,
        "CONNECT" => 6,
        "OPTIONS" => 7,
        "TRACE" => 8,
        "PATCH" => 9,
        _ => 0,
    }
}

fn request_field(name: &'static str, facts: LineFacts<'_>) -> String {
    let name = HeaderName::from_static(name);
    let messages = facts.record.facts.messages;
    let value =
        messages.and_then(|messages| kept(&facts.inputs.request_headers, &messages.request, &name));
    value.map(shown).unwrap_or_default()
}

/// The fields among those that were kept that a log asks for.
fn picked(
    wanted: &[HeaderName],
    names: &[HeaderName],
    values: &[Option<HeaderValue>],
) -> BTreeMap<String, String> {
    let picked = wanted.iter().filter_map(|name| {
        let value = kept(names, values, name)?;
        Some((name.as_str().to_owned(), shown(value)))
    });
    picked.collect()
}

fn shown(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

fn address(at: SocketAddr) -> Address {
    Address {
        socket_address: Some(SocketAddress {
            address: at.ip().to_string(),
            port_value: at.port().into(),
        }),
    }
}

fn span(time: Duration) -> TimeSpan {
    TimeSpan {
        seconds: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        // Always less than a second.
        nanos: i32::try_from(time.subsec_nanos()).unwrap_or_default(),
    }
}
