//! The messages of OTLP (OpenTelemetry Protocol 1.x), with the fields that are used.
//!
//! Messages that are repeated in great number are encoded one by one when they are made: a repeated field of messages is
//! written like one of bytes.

use std::time::{SystemTime, UNIX_EPOCH};

use egret_config::access_log::{AnyValue, OpenTelemetryLog};
use egret_config::snapshot::Tracing;
use percent_encoding::percent_decode_str;
use prost::{Message, Oneof};

use super::access_log::{environment, hostname};

pub(crate) mod metric;

/// The method that takes logs.
pub(crate) const EXPORT_LOGS: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";

/// The method that takes spans.
pub(crate) const EXPORT_SPANS: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// The method that takes metrics.
pub(crate) const EXPORT_METRICS: &str =
    "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";

/// `ExportLogsServiceRequest` and its kin of traces and metrics, which are written alike.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ExportRequest {
    #[prost(message, repeated, tag = "1")]
    pub(crate) of_resources: Vec<OfResource>,
}

/// `ResourceLogs`, `ResourceSpans` and `ResourceMetrics`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct OfResource {
    #[prost(message, optional, tag = "1")]
    pub(crate) resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) of_scopes: Vec<OfScope>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Resource {
    #[prost(message, repeated, tag = "1")]
    pub(crate) attributes: Vec<KeyValue>,
}

/// `ScopeLogs`, `ScopeSpans` and `ScopeMetrics`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct OfScope {
    #[prost(message, optional, tag = "1")]
    pub(crate) scope: Option<Scope>,
    /// Each a [`LogRecord`], a [`Span`] or a [`metric::Metric`].
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub(crate) entries: Vec<Vec<u8>>,
}

/// `InstrumentationScope`
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct Scope {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, tag = "2")]
    pub(crate) version: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct LogRecord {
    #[prost(fixed64, tag = "1")]
    pub(crate) time_unix_nano: u64,
    #[prost(message, optional, tag = "5")]
    pub(crate) body: Option<Value>,
    #[prost(message, repeated, tag = "6")]
    pub(crate) attributes: Vec<KeyValue>,
    #[prost(bytes = "vec", tag = "9")]
    pub(crate) trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "10")]
    pub(crate) span_id: Vec<u8>,
    #[prost(fixed64, tag = "11")]
    pub(crate) observed_time_unix_nano: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Span {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) span_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    pub(crate) parent_span_id: Vec<u8>,
    #[prost(string, tag = "5")]
    pub(crate) name: String,
    /// 2 is a server, 3 is a client.
    #[prost(int32, tag = "6")]
    pub(crate) kind: i32,
    #[prost(fixed64, tag = "7")]
    pub(crate) start_time_unix_nano: u64,
    #[prost(fixed64, tag = "8")]
    pub(crate) end_time_unix_nano: u64,
    #[prost(message, repeated, tag = "9")]
    pub(crate) attributes: Vec<KeyValue>,
    #[prost(message, repeated, tag = "11")]
    pub(crate) events: Vec<SpanEvent>,
    #[prost(message, optional, tag = "15")]
    pub(crate) status: Option<SpanStatus>,
}

/// `Span.Event`
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct SpanEvent {
    #[prost(fixed64, tag = "1")]
    pub(crate) time_unix_nano: u64,
    #[prost(string, tag = "2")]
    pub(crate) name: String,
}

/// `Status`
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct SpanStatus {
    #[prost(string, tag = "2")]
    pub(crate) message: String,
    /// 2 is an error.
    #[prost(int32, tag = "3")]
    pub(crate) code: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct KeyValue {
    #[prost(string, tag = "1")]
    pub(crate) key: String,
    #[prost(message, optional, tag = "2")]
    pub(crate) value: Option<Value>,
}

/// `AnyValue`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Value {
    #[prost(oneof = "ValueKind", tags = "1, 3, 5, 6")]
    pub(crate) value: Option<ValueKind>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(crate) enum ValueKind {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(int64, tag = "3")]
    Number(i64),
    #[prost(message, tag = "5")]
    List(ValueList),
    #[prost(message, tag = "6")]
    Map(KeyValueList),
}

/// `ArrayValue`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ValueList {
    #[prost(message, repeated, tag = "1")]
    pub(crate) values: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct KeyValueList {
    #[prost(message, repeated, tag = "1")]
    pub(crate) values: Vec<KeyValue>,
}

impl KeyValue {
    /// An attribute that is a text.
    pub(crate) fn text(key: &str, value: impl Into<String>) -> Self {
        Self {
            key: key.to_owned(),
            value: Some(Value::text(value)),
        }
    }

    /// An attribute that is a number.
    pub(crate) fn number(key: &str, value: impl Into<i64>) -> Self {
        let value = Some(ValueKind::Number(value.into()));
        Self {
            key: key.to_owned(),
            value: Some(Value { value }),
        }
    }
}

