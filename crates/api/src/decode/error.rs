//! The errors of decoding, in words for the author of a file.

use std::fmt::{self, Display};

use serde::de::{self, Expected, Unexpected};

use super::{DecodeFault, FieldPath};
use crate::suggest::did_you_mean;

/// A value that does not fit its field. It is boxed: every type that is read moves it, and few texts have one.
#[derive(Debug)]
pub(super) struct DecodeError(Box<ErrorParts>);

#[derive(Debug)]
struct ErrorParts {
    /// The path of the value; `None` until the error leaves the decoder of the value.
    path: Option<String>,
    /// A field of the value that the error is about, if it is not about the value as a whole.
    field: Option<&'static str>,
    message: String,
}

impl DecodeError {
    /// The error at a path, unless it arose further inside.
    #[cold]
    #[inline(never)]
    pub(super) fn at(mut self, path: &FieldPath<'_>) -> Self {
        let parts = &mut *self.0;
        if parts.path.is_none() {
            let path = match parts.field.take() {
                Some(field) => FieldPath::Field(path, field).to_string(),
                None => path.to_string(),
            };
            parts.path = Some(path);
        }
        self
    }

    #[cold]
    fn new(message: String) -> Self {
        Self(Box::new(ErrorParts {
            path: None,
            field: None,
            message,
        }))
    }

    #[cold]
    fn of_field(field: &'static str, message: &str) -> Self {
        Self(Box::new(ErrorParts {
            path: None,
            field: Some(field),
            message: message.to_owned(),
        }))
    }
}

impl From<DecodeError> for DecodeFault {
    fn from(error: DecodeError) -> Self {
        let ErrorParts {
            path,
            field,
            message,
        } = *error.0;
        Self {
            field: path
                .or_else(|| field.map(str::to_owned))
                .unwrap_or_default(),
            message,
            is_unknown: false,
        }
    }
}

impl Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for DecodeError {}

impl de::Error for DecodeError {
    fn custom<T: Display>(message: T) -> Self {
        // A type that accepts several kinds of value says "expected one or the other" for all of them.
        let message = message.to_string();
        Self::new(match message.strip_prefix("expected ") {
            Some(needed) => format!("needs {needed}"),
            None => message,
        })
    }

    #[cold]
    #[inline(never)]
    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("needs {}, not {}", needed(expected), given(found)))
    }

    #[cold]
    #[inline(never)]
    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(match (found, is_integer(expected)) {
            (Unexpected::Signed(_) | Unexpected::Unsigned(_), true) => {
                format!("{} is out of range", given(found))
            }
            _ => format!("needs {}, not {}", needed(expected), given(found)),
        })
    }

    #[cold]
    #[inline(never)]
    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        Self::new(format!("needs {}, not {length}", needed(expected)))
    }

    #[cold]
    #[inline(never)]
    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let suggestion = did_you_mean(variant, expected.iter().copied());
        Self::new(format!(
            "{variant:?} is not one of {}{suggestion}",
            expected.join(", ")
        ))
    }

    #[cold]
    #[inline(never)]
    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let suggestion = did_you_mean(field, expected.iter().copied());
        Self::new(format!("unknown field {field}{suggestion}"))
    }

    #[cold]
    #[inline(never)]
    fn missing_field(field: &'static str) -> Self {
        Self::of_field(field, "is required")
    }

    #[cold]
    #[inline(never)]
    fn duplicate_field(field: &'static str) -> Self {
        Self::of_field(field, "given twice")
    }
}

const INTEGERS: [&str; 10] = [
    "i8", "i16", "i32", "i64", "isize", "u8", "u16", "u32", "u64", "usize",
];

fn is_integer(expected: &dyn Expected) -> bool {
    INTEGERS.contains(&expected.to_string().as_str())
}

/// The kind of value that a field needs.
fn needed(expected: &dyn Expected) -> String {
    let text = expected.to_string();
    match text.as_str() {
        "a boolean" => "true or false".to_owned(),
        "a string" | "a character" => "a text".to_owned(),
        "a sequence" => "a list".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a map" => "fields, as `name: value`".to_owned(),
        text if text.starts_with("struct ") => "fields, as `name: value`".to_owned(),
        text if INTEGERS.contains(&text) => "a whole number".to_owned(),
        _ => text.trim_start_matches("expected ").to_owned(),
    }
}

/// The value that was written.
fn given(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(value) => value.to_string(),
        Unexpected::Unsigned(number) => number.to_string(),
        Unexpected::Signed(number) => number.to_string(),
        Unexpected::Float(number) => number.to_string(),
        Unexpected::Str(text) => format!("the text {text:?}"),
        Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "fields".to_owned(),
        other => other.to_string(),
    }
}
