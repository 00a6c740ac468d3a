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
        OwnField::Route => written(line::route(record.rule?, out)),
        OwnField::User => push(record.user?.as_bytes(), out),
        OwnField::Destination => written(plain::destination(record.destination?, out)),
        OwnField::Reason => push(record.end.map(ExchangeEnd::as_str)?.as_bytes(), out),
        OwnField::Details => push(record.details.as_deref()?.as_bytes(), out),
        OwnField::Id => show(record.refusal?, out),
        OwnField::Generation => number(record.generation, out),
        OwnField::Verdict => push(verdict?.as_str().as_bytes(), out),
        OwnField::Policy => written(line::object(verdict.and_then(Verdict::policy)?, out)),
        OwnField::Rule => push(verdict.and_then(Verdict::rule)?.as_bytes(), out),
        OwnField::RuleReason => push(verdict.and_then(Verdict::rule_reason)?.as_bytes(), out),
        OwnField::Retries => number(record.retries, out),
        OwnField::Dns => push(record.resolution?.0.as_str().as_bytes(), out),
        OwnField::DnsMs => written(plain::milliseconds(record.resolution?.1, out)),
        OwnField::ConnectMs => written(plain::milliseconds(record.connect?, out)),
        OwnField::TlsMs => written(plain::milliseconds(record.tls?, out)),
        OwnField::FirstByteMs => written(plain::milliseconds(record.first_byte?, out)),
        OwnField::TotalMs => written(plain::milliseconds(record.duration, out)),
    }
}
