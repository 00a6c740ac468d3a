//! The values of command operators.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::ffi::OsStrExt as _;
use std::sync::OnceLock;

use egret_config::access_log::{AddressSource, Operator, ServerNameChoice, TimeFormat, TimeSource};
use egret_config::name::DnsName;
use ipnet::IpNet;
use jiff::Timestamp;

use super::super::plain;
use super::{LineFacts, field, grpc, message, own, span};
use crate::clock;

/// Writes the value of an operator; `None` if it has none.
pub(super) fn write(operator: &Operator, facts: LineFacts<'_>, out: &mut Vec<u8>) -> Option<()> {
    match operator {
        Operator::Request(choice) => message::request(choice, facts, out),
        Operator::RequestWithoutQuery(choice) => {
            let begin = out.len();
            message::request(choice, facts, out)?;
            if let Some(query) = out[begin..].iter().position(|byte| *byte == b'?') {
                out.truncate(begin + query);
            }
            Some(())
        }
        Operator::Response(choice) => message::response(choice, facts, out),
        Operator::Trailer(choice) => message::trailer(choice, facts, out),
        Operator::Path(choice) => message::path(*choice, facts, out),
        Operator::QueryParameter(name) => message::query_parameter(name, facts, out),
        Operator::Query => message::query(facts, out),
        Operator::Time(source, format) => time(*source, format, facts, out),
        Operator::Span(span) => span::write(*span, facts.record, out),
        Operator::GrpcStatus(form) => grpc::write(*form, facts, out),
        Operator::Environment(name) => {
            let value = environment().get(OsString::from(name).as_os_str())?;
            push(value.as_bytes(), out)
        }
        Operator::Address(source, prefix) => address(*source, *prefix, facts, out),
        Operator::ServerName(choice) => server_name(*choice, facts, out),
        Operator::Own(field) => own::write(*field, facts.record, out),
        Operator::Field(field) => field::write(*field, facts, out),
        Operator::Nothing => None,
    }
}

/// Writes bytes.
#[expect(
    clippy::unnecessary_wraps,
    reason = "the value of an operator that has one"
)]
pub(super) fn push(bytes: &[u8], out: &mut Vec<u8>) -> Option<()> {
    out.extend(bytes);
    Some(())
}

/// Writes a value by a function that always does.
#[expect(
    clippy::unnecessary_wraps,
    reason = "the value of an operator that has one"
)]
pub(super) fn written<T>(
    value: T,
    write: impl FnOnce(T, &mut Vec<u8>),
    out: &mut Vec<u8>,
) -> Option<()> {
    write(value, out);
    Some(())
}

/// Writes what can be shown.
pub(super) fn show(value: impl std::fmt::Display, out: &mut Vec<u8>) -> Option<()> {
    write!(out, "{value}").ok()
}

/// Writes a number.
pub(super) fn number(value: impl itoa::Integer, out: &mut Vec<u8>) -> Option<()> {
    written(value, plain::number, out)
}

/// The value of a variable of the environment.
pub(in super::super::super) fn environment_of(name: &str) -> Option<String> {
    let value = environment().get(OsString::from(name).as_os_str())?;
    Some(value.to_string_lossy().into_owned())
}

/// The environment as it was when a line first asked for it: a process's own does not change.
fn environment() -> &'static HashMap<OsString, OsString> {
    static ENVIRONMENT: OnceLock<HashMap<OsString, OsString>> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| std::env::vars_os().collect())
}

fn time(
    source: TimeSource,
    format: &TimeFormat,
    facts: LineFacts<'_>,
    out: &mut Vec<u8>,
) -> Option<()> {
    let record = facts.record;
    let validity = || {
        let tls = record.facts.client?.tls.as_ref()?;
        Some(tls.certificate.as_ref()?.validity)
    };
    let at = match source {
        TimeSource::Start | TimeSource::StartLocal => Timestamp::try_from(record.started?).ok()?,
        TimeSource::Emit | TimeSource::EmitLocal => Timestamp::try_from(clock::wall()).ok()?,
        TimeSource::PeerCertificateStart => Timestamp::from_second(validity()?.not_before).ok()?,
        TimeSource::PeerCertificateEnd => Timestamp::from_second(validity()?.not_after).ok()?,
    };
    format.write(at, out);
    Some(())
}

/// Writes an IP address, or the network of it.
fn address(
    source: AddressSource,
    prefix: Option<u8>,
    facts: LineFacts<'_>,
    out: &mut Vec<u8>,
) -> Option<()> {
    let ip = socket_address(source, facts)?.ip();
    let Some(prefix) = prefix else {
        return written(ip, plain::ip, out);
    };
    let longest = match ip {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    };
    show(IpNet::new(ip, prefix.min(longest)).ok()?.trunc(), out)
}

/// An end of a connection of the exchange.
pub(in super::super) fn socket_address(
    source: AddressSource,
    facts: LineFacts<'_>,
) -> Option<SocketAddr> {
    let record = facts.record;
    let upstream = record.facts.upstream;
    match source {
        AddressSource::DownstreamRemote => record.client,
        AddressSource::DownstreamDirectRemote => record
            .facts
            .client
            .and_then(|client| client.peer)
            .or(record.client),
        AddressSource::DownstreamLocal => record.facts.client?.local,
        AddressSource::UpstreamRemote => record.upstream.filter(|_| upstream.is_connected),
        AddressSource::UpstreamLocal => upstream.local.filter(|_| upstream.is_connected),
    }
}

fn server_name(choice: ServerNameChoice, facts: LineFacts<'_>, out: &mut Vec<u8>) -> Option<()> {
    let sni = facts.record.sni.map(DnsName::as_str);
    let host = facts.record.authority;
    let name = match choice {
        ServerNameChoice::SniOnly => sni,
        ServerNameChoice::SniFirst => sni.or(host),
        ServerNameChoice::HostFirst => host.or(sni),
    };
    push(name?.as_bytes(), out)
}
