//! Compiles `accessLog` to [`AccessLog`].

use std::sync::Arc;

use crate::access_log::{AccessLog, FormatFault, LogFilter, LogFormat, LogPath, LogSink, LogSinks};
use crate::api::kgateway::{AccessLogSpec, FileSinkSpec};
use crate::compile::log::FieldFault;
use crate::compile::value::SpecFields;

mod filter;

/// Compiles the sinks; `at` is the path of the struct that contains them.
pub(super) fn read(sinks: &[AccessLogSpec], at: &str, faults: &mut Vec<FieldFault>) -> AccessLog {
    if sinks.is_empty() {
        return AccessLog::Off;
    }
    let sinks = sinks.iter().enumerate().filter_map(|(index, sink)| {
        let at = format!("{at}.accessLog[{index}]");
        let mut fields = SpecFields::new(&at, faults);
        fields.unsupported(sink.unsupported());
        let filter = sink.filter.as_ref();
        let filter = filter.and_then(|spec| filter::read(spec, &format!("{at}.filter"), faults));
        match &sink.file_sink {
            Some(file) => file_sink(file, filter, &format!("{at}.fileSink"), faults),
            None => {
                if sink.unsupported().next().is_none() {
                    let message = "a sink is needed: fileSink";
                    faults.push(FieldFault::new(&at, message));
                }
                None
            }
        }
    });
    AccessLog::Sinks(Arc::new(LogSinks::new(sinks.collect())))
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

/// Warnings about operators that never have a value here, of a log that is compiled to this.
pub(super) fn warnings(log: &AccessLog) -> Vec<FieldFault> {
    let mut names: Vec<String> = Vec::new();
    for sink in log.sinks() {
        for name in sink.format.never_known() {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    if names.is_empty() {
        return Vec::new();
    }
    let message = format!(
        "accessLog: what these command operators tell is not known here, so that they print what stands for no value: {}",
        names.join(", ")
    );
    vec![FieldFault::new("spec", message)]
}
