//! Regular expressions in RE2's meaning, which is that of Envoy and of the Gateway API's other implementations.
//!
//! The syntax of the library is nearly the same. Where it differs, the text is rewritten: Perl's classes and word
//! boundaries are those of ASCII, a text may be quoted, and a class has no operators.

use std::iter::Peekable;
use std::str::Chars;

/// Rewrites an expression of RE2 as one of the library. What is not valid stays so.
pub(super) fn translate(text: &str) -> String {
    let mut chars = text.chars().peekable();
    let mut out = String::with_capacity(text.len());
    while let Some(char) = chars.next() {
        match char {
            '\\' => escape(&mut chars, &mut out),
            '[' => class(&mut chars, &mut out),
            other => out.push(other),
        }
    }
    out
}

/// An escape outside a class, after its backslash.
fn escape(chars: &mut Peekable<Chars<'_>>, out: &mut String) {
    match chars.next() {
        Some(word @ ('b' | 'B')) => out.extend(["(?-u:\\", word.encode_utf8(&mut [0; 4]), ")"]),
        Some('Q') => quoted(chars, out),
        Some(char) => match perl_class(char) {
            Some(class) => out.push_str(class),
            None => out.extend(['\\', char]),
        },
        None => out.push('\\'),
    }
}

/// Perl's classes, of ASCII characters only.
fn perl_class(letter: char) -> Option<&'static str> {
    Some(match letter {
        'd' => "[0-9]",
        'D' => "[^0-9]",
        's' => r"[\t\n\f\r ]",
        'S' => r"[^\t\n\f\r ]",
        'w' => "[0-9A-Za-z_]",
        'W' => "[^0-9A-Za-z_]",
        _ => return None,
    })
}

/// `\Q...\E`, after its beginning: plain text up to the end mark, or to the end.
fn quoted(chars: &mut Peekable<Chars<'_>>, out: &mut String) {
    let mut text = String::new();
    while let Some(char) = chars.next() {
        if char == '\\' && chars.next_if_eq(&'E').is_some() {
            break;
        }
        text.push(char);
    }
    out.push_str(&regex::escape(&text));
}

/// A class, after its opening bracket.
fn class(chars: &mut Peekable<Chars<'_>>, out: &mut String) {
    out.push('[');
    out.extend(chars.next_if_eq(&'^'));
    if chars.next_if_eq(&']').is_some() {
        out.push_str(r"\]");
    }
    while let Some(char) = chars.next() {
        match char {
            ']' => return out.push(']'),
            '\\' => match chars.next() {
                Some(letter) => match perl_class(letter) {
                    Some(class) => out.push_str(class),
                    None => out.extend(['\\', letter]),
                },
                None => out.push('\\'),
            },
            '[' if chars.peek() == Some(&':') => {
                out.push('[');
                named_class(chars, out);
            }
            '[' => out.push_str(r"\["),
            // The library reads two of these as an operator.
            operator @ ('&' | '-' | '~') if chars.next_if_eq(&operator).is_some() => {
                out.extend([operator, '\\', operator]);
            }
            other => out.push(other),
        }
    }
}

/// `[:alpha:]`, after its opening bracket.
fn named_class(chars: &mut Peekable<Chars<'_>>, out: &mut String) {
    for char in chars.by_ref() {
        out.push(char);
        if char == ']' {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::translate;

    #[test]
    fn what_differs_is_rewritten() {
        for (text, expected) in [
            (r"/users/\d+", "/users/[0-9]+"),
            (r"[\d.]+", "[[0-9].]+"),
            (r"[^\w-]", "[^[0-9A-Za-z_]-]"),
            (r"\bx\B", r"(?-u:\b)x(?-u:\B)"),
            (r"\Qa.b\E.", r"a\.b."),
            (r"\Qa.b", r"a\.b"),
            (r"\\d", r"\\d"),
            (r"\.", r"\."),
            (r"[]a]", r"[\]a]"),
            (r"[^]a]", r"[^\]a]"),
            (r"[[a]", r"[\[a]"),
            (r"[[:alpha:]&&~~]", r"[[:alpha:]&\&~\~]"),
            (r"[+--]", r"[+-\-]"),
            (r"(?i)a[", r"(?i)a["),
            ("\\", "\\"),
            (r"[\", r"[\"),
        ] {
            assert_eq!(translate(text), expected, "{text}");
        }
    }
}
