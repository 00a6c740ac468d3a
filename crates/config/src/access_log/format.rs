//! Formats: the pieces that a line is made of.

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::command::Command;
use super::double::shortest;
use super::field::ValueKind;
use super::json::quoted;
use super::scan::{FormatFault, Scanned, scan};

/// What a line is made of. Two are equal if they are written alike.
#[derive(Clone, Debug)]
pub struct LogFormat {
    pieces: Vec<FormatPiece>,
    source: FormatSource,
}

/// A format as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
enum FormatSource {
    Text(String),
    Json(Map<String, Value>),
}

/// A piece of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormatPiece {
    /// This text; in a JSON format, all that is always the same.
    Literal(String),
    /// The value of an operator, as text.
    Text(Command),
    /// The value of an operator, as a JSON value of this kind. The quotes of a string are in the literals around it, which are
    /// written anyway.
    Json(Command, ValueKind),
    /// Texts and the values of operators, together a JSON string.
    JsonText(Vec<TextPiece>),
}

/// A piece of a string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextPiece {
    /// This text.
    Literal(String),
    /// The value of an operator.
    Command(Command),
}

/// A fault of a format, and the key of the JSON object at which it is.
type JsonFault = (String, FormatFault);

impl LogFormat {
    /// Reads a text, which is written as it is: the newline at the end of a line is part of it.
    ///
    /// # Errors
    /// If an operator in it is not known.
    pub fn text(text: &str) -> Result<Self, FormatFault> {
        let pieces = text_pieces(text)?.into_iter().map(|piece| match piece {
            TextPiece::Literal(text) => FormatPiece::Literal(text),
            TextPiece::Command(command) => FormatPiece::Text(command),
        });
        Ok(Self {
            pieces: pieces.collect(),
            source: FormatSource::Text(text.to_owned()),
        })
    }

    /// Reads an object, whose keys are written in the order of their bytes.
    ///
    /// # Errors
    /// If an operator in it is not known; with the path of keys that leads to it, such as `.key` or `.list[0]`.
    pub fn json(object: &Map<String, Value>) -> Result<Self, (String, FormatFault)> {
        let mut writer = JsonWriter::default();
        writer.object(object, "")?;
        writer.literal.push('\n');
        writer.end_literal();
        Ok(Self {
            pieces: writer.pieces,
            source: FormatSource::Json(object.clone()),
        })
    }

    /// The pieces, in their order.
    #[must_use]
    pub fn pieces(&self) -> &[FormatPiece] {
        &self.pieces
    }

    /// The operators in it.
    pub fn commands(&self) -> impl Iterator<Item = &Command> {
        self.pieces.iter().flat_map(|piece| {
            let (one, several): (_, &[TextPiece]) = match piece {
                FormatPiece::Literal(_) => (None, &[]),
                FormatPiece::Text(command) | FormatPiece::Json(command, _) => (Some(command), &[]),
                FormatPiece::JsonText(pieces) => (None, pieces),
            };
            let several = several.iter().filter_map(|piece| match piece {
                TextPiece::Literal(_) => None,
                TextPiece::Command(command) => Some(command),
            });
            one.into_iter().chain(several)
        })
    }

    /// Whether an operator in it never has a value here.
    #[must_use]
    pub fn has_unknown(&self) -> bool {
        self.commands().any(|command| !command.is_known())
    }

    /// The names of the operators in it that never have a value here, as they are written.
    #[must_use]
    pub fn never_known(&self) -> Vec<String> {
        let mut texts = Vec::new();
        match &self.source {
            FormatSource::Text(text) => texts.push(text.as_str()),
            FormatSource::Json(object) => {
                object.values().for_each(|value| strings(value, &mut texts))
            }
        }
        let mut names = Vec::new();
        for text in texts {
            for part in scan(text).into_iter().flatten() {
                let Scanned::Command(raw) = part else {
                    continue;
                };
                let is_known = Command::read(&raw).is_ok_and(|command| command.is_known());
                if !is_known && !names.iter().any(|name| name == raw.name) {
                    names.push(raw.name.to_owned());
                }
            }
        }
        names
    }
}

