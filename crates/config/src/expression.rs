//! Expressions over requests, in the Common Expression Language (CEL) with Envoy's names for attributes.
//!
//! An [`Expression`] is compiled once, when it is loaded: its syntax, its types and every name in it are checked, and what
//! is wrong is told with its position. It is evaluated over a borrowed [`RequestView`], without allocations but for texts
//! that have to be put together.
//!
//! The language is what Envoy allows of CEL: no macros that loop, except `exists` and `all` over the names of a certificate,
//! and no functions that build values. An expression therefore takes time in proportion to its length and that of the texts
//! it reads, whatever a client sends. Its parser is this crate's own, because the expressions come from whoever may write a
//! policy: its depth is bounded, and it never looks back.

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

mod attribute;
mod claim;
mod evaluate;
mod lexer;
mod lower;
mod parser;
mod request;
mod syntax;
mod told;

pub use attribute::ExpressionInputs;
use attribute::ExpressionMoment;
pub use evaluate::EvaluationError;
pub use request::{
    EgressDestination, KeptRequest, RequestForm, RequestHead, RequestView, ResponseView,
};
pub use told::{ToldExpression, ToldValue};

use evaluate::Condition;

/// The longest expression, in bytes.
const MAX_LENGTH: usize = 16384;

/// A compiled expression that is true or false for a request. Equal if the text and the meaning of absent headers are.
#[derive(Clone)]
pub struct Expression {
    text: Arc<str>,
    absent_headers: AbsentHeaders,
    inputs: ExpressionInputs,
    condition: Arc<Condition>,
}

/// What a header field means that the request does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AbsentHeaders {
    /// An error, as in Envoy.
    AreErrors,
    /// The empty text.
    ReadEmpty,
}

/// What is wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpressionFault {
    /// The line, counted from 1.
    pub line: usize,
    /// The character of the line, counted from 1.
    pub column: usize,
    /// What is wrong, and what to write instead.
    pub message: String,
}

/// A fault at a byte of the text.
#[derive(Debug)]
struct FaultAt {
    at: usize,
    message: String,
}

impl FaultAt {
    fn new(at: usize, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { at, message }
    }
}

impl Expression {
    /// Compiles an expression.
    ///
    /// # Errors
    /// If it is no expression, names an attribute or a function that is not known, compares values of different types, or
    /// is not true or false.
    pub fn compile(text: &str, absent_headers: AbsentHeaders) -> Result<Self, ExpressionFault> {
        Self::compile_for(text, absent_headers, ExpressionMoment::Decision)
    }

    /// Compiles an expression of an access log, which may read the response too.
    ///
    /// # Errors
    /// As [`Expression::compile`].
    pub fn compile_for_log(text: &str) -> Result<Self, ExpressionFault> {
        Self::compile_for(text, AbsentHeaders::AreErrors, ExpressionMoment::Log)
    }

    fn compile_for(
        text: &str,
        absent_headers: AbsentHeaders,
        moment: ExpressionMoment,
    ) -> Result<Self, ExpressionFault> {
        let compiled = if text.len() > MAX_LENGTH {
            let message = format!("longer than {MAX_LENGTH} bytes");
            Err(FaultAt::new(MAX_LENGTH, message))
        } else {
            parser::parse(text).and_then(|tree| lower::condition(&tree, moment))
        };
        let (condition, inputs) = compiled.map_err(|fault| fault.locate(text))?;
        Ok(Self {
            text: text.into(),
            absent_headers,
            inputs,
            condition: Arc::new(condition),
        })
    }

    /// Whether the expression is true for a request.
    ///
    /// # Errors
    /// If it reads something that the request does not have.
    pub fn evaluate(&self, request: &RequestView<'_>) -> Result<bool, EvaluationError> {
        self.condition.evaluate(request, self.absent_headers)
    }

    /// The attributes that the expression reads.
    #[must_use]
    pub const fn inputs(&self) -> ExpressionInputs {
        self.inputs
    }

    /// The expression as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl FaultAt {
    fn locate(self, text: &str) -> ExpressionFault {
        let before = text.get(..self.at).unwrap_or(text);
        let line_begins = before.rfind('\n').map_or(0, |newline| newline + 1);
        ExpressionFault {
            line: before.matches('\n').count() + 1,
            column: before[line_begins..].chars().count() + 1,
            message: self.message,
        }
    }
}

impl fmt::Display for ExpressionFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            line,
            column,
            message,
        } = self;
        match line {
            1 => write!(f, "at character {column}: {message}"),
            _ => write!(f, "at line {line}, character {column}: {message}"),
        }
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.absent_headers == other.absent_headers
    }
}

impl Eq for Expression {}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.text).finish()
    }
}

impl Serialize for Expression {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests;
