//! A compiled expression: a tree in which every part has its type, so that the only errors left are values that a request
//! does not have.

use std::borrow::Cow;

use http::HeaderName;
use regex::Regex;

use super::AbsentHeaders;
use super::attribute::{
    PortAttribute, ResponseAttribute, TextAttribute, certificate_names, header,
};
use super::claim::ClaimPath;
use super::request::RequestView;
use super::syntax::{Arithmetic, Comparison};

/// Why an expression is neither true nor false for a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationError {
    /// The request does not have the attribute.
    #[error("the request has no {0}")]
    NoAttribute(&'static str),
    /// The request does not have the header field.
    #[error("the request has no header {0}")]
    NoHeader(HeaderName),
    /// The certificate has fewer names.
    #[error("the certificate has no name {0}")]
    NoName(i64),
    /// The client has shown no token, or one without the claim.
    #[error("the token has no claim {0}")]
    NoClaim(Box<str>),
    /// The claim has another type.
    #[error("the claim {0} is not {1}")]
    ClaimType(Box<str>, &'static str),
    /// A text is not a number.
    #[error("a value is not a number")]
    NotNumber,
    /// A sum or product has more than 64 bits, or something is divided by zero.
    #[error("a number cannot be calculated")]
    Arithmetic,
}

/// What is true or false.
#[derive(Debug)]
pub(super) enum Condition {
    Constant(bool),
    Mtls,
    Not(Box<Self>),
    All(Vec<Self>),
    Any(Vec<Self>),
    Choice(Box<(Self, Self, Self)>),
    /// Whether two conditions are the same.
    Same(Box<[Self; 2]>),
    Text(Comparison, Box<[Text; 2]>),
    Number(Comparison, Box<[Number; 2]>),
    /// Whether a text is one of these, which are sorted.
    TextIn(Text, Box<[Box<str>]>),
    /// Whether a number is one of these, which are sorted.
    NumberIn(Number, Box<[i64]>),
    /// Whether a text is one of the pieces of another.
    PieceOf(Text, Box<SplitText>),
    Test(TextTest, Box<[Text; 2]>),
    Matches(Text, Regex),
    HasHeader(HeaderName),
    HasText(TextAttribute),
    /// A claim that is true or false.
    Claim(ClaimPath),
    HasClaim(ClaimPath),
    /// Whether a claim, or all claims, have this item or name.
    ClaimContains(ClaimPath, Text),
    /// Whether the client's certificate has this name.
    HasName(Text),
    /// Whether the condition holds for one of the names of the client's certificate.
    OneName(Box<Self>),
    /// Whether it holds for all of them.
    EveryName(Box<Self>),
}

/// The pieces of a text between separators.
#[derive(Debug)]
pub(super) struct SplitText {
    pub(super) text: Text,
    /// Not empty.
    pub(super) separator: Box<str>,
}

/// A text.
#[derive(Debug)]
pub(super) enum Text {
    Constant(Box<str>),
    Attribute(TextAttribute),
    Header(HeaderName),
    Claim(ClaimPath),
    /// The name of the client's certificate that a condition is asked about.
    EachName,
    /// A name of the client's certificate, by its index.
    NameAt(Box<Number>),
    Choice(Box<(Condition, Self, Self)>),
}

/// A whole number.
#[derive(Debug)]
pub(super) enum Number {
    Constant(i64),
    Attribute(PortAttribute),
    Claim(ClaimPath),
    Response(ResponseAttribute),
    /// The number of characters.
    LengthOf(Box<Text>),
    /// The number of names of the client's certificate.
    CountOfNames,
    CountOfPieces(Box<SplitText>),
    /// A number that is written as a text.
    Parsed(Box<Text>),
    Negative(Box<Self>),
    Calculated(Arithmetic, Box<[Self; 2]>),
    Choice(Box<(Condition, Self, Self)>),
}

/// What is asked about two texts.
#[derive(Clone, Copy, Debug)]
pub(super) enum TextTest {
    StartsWith,
    EndsWith,
    Contains,
}

type Evaluated<T> = Result<T, EvaluationError>;

/// What an evaluation is about.
#[derive(Clone, Copy)]
struct Scope<'a, 'v> {
    request: &'v RequestView<'a>,
    absent_headers: AbsentHeaders,
    /// The name of the client's certificate that `exists` or `all` has come to.
    name: &'v str,
}

impl Condition {
    pub(super) fn evaluate(
        &self,
        request: &RequestView<'_>,
        absent_headers: AbsentHeaders,
    ) -> Evaluated<bool> {
        self.holds(Scope {
            request,
            absent_headers,
            name: "",
        })
    }

    fn holds(&self, scope: Scope<'_, '_>) -> Evaluated<bool> {
        let request = scope.request;
        Ok(match self {
            Self::Constant(value) => *value,
            Self::Mtls => request.certificate.is_some(),
            Self::Not(inner) => !inner.holds(scope)?,
            Self::All(parts) => !decided(parts.iter().map(|part| part.holds(scope)), false)?,
            Self::Any(parts) => decided(parts.iter().map(|part| part.holds(scope)), true)?,
            Self::Choice(parts) => chosen(parts, scope)?.holds(scope)?,
            Self::Same(both) => both[0].holds(scope)? == both[1].holds(scope)?,
            Self::Text(comparison, both) => {
                comparison.holds(&*both[0].read(scope)?, &*both[1].read(scope)?)
            }
            Self::Number(comparison, both) => {
                comparison.holds(&both[0].read(scope)?, &both[1].read(scope)?)
            }
            Self::TextIn(text, set) => {
                let text = text.read(scope)?;
                set.binary_search_by(|item| (**item).cmp(&*text)).is_ok()
            }
            Self::NumberIn(number, set) => set.binary_search(&number.read(scope)?).is_ok(),
            Self::PieceOf(item, whole) => {
                let (item, text) = (item.read(scope)?, whole.text.read(scope)?);
                whole.pieces(&text).any(|piece| piece == item)
            }
            Self::Test(test, both) => test.holds(&both[0].read(scope)?, &both[1].read(scope)?),
            Self::Matches(text, regex) => regex.is_match(&text.read(scope)?),
            Self::HasHeader(name) => request
                .head
                .is_some_and(|head| head.headers.contains_key(name)),
            Self::HasText(attribute) => attribute.value(request).is_some(),
            Self::Claim(path) => path.truth(request)?,
            Self::HasClaim(path) => path.is_there(request),
            Self::ClaimContains(path, item) => path.contains(&item.read(scope)?, request)?,
            Self::HasName(name) => {
                let name = name.read(scope)?;
                certificate_names(request.certificate).any(|known| known == name)
            }
            Self::OneName(condition) => decided(condition.of_names(scope), true)?,
            Self::EveryName(condition) => !decided(condition.of_names(scope), false)?,
        })
    }

    /// The condition about each name of the client's certificate.
    fn of_names(&self, scope: Scope<'_, '_>) -> impl Iterator<Item = Evaluated<bool>> {
        let names = certificate_names(scope.request.certificate);
        names.map(move |name| {
            self.holds(Scope {
                name: &name,
                ..scope
            })
        })
    }
}

/// Whether one of the parts has this value, whatever errors the others have; else the first error.
fn decided(parts: impl Iterator<Item = Evaluated<bool>>, value: bool) -> Evaluated<bool> {
    let mut error = None;
    for part in parts {
        match part {
            Ok(part) if part == value => return Ok(true),
            Ok(_) => {}
            Err(part) => _ = error.get_or_insert(part),
        }
    }
    error.map_or(Ok(false), Err)
}

/// One of two values, as the condition says.
fn chosen<'t, T>(
    (condition, then, otherwise): &'t (Condition, T, T),
    scope: Scope<'_, '_>,
) -> Evaluated<&'t T> {
    Ok(if condition.holds(scope)? {
        then
    } else {
        otherwise
    })
}