impl PartialEq for LogFormat {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for LogFormat {}

impl Serialize for LogFormat {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.source {
            FormatSource::Text(text) => text.serialize(serializer),
            FormatSource::Json(object) => object.serialize(serializer),
        }
    }
}

/// All strings in a value.
fn strings<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(values) => values.iter().for_each(|value| strings(value, found)),
        Value::Object(object) => object.values().for_each(|value| strings(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn text_pieces(text: &str) -> Result<Vec<TextPiece>, FormatFault> {
    let mut pieces: Vec<TextPiece> = Vec::new();
    for part in scan(text)? {
        match (part, pieces.last_mut()) {
            (Scanned::Literal(more), Some(TextPiece::Literal(literal))) => literal.push_str(more),
            (Scanned::Literal(text), _) => pieces.push(TextPiece::Literal(text.to_owned())),
            (Scanned::Command(raw), _) => pieces.push(TextPiece::Command(Command::read(&raw)?)),
        }
    }
    Ok(pieces)
}

/// Writes a JSON object into pieces.
#[derive(Default)]
struct JsonWriter {
    pieces: Vec<FormatPiece>,
    /// What is always the same, since the last piece.
    literal: String,
}

impl JsonWriter {
    fn object(&mut self, object: &Map<String, Value>, at: &str) -> Result<(), JsonFault> {
        let mut fields: Vec<(&String, &Value)> = object.iter().collect();
        fields.sort_by(|(a, _), (b, _)| a.as_bytes().cmp(b.as_bytes()));
        self.literal.push('{');
        for (index, (key, value)) in fields.into_iter().enumerate() {
            if index > 0 {
                self.literal.push(',');
            }
            self.literal.push_str(&quoted(key));
            self.literal.push(':');
            self.value(value, &format!("{at}.{key}"))?;
        }
        self.literal.push('}');
        Ok(())
    }

    fn value(&mut self, value: &Value, at: &str) -> Result<(), JsonFault> {
        match value {
            Value::Null => self.literal.push_str("null"),
            Value::Bool(value) => self.literal.push_str(if *value { "true" } else { "false" }),
            Value::Number(number) => {
                let number = number.as_f64().map_or_else(|| number.to_string(), shortest);
                self.literal.push_str(&number);
            }
            Value::String(text) => {
                let pieces = text_pieces(text).map_err(|fault| (at.to_owned(), fault))?;
                self.string(pieces);
            }
            Value::Array(values) => {
                self.literal.push('[');
                for (index, value) in values.iter().enumerate() {
                    if index > 0 {
                        self.literal.push(',');
                    }
                    self.value(value, &format!("{at}[{index}]"))?;
                }
                self.literal.push(']');
            }
            Value::Object(object) => self.object(object, at)?,
        }
        Ok(())
    }

    fn string(&mut self, mut pieces: Vec<TextPiece>) {
        let piece = match (pieces.len(), pieces.pop()) {
            (_, None) => return self.literal.push_str("\"\""),
            (1, Some(TextPiece::Literal(text))) => return self.literal.push_str(&quoted(&text)),
            (1, Some(TextPiece::Command(command))) => {
                let kind = command.kind();
                return self.value_of(command, kind);
            }
            (_, Some(last)) => {
                pieces.push(last);
                FormatPiece::JsonText(pieces)
            }
        };
        self.end_literal();
        self.pieces.push(piece);
    }

    fn value_of(&mut self, command: Command, kind: ValueKind) {
        let quote = if kind == ValueKind::Number { "" } else { "\"" };
        self.literal.push_str(quote);
        self.end_literal();
        self.pieces.push(FormatPiece::Json(command, kind));
        self.literal.push_str(quote);
    }

    fn end_literal(&mut self) {
        if !self.literal.is_empty() {
            let literal = std::mem::take(&mut self.literal);
            self.pieces.push(FormatPiece::Literal(literal));
        }
    }
}
