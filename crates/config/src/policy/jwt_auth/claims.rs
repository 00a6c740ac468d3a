//! What a token says.

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

/// The payload of a token.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TokenClaims(pub(super) Arc<Map<String, Value>>);

impl TokenClaims {
    /// All claims.
    #[must_use]
    pub const fn all(&self) -> &Arc<Map<String, Value>> {
        &self.0
    }

    /// A claim that is a text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// A claim that is a number.
    pub(super) fn number(&self, name: &str) -> Option<f64> {
        self.0.get(name)?.as_f64()
    }

    /// The texts of a claim that is one, or a list of them.
    pub(super) fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        let value = self.0.get(name);
        let items = match value {
            Some(Value::Array(items)) => items.as_slice(),
            Some(one) => std::slice::from_ref(one),
            None => &[],
        };
        items.iter().filter_map(Value::as_str)
    }

    /// The claim at a path of names.
    pub(crate) fn at<'n>(&self, mut path: impl Iterator<Item = &'n str>) -> Option<&Value> {
        let first = self.0.get(path.next()?)?;
        path.try_fold(first, |value, name| value.get(name))
    }

    /// A claim as a header tells it. Names with dots between them lead into nested claims; lists and objects are told as JSON
    /// in Base64.
    #[must_use]
    pub fn header_value(&self, name: &str) -> Option<Cow<'_, str>> {
        let value = self.0.get(name).or_else(|| self.at(name.split('.')))?;
        Some(match value {
            Value::Null => return None,
            Value::String(text) => Cow::Borrowed(text),
            Value::Bool(_) | Value::Number(_) => Cow::Owned(value.to_string()),
            Value::Array(_) | Value::Object(_) => Cow::Owned(STANDARD.encode(value.to_string())),
        })
    }
}
