//! The claims of a client's token (RFC 7519), as expressions read them: by the names that lead to one.
//!
//! Envoy keeps them as metadata of its filter, and kgateway under `payload`; `source.claims` is the short name. The type of a
//! claim is known only when a token has come.

use std::fmt;

use serde_json::Value;

use super::evaluate::EvaluationError;
use super::request::RequestView;
use super::syntax::{Node, NodeKind};

/// What Envoy's expressions begin with, as names that lead to the claims.
const IN_METADATA: [&str; 4] = [
    "metadata",
    "filter_metadata",
    "envoy.filters.http.jwt_authn",
    "payload",
];
/// The short form.
const IN_SOURCE: [&str; 2] = ["source", "claims"];

/// The names that lead to a claim; none are all claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ClaimPath(Vec<Box<str>>);

impl ClaimPath {
    /// The claim that a chain of fields and of names in brackets leads to; `None` if it leads elsewhere.
    pub(super) fn of(node: &Node) -> Option<Self> {
        let names = chain(node)?;
        let inner = [&IN_METADATA[..], &IN_SOURCE]
            .into_iter()
            .find_map(|begin| {
                let (first, rest) = names.split_at_checked(begin.len())?;
                (first == begin).then_some(rest)
            })?;
        Some(Self(inner.iter().map(|name| (*name).into()).collect()))
    }

    /// Whether these are all claims, which are no value.
    pub(super) fn is_all(&self) -> bool {
        self.0.is_empty()
    }

    /// The claim, if the client has proven one with a token.
    fn value<'a>(&self, request: &RequestView<'a>) -> Option<&'a Value> {
        let mut names = self.0.iter();
        let first = request.claims?.get(&**names.next()?)?;
        let value = names.try_fold(first, |value, name| value.get(&**name))?;
        Some(value).filter(|value| !value.is_null())
    }

    /// Whether there is such a claim.
    pub(super) fn is_there(&self, request: &RequestView<'_>) -> bool {
        if self.is_all() {
            return request.claims.is_some();
        }
        self.value(request).is_some()
    }

    fn existing<'a>(&self, request: &RequestView<'a>) -> Result<&'a Value, EvaluationError> {
        let missing = || EvaluationError::NoClaim(self.to_string().into());
        self.value(request).ok_or_else(missing)
    }

    fn typed<'a, T>(
        &self,
        request: &RequestView<'a>,
        wanted: &'static str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<T, EvaluationError> {
        let other = || EvaluationError::ClaimType(self.to_string().into(), wanted);
        read(self.existing(request)?).ok_or_else(other)
    }

    /// The claim, which has to be a text.
    pub(super) fn text<'a>(&self, request: &RequestView<'a>) -> Result<&'a str, EvaluationError> {
        self.typed(request, "a text", Value::as_str)
    }

    /// The claim, which has to be true or false.
    pub(super) fn truth(&self, request: &RequestView<'_>) -> Result<bool, EvaluationError> {
        self.typed(request, "true or false", Value::as_bool)
    }

    /// The claim, which has to be a whole number. JSON has no other numbers than those with a fraction that may be zero.
    pub(super) fn number(&self, request: &RequestView<'_>) -> Result<i64, EvaluationError> {
        self.typed(request, "a whole number", |value| {
            value.as_i64().or_else(|| whole(value.as_f64()?))
        })
    }

    /// Whether the claim, which has to be a list or an object, has this item or this name.
    pub(super) fn contains(
        &self,
        item: &str,
        request: &RequestView<'_>,
    ) -> Result<bool, EvaluationError> {
        if self.is_all() {
            return Ok(request
                .claims
                .is_some_and(|claims| claims.contains_key(item)));
        }
        self.typed(request, "a list or an object", |value| match value {
            Value::Array(items) => Some(items.iter().any(|it| it.as_str() == Some(item))),
            Value::Object(fields) => Some(fields.contains_key(item)),
            _ => None,
        })
    }
}

/// The whole number that a float is, where floats are exact.
fn whole(float: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "it is whole, and its size was checked"
    )]
    let number = (float.fract() == 0.0 && float.abs() <= EXACT).then_some(float as i64);
    number
}

/// The names that a chain consists of, such as `a.b['c']`.
fn chain(node: &Node) -> Option<Vec<&str>> {
    match &node.kind {
        NodeKind::Name(name) => Some(vec![name]),
        NodeKind::Member(operand, field) => {
            let mut names = chain(operand)?;
            names.push(field);
            Some(names)
        }
        NodeKind::Index(parts) => match &**parts {
            [
                operand,
                Node {
                    kind: NodeKind::Text(name),
                    ..
                },
            ] => {
                let mut names = chain(operand)?;
                names.push(name);
                Some(names)
            }
            _ => None,
        },
        _ => None,
    }
}

impl fmt::Display for ClaimPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}
