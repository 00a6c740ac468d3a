//! Refusals for gRPC clients: a gRPC status in a response without a body ("Trailers-Only" in the gRPC protocol over
//! HTTP/2).

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderName, Response, StatusCode};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::message::grpc::GRPC;

/// The status of a gRPC call.
pub(crate) const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// The response to a gRPC client, of the one to others. Its body is empty.
pub(crate) fn response(mut response: Response<Bytes>) -> Response<Bytes> {
    let message = String::from_utf8_lossy(response.body());
    let message = percent_encoded(message.trim_end());
    let code = match response.headers().get(GRPC_STATUS) {
        // A policy says it itself.
        Some(code) => code.clone(),
        None => HeaderValue::from(code(response.status())),
    };
    response.body_mut().clear();
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(GRPC));
    headers.insert(GRPC_STATUS, code);
    if let Ok(message) = HeaderValue::try_from(message) {
        headers.insert(GRPC_MESSAGE, message);
    }
    response
}

/// The gRPC status code for an HTTP status ("HTTP to gRPC Status Code Mapping").
fn code(status: StatusCode) -> u16 {
    match status.as_u16() {
        400 | 431 => 13,
        401 | 407 => 16,
        403 => 7,
        404 => 12,
        429 | 502 | 503 | 504 => 14,
        _ => 2,
    }
}

/// Percent-encodes a `grpc-message` (gRPC protocol over HTTP/2).
fn percent_encoded(text: &str) -> String {
    const ENCODED: &AsciiSet = &CONTROLS.add(b'%');
    utf8_percent_encode(text, ENCODED).to_string()
}

#[cfg(test)]
mod tests {
    use egret_config::policy::egress::DecidingRule;

    use super::*;
    use crate::dns::DnsFailure;
    use crate::refusal::{Refusal, RefusalSubject};

    #[test]
    fn a_refusal_has_the_status_that_grpc_gives_it() {
        let denied = Refusal::Policy(DecidingRule::default());
        for (refusal, expected) in [
            (denied, "7"),
            (Refusal::NoRoute, "12"),
            (Refusal::Dns(DnsFailure::Timeout), "14"),
            (Refusal::Framing("x"), "13"),
            (Refusal::Loop, "2"),
        ] {
            let response = response(
                refusal
                    .response(&RefusalSubject::default())
                    .map(Bytes::from),
            );
            assert_eq!(response.status(), 200);
            assert_eq!(response.headers()[GRPC_STATUS], expected, "{refusal:?}");
            assert!(response.headers().contains_key("proxy-status"));
            assert!(response.body().is_empty());
        }
    }

    #[test]
    fn messages_are_visible_ascii() {
        assert_eq!(percent_encoded("50% of \u{fc}"), "50%25 of %C3%BC");
    }
}