impl SplitText {
    /// The pieces of what the text was read as.
    fn pieces<'t>(&'t self, text: &'t str) -> impl Iterator<Item = &'t str> {
        text.split(&*self.separator)
    }
}

impl Text {
    pub(super) fn evaluate(
        &self,
        request: &RequestView<'_>,
        absent_headers: AbsentHeaders,
    ) -> Evaluated<String> {
        let text = self.read(Scope {
            request,
            absent_headers,
            name: "",
        });
        text.map(Cow::into_owned)
    }

    fn read<'v>(&'v self, scope: Scope<'v, 'v>) -> Evaluated<Cow<'v, str>> {
        let request = scope.request;
        Ok(match self {
            Self::Constant(text) => Cow::Borrowed(&**text),
            Self::Attribute(attribute) => attribute
                .value(request)
                .ok_or_else(|| EvaluationError::NoAttribute(attribute.name()))?,
            Self::Header(name) => match (header(request, name), scope.absent_headers) {
                (Some(value), _) => value,
                (None, AbsentHeaders::ReadEmpty) => Cow::Borrowed(""),
                (None, AbsentHeaders::AreErrors) => {
                    return Err(EvaluationError::NoHeader(name.clone()));
                }
            },
            Self::Claim(path) => Cow::Borrowed(path.text(request)?),
            Self::EachName => Cow::Borrowed(scope.name),
            Self::NameAt(index) => {
                let index = index.read(scope)?;
                let mut names = certificate_names(request.certificate);
                let name = usize::try_from(index).ok().and_then(|at| names.nth(at));
                name.ok_or(EvaluationError::NoName(index))?
            }
            Self::Choice(parts) => chosen(parts, scope)?.read(scope)?,
        })
    }
}

