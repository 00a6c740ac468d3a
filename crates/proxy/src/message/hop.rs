//! Hop-by-hop fields (RFC 9110 7.6.1), which a proxy removes from every message that it forwards.

use http::HeaderMap;
use http::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, FORWARDED, HOST, HeaderName, PROXY_AUTHENTICATE, TE,
    TRANSFER_ENCODING, UPGRADE, VIA,
};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// The hop-by-hop fields (RFC 9110 7.6.1). `Transfer-Encoding` is handled with the framing.
const HOP_BY_HOP: [HeaderName; 7] = [
    CONNECTION,
    PROXY_CONNECTION,
    KEEP_ALIVE,
    TE,
    UPGRADE,
    HTTP2_SETTINGS,
    PROXY_AUTHENTICATE,
];

/// Removes the hop-by-hop fields, those that `Connection` names, and `Transfer-Encoding`.
pub(super) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        for name in connection_options(headers) {
            headers.remove(name);
        }
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
    headers.remove(TRANSFER_ENCODING);
}

/// The fields that `Connection` names (RFC 9110 7.6.1), except end-to-end fields: by removing those a client could make two
/// servers interpret a message differently, or strip credentials.
fn connection_options(headers: &HeaderMap) -> Vec<HeaderName> {
    let options = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok());
    options
        .flat_map(|options| options.split(','))
        .filter_map(|option| HeaderName::from_bytes(option.trim().as_bytes()).ok())
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
