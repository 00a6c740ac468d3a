//! What services that collect logs are told of an exchange, each in its own messages.

use egret_config::access_log::{CollectedLog, LogField, LogFormat};
use prost::Message as _;

use super::format::{self, LineFacts};
use crate::record::ExchangeForm;
use crate::telemetry::outbox::OutboxAddress;

mod open_telemetry;
mod service;

/// Where what is told of an exchange goes, and it, as it is written on the wire.
pub(super) fn entry(log: &CollectedLog, facts: LineFacts<'_>) -> (OutboxAddress, Vec<u8>) {
    match log {
        CollectedLog::OpenTelemetry(log) => {
            let record = open_telemetry::record(log, facts);
            let to = OutboxAddress::OpenTelemetry(log.clone());
            (to, record.encode_to_vec())
        }
        CollectedLog::Service(log) if facts.record.form == ExchangeForm::Tls => {
            let entry = service::tcp_entry(facts);
            (OutboxAddress::TcpLog(log.clone()), entry.encode_to_vec())
        }
        CollectedLog::Service(log) => {
            let entry = service::http_entry(log, facts);
            (OutboxAddress::HttpLog(log.clone()), entry.encode_to_vec())
        }
    }
}

/// A text with the values of its operators. What is no text is replaced, because messages have none but texts.
fn text(format: &LogFormat, facts: LineFacts<'_>) -> String {
    let mut out = Vec::new();
    format::write_line(format, facts, &mut out);
    to_text(out)
}

/// The value of an operator; empty without one.
pub(in super::super) fn field(field: LogField, facts: LineFacts<'_>) -> String {
    let mut out = Vec::new();
    format::write_field(field, facts, &mut out);
    to_text(out)
}

fn to_text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests;
