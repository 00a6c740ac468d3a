//! `csrf` of a TrafficPolicy: refuses requests that pages of other origins send. Judged as Envoy does.

use http::header::{HeaderMap, ORIGIN, REFERER};
use http::{HeaderValue, Method};
use serde::Serialize;

use crate::pattern::RegexPattern;

/// `csrf` of a TrafficPolicy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CsrfPolicy {
    /// How many of a hundred requests are judged.
    pub judged: u8,
    /// Whether requests are let through whatever the judgement is (`percentageShadowed`).
    pub is_shadow: bool,
    /// Origins besides the request's own.
    pub additional: Vec<OriginMatcher>,
}

/// An entry of `additionalOrigins`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OriginMatcher {
    /// What is compared with a host and its port.
    pub text: OriginText,
    /// Whether letters match in either case.
    pub ignore_case: bool,
}

/// What an origin is compared with, in lower case if the case is ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum OriginText {
    /// All of it.
    Exact(String),
    /// Its beginning.
    Prefix(String),
    /// Its end.
    Suffix(String),
    /// A part of it.
    Contains(String),
    /// All of it, as a regular expression.
    Regex(RegexPattern),
}

impl CsrfPolicy {
    /// Whether a request is of an origin that may send it: it changes nothing by its method, or its `Origin` (its `Referer`
    /// if it has none) is the host and port that it is sent to, byte for byte, or an additional origin.
    #[must_use]
    pub fn allows(&self, method: &Method, headers: &HeaderMap, host: &[u8]) -> bool {
        if ![Method::POST, Method::PUT, Method::DELETE, Method::PATCH].contains(method) {
            return true;
        }
        let source = [ORIGIN, REFERER].into_iter().find_map(|name| {
            let value = headers.get(name).map(HeaderValue::as_bytes);
            value.filter(|value| !value.is_empty())
        });
        let Some(source) = source.map(host_and_port) else {
            return false;
        };
        if source.is_empty() {
            return false;
        }
        source == host
            || std::str::from_utf8(source).is_ok_and(|source| {
                let mut additional = self.additional.iter();
                additional.any(|matcher| matcher.matches(source))
            })
    }
}

impl OriginMatcher {
    fn matches(&self, origin: &str) -> bool {
        let lower = self.ignore_case.then(|| origin.to_ascii_lowercase());
        let origin = lower.as_deref().unwrap_or(origin);
        match &self.text {
            OriginText::Exact(text) => origin == text,
            OriginText::Prefix(text) => origin.starts_with(text.as_str()),
            OriginText::Suffix(text) => origin.ends_with(text.as_str()),
            OriginText::Contains(text) => origin.contains(text.as_str()),
            OriginText::Regex(pattern) => pattern.is_match(origin),
        }
    }
}

/// The host and port of a URL, of an origin, or of a text without a scheme. The opaque origin `null` has none.
fn host_and_port(source: &[u8]) -> &[u8] {
    if source == b"null" {
        return b"";
    }
    let after = source.windows(3).position(|it| it == b"://");
    let rest = after.map_or(source, |at| &source[at + 3..]);
    let end = rest.iter().position(|byte| b"/?#".contains(byte));
    &rest[..end.unwrap_or(rest.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(additional: Vec<OriginMatcher>) -> CsrfPolicy {
        CsrfPolicy {
            judged: 100,
            is_shadow: false,
            additional,
        }
    }

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let fields = fields.iter();
        let pair = |(name, value): &(&'static str, &'static str)| {
            let name = http::HeaderName::from_static(name);
            (name, HeaderValue::from_static(value))
        };
        fields.map(pair).collect()
    }

    /// As seen with Envoy 1.40.
    #[test]
    fn the_origin_must_be_the_host_that_is_asked() {
        let policy = policy(Vec::new());
        for (fields, host, expected) in [
            (&[("origin", "http://a.test")][..], "a.test", true),
            (&[("origin", "https://a.test")], "a.test", true),
            (&[("origin", "a.test")], "a.test", true),
            (&[("referer", "http://a.test/x/y")], "a.test", true),
            (
                &[("origin", ""), ("referer", "http://a.test/x")],
                "a.test",
                true,
            ),
            (&[], "a.test", false),
            (&[("origin", "http://o.test")], "a.test", false),
            (&[("origin", "http://a.test:81")], "a.test", false),
            (&[("origin", "http://A.test")], "a.test", false),
            (&[("origin", "http://a.test")], "a.test:8080", false),
            (&[("origin", "null")], "a.test", false),
            (
                &[("origin", "null"), ("referer", "http://a.test/")],
                "a.test",
                false,
            ),
            (&[("origin", "http://a.test.o.test")], "a.test", false),
            (&[("origin", "null")], "null", false),
        ] {
            let allows = policy.allows(&Method::POST, &headers(fields), host.as_bytes());
            assert_eq!(allows, expected, "{fields:?} {host}");
        }
        let foreign = headers(&[("origin", "http://o.test")]);
        for (method, expected) in [
            (Method::GET, true),
            (Method::HEAD, true),
            (Method::OPTIONS, true),
            (Method::PUT, false),
            (Method::DELETE, false),
            (Method::PATCH, false),
        ] {
            assert_eq!(
                policy.allows(&method, &foreign, b"a.test"),
                expected,
                "{method}"
            );
        }
    }

    #[test]
    fn additional_origins_are_compared_with_host_and_port() {
        let regex = || RegexPattern::new(r"x\d\.test").unwrap();
        for (text, ignore_case, origin, expected) in [
            (
                OriginText::Exact("e.test".into()),
                false,
                "http://e.test",
                true,
            ),
            (
                OriginText::Exact("e.test".into()),
                false,
                "http://e.test:88",
                false,
            ),
            (
                OriginText::Exact("e.test".into()),
                false,
                "http://E.test",
                false,
            ),
            (
                OriginText::Exact("e.test".into()),
                true,
                "http://E.test",
                true,
            ),
            (
                OriginText::Prefix("e.".into()),
                false,
                "http://e.test",
                true,
            ),
            (
                OriginText::Suffix(".test".into()),
                false,
                "http://e.test",
                true,
            ),
            (
                OriginText::Suffix(".test".into()),
                false,
                "http://e.test:88",
                false,
            ),
            (
                OriginText::Contains("tes".into()),
                true,
                "http://e.TEST:88",
                true,
            ),
            (OriginText::Regex(regex()), false, "http://x1.test", true),
            (OriginText::Regex(regex()), false, "http://x1.test.o", false),
        ] {
            let matcher = OriginMatcher { text, ignore_case };
            let policy = policy(vec![matcher.clone()]);
            let headers: HeaderMap = [(ORIGIN, HeaderValue::from_static(origin))]
                .into_iter()
                .collect();
            let allows = policy.allows(&Method::POST, &headers, b"a.test");
            assert_eq!(allows, expected, "{matcher:?} {origin}");
        }
    }
}
