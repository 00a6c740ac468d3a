//! Sinks that are services: what each is told of an exchange.

use std::sync::Arc;

use http::HeaderName;
use serde::Serialize;

use super::filter::LogFilter;
use super::format::LogFormat;
use crate::policy::service::Collector;

/// A sink that is a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogCollector {
    /// The service, and what it is told.
    pub to: CollectedLog,
    /// Which exchanges it is told of; all without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<LogFilter>,
}

/// A log that a service collects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum CollectedLog {
    /// By OTLP.
    OpenTelemetry(Arc<OpenTelemetryLog>),
    /// By the access log service of Envoy.
    Service(Arc<ServiceLog>),
}

/// A log of OpenTelemetry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OpenTelemetryLog {
    /// The collector.
    pub collector: Collector,
    /// The body of a record; the line of the default log without one.
    pub body: Option<LogFormat>,
    /// The attributes of a record.
    pub attributes: Vec<(String, AnyValue<LogFormat>)>,
    /// The attributes of the resource that the policy gives.
    pub resource: Vec<(String, AnyValue<String>)>,
    /// The name of the log, if the resource has the attributes that it has by itself.
    pub builtin_name: Option<String>,
}

/// A value of OpenTelemetry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum AnyValue<T> {
    /// `stringValue`
    Text(T),
    /// `arrayValue`
    List(Vec<Self>),
    /// `kvListValue`
    Map(Vec<(String, Self)>),
}

/// A log that an access log service of Envoy keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServiceLog {
    /// The service.
    pub collector: Collector,
    /// The name of the log.
    pub name: String,
    /// Header fields of requests that it is told.
    #[serde(serialize_with = "crate::policy::headers::as_names")]
    pub request_headers: Vec<HeaderName>,
    /// Header fields of responses.
    #[serde(serialize_with = "crate::policy::headers::as_names")]
    pub response_headers: Vec<HeaderName>,
    /// Trailer fields of responses.
    #[serde(serialize_with = "crate::policy::headers::as_names")]
    pub response_trailers: Vec<HeaderName>,
}

impl ServiceLog {
    /// The header fields of requests that the service is told in any case.
    pub const REQUEST_FIELDS: [&str; 3] = ["referer", "x-forwarded-for", "x-request-id"];
}

impl CollectedLog {
    /// The service.
    #[must_use]
    pub fn collector(&self) -> &Collector {
        match self {
            Self::OpenTelemetry(log) => &log.collector,
            Self::Service(log) => &log.collector,
        }
    }

    /// The formats of what is said.
    pub(super) fn formats(&self) -> Vec<&LogFormat> {
        let mut formats = Vec::new();
        if let Self::OpenTelemetry(log) = self {
            formats.extend(&log.body);
            log.attributes
                .iter()
                .for_each(|(_, value)| value.leaves(&mut formats));
        }
        formats
    }
}

impl<T> AnyValue<T> {
    /// All texts in it.
    fn leaves<'a>(&'a self, found: &mut Vec<&'a T>) {
        match self {
            Self::Text(text) => found.push(text),
            Self::List(values) => values.iter().for_each(|value| value.leaves(found)),
            Self::Map(entries) => entries.iter().for_each(|(_, value)| value.leaves(found)),
        }
    }
}