impl Value {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self {
            value: Some(ValueKind::Text(text.into())),
        }
    }

    /// The value of what is configured; `text` makes the text of a leaf.
    pub(crate) fn of<T>(value: &AnyValue<T>, text: &mut dyn FnMut(&T) -> String) -> Self {
        let kind = match value {
            AnyValue::Text(leaf) => ValueKind::Text(text(leaf)),
            AnyValue::List(values) => {
                let values = values.iter().map(|value| Self::of(value, text)).collect();
                ValueKind::List(ValueList { values })
            }
            AnyValue::Map(entries) => ValueKind::Map(KeyValueList {
                values: key_values(entries, text),
            }),
        };
        Self { value: Some(kind) }
    }
}

/// Attributes of what is configured.
pub(crate) fn key_values<T>(
    entries: &[(String, AnyValue<T>)],
    text: &mut dyn FnMut(&T) -> String,
) -> Vec<KeyValue> {
    let entries = entries.iter().map(|(key, value)| KeyValue {
        key: key.clone(),
        value: Some(Value::of(value, text)),
    });
    entries.collect()
}

/// A request that exports these records of a log, each encoded.
pub(crate) fn export_logs(log: &OpenTelemetryLog, records: Vec<Vec<u8>>) -> ExportRequest {
    export(resource_of_log(log), records)
}

/// A request that exports these spans, each encoded.
pub(crate) fn export_spans(tracing: &Tracing, spans: Vec<Vec<u8>>) -> ExportRequest {
    let mut resource = resource_of_process(&tracing.service_name);
    if tracing.detects_environment {
        let told = environment("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
        merge(&mut resource, detected(&told));
    }
    export(resource, spans)
}

/// A request that exports these metrics, each encoded. The environment may name the service, and say more of the resource.
pub(crate) fn export_metrics(metrics: Vec<Vec<u8>>) -> ExportRequest {
    let name = environment("OTEL_SERVICE_NAME").filter(|name| !name.is_empty());
    let mut resource = resource_of_process(name.as_deref().unwrap_or("egret"));
    // Counters of several gateways are series of their own.
    let instance = hostname().unwrap_or_default();
    resource.push(KeyValue::text("service.instance.id", instance));
    let mut told = detected(&environment("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default());
    told.retain(|attribute| name.is_none() || attribute.key != "service.name");
    merge(&mut resource, told);
    export(resource, metrics)
}

/// What every process says of itself.
fn resource_of_process(service_name: &str) -> Vec<KeyValue> {
    let resource = [
        ("service.name", service_name),
        ("telemetry.sdk.language", "rust"),
        ("telemetry.sdk.name", "egret"),
        ("telemetry.sdk.version", env!("CARGO_PKG_VERSION")),
    ];
    let resource = resource.map(|(key, value)| KeyValue::text(key, value));
    resource.to_vec()
}

/// Adds attributes, each in place of the one of the same name.
fn merge(attributes: &mut Vec<KeyValue>, more: Vec<KeyValue>) {
    attributes.retain(|known| more.iter().all(|other| other.key != known.key));
    attributes.extend(more);
}

/// The attributes that a variable of the environment tells: `key=value,key=value`, with percent-encoding (OpenTelemetry's
/// "Resource SDK"). If one cannot be read, none is used.
fn detected(text: &str) -> Vec<KeyValue> {
    let pairs = text.split(',').filter(|pair| !pair.trim().is_empty());
    let pairs = pairs.map(|pair| {
        let (key, value) = pair.split_once('=')?;
        let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
        let key = Some(key.trim()).filter(|key| !key.is_empty())?;
        Some(KeyValue::text(key, value))
    });
    pairs.collect::<Option<Vec<_>>>().unwrap_or_default()
}

fn export(attributes: Vec<KeyValue>, entries: Vec<Vec<u8>>) -> ExportRequest {
    let scope = Scope {
        name: "egret".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    ExportRequest {
        of_resources: vec![OfResource {
            resource: Some(Resource { attributes }),
            of_scopes: vec![OfScope {
                scope: Some(scope),
                entries,
            }],
        }],
    }
}

/// The attributes of the resource: those that it has by itself, but for those that the policy gives.
fn resource_of_log(log: &OpenTelemetryLog) -> Vec<KeyValue> {
    let mut attributes = Vec::new();
    if let Some(name) = &log.builtin_name {
        let builtin = [
            ("log_name", name.as_str()),
            ("node_name", hostname().unwrap_or_default()),
            ("service.name", "egret"),
        ];
        let builtin = builtin.into_iter().filter(|(key, value)| {
            !value.is_empty() && log.resource.iter().all(|(given, _)| given != key)
        });
        attributes.extend(builtin.map(|(key, value)| KeyValue::text(key, value)));
    }
    attributes.extend(key_values(&log.resource, &mut String::clone));
    attributes
}

/// A time as OTLP has it, since the epoch.
pub(crate) fn nanoseconds(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_says_attributes_of_the_resource() {
        let told = |text: &str| detected(text);
        let expected = [KeyValue::text("a", "b c"), KeyValue::text("d", "")];
        assert_eq!(told("a=b%20c, d="), expected);
        for text in ["", "a", "a=b,c", "=b", "a=%ff"] {
            assert_eq!(told(text), [], "{text}");
        }
        let mut known = vec![KeyValue::text("a", "1"), KeyValue::text("b", "2")];
        merge(&mut known, told("a=3"));
        assert_eq!(known, [KeyValue::text("b", "2"), KeyValue::text("a", "3")]);
    }
}
