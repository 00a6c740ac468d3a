//! Formats with command operators: those of bodies, and what none of them can tell.

use egret_api::kgateway::BodyFormatSpec;
use http::HeaderValue;

use super::log::FieldFault;
use super::value::SpecFields;
use crate::access_log::{FormatFault, LogFormat};
use crate::snapshot::BodyFormat;

/// The type of a body as text.
const TEXT: HeaderValue = HeaderValue::from_static("text/plain");
/// The type of a body as JSON.
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Reads the format of a body; `None` if there are faults.
pub(super) fn read(spec: &BodyFormatSpec, fields: &mut SpecFields<'_>) -> Option<BodyFormat> {
    let BodyFormatSpec {
        content_type,
        json,
        text,
    } = spec;
    let (format, usual) = match (text, json) {
        (Some(text), None) => {
            let told = |fault: FormatFault| ("text".to_owned(), fault);
            (LogFormat::text(text).map_err(told), TEXT)
        }
        (None, Some(object)) => {
            let told = |(key, fault): (String, FormatFault)| (format!("json{key}"), fault);
            (LogFormat::json(object).map_err(told), JSON)
        }
        _ => {
            fields.struct_fault("exactly one of the fields in [json text] must be set");
            return None;
        }
    };
    let given = content_type.as_deref().map(HeaderValue::try_from);
    if let Some(Err(_)) = given {
        fields.fault("contentType", "not a header value");
    }
    let format = format.map_err(|(field, fault)| fields.fault(&field, fault.to_string()));
    Some(BodyFormat {
        format: format.ok()?,
        content_type: given.and_then(Result::ok).unwrap_or(usual),
    })
}

/// The warning about operators of this field that never have a value here, if there are any.
pub(super) fn never_known<'a>(
    field: &str,
    formats: impl IntoIterator<Item = &'a LogFormat>,
) -> Option<FieldFault> {
    let mut names: Vec<String> = Vec::new();
    for format in formats {
        for name in format.never_known() {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    if names.is_empty() {
        return None;
    }
    let message = format!(
        "{field}: what these command operators tell is not known here, so that they print what stands for no value: {}",
        names.join(", ")
    );
    Some(FieldFault::new("spec", message))
}
