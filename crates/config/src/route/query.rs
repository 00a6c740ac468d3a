//! Query parameters, compared decoded and without copying where that can be.

use std::borrow::Cow;

use super::matcher::{QueryMatch, TextMatch};

/// Whether the first parameter of the name has the value.
pub(super) fn holds(param: &QueryMatch, query: Option<&str>) -> bool {
    let pairs = query
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty());
    let value = pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .find(|(name, _)| decoded(name).eq(param.name.bytes()))
        .map(|(_, value)| value);
    match (value, &param.value) {
        (None, _) => false,
        (Some(value), TextMatch::Exact(exact)) => decoded(value).eq(exact.bytes()),
        (Some(value), TextMatch::Regex(pattern)) => {
            to_text(value).is_some_and(|text| pattern.is_match(&text))
        }
    }
}

/// The bytes of a parameter's name or value (application/x-www-form-urlencoded).
fn decoded(text: &str) -> impl Iterator<Item = u8> {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        let byte = *bytes.get(at)?;
        at += 1;
        Some(match byte {
            b'+' => b' ',
            b'%' => match super::path::escaped(bytes, at - 1) {
                Some(decoded) => {
                    at += 2;
                    decoded
                }
                None => byte,
            },
            _ => byte,
        })
    })
}

fn to_text(text: &str) -> Option<Cow<'_, str>> {
    if text.contains(['+', '%']) {
        String::from_utf8(decoded(text).collect())
            .ok()
            .map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::Pattern;

    #[test]
    fn table() {
        let exact = |text: &str| TextMatch::Exact(text.to_owned());
        let cases = [
            ("a", exact("1"), Some("a=1"), true),
            ("a", exact("1"), Some("b=2&a=1"), true),
            ("a", exact("1"), Some("a=2&a=1"), false),
            ("a", exact("1"), Some("A=1"), false),
            ("a", exact("1"), Some("a=11"), false),
            ("a", exact("1"), Some(""), false),
            ("a", exact("1"), None, false),
            ("a", exact(""), Some("a"), true),
            ("a", exact(""), Some("a="), true),
            ("a", exact(""), Some("b"), false),
            ("a", exact("x y"), Some("a=x+y"), true),
            ("a", exact("x y"), Some("a=x%20y"), true),
            ("a", exact("x+y"), Some("a=x%2By"), true),
            ("a b", exact("\u{fc}"), Some("a+b=%c3%BC"), true),
            ("a", exact("%zz"), Some("a=%zz"), true),
            ("a", exact("%4"), Some("a=%4"), true),
            ("a", exact("1=2"), Some("a=1=2"), true),
            (
                "a",
                TextMatch::Regex(Pattern::new("x.*|y").unwrap()),
                Some("a=x%26"),
                true,
            ),
            (
                "a",
                TextMatch::Regex(Pattern::new("x|y").unwrap()),
                Some("a=xy"),
                false,
            ),
            (
                "a",
                TextMatch::Regex(Pattern::new(".*").unwrap()),
                Some("a=%ff"),
                false,
            ),
        ];
        for (name, value, query, expected) in cases {
            let param = QueryMatch {
                name: name.to_owned(),
                value,
            };
            assert_eq!(holds(&param, query), expected, "{param:?} {query:?}");
        }
    }
}
