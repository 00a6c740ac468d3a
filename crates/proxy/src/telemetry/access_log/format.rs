//! Lines as configured formats make them: one pass over the pieces of a format, into the buffer that is written.

use egret_config::access_log::{
    Command, FormatPiece, LogField, LogFormat, LogInputs, MissingValue, OwnField, TextPiece,
    ValueKind, push_escaped,
};

use crate::record::Record;

mod field;
pub(super) mod grpc;
mod message;
mod own;
mod span;
mod value;
pub(super) mod words;

pub(in super::super) use field::hostname;
pub(super) use span::milliseconds;
pub(in super::super) use span::point;
pub(in super::super) use value::environment_of as environment;
pub(super) use value::socket_address;

/// What a line is made from.
#[derive(Clone, Copy)]
pub(in super::super) struct LineFacts<'a> {
    /// The exchange.
    pub(in super::super) record: &'a Record<'a>,
    /// What the record kept of messages for the log.
    pub(in super::super) inputs: &'a LogInputs,
}

/// Writes the line of an exchange.
pub(in super::super) fn write_line(format: &LogFormat, facts: LineFacts<'_>, out: &mut Vec<u8>) {
    // Whether the quote that the next literal begins with is left out.
    let mut is_bare = false;
    for piece in format.pieces() {
        match piece {
            FormatPiece::Literal(text) => {
                let begin = usize::from(std::mem::take(&mut is_bare));
                out.extend(&text.as_bytes()[begin..]);
            }
            FormatPiece::Text(command) => write_text(command, facts, out),
            FormatPiece::Json(command, kind) => is_bare = !write_json(command, *kind, facts, out),
            FormatPiece::JsonText(pieces) => {
                out.push(b'"');
                let begin = out.len();
                for piece in pieces {
                    match piece {
                        TextPiece::Literal(text) => out.extend(text.as_bytes()),
                        TextPiece::Command(command) => write_text(command, facts, out),
                    }
                }
                push_escaped(out, begin);
                out.push(b'"');
            }
        }
    }
}

/// Writes the value of an operator without parameters, if it has one.
pub(super) fn write_field(field: LogField, facts: LineFacts<'_>, out: &mut Vec<u8>) {
    let begin = out.len();
    if field::write(field, facts, out).is_none() {
        out.truncate(begin);
    }
}

/// Writes a value of the default log; `None` if it has none.
pub(super) fn write_own(field: OwnField, facts: LineFacts<'_>, out: &mut Vec<u8>) -> Option<()> {
    own::write(field, facts.record, out)
}

/// Writes the value of an operator as text.
fn write_text(command: &Command, facts: LineFacts<'_>, out: &mut Vec<u8>) {
    if !write_value(command, facts, out) {
        let missing: &[u8] = match command.missing() {
            MissingValue::Null | MissingValue::Dash => b"-",
            MissingValue::Empty => b"",
            MissingValue::Zero => b"0",
        };
        out.extend(missing);
    }
}

/// Writes the value of an operator as a JSON value: of a string the content, for which a quote was written. Returns whether the
/// literal that follows is written from its beginning: not, if the value stands without quotes.
fn write_json(command: &Command, kind: ValueKind, facts: LineFacts<'_>, out: &mut Vec<u8>) -> bool {
    let begin = out.len();
    if write_value(command, facts, out) {
        if kind == ValueKind::Text {
            push_escaped(out, begin);
        }
        return true;
    }
    let is_quoted = kind != ValueKind::Number;
    if is_quoted {
        out.pop();
    }
    let missing: &[u8] = match command.missing() {
        MissingValue::Null => b"null",
        MissingValue::Dash => b"\"-\"",
        MissingValue::Empty => b"\"\"",
        MissingValue::Zero => b"0",
    };
    out.extend(missing);
    !is_quoted
}

/// Writes the value of an operator as it is. Returns false, and writes nothing, if there is none.
fn write_value(command: &Command, facts: LineFacts<'_>, out: &mut Vec<u8>) -> bool {
    let begin = out.len();
    if value::write(&command.operator, facts, out).is_none() {
        out.truncate(begin);
        return false;
    }
    if let Some(length) = command.max_length {
        out.truncate(begin.saturating_add(length).min(out.len()));
    }
    true
}

#[cfg(test)]
pub(in super::super) mod tests;
