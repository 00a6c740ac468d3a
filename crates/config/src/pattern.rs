//! Regular expressions in RE2's meaning: as conditions on a whole text, and to rewrite paths.

use std::fmt;

use regex::{Captures, Regex};
use serde::{Serialize, Serializer};

mod re2;

/// A regular expression that must match from end to end. Two are equal if their texts are.
#[derive(Clone)]
pub struct RegexPattern {
    text: String,
    regex: Regex,
}

/// A regular expression, and what takes the place of each of its matches. Two are equal if their texts are.
#[derive(Clone)]
pub struct RegexRewrite {
    pattern: String,
    substitution: String,
    regex: Regex,
    pieces: Vec<Piece>,
}

/// A piece of a substitution.
#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    /// A group of the match; 0 is all of it.
    Group(usize),
}

/// The field of a rewrite that is wrong, with one line that says why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RewriteFault {
    /// The expression.
    Pattern(String),
    /// What takes the place of its matches.
    Substitution(String),
}

impl RegexPattern {
    /// Compiles an expression, in RE2's meaning.
    ///
    /// # Errors
    /// If it is not a regular expression; the message is one line.
    pub fn new(text: &str) -> Result<Self, String> {
        // The text is compiled alone first: between the anchors, `a)|(b` would be valid and mean something else.
        let expression = re2::translate(text);
        let regex =
            compile(&expression).and_then(|_| compile(&format!(r"\A(?:{expression})\z")))?;
        Ok(Self {
            text: text.to_owned(),
            regex,
        })
    }

    /// The expression as it was written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether the expression matches the whole text.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }
}

impl RegexRewrite {
    /// Compiles an expression, in RE2's meaning, and its substitution, in which `\1` to `\9` are groups of the match, `\0`
    /// is all of it, and `\\` is a backslash.
    ///
    /// # Errors
    /// If one of them is not valid.
    pub fn new(pattern: &str, substitution: &str) -> Result<Self, RewriteFault> {
        let regex = compile(&re2::translate(pattern)).map_err(RewriteFault::Pattern)?;
        let pieces =
            pieces(substitution, regex.captures_len()).map_err(RewriteFault::Substitution)?;
        Ok(Self {
            pattern: pattern.to_owned(),
            substitution: substitution.to_owned(),
            regex,
            pieces,
        })
    }

    /// The text with every match replaced.
    #[must_use]
    pub fn apply(&self, text: &str) -> String {
        let replaced = self.regex.replace_all(text, |found: &Captures<'_>| {
            let pieces = self.pieces.iter();
            let texts = pieces.map(|piece| match piece {
                Piece::Text(text) => text.as_str(),
                Piece::Group(group) => found.get(*group).map_or("", |group| group.as_str()),
            });
            texts.collect::<String>()
        });
        replaced.into_owned()
    }
}

/// Compiles an expression that was translated. The message of an error is one line.
fn compile(expression: &str) -> Result<Regex, String> {
    Regex::new(expression).map_err(|error| {
        let text = error.to_string();
        let last = text.lines().last().unwrap_or_default();
        let last = last.trim_start_matches("error: ");
        format!("not a regular expression: {last}")
    })
}

/// Reads a substitution for an expression with this number of groups, with the whole match as the first.
fn pieces(substitution: &str, groups: usize) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut chars = substitution.chars();
    while let Some(char) = chars.next() {
        if char != '\\' {
            text.push(char);
            continue;
        }
        match chars.next() {
            Some('\\') => text.push('\\'),
            Some(digit) if digit.is_ascii_digit() => {
                let group = usize::from(digit as u8 - b'0');
                if group >= groups {
                    let last = groups - 1;
                    return Err(format!(
                        "\\{group} is no group of the pattern, which has {last}"
                    ));
                }
                pieces.push(Piece::Text(std::mem::take(&mut text)));
                pieces.push(Piece::Group(group));
            }
            _ => return Err(r"a backslash is written \\, and a group \0 to \9".to_owned()),
        }
    }
    pieces.push(Piece::Text(text));
    pieces.retain(|piece| !matches!(piece, Piece::Text(text) if text.is_empty()));
    Ok(pieces)
}

impl PartialEq for RegexPattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for RegexPattern {}

impl fmt::Debug for RegexPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}/", self.text)
    }
}

impl Serialize for RegexPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl PartialEq for RegexRewrite {
    fn eq(&self, other: &Self) -> bool {
        (&self.pattern, &self.substitution) == (&other.pattern, &other.substitution)
    }
}

impl Eq for RegexRewrite {}

impl fmt::Debug for RegexRewrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}/ -> {:?}", self.pattern, self.substitution)
    }
}

impl Serialize for RegexRewrite {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (&self.pattern, &self.substitution).serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_match_is_replaced() {
        for (pattern, substitution, text, expected) in [
            (
                r"^/api/v(\d+)/(.*)$",
                r"/\2/\1",
                "/api/v2/users",
                "/users/2",
            ),
            ("/a", "/b", "/a/a/c", "/b/b/c"),
            (r"\d+", r"<\0>", "/1/x/22", "/<1>/x/<22>"),
            ("x(y)?", r"\1", "/xy/x", "/y/"),
            ("/x", "/y", "/z", "/z"),
            ("(?i)/ABC", "/d", "/abc", "/d"),
            ("a", r"\\1", "/a", r"/\1"),
            (r"/(a|b)", "$1", "/a", "$1"),
        ] {
            let rewrite = RegexRewrite::new(pattern, substitution).unwrap();
            assert_eq!(rewrite.apply(text), expected, "{rewrite:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_told() {
        let fault = |pattern: &str, substitution: &str| {
            RegexRewrite::new(pattern, substitution).unwrap_err()
        };
        assert!(matches!(fault("(", "x"), RewriteFault::Pattern(_)));
        for (substitution, expected) in [
            (r"\2", r"\2 is no group of the pattern, which has 1"),
            ("\\", r"a backslash is written \\, and a group \0 to \9"),
            (r"\x", r"a backslash is written \\, and a group \0 to \9"),
        ] {
            let expected = RewriteFault::Substitution(expected.to_owned());
            assert_eq!(fault("(a)", substitution), expected);
        }
    }
}
