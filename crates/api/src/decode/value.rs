//! Serde's deserializer over a JSON value, which knows the path of each value and the fields of each struct.

use std::cell::RefCell;
use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, Expected, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::{Number, Value, map};

use super::DecodeFault;
use super::error::DecodeError;
use crate::suggest::did_you_mean;

/// The path of a value: `spec.rules[0].name`.
pub(super) enum FieldPath<'a> {
    Root,
    Field(&'a Self, &'a str),
    Element(&'a Self, usize),
}

impl fmt::Display for FieldPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Field(Self::Root, name) => f.write_str(name),
            Self::Field(parent, name) => write!(f, "{parent}.{name}"),
            Self::Element(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// The faults that do not end the decoding.
type Faults = RefCell<Vec<DecodeFault>>;

/// Decodes one value.
pub(super) struct ValueDecoder<'a> {
    value: Value,
    path: &'a FieldPath<'a>,
    faults: &'a Faults,
    /// The fields of the struct that the value is in, for suggestions.
    siblings: &'static [&'static str],
}

impl<'a> ValueDecoder<'a> {
    pub(super) fn root(value: Value, faults: &'a Faults) -> Self {
        Self {
            value,
            path: &FieldPath::Root,
            faults,
            siblings: &[],
        }
    }

    /// The elements of the value, or what is wrong with it.
    fn into_elements(self, expected: &dyn Expected) -> Result<Elements<'a>, DecodeError> {
        match self.value {
            Value::Array(items) => Ok(Elements {
                items: items.into_iter().enumerate(),
                path: self.path,
                faults: self.faults,
            }),
            other => Err(DecodeError::invalid_type(kind_of(&other), expected).at(self.path)),
        }
    }

    /// The fields of the value, or what is wrong with it; `known` are the fields of the struct that is wanted.
    fn into_fields(
        self,
        known: Option<&'static [&'static str]>,
        expected: &dyn Expected,
    ) -> Result<Fields<'a>, DecodeError> {
        match self.value {
            Value::Object(object) => Ok(Fields {
                fields: object.into_iter(),
                next: None,
                known,
                path: self.path,
                faults: self.faults,
            }),
            other => Err(DecodeError::invalid_type(kind_of(&other), expected).at(self.path)),
        }
    }

    /// Passes a value that is no list and has no fields to a visitor.
    fn visit_scalar<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let outcome = match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Number(number) => visit_number(&number, visitor),
            Value::String(text) => visitor.visit_string(text),
            other @ (Value::Array(_) | Value::Object(_)) => {
                Err(DecodeError::invalid_type(kind_of(&other), &visitor))
            }
        };
        outcome.map_err(|error| error.at(self.path))
    }
}

/// The most text of known fields that is told in place of one that was meant.
const MAX_LISTED: usize = 200;

/// The field that was probably meant, or else all of them if they are few.
fn suggestion(name: &str, known: &[&str]) -> String {
    let meant = did_you_mean(name, known.iter().copied());
    let all = known.join(", ");
    if meant.is_empty() && !all.is_empty() && all.len() <= MAX_LISTED {
        format!("; there are {all}")
    } else {
        meant
    }
}

/// A number with a fraction of zero is a whole number, as for an API server.
fn visit_number<'de, V: Visitor<'de>>(
    number: &Number,
    visitor: V,
) -> Result<V::Value, DecodeError> {
    if let Some(number) = number.as_u64() {
        return visitor.visit_u64(number);
    }
    if let Some(number) = number.as_i64() {
        return visitor.visit_i64(number);
    }
    let number = number.as_f64().unwrap_or(f64::NAN);
    match format!("{number:.0}").parse::<i64>() {
        Ok(whole) if number.fract() == 0.0 => visitor.visit_i64(whole),
        Ok(_) | Err(_) => visitor.visit_f64(number),
    }
}

/// What is read as a scalar is no list and has no fields.
macro_rules! forward_to_scalar {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            self.visit_scalar(visitor)
        }
    )*};
}

