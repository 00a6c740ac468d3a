//! Prepares the heads of responses for the client (RFC 9110 7.6, RFC 9112 6.3).

use egret_config::snapshot::RouteFilters;
use http::header::{CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING};
use http::{HeaderMap, Response, StatusCode, Version};

use super::elements::elements;
use super::hop::remove_hop_by_hop;
use super::number::is_number;
use super::upgrade::UpgradeRequest;
use super::via::Via;

/// The error of an upstream's response whose framing is ambiguous, or which switches to a protocol that was not requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InvalidResponse;

/// Whether a response of this status has no content, whatever its fields say (RFC 9110 6.4.1).
pub(crate) fn has_no_content(status: StatusCode) -> bool {
    [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status)
}

impl Via {
    /// Prepares the head of a 101 response to an upgrade request for the client.
    ///
    /// # Errors
    /// [`InvalidResponse`] if it switches to another protocol than the requested one.
    pub(crate) fn prepare_switch<B>(
        &self,
        response: &mut Response<B>,
        wanted: &UpgradeRequest,
        filters: [&RouteFilters; 2],
    ) -> Result<(), InvalidResponse> {
        let version = response.version();
        let headers = response.headers_mut();
        if !wanted.is_accepted_by(headers) {
            return Err(InvalidResponse);
        }
        remove_hop_by_hop(headers);
        headers.remove(CONTENT_LENGTH);
        self.add(headers, version);
        for filters in filters {
            filters.response_headers.apply(headers);
        }
        wanted.apply_to_response(response);
        Ok(())
    }

    /// Prepares the head of a response for the client.
    ///
    /// # Errors
    /// [`InvalidResponse`] if its framing is ambiguous, or its status is 101 although no upgrade was requested.
    pub(crate) fn prepare_response<B>(
        &self,
        response: &mut Response<B>,
        filters: [&RouteFilters; 2],
    ) -> Result<(), InvalidResponse> {
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err(InvalidResponse);
        }
        let version = response.version();
        let headers = response.headers_mut();
        normalize_length(headers)?;
        remove_hop_by_hop(headers);
        self.add(headers, version);
        for filters in filters {
            filters.response_headers.apply(headers);
        }
        // Each connection has its own version (RFC 9110 2.5), which hyper sets.
        *response.version_mut() = Version::HTTP_11;
        Ok(())
    }
}

/// Prepares the fields of an interim response (RFC 9110 15.2) for the client: only those stay that are end-to-end.
pub(crate) fn prepare_interim(headers: &mut HeaderMap) {
    remove_hop_by_hop(headers);
    headers.remove(CONTENT_LENGTH);
}

/// Normalizes the framing of a response (RFC 9112 6.3): removes `Content-Length` beside `Transfer-Encoding`, and merges
/// several equal lengths into one.
///
/// # Errors
/// [`InvalidResponse`] if lengths are malformed or differ, or a transfer coding is not `chunked`.
fn normalize_length(headers: &mut HeaderMap) -> Result<(), InvalidResponse> {
    if headers.contains_key(TRANSFER_ENCODING) {
        headers.remove(CONTENT_LENGTH);
        let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
        let chunked = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"chunked");
        return if codings.all(chunked) {
            Ok(())
        } else {
            Err(InvalidResponse)
        };
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    match (lengths.next(), lengths.next()) {
        (None, _) => return Ok(()),
        (Some(length), None) if is_number(length.as_bytes()) => return Ok(()),
        _ => {}
    }
    let length = one_length(headers).ok_or(InvalidResponse)?;
    headers.insert(CONTENT_LENGTH, length);
    Ok(())
}

/// The length that all fields agree on.
fn one_length(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut lengths = elements(headers, &CONTENT_LENGTH);
    let length = lengths.next().filter(|length| is_number(length))?;
    let agree = lengths.all(|other| other == length);
    HeaderValue::from_bytes(length).ok().filter(|_| agree)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_FILTERS: fn() -> RouteFilters = RouteFilters::default;

    #[test]
    fn a_response_has_one_framing() {
        type Fields<'a> = &'a [(&'a str, &'a str)];
        let chunked = ("transfer-encoding", "chunked");
        let cases: &[(u16, Fields<'_>, Option<&str>)] = &[
            (200, &[], Some("")),
            (200, &[("content-length", "5")], Some("5")),
            (200, &[chunked], Some("")),
            (200, &[chunked, ("content-length", "5")], Some("")),
            (
                200,
                &[("content-length", "5"), ("content-length", "5")],
                Some("5"),
            ),
            (200, &[("content-length", "5, 5")], Some("5")),
            (
                200,
                &[("content-length", "5"), ("content-length", "6")],
                None,
            ),
            (200, &[("content-length", "5, 6")], None),
            (200, &[("content-length", "+5")], None),
            (200, &[("content-length", "")], None),
            (200, &[("transfer-encoding", "gzip, chunked")], None),
            (200, &[chunked, ("transfer-encoding", "gzip")], None),
            (101, &[("upgrade", "h2c"), ("connection", "upgrade")], None),
        ];
        for (status, fields, expected) in cases {
            let mut response = Response::builder().status(*status);
            for (name, value) in *fields {
                response = response.header(*name, *value);
            }
            let mut response = response.body(()).unwrap();
            let prepared =
                Via::new(1).prepare_response(&mut response, [&NO_FILTERS(), &NO_FILTERS()]);
            let lengths = response.headers().get_all(CONTENT_LENGTH).iter();
            let lengths: Vec<_> = lengths.map(|length| length.to_str().unwrap()).collect();
            let got = prepared.is_ok().then(|| lengths.join("; "));
            assert_eq!(got.as_deref(), *expected, "{status} {fields:?}");
        }
    }
}
