//! Serde's deserializer over a JSON value, which knows the path of each value and the fields of each struct.

use std::cell::RefCell;
use std::fmt;

use serde::de::value::StringDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    Visitor,
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

    /// Passes the value to a visitor of any type; `fields` are those of the struct that is wanted.
    fn visit<'de, V: Visitor<'de>>(
        self,
        visitor: V,
        fields: Option<&'static [&'static str]>,
    ) -> Result<V::Value, DecodeError> {
        let Self {
            value,
            path,
            faults,
            siblings: _,
        } = self;
        let outcome = match value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Number(number) => visit_number(&number, visitor),
            Value::String(text) => visitor.visit_string(text),
            Value::Array(items) => visitor.visit_seq(Elements {
                items: items.into_iter().enumerate(),
                path,
                faults,
            }),
            Value::Object(object) => visitor.visit_map(Fields {
                fields: object.into_iter(),
                next: None,
                known: fields,
                path,
                faults,
            }),
        };
        outcome.map_err(|error| error.at(path))
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

impl<'de> Deserializer<'de> for ValueDecoder<'_> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.visit(visitor, None)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        // A derived type would also read a list of its fields, without their names.
        if self.value.is_array() {
            return Err(DecodeError::invalid_type(Unexpected::Seq, &visitor).at(self.path));
        }
        self.visit(visitor, Some(fields))
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
            FieldPath::Field(_, name) => did_you_mean(name, self.siblings.iter().copied()),
            FieldPath::Root | FieldPath::Element(..) => String::new(),
        };
        self.faults.borrow_mut().push(DecodeFault {
            field: self.path.to_string(),
            message: format!("unknown field{suggestion}"),
            is_unknown: true,
        });
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier
    }
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

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, DecodeError> {
        let Self { fields, known, .. } = self;
        // A field of `null` is left out, if it is known: a mistyped one is told all the same.
        let is_left_out = |(name, value): &(String, Value)| {
            value.is_null() && known.is_some_and(|known| known.contains(&name.as_str()))
        };
        let Some((name, value)) = fields.find(|field| !is_left_out(field)) else {
            return Ok(None);
        };
        let key: StringDeserializer<DecodeError> = name.clone().into_deserializer();
        self.next = Some((name, value));
        seed.deserialize(key).map(Some)
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
