//! `google.protobuf.Struct`: JSON as a message.

use std::collections::BTreeMap;

use egret_config::expression::ToldValue;
use prost::{Message, Oneof};
use serde_json::{Map, Value as Json};

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Struct {
    #[prost(btree_map = "string, message", tag = "1")]
    pub(crate) fields: BTreeMap<String, Value>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Value {
    #[prost(oneof = "Kind", tags = "1, 2, 3, 4, 5, 6")]
    pub(crate) kind: Option<Kind>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(crate) enum Kind {
    /// `NullValue`, an enumeration of one value.
    #[prost(int32, tag = "1")]
    Null(i32),
    #[prost(double, tag = "2")]
    Number(f64),
    #[prost(string, tag = "3")]
    Text(String),
    #[prost(bool, tag = "4")]
    Bool(bool),
    #[prost(message, tag = "5")]
    Struct(Struct),
    #[prost(message, tag = "6")]
    List(List),
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct List {
    #[prost(message, repeated, tag = "1")]
    pub(crate) values: Vec<Value>,
}

impl Struct {
    /// A field that is a struct itself.
    pub(crate) fn nested(name: &str, inner: Self) -> Self {
        let value = Value {
            kind: Some(Kind::Struct(inner)),
        };
        Self {
            fields: BTreeMap::from([(name.to_owned(), value)]),
        }
    }
}

impl From<&Map<String, Json>> for Struct {
    fn from(map: &Map<String, Json>) -> Self {
        let fields = map.iter();
        Self {
            fields: fields
                .map(|(name, value)| (name.clone(), value.into()))
                .collect(),
        }
    }
}

impl From<ToldValue> for Value {
    fn from(told: ToldValue) -> Self {
        let kind = match told {
            ToldValue::Truth(value) => Kind::Bool(value),
            ToldValue::Text(text) => Kind::Text(text),
            ToldValue::Number(number) => Kind::Number(as_double(number)),
        };
        Self { kind: Some(kind) }
    }
}

/// A whole number as the message has all numbers, which is exact to 2^53.
#[expect(
    clippy::cast_precision_loss,
    reason = "the message has no other numbers"
)]
const fn as_double(number: i64) -> f64 {
    number as f64
}

impl From<&Json> for Value {
    fn from(json: &Json) -> Self {
        let kind = match json {
            Json::Null => Kind::Null(0),
            Json::Bool(value) => Kind::Bool(*value),
            Json::Number(number) => Kind::Number(number.as_f64().unwrap_or_default()),
            Json::String(text) => Kind::Text(text.clone()),
            Json::Array(values) => Kind::List(List {
                values: values.iter().map(Self::from).collect(),
            }),
            Json::Object(map) => Kind::Struct(map.into()),
        };
        Self { kind: Some(kind) }
    }
}

#[cfg(test)]
mod tests {
    use egret_testkit::protobuf::{messages, texts};
    use serde_json::json;

    use super::*;

    #[test]
    fn json_is_told_as_it_is() {
        let json = json!({"sub": "ann", "roles": ["a", true, 1, null], "in": {"b": "c"}});
        let bytes = Struct::from(json.as_object().unwrap()).encode_to_vec();
        assert_eq!(texts(&bytes, &[1, 1]), ["in", "roles", "sub"]);
        let values = messages(&bytes, &[1, 2]);
        assert_eq!(texts(&values[0], &[5, 1, 1]), ["b"]);
        assert_eq!(messages(&values[1], &[6, 1]).len(), 4);
        assert_eq!(texts(&values[2], &[3]), ["ann"]);
        let nested = Struct::nested("payload", Struct::default()).encode_to_vec();
        assert_eq!(texts(&nested, &[1, 1]), ["payload"]);
    }
}
