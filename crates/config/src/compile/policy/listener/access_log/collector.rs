//! Compiles the sinks that are services.

use egret_api::kgateway::{AnyValueEntry, AnyValueList, LogServiceSpec, OpenTelemetrySpec};
use http::HeaderName;
use serde_json::{Map, Value};

use super::fault_of;
use crate::access_log::{AnyValue, LogFormat, OpenTelemetryLog, ServiceLog};
use crate::compile::log::FieldFault;
use crate::compile::policy::service::ServiceReader;

/// The path of logs by default (OTLP/HTTP).
const LOGS_PATH: &str = "/v1/logs";
/// How deep values may be nested in each other.
const MAX_DEPTH: usize = 8;

/// Compiles `grpcService`; `None` if there are faults.
pub(super) fn service(
    spec: &LogServiceSpec,
    at: &str,
    services: &mut ServiceReader<'_>,
    faults: &mut Vec<FieldFault>,
) -> Option<ServiceLog> {
    let at = format!("{at}.grpcService");
    let mut names = |field: &str, names: &[String]| -> Vec<HeaderName> {
        let names = names.iter().enumerate().filter_map(|(index, name)| {
            let parsed = HeaderName::try_from(name);
            if parsed.is_err() {
                let message = format!("{name:?} is no name of a header field");
                faults.push(FieldFault::new(format!("{at}.{field}[{index}]"), message));
            }
            parsed.ok()
        });
        names.collect()
    };
    let request_headers = names("additionalRequestHeadersToLog", &spec.request_headers);
    let response_headers = names("additionalResponseHeadersToLog", &spec.response_headers);
    let response_trailers = names("additionalResponseTrailersToLog", &spec.response_trailers);
    Some(ServiceLog {
        collector: services.collector(spec.call(), &at, faults)?,
        name: spec.log_name.clone(),
        request_headers,
        response_headers,
        response_trailers,
    })
}

/// Compiles `openTelemetry`; `None` if there are faults.
pub(super) fn open_telemetry(
    spec: &OpenTelemetrySpec,
    at: &str,
    services: &mut ServiceReader<'_>,
    faults: &mut Vec<FieldFault>,
) -> Option<OpenTelemetryLog> {
    let at = format!("{at}.openTelemetry");
    let OpenTelemetrySpec {
        grpc_service,
        http_service,
        body,
        attributes,
        resource_attributes,
        disable_builtin_labels,
    } = spec;
    let body = body.as_deref().and_then(|text| {
        let format = LogFormat::text(text);
        let wrong = |fault| faults.push(fault_of(format!("{at}.body"), &fault));
        format.map_err(wrong).ok()
    });
    let format = |text: &str, field: &str| {
        LogFormat::text(text).map_err(|fault| fault_of(field.to_owned(), &fault))
    };
    let attributes = list(
        attributes.as_ref(),
        &format!("{at}.attributes"),
        faults,
        &format,
    );
    let field = format!("{at}.resourceAttributes");
    let text = |text: &str, _: &str| Ok(text.to_owned());
    let resource = list(resource_attributes.as_ref(), &field, faults, &text);
    let (call, field, log_name) = match (grpc_service, http_service) {
        (Some(grpc), None) => (grpc.call(), "grpcService", grpc.log_name.as_str()),
        (None, Some(http)) => {
            let path = http.path.as_deref().unwrap_or(LOGS_PATH);
            let name = http.log_name.as_deref().unwrap_or_default();
            (http.call().over_http(path), "httpService", name)
        }
        _ => {
            let message = "exactly one of the fields in [grpcService httpService] must be set";
            faults.push(FieldFault::new(&at, message));
            return None;
        }
    };
    let collector = services.collector(call, &format!("{at}.{field}"), faults)?;
    let has_builtin = *disable_builtin_labels != Some(true);
    Some(OpenTelemetryLog {
        collector,
        body,
        attributes,
        resource,
        builtin_name: has_builtin.then(|| log_name.to_owned()),
    })
}

/// Makes a leaf of a text in a field.
type Leaf<'a, T> = &'a dyn Fn(&str, &str) -> Result<T, FieldFault>;

fn list<T>(
    spec: Option<&AnyValueList>,
    at: &str,
    faults: &mut Vec<FieldFault>,
    leaf: Leaf<'_, T>,
) -> Vec<(String, AnyValue<T>)> {
    let entries = spec.map(|spec| spec.values.as_slice()).unwrap_or_default();
    let entries = entries.iter().enumerate();
    let entries = entries.filter_map(|(index, AnyValueEntry { key, value })| {
        let field = format!("{at}.values[{index}].value");
        match any_value(value, &field, MAX_DEPTH, leaf) {
            Ok(value) => Some((key.clone(), value)),
            Err(fault) => {
                faults.push(fault);
                None
            }
        }
    });
    entries.collect()
}

fn any_value<T>(
    value: &Map<String, Value>,
    at: &str,
    depth: usize,
    leaf: Leaf<'_, T>,
) -> Result<AnyValue<T>, FieldFault> {
    const ONE: &str =
        "exactly one of the fields in [stringValue arrayValue kvListValue] must be set";
    let wrong = |message: &str| FieldFault::new(at, message);
    let depth = depth
        .checked_sub(1)
        .ok_or_else(|| wrong("nested too deep"))?;
    let nested = |value: &Value, field: &str| match value {
        Value::Object(value) => any_value(value, field, depth, leaf),
        _ => Err(FieldFault::new(field, ONE)),
    };
    let mut members = value.iter();
    let (Some((name, value)), None) = (members.next(), members.next()) else {
        return Err(wrong(ONE));
    };
    let at = format!("{at}.{name}");
    match (name.as_str(), value) {
        ("stringValue", Value::String(text)) => Ok(AnyValue::Text(leaf(text, &at)?)),
        ("arrayValue", Value::Array(values)) => {
            let values = values.iter().enumerate();
            let values = values.map(|(index, value)| nested(value, &format!("{at}[{index}]")));
            Ok(AnyValue::List(values.collect::<Result<_, _>>()?))
        }
        ("kvListValue", Value::Object(list)) => {
            let entries = list.get("values").and_then(Value::as_array);
            let entries = entries.ok_or_else(|| FieldFault::new(&at, "values are needed"))?;
            let entries = entries.iter().enumerate().map(|(index, entry)| {
                let field = format!("{at}.values[{index}]");
                let key = entry.get("key").and_then(Value::as_str);
                let key = key.ok_or_else(|| FieldFault::new(&field, "a key is needed"))?;
                let value = entry.get("value").unwrap_or(&Value::Null);
                Ok((key.to_owned(), nested(value, &format!("{field}.value"))?))
            });
            Ok(AnyValue::Map(entries.collect::<Result<_, _>>()?))
        }
        _ => Err(FieldFault::new(at, ONE)),
    }
}
