//! `compression` of a TrafficPolicy: responses are compressed for clients that accept it, and bodies of requests decompressed.

use egret_config::policy::compression::{ContentCoding, is_compressible};
use egret_config::policy::traffic::TrafficSettings;
use http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, ETAG, HeaderMap, HeaderValue, TRANSFER_ENCODING, VARY,
};
use http::request::Parts;
use http::{Method, Response};
use http_body::Body as _;

use crate::body::ResponseBody;
use crate::message::content;
use crate::message::response_head::has_no_content;
use crate::upstream::RequestBody;

/// What the client of a request accepts, if responses may be compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AcceptedCoding {
    wanted: Option<ContentCoding>,
}

/// What the client accepts. `None` if the policies of the rule compress nothing.
pub(super) fn accepted(policies: &TrafficSettings, request: &Parts) -> Option<AcceptedCoding> {
    let compression = policies.compression.value()?;
    if compression.responses.is_empty() || request.method == Method::CONNECT {
        return None;
    }
    let wanted = compression.wanted(&request.headers);
    Some(AcceptedCoding {
        wanted: wanted.filter(|_| request.method != Method::HEAD),
    })
}

/// Decompresses the body of a request, if the policies of the rule say so.
pub(super) fn decode(policies: &TrafficSettings, request: &mut Parts, body: &mut RequestBody) {
    let Some(compression) = policies.compression.value() else {
        return;
    };
    let Some(coding) = compression.decompressed(&request.headers) else {
        return;
    };
    if body.is_end_stream() {
        return;
    }
    body.decode(coding);
    content::forget_bytes(&mut request.headers);
    request.headers.remove(CONTENT_ENCODING);
    request.headers.remove(CONTENT_LENGTH);
    // Tells the HTTP client that a body of unknown length follows.
    let chunked = HeaderValue::from_static("chunked");
    request.headers.insert(TRANSFER_ENCODING, chunked);
}

impl AcceptedCoding {
    /// Compresses the response, if it is worth it. Caches are told that it depends on what the client accepts.
    pub(super) fn apply(self, response: &mut Response<ResponseBody>) {
        let status = response.status();
        let has_content = !status.is_informational() && !has_no_content(status);
        if !has_content || !is_compressible(response.headers()) {
            return;
        }
        vary(response.headers_mut());
        let Some(coding) = self.wanted.filter(|_| !response.body().is_end_stream()) else {
            return;
        };
        response.body_mut().compress(coding);
        let headers = response.headers_mut();
        content::forget_bytes(headers);
        headers.remove(CONTENT_LENGTH);
        let token = HeaderValue::from_static(coding.token());
        headers.insert(CONTENT_ENCODING, token);
        // The bytes are others than those that a strong validator stands for (RFC 9110 8.8.1).
        if headers
            .get(ETAG)
            .is_some_and(|tag| !tag.as_bytes().starts_with(b"W/"))
        {
            headers.remove(ETAG);
        }
    }
}

/// Adds `Accept-Encoding` to `Vary`, if it is not there.
fn vary(headers: &mut HeaderMap) {
    let fields = headers.get_all(VARY).iter();
    let known: Vec<&str> = fields.filter_map(|value| value.to_str().ok()).collect();
    let known = known.join(", ");
    let mut names = known.split(',').map(str::trim);
    if names.any(|name| name == "*" || name.eq_ignore_ascii_case("accept-encoding")) {
        return;
    }
    let value = match known.as_str() {
        "" => Ok(HeaderValue::from_static("Accept-Encoding")),
        others => HeaderValue::try_from(format!("{others}, Accept-Encoding")),
    };
    if let Ok(value) = value {
        headers.insert(VARY, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vary_names_the_field_once() {
        for (before, after) in [
            (&[][..], "Accept-Encoding"),
            (&["Origin"], "Origin, Accept-Encoding"),
            (&["Origin", "Cookie"], "Origin, Cookie, Accept-Encoding"),
            (&["accept-encoding"], "accept-encoding"),
            (&["*"], "*"),
        ] {
            let mut headers = HeaderMap::new();
            for value in before {
                headers.append(VARY, HeaderValue::from_static(value));
            }
            vary(&mut headers);
            assert_eq!(headers[VARY], after, "{before:?}");
        }
    }
}
