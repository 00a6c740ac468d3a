//! Trailer fields. They arrive after the head has been checked, and so must not change what the head decided.

use http::HeaderMap;
use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    COOKIE, EXPECT, HOST, HeaderName, MAX_FORWARDS, PROXY_AUTHORIZATION, RANGE, SET_COOKIE,
    TRAILER, VIA,
};

use super::forwarded::remove_forwarded;
use super::hop::remove_hop_by_hop;
use super::listed_fields::ListedFields;

/// Fields that are not allowed in trailers: for framing, routing, authentication and content (RFC 9110 6.5.1).
static HEAD_ONLY: [HeaderName; 15] = [
    AUTHORIZATION,
    CACHE_CONTROL,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_RANGE,
    CONTENT_TYPE,
    COOKIE,
    EXPECT,
    HOST,
    MAX_FORWARDS,
    PROXY_AUTHORIZATION,
    RANGE,
    SET_COOKIE,
    TRAILER,
    VIA,
];

/// Prepares trailers for the next hop: removes hop-by-hop fields, which make an HTTP/2 message malformed (RFC 9113 8.2.2),
/// and fields that could contradict the head.
pub(crate) fn prepare_trailers(trailers: &mut HeaderMap) {
    remove_hop_by_hop(trailers);
    remove_forwarded(trailers);
    ListedFields::of(trailers, &HEAD_ONLY).remove_from(trailers);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_in_a_head_is_no_trailer() {
        let mut trailers = HeaderMap::new();
        for name in HEAD_ONLY.iter().cloned().chain([
            http::header::CONNECTION,
            http::header::TRANSFER_ENCODING,
            HeaderName::from_static("x-hop"),
            HeaderName::from_static("x-forwarded-for"),
            HeaderName::from_static("grpc-status"),
        ]) {
            trailers.insert(name, http::HeaderValue::from_static("x-hop"));
        }
        prepare_trailers(&mut trailers);
        let names: Vec<_> = trailers.keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["grpc-status"]);
    }
}
