//! Expressions that have any value, which a service is told.

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::attribute::ExpressionMoment;
use super::evaluate::{Condition, Number, Text};
use super::lower::{self, Value};
use super::{AbsentHeaders, ExpressionFault, FaultAt, MAX_LENGTH, parser};
use crate::expression::RequestView;

/// An expression that a service is told the value of. Equal if the text is.
#[derive(Clone)]
pub struct ToldExpression {
    text: Arc<str>,
    value: Arc<CompiledValue>,
}

enum CompiledValue {
    Truth(Condition),
    Text(Text),
    Number(Number),
}

/// The value of an expression for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToldValue {
    /// True or false.
    Truth(bool),
    /// A text.
    Text(String),
    /// A whole number.
    Number(i64),
}

impl ToldExpression {
    /// Compiles an expression.
    ///
    /// # Errors
    /// If it is no expression, names an attribute or a function that is not known, or is a list or a map.
    pub fn compile(text: &str) -> Result<Self, ExpressionFault> {
        let compiled = if text.len() > MAX_LENGTH {
            let message = format!("longer than {MAX_LENGTH} bytes");
            Err(FaultAt::new(MAX_LENGTH, message))
        } else {
            parser::parse(text).and_then(|tree| {
                match lower::value(&tree, ExpressionMoment::Decision)? {
                    Value::Condition(condition) => Ok(CompiledValue::Truth(condition)),
                    Value::Text(text) => Ok(CompiledValue::Text(text)),
                    Value::Number(number) => Ok(CompiledValue::Number(number)),
                    other => {
                        let message = format!(
                            "{} cannot be told: write a text, a number, or what is true or false",
                            other.type_name()
                        );
                        Err(FaultAt::new(tree.at, message))
                    }
                }
            })
        };
        let value = compiled.map_err(|fault| fault.locate(text))?;
        Ok(Self {
            text: text.into(),
            value: Arc::new(value),
        })
    }

    /// The value for a request; `None` if it reads something that the request does not have.
    #[must_use]
    pub fn evaluate(&self, request: &RequestView<'_>) -> Option<ToldValue> {
        let absent = AbsentHeaders::AreErrors;
        let value = match &*self.value {
            CompiledValue::Truth(condition) => {
                condition.evaluate(request, absent).map(ToldValue::Truth)
            }
            CompiledValue::Text(text) => text.evaluate(request, absent).map(ToldValue::Text),
            CompiledValue::Number(number) => {
                number.evaluate(request, absent).map(ToldValue::Number)
            }
        };
        value.ok()
    }

    /// The expression as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl PartialEq for ToldExpression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for ToldExpression {}

impl fmt::Debug for ToldExpression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ToldExpression").field(&self.text).finish()
    }
}

impl Serialize for ToldExpression {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}
