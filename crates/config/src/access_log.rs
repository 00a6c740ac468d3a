//! Access logs as policies configure them: where lines go, and what they are made of.
//!
//! A format is text with command operators in Envoy's language, or a JSON object whose strings are such texts. It is read
//! once, when it is loaded, into a flat list of pieces: writing a line is one pass over them. What a line needs of the
//! messages themselves is collected in [`LogInputs`], so that nothing else is kept of them.

use std::sync::Arc;

use serde::Serialize;

mod collector;
mod command;
mod double;
mod duration;
mod field;
mod filter;
mod flag;
mod format;
mod header;
mod inputs;
mod json;
mod own;
mod scan;
mod time;

pub use collector::{AnyValue, CollectedLog, LogCollector, OpenTelemetryLog, ServiceLog};
pub use command::{AddressSource, Command, GrpcStatusForm, Operator, PathChoice, ServerNameChoice};
pub use duration::{DurationUnit, TimePoint, TimeSpan};
pub use field::{LogField, MissingValue, ValueKind};
pub use filter::{
    ComparisonOperator, GRPC_STATUSES, GrpcStatusSet, HeaderCondition, HeaderTest, LogFilter,
    LogShare, NumberComparison,
};
pub use flag::{ResponseFlag, ResponseFlags};
pub use format::{FormatPiece, LogFormat, TextPiece};
pub use header::{HeaderChoice, RequestField, ResponseField};
pub use inputs::LogInputs;
pub use json::push_escaped;
pub use own::OwnField;
pub use scan::FormatFault;
pub use time::{TimeFormat, TimeSource, push_digits, push_time};

/// The access log of a listener.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub enum AccessLog {
    /// The default log of the process.
    #[default]
    Default,
    /// None.
    Off,
    /// What policies configure, in place of the default log.
    Sinks(Arc<LogSinks>),
}

/// The sinks of a listener's access log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogSinks {
    /// The files. Each gets its own line of an exchange.
    pub sinks: Vec<LogSink>,
    /// The services.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub collectors: Vec<LogCollector>,
    /// What their lines need of messages.
    #[serde(skip)]
    pub inputs: LogInputs,
}

/// One sink.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogSink {
    /// Where the lines go.
    pub path: LogPath,
    /// What they are made of.
    pub format: LogFormat,
    /// Which exchanges are written; all without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<LogFilter>,
}

/// Where lines of a log go.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum LogPath {
    /// The process's standard output.
    Stdout,
    /// The process's standard error.
    Stderr,
    /// The end of this file, which is made if it does not exist.
    File(Arc<str>),
}

impl AccessLog {
    /// Whether nothing is logged.
    #[must_use]
    pub const fn is_off(&self) -> bool {
        matches!(self, Self::Off)
    }

    /// What lines need of messages, beyond what every line may tell.
    #[must_use]
    pub fn inputs(&self) -> Option<&LogInputs> {
        match self {
            Self::Sinks(sinks) => Some(&sinks.inputs),
            Self::Default | Self::Off => None,
        }
    }

    /// The formats of all that is written and told.
    #[must_use]
    pub fn formats(&self) -> Vec<&LogFormat> {
        match self {
            Self::Sinks(sinks) => sinks.formats(),
            Self::Default | Self::Off => Vec::new(),
        }
    }

    /// The files that policies configure.
    #[must_use]
    pub fn sinks(&self) -> &[LogSink] {
        match self {
            Self::Sinks(sinks) => &sinks.sinks,
            Self::Default | Self::Off => &[],
        }
    }
}

impl LogSinks {
    /// The log of these files.
    #[must_use]
    pub fn new(sinks: Vec<LogSink>) -> Self {
        Self::with_collectors(sinks, Vec::new())
    }

    /// The log of these files and services.
    #[must_use]
    pub fn with_collectors(sinks: Vec<LogSink>, collectors: Vec<LogCollector>) -> Self {
        let mut log = Self {
            sinks,
            collectors,
            inputs: LogInputs::default(),
        };
        let mut inputs = LogInputs::default();
        for format in log.formats() {
            inputs.add_format(format);
        }
        let of_files = log.sinks.iter().map(|sink| &sink.filter);
        let of_services = log.collectors.iter().map(|collector| &collector.filter);
        for filter in of_files.chain(of_services).flatten() {
            inputs.add_filter(filter);
        }
        for collector in &log.collectors {
            if let CollectedLog::Service(log) = &collector.to {
                inputs.add_service(log);
            }
        }
        log.inputs = inputs;
        log
    }

    fn formats(&self) -> Vec<&LogFormat> {
        let of_files = self.sinks.iter().map(|sink| &sink.format);
        let of_services = self.collectors.iter().flat_map(|it| it.to.formats());
        of_files.chain(of_services).collect()
    }
}

impl LogPath {
    /// Where `path` of a `fileSink` leads.
    #[must_use]
    pub fn new(path: &str) -> Self {
        match path {
            "/dev/stdout" => Self::Stdout,
            "/dev/stderr" => Self::Stderr,
            file => Self::File(file.into()),
        }
    }
}

#[cfg(test)]
mod tests;
