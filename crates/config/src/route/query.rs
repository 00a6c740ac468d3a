//! Query parameters. They are compared in decoded form, without copying where possible.

use std::borrow::Cow;

/// The decoded values of all parameters of a name.
pub fn query_values<'a>(query: Option<&'a str>, name: &'a str) -> impl Iterator<Item = Vec<u8>> {
    raw_values(query, name).map(|value| decoded(value).collect())
}

/// The query without the parameters of a name, otherwise unchanged; `None` if there are no such parameters.
#[must_use]
pub fn without_parameter(query: &str, name: &str) -> Option<String> {
    let is_named = |pair: &&str| decoded(split(pair).0).eq(name.bytes());
    let mut pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.any(|pair| is_named(&pair)).then(|| {
        let others: Vec<&str> = query.split('&').filter(|pair| !is_named(pair)).collect();
        others.join("&")
    })
}

pub(super) fn raw_values<'a>(query: Option<&'a str>, name: &str) -> impl Iterator<Item = &'a str> {
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

/// Decodes the name or the value of a parameter (application/x-www-form-urlencoded) to bytes.
pub(super) fn decoded(text: &str) -> impl Iterator<Item = u8> {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        let byte = *bytes.get(at)?;
        at += 1;
        Some(match byte {
            b'+' => b' ',
            b'%' => match crate::path::escaped(bytes, at - 1) {
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

/// Decodes the value of a parameter to text; `None` if it is not UTF-8.
pub(super) fn to_text(text: &str) -> Option<Cow<'_, str>> {
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
}
