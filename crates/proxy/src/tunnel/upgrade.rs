//! Upgrade (RFC 9110 7.8) to the one protocol that is let through, WebSocket.

use http::header::{CONNECTION, HeaderValue, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, Method, Version};

use crate::body::RequestBody;
use http_body::Body as _;

const WEBSOCKET: &str = "websocket";

/// Whether the request asks for it. One with a body does not: what follows it could be read as either.
pub(crate) fn is_asked_for(parts: &Parts, body: &RequestBody) -> bool {
    parts.headers.contains_key(UPGRADE)
        && parts.version == Version::HTTP_11
        && parts.method == Method::GET
        && body.is_end_stream()
        && has_token(&parts.headers, &CONNECTION, "upgrade")
        && has_token(&parts.headers, &UPGRADE, WEBSOCKET)
}

/// Whether a 101 says that it was agreed to.
pub(crate) fn is_agreed_to(headers: &HeaderMap) -> bool {
    let mut fields = headers.get_all(UPGRADE).iter();
    let only = fields.next().filter(|_| fields.next().is_none());
    only.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(WEBSOCKET.as_bytes()))
}

/// Says it to the next hop, after the fields of the last one have been taken off.
pub(crate) fn put_on(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static(WEBSOCKET));
}

fn has_token(headers: &HeaderMap, name: &http::HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter();
    let mut tokens = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','));
    tokens.any(|other| other.trim().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            let name = http::HeaderName::from_static(name);
            headers.append(name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn tokens_are_found_in_any_spelling() {
        for (value, expected) in [
            ("websocket", true),
            ("WebSocket", true),
            ("h2c, websocket", true),
            ("websocket2", false),
            ("h2c", false),
            ("", false),
        ] {
            let headers = headers(&[("upgrade", value)]);
            assert_eq!(
                has_token(&headers, &UPGRADE, WEBSOCKET),
                expected,
                "{value}"
            );
        }
    }

    #[test]
    fn only_what_was_asked_for_is_agreed_to() {
        assert!(is_agreed_to(&headers(&[("upgrade", "WebSocket")])));
        for fields in [
            &[][..],
            &[("upgrade", "h2c")],
            &[("upgrade", "websocket, h2c")],
            &[("upgrade", "websocket"), ("upgrade", "h2c")],
        ] {
            assert!(!is_agreed_to(&headers(fields)), "{fields:?}");
        }
    }
}