impl Number {
    pub(super) fn evaluate(
        &self,
        request: &RequestView<'_>,
        absent_headers: AbsentHeaders,
    ) -> Evaluated<i64> {
        self.read(Scope {
            request,
            absent_headers,
            name: "",
        })
    }

    fn read(&self, scope: Scope<'_, '_>) -> Evaluated<i64> {
        Ok(match self {
            Self::Constant(number) => *number,
            Self::Attribute(attribute) => attribute.value(scope.request),
            Self::Claim(path) => path.number(scope.request)?,
            Self::Response(attribute) => {
                let value = attribute.value(scope.request);
                value.ok_or_else(|| EvaluationError::NoAttribute(attribute.name()))?
            }
            Self::LengthOf(text) => {
                let length = text.read(scope)?.chars().count();
                i64::try_from(length).map_err(|_| EvaluationError::Arithmetic)?
            }
            Self::CountOfNames => {
                let count = certificate_names(scope.request.certificate).len();
                i64::try_from(count).map_err(|_| EvaluationError::Arithmetic)?
            }
            Self::CountOfPieces(whole) => {
                let count = whole.pieces(&whole.text.read(scope)?).count();
                i64::try_from(count).map_err(|_| EvaluationError::Arithmetic)?
            }
            Self::Parsed(text) => {
                let text = text.read(scope)?;
                text.parse().map_err(|_| EvaluationError::NotNumber)?
            }
            Self::Negative(number) => {
                let number = number.read(scope)?;
                number.checked_neg().ok_or(EvaluationError::Arithmetic)?
            }
            Self::Calculated(operator, both) => {
                let (left, right) = (both[0].read(scope)?, both[1].read(scope)?);
                let result = match operator {
                    Arithmetic::Add => left.checked_add(right),
                    Arithmetic::Subtract => left.checked_sub(right),
                    Arithmetic::Multiply => left.checked_mul(right),
                    Arithmetic::Divide => left.checked_div(right),
                    Arithmetic::Remainder => left.checked_rem(right),
                };
                result.ok_or(EvaluationError::Arithmetic)?
            }
            Self::Choice(parts) => chosen(parts, scope)?.read(scope)?,
        })
    }
}

impl TextTest {
    fn holds(self, text: &str, part: &str) -> bool {
        match self {
            Self::StartsWith => text.starts_with(part),
            Self::EndsWith => text.ends_with(part),
            Self::Contains => text.contains(part),
        }
    }
}
