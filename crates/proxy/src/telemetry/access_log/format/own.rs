//! What the default log tells, for formats.

use egret_config::access_log::OwnField;

use super::super::line::millis;
use super::value::{number, push, show};
use crate::meter::LabelValue as _;
use crate::record::{ExchangeEnd, Record, Verdict};

pub(super) fn write(field: OwnField, record: &Record<'_>, out: &mut Vec<u8>) -> Option<()> {
    let verdict = record.verdict.as_ref();
    match field {
        OwnField::Listener => push(record.listener?.full_name.as_bytes(), out),
        OwnField::Route => push(record.rule?.full_name().as_bytes(), out),
        OwnField::User => push(record.user?.as_bytes(), out),
        OwnField::Destination => {
            let (host, port) = record.destination?;
            show(format_args!("{host}:{port}"), out)
        }
        OwnField::Reason => push(record.end.map(ExchangeEnd::as_str)?.as_bytes(), out),
        OwnField::Details => push(record.details.as_deref()?.as_bytes(), out),
        OwnField::Id => show(record.refusal?, out),
        OwnField::Generation => number(record.generation, out),
        OwnField::Verdict => push(verdict?.as_str().as_bytes(), out),
        OwnField::Policy => {
            let policy = verdict.and_then(Verdict::policy)?;
            show(format_args!("{}/{}", policy.namespace, policy.name), out)
        }
        OwnField::Rule => push(verdict.and_then(Verdict::rule)?.as_bytes(), out),
        OwnField::RuleReason => push(verdict.and_then(Verdict::rule_reason)?.as_bytes(), out),
        OwnField::Retries => number(record.retries, out),
        OwnField::Dns => push(record.resolution?.0.as_str().as_bytes(), out),
        OwnField::DnsMs => show(millis(record.resolution?.1), out),
        OwnField::ConnectMs => show(millis(record.connect?), out),
        OwnField::TlsMs => show(millis(record.tls?), out),
        OwnField::FirstByteMs => show(millis(record.first_byte?), out),
        OwnField::TotalMs => show(millis(record.duration), out),
    }
}
