//! Finds the command operators in a text: `%NAME%`, `%NAME(PARAMETERS)%`, `%NAME(PARAMETERS):LENGTH%`, and `%%`.

use std::fmt;

/// What is wrong with a format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormatFault {
    /// The byte of the text at which the operator begins, counted from 0.
    pub position: usize,
    /// What is wrong, and what to write instead.
    pub message: String,
}

/// A part of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Scanned<'a> {
    /// Text that is written as it is.
    Literal(&'a str),
    /// A command operator.
    Command(RawCommand<'a>),
}

/// A command operator that is yet to be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RawCommand<'a> {
    pub(super) position: usize,
    pub(super) name: &'a str,
    /// What is between the parentheses; `None` if there are none, or nothing is between them.
    pub(super) parameters: Option<&'a str>,
    pub(super) max_length: Option<usize>,
}

impl RawCommand<'_> {
    pub(super) fn fault(&self, message: impl fmt::Display) -> FormatFault {
        FormatFault {
            position: self.position,
            message: format!("%{}%: {message}", self.name),
        }
    }
}

/// Takes a text apart.
///
/// # Errors
/// If a `%` begins no operator.
pub(super) fn scan(text: &str) -> Result<Vec<Scanned<'_>>, FormatFault> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(begin) = text[at..].find('%').map(|found| at + found) {
        if begin > at {
            found.push(Scanned::Literal(&text[at..begin]));
        }
        let rest = &text[begin + 1..];
        if rest.starts_with('%') {
            found.push(Scanned::Literal("%"));
            at = begin + 2;
            continue;
        }
        let (command, length) = command(rest, begin).ok_or_else(|| FormatFault {
            position: begin,
            message:
                "no command operator, such as %RESPONSE_CODE% or %REQ(HOST)%; %% is a percent sign"
                    .to_owned(),
        })?;
        found.push(Scanned::Command(command));
        at = begin + 1 + length;
    }
    if at < text.len() {
        found.push(Scanned::Literal(&text[at..]));
    }
    Ok(found)
}

/// The operator that a text begins with, and its length with the `%` that ends it.
fn command(rest: &str, position: usize) -> Option<(RawCommand<'_>, usize)> {
    let is_name = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_';
    let named = rest.bytes().take_while(is_name).count();
    if named == 0 {
        return None;
    }
    let name = &rest[..named];
    let found = |parameters: Option<&'_ str>, end: usize| {
        let (max_length, length) = end_of_command(&rest[end..])?;
        Some((parameters.map(str::len), max_length, end + length))
    };
    let after = &rest[named..];
    let (parameters, max_length, length) = if after.starts_with('(') {
        // Parameters may have parentheses in them: they end where an operator can.
        let mut ends = after.match_indices(')');
        ends.find_map(|(close, _)| found(Some(&after[1..close]), named + close + 1))?
    } else {
        found(None, named)?
    };
    let parameters = parameters.map(|length| &after[1..=length]);
    let command = RawCommand {
        position,
        name,
        parameters: parameters.filter(|parameters| !parameters.is_empty()),
        max_length,
    };
    Some((command, length))
}

/// The length that an operator is cut to, if it says one, and how much of the text ends the operator.
fn end_of_command(text: &str) -> Option<(Option<usize>, usize)> {
    let Some(rest) = text.strip_prefix(':') else {
        return text.starts_with('%').then_some((None, 1));
    };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let max_length = rest[..digits].parse().ok()?;
    rest[digits..]
        .starts_with('%')
        .then_some((Some(max_length), digits + 2))
}

impl fmt::Display for FormatFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at position {}: {}", self.position, self.message)
    }
}