/// Each method reads the kinds of value that its visitors accept, and no other: there are hundreds of visitors, and what a
/// method could do with a value is compiled for each of them.
impl<'de> Deserializer<'de> for ValueDecoder<'_> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.value {
            Value::Array(_) => self.deserialize_seq(visitor),
            Value::Object(_) => self.deserialize_map(visitor),
            _ => self.visit_scalar(visitor),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let path = self.path;
        let elements = self.into_elements(&visitor)?;
        visitor.visit_seq(elements).map_err(|error| error.at(path))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let path = self.path;
        let fields = self.into_fields(None, &visitor)?;
        visitor.visit_map(fields).map_err(|error| error.at(path))
    }

    // A derived type would also read a list of its fields, without their names.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let path = self.path;
        let fields = self.into_fields(Some(known), &visitor)?;
        visitor.visit_map(fields).map_err(|error| error.at(path))
    }

    forward_to_scalar! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128 deserialize_u8
        deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32 deserialize_f64 deserialize_char
        deserialize_str deserialize_string deserialize_identifier
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let Self { value, path, .. } = self;
        let outcome = match value {
            Value::String(text) => visitor.visit_enum(text.into_deserializer()),
            other => Err(DecodeError::invalid_type(kind_of(&other), &"a text")),
        };
        outcome.map_err(|error: DecodeError| error.at(path))
    }

    /// Called for the fields that a type does not have.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let suggestion = match self.path {
            FieldPath::Field(_, name) => suggestion(name, self.siblings),
            FieldPath::Root | FieldPath::Element(..) => String::new(),
        };
        self.faults.borrow_mut().push(DecodeFault {
            field: self.path.to_string(),
            message: format!("unknown field{suggestion}"),
            is_unknown: true,
        });
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { bytes byte_buf unit unit_struct tuple tuple_struct }
}

fn kind_of(value: &Value) -> Unexpected<'_> {
    match value {
        Value::Null => Unexpected::Unit,
        Value::Bool(value) => Unexpected::Bool(*value),
        Value::Number(number) => match number.as_i64() {
            Some(number) => Unexpected::Signed(number),
            None => Unexpected::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => Unexpected::Str(text),
        Value::Array(_) => Unexpected::Seq,
        Value::Object(_) => Unexpected::Map,
    }
}

/// The elements of a list.
struct Elements<'a> {
    items: std::iter::Enumerate<std::vec::IntoIter<Value>>,
    path: &'a FieldPath<'a>,
    faults: &'a Faults,
}

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DecodeError> {
        let Some((index, value)) = self.items.next() else {
            return Ok(None);
        };
        let path = FieldPath::Element(self.path, index);
        let decoder = ValueDecoder {
            value,
            path: &path,
            faults: self.faults,
            siblings: &[],
        };
        let element = seed.deserialize(decoder);
        element.map(Some).map_err(|error| error.at(&path))
    }
}

/// The fields of a struct, or the entries of a map.
struct Fields<'a> {
    fields: map::IntoIter,
    /// The field whose name has been read.
    next: Option<(String, Value)>,
    /// The fields that the struct has; `None` for a map.
    known: Option<&'static [&'static str]>,
    path: &'a FieldPath<'a>,
    faults: &'a Faults,
}

impl Fields<'_> {
    /// Goes to the next field, and tells its name.
    fn advance(&mut self) -> Option<&str> {
        let Self { fields, known, .. } = self;
        // A field of `null` is left out, if it is known: a mistyped one is told all the same.
        let is_left_out = |(name, value): &(String, Value)| {
            value.is_null() && known.is_some_and(|known| known.contains(&name.as_str()))
        };
        self.next = fields.find(|field| !is_left_out(field));
        self.next.as_ref().map(|(name, _)| name.as_str())
    }
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, DecodeError> {
        match self.advance() {
            Some(name) => seed.deserialize(StrDeserializer::new(name)).map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, DecodeError> {
        let Some((name, value)) = self.next.take() else {
            return Err(DecodeError::custom("a value without a name"));
        };
        let path = FieldPath::Field(self.path, &name);
        let decoder = ValueDecoder {
            value,
            path: &path,
            faults: self.faults,
            siblings: self.known.unwrap_or_default(),
        };
        seed.deserialize(decoder).map_err(|error| error.at(&path))
    }
}
