//! Log records of OpenTelemetry.

use egret_config::access_log::OpenTelemetryLog;

use super::super::line;
use super::{LineFacts, text};
use crate::clock;
use crate::telemetry::otlp::{LogRecord, Value, key_values, nanoseconds};

/// The record of an exchange.
pub(super) fn record(log: &OpenTelemetryLog, facts: LineFacts<'_>) -> LogRecord {
    let record = facts.record;
    let body = match &log.body {
        Some(format) => text(format, facts),
        None => {
            let mut json = Vec::new();
            line::write(record, &mut json);
            String::from_utf8_lossy(&json).into_owned()
        }
    };
    LogRecord {
        time_unix_nano: record.started.map_or(0, nanoseconds),
        observed_time_unix_nano: nanoseconds(clock::wall()),
        body: Some(Value::text(body)),
        attributes: key_values(&log.attributes, &mut |format| text(format, facts)),
        trace_id: record.trace_id.map(Vec::from).unwrap_or_default(),
        span_id: record.span_id.map(Vec::from).unwrap_or_default(),
    }
}
