//! Hop-by-hop fields (RFC 9110 7.6.1), which a proxy removes from every message that it forwards.

use http::HeaderMap;
use http::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, FORWARDED, HOST, HeaderName, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE, VIA,
};

use super::elements::elements;
use super::listed_fields::ListedFields;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// The hop-by-hop fields (RFC 9110 7.6.1), and the credentials for the next proxy on the way, which is this one.
static HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    PROXY_CONNECTION,
    KEEP_ALIVE,
    TE,
    UPGRADE,
    HTTP2_SETTINGS,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TRANSFER_ENCODING,
];

/// What the hop-by-hop fields of a head said that is still of use without them.
pub(super) struct RemovedHop {
    /// Whether there was a `Transfer-Encoding`.
    pub(super) has_transfer_encoding: bool,
}

/// Removes the hop-by-hop fields, those that `Connection` names, and `Transfer-Encoding`, which each hop sets for itself.
pub(super) fn remove_hop_by_hop(headers: &mut HeaderMap) -> RemovedHop {
    let found = ListedFields::of(headers, &HOP_BY_HOP);
    if found.contains(&CONNECTION) {
        for name in connection_options(headers) {
            headers.remove(name);
        }
    }
    found.remove_from(headers);
    RemovedHop {
        has_transfer_encoding: found.contains(&TRANSFER_ENCODING),
    }
}

/// The fields that `Connection` names (RFC 9110 7.6.1), except end-to-end fields: by removing those a client could make two
/// servers interpret a message differently, or strip credentials. `keep-alive` is listed in any case, and `close` no field.
fn connection_options(headers: &HeaderMap) -> Vec<HeaderName> {
    let is_no_field = |option: &&[u8]| {
        let known: [&[u8]; 2] = [b"keep-alive", b"close"];
        known.iter().any(|it| option.eq_ignore_ascii_case(it))
    };
    elements(headers, &CONNECTION)
        .filter(|option| !is_no_field(option))
        .filter_map(|option| HeaderName::from_bytes(option).ok())
        .filter(|name| !is_end_to_end(name))
        .collect()
}

/// Whether a field must reach the recipient, even if `Connection` names it.
fn is_end_to_end(name: &HeaderName) -> bool {
    let name = name.as_str();
    [HOST, CONTENT_LENGTH, COOKIE, VIA, FORWARDED]
        .iter()
        .any(|kept| kept.as_str() == name)
        || matches!(
            name,
            "authorization"
                | "set-cookie"
                | "content-type"
                | "content-encoding"
                | "transfer-encoding"
        )
        || matches!(
            name,
            "cache-control"
                | "date"
                | "location"
                | "range"
                | "content-range"
                | "expect"
                | "trailer"
        )
        || name.starts_with("x-forwarded-")
}

#[cfg(test)]
mod tests {
    use http::header::HeaderValue;

    use super::super::test_fields::{headers, names};
    use super::*;

    /// What follows an element that is no text is meant as well.
    #[test]
    fn what_connection_names_goes_no_further_whatever_stands_beside_it() {
        let mut request = headers(&[("x-a", "1"), ("x-b", "2"), ("x-c", "3")]);
        let options = HeaderValue::from_bytes(b"x-a, \xff, X-B").unwrap();
        request.insert(CONNECTION, options);
        remove_hop_by_hop(&mut request);
        assert_eq!(names(&request), ["x-c"]);
    }

    #[test]
    fn connection_cannot_take_off_what_others_rely_on() {
        let kept = [
            ("host", "a.example"),
            ("authorization", "Bearer x"),
            ("content-length", "3"),
            ("cookie", "a=b"),
            ("x-forwarded-for", "192.0.2.1"),
        ];
        let mut request = headers(&kept);
        let options =
            "connection, host, authorization, Content-Length, cookie, x-forwarded-for, ,\"";
        request.insert(CONNECTION, HeaderValue::from_static(options));
        remove_hop_by_hop(&mut request);
        assert_eq!(
            names(&request),
            [
                "authorization",
                "content-length",
                "cookie",
                "host",
                "x-forwarded-for"
            ]
        );
    }
}
