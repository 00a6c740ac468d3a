//! What the default log tells, for formats.

use egret_config::access_log::OwnField;

use super::super::{line, plain};
use super::value::{number, push, show, written};
use crate::meter::LabelValue as _;
use crate::record::{ExchangeEnd, Record, Verdict};

pub(super) fn write(field: OwnField, record: &Record<'_>, out: &mut Vec<u8>) -> Option<()> {
    let verdict = record.verdict.as_ref();
    match field {
        OwnField::Listener => push(record.listener?.full_name.as_bytes(), out),
        OwnField::Route => written(record.rule?, line::route, out),
        OwnField::User => push(record.user?.as_bytes(), out),
        OwnField::Destination => written(record.destination?, plain::destination, out),
        OwnField::Reason => push(record.end.map(ExchangeEnd::as_str)?.as_bytes(), out),
        OwnField::Details => push(record.details.as_deref()?.as_bytes(), out),
        OwnField::Id => show(record.refusal?, out),
        OwnField::Generation => number(record.generation, out),
        OwnField::Verdict => push(verdict?.as_str().as_bytes(), out),
        OwnField::Policy => written(verdict.and_then(Verdict::policy)?, line::object, out),
        OwnField::Rule => push(verdict.and_then(Verdict::rule)?.as_bytes(), out),
        OwnField::RuleReason => push(verdict.and_then(Verdict::rule_reason)?.as_bytes(), out),
        OwnField::Retries => number(record.retries, out),
        OwnField::Dns => push(record.resolution?.0.as_str().as_bytes(), out),
        OwnField::DnsMs => written(record.resolution?.1, plain::milliseconds, out),
        OwnField::ConnectMs => written(record.connect?, plain::milliseconds, out),
        OwnField::TlsMs => written(record.tls?, plain::milliseconds, out),
        OwnField::FirstByteMs => written(record.first_byte?, plain::milliseconds, out),
        OwnField::TotalMs => written(record.duration, plain::milliseconds, out),
    }
}
