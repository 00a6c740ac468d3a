//! Conversion of requests to HTTP/2 form (RFC 9113 8.3), and of WebSocket responses back. Pure.

use egret_config::snapshot::Scheme;
use h2::ext::Protocol;
use http::header::{
    CONNECTION, HOST, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, TRANSFER_ENCODING,
    UPGRADE,
};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, Method, Response, StatusCode, Uri, Version};

use crate::message::websocket::accept_of;

/// Converts a request from HTTP/1.1 in origin form to HTTP/2: `Host` becomes the authority, and connection-specific
/// fields are removed (8.2.2). An upgrade becomes an extended CONNECT (RFC 8441 4), and the key that the client expects
/// to be [answered](switched) is returned.
///
/// `None` if `Host` is not an authority, which no plan produces.
pub(in crate::upstream) fn request(
    parts: &mut Parts,
    scheme: Scheme,
) -> Option<Option<HeaderValue>> {
    let headers = &mut parts.headers;
    let host = headers.remove(HOST)?;
    headers.remove(CONNECTION);
    headers.remove(TRANSFER_ENCODING);
    let upgrade = headers.remove(UPGRADE);
    let key = headers.remove(SEC_WEBSOCKET_KEY);
    let path = parts.uri.path_and_query().cloned();
    let uri = Uri::builder()
        .scheme(scheme.as_str())
        .authority(Authority::try_from(host.as_bytes()).ok()?)
        .path_and_query(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
    parts.uri = uri.build().ok()?;
    parts.version = Version::HTTP_2;
    let Some(upgrade) = upgrade else {
        if let Some(key) = key {
            // Without an upgrade it is a field like any other.
            parts.headers.insert(SEC_WEBSOCKET_KEY, key);
        }
        return Some(None);
    };
    parts.method = Method::CONNECT;
    let protocol = Protocol::from(upgrade.to_str().ok()?);
    parts.extensions.insert(protocol);
    Some(key)
}

/// Converts the successful response to an extended CONNECT (RFC 8441 5) to a 101 of HTTP/1.1. `key` is the client's.
pub(in crate::upstream) fn switched<B>(
    response: &mut Response<B>,
    protocol: HeaderValue,
    key: Option<&HeaderValue>,
) {
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers: &mut HeaderMap = response.headers_mut();
    headers.insert(UPGRADE, protocol);
    match key {
        Some(key) => headers.insert(SEC_WEBSOCKET_ACCEPT, accept_of(key)),
        None => headers.remove(SEC_WEBSOCKET_ACCEPT),
    };
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn get(path: &str, fields: &[(&'static str, &'static str)]) -> Parts {
        let mut builder = Request::get(path);
        for (name, value) in fields {
            builder = builder.header(*name, *value);
        }
        builder.body(()).unwrap().into_parts().0
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        headers.keys().map(http::HeaderName::as_str).collect()
    }

    #[test]
    fn host_becomes_the_authority_and_nothing_speaks_of_the_connection() {
        let mut sent = get(
            "/a?b=c",
            &[
                ("host", "a.example:8443"),
                ("transfer-encoding", "chunked"),
                ("te", "trailers"),
                ("content-length", "3"),
                ("sec-websocket-key", "x"),
            ],
        );
        assert_eq!(request(&mut sent, Scheme::Https), Some(None));
        assert_eq!(sent.uri, "https://a.example:8443/a?b=c");
        assert_eq!(sent.version, Version::HTTP_2);
        assert_eq!(
            names(&sent.headers),
            ["te", "content-length", "sec-websocket-key"]
        );
        let mut all = get("*", &[("host", "[2001:db8::1]")]);
        all.method = Method::OPTIONS;
        assert_eq!(request(&mut all, Scheme::Http), Some(None));
        assert_eq!(all.uri.path(), "*");
        assert_eq!(all.uri.authority().unwrap(), "[2001:db8::1]");
        assert_eq!(request(&mut get("/", &[]), Scheme::Http), None);
        let mut odd = get("/", &[("host", "a b")]);
        assert_eq!(request(&mut odd, Scheme::Http), None);
    }

    #[test]
    fn an_upgrade_becomes_a_connect_and_its_answer_one_again() {
        let mut sent = get(
            "/chat",
            &[
                ("host", "a.example"),
                ("connection", "upgrade"),
                ("upgrade", "websocket"),
                ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
                ("sec-websocket-version", "13"),
            ],
        );
        let key = request(&mut sent, Scheme::Http).unwrap();
        assert_eq!(sent.method, Method::CONNECT);
        assert_eq!(sent.uri, "http://a.example/chat");
        assert_eq!(names(&sent.headers), ["sec-websocket-version"]);
        let protocol = sent.extensions.get::<Protocol>();
        assert_eq!(protocol.map(Protocol::as_str), Some("websocket"));
        let mut answer = Response::new(());
        let protocol = HeaderValue::from_static("websocket");
        switched(&mut answer, protocol.clone(), key.as_ref());
        assert_eq!(answer.status(), 101);
        assert_eq!(answer.headers()[UPGRADE], "websocket");
        assert_eq!(
            answer.headers()[SEC_WEBSOCKET_ACCEPT],
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
        switched(&mut answer, protocol, None);
        assert_eq!(names(answer.headers()), ["upgrade"]);
    }
}
