//! Compiles `accessLog` to [`AccessLog`].

use std::sync::Arc;

use super::super::service::ServiceReader;
use crate::access_log::{
    AccessLog, CollectedLog, FormatFault, LogCollector, LogFilter, LogFormat, LogPath, LogSink,
    LogSinks,
};
use crate::compile::body_format::never_known;
use crate::compile::log::FieldFault;

mod collector;
mod filter;

use egret_api::kgateway::{AccessLogSpec, FileSinkSpec};
pub(super) use filter::read as read_filter;

const ONE_SINK: &str =
    "exactly one of the fields in [fileSink grpcService openTelemetry] must be set";

/// Compiles the sinks; `at` is the path of the struct that contains them.
pub(super) fn read(
    sinks: &[AccessLogSpec],
    at: &str,
    services: &mut ServiceReader<'_>,
    faults: &mut Vec<FieldFault>,
) -> AccessLog {
    if sinks.is_empty() {
        return AccessLog::Off;
    }
    let (mut files, mut collectors) = (Vec::new(), Vec::new());
    for (index, sink) in sinks.iter().enumerate() {
        let at = format!("{at}.accessLog[{index}]");
        let filter = sink.filter.as_ref();
        let filter = filter.and_then(|spec| filter::read(spec, &format!("{at}.filter"), faults));
        match (&sink.file_sink, &sink.grpc_service, &sink.open_telemetry) {
            (Some(file), None, None) => {
                files.extend(file_sink(file, filter, &format!("{at}.fileSink"), faults));
            }
            (None, Some(service), None) => {
                let log = collector::service(service, &at, services, faults);
                let to = log.map(Arc::new).map(CollectedLog::Service);
                collectors.extend(to.map(|to| LogCollector { to, filter }));
            }
            (None, None, Some(telemetry)) => {
                let log = collector::open_telemetry(telemetry, &at, services, faults);
                let to = log.map(Arc::new).map(CollectedLog::OpenTelemetry);
                collectors.extend(to.map(|to| LogCollector { to, filter }));
            }
            _ => faults.push(FieldFault::new(&at, ONE_SINK)),
        }
    }
    AccessLog::Sinks(Arc::new(LogSinks::with_collectors(files, collectors)))
}

fn file_sink(
    spec: &FileSinkSpec,
    filter: Option<LogFilter>,
    at: &str,
    faults: &mut Vec<FieldFault>,
) -> Option<LogSink> {
    let FileSinkSpec {
        path,
        string_format,
        json_format,
    } = spec;
    if !path.starts_with('/') {
        let message = format!("{path:?} is no absolute path, such as /dev/stdout");
        faults.push(FieldFault::new(format!("{at}.path"), message));
    }
    let format = match (string_format, json_format) {
        (Some(text), None) => {
            let wrong = |fault| fault_of(format!("{at}.stringFormat"), &fault);
            LogFormat::text(text).map_err(wrong)
        }
        (None, Some(object)) => {
            let wrong = |(key, fault)| fault_of(format!("{at}.jsonFormat{key}"), &fault);
            LogFormat::json(object).map_err(wrong)
        }
        _ => {
            let message = "exactly one of the fields in [stringFormat jsonFormat] must be set";
            Err(FieldFault::new(at, message))
        }
    };
    match format {
        Ok(format) => Some(LogSink {
            path: LogPath::new(path),
            format,
            filter,
        }),
        Err(fault) => {
            faults.push(fault);
            None
        }
    }
}

fn fault_of(field: String, fault: &FormatFault) -> FieldFault {
    FieldFault::new(field, fault.to_string())
}

/// The warning about operators that never have a value here, of a log that is compiled to this.
pub(super) fn warning(log: &AccessLog) -> Option<FieldFault> {
    never_known("accessLog", log.formats())
}
