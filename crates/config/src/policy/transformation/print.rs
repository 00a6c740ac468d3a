//! How values are printed: as the version of MiniJinja does that kgateway has, which prints lists and objects of JSON as JSON,
//! but for null. Later versions print them as Python does.

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Output, State, Value, escape_formatter};

/// Prints a value in the place of `{{ }}`.
pub(super) fn value(
    out: &mut Output<'_>,
    state: &mut State<'_, '_>,
    value: &Value,
) -> Result<(), Error> {
    match value.kind() {
        ValueKind::Bool | ValueKind::None | ValueKind::Seq | ValueKind::Map => nested(out, value),
        _ => escape_formatter(out, state, value),
    }
}

/// Prints a value as it is inside a list.
fn nested(out: &mut Output<'_>, value: &Value) -> Result<(), Error> {
    match value.kind() {
        ValueKind::Bool => text(out, if value.is_true() { "true" } else { "false" }),
        ValueKind::None => text(out, "none"),
        ValueKind::String => quoted(out, value.as_str().unwrap_or_default()),
        ValueKind::Seq => {
            text(out, "[")?;
            for (index, item) in value.try_iter()?.enumerate() {
                text(out, if index == 0 { "" } else { ", " })?;
                nested(out, &item)?;
            }
            text(out, "]")
        }
        ValueKind::Map => {
            text(out, "{")?;
            for (index, key) in value.try_iter()?.enumerate() {
                text(out, if index == 0 { "" } else { ", " })?;
                nested(out, &key)?;
                text(out, ": ")?;
                nested(out, &value.get_item(&key)?)?;
            }
            text(out, "}")
        }
        _ => write!(out, "{value:?}").map_err(failed),
    }
}

fn text(out: &mut Output<'_>, text: &str) -> Result<(), Error> {
    out.write_str(text).map_err(failed)
}

fn quoted(out: &mut Output<'_>, text: &str) -> Result<(), Error> {
    write!(out, "{text:?}").map_err(failed)
}

fn failed(error: std::fmt::Error) -> Error {
    Error::new(ErrorKind::WriteFailure, "cannot be printed").with_source(error)
}
