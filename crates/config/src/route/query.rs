//! Query parameters, compared decoded and without copying where that can be.

use std::borrow::Cow;

use super::matcher::{QueryMatch, TextMatch};

/// Whether the first parameter of the name has the value.
pub(super) fn holds(param: &QueryMatch, query: Option<&str>) -> bool {
    let value = raw_values(query, &param.name).next();
    match (value, &param.value) {
        (None, _) => false,
        (Some(value), TextMatch::Exact(exact)) => decoded(value).eq(exact.bytes()),
        (Some(value), TextMatch::Regex(pattern)) => {
            to_text(value).is_some_and(|text| pattern.is_match(&text))
        }
    }
}

/// The values of the parameters of a name, decoded.
pub fn query_values<'a>(query: Option<&'a str>, name: &'a str) -> impl Iterator<Item = Vec<u8>> {
    raw_values(query, name).map(|value| decoded(value).collect())
}

/// The query without the parameters of a name, and otherwise as it is; `None` if it has none of them.
#[must_use]
pub fn without_parameter(query: &str, name: &str) -> Option<String> {
    let is_named = |pair: &&str| decoded(split(pair).0).eq(name.bytes());
    let mut pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.any(|pair| is_named(&pair)).then(|| {
        let others: Vec<&str> = query.split('&').filter(|pair| !is_named(pair)).collect();
        others.join("&")
    })
}

fn raw_values<'a>(query: Option<&'a str>, name: &str) -> impl Iterator<Item = &'a str> {
    let pairs = query.unwrap_or_default().split('&');
    pairs
        .filter(|pair| !pair.is_empty())
        .map(split)
        .filter(move |(other, _)| decoded(other).eq(name.bytes()))
        .map(|(_, value)| value)
}

fn split(pair: &str) -> (&str, &str) {
    pair.split_once('=').unwrap_or((pair, ""))
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
    fn parameters_are_found_and_taken_off_in_any_spelling() {
        for (query, values, rest) in [
            ("key=1", &["1"][..], Some("")),
            ("a=b&key=1&c", &["1"], Some("a=b&c")),
            ("k%65y=x%20y&a=%20&&b", &["x y"], Some("a=%20&&b")),
            ("key=1&key=2", &["1", "2"], Some("")),
            ("key", &[""], Some("")),
            ("Key=1&keys=2&a=key=1", &[], None),
            ("", &[], None),
        ] {
            let found: Vec<_> = query_values(Some(query), "key").collect();
            let expected: Vec<_> = values.iter().map(|value| value.as_bytes()).collect();
            assert_eq!(found, expected, "{query}");
            assert_eq!(without_parameter(query, "key").as_deref(), rest, "{query}");
        }
    }

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
