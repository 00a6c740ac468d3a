//! What may follow a body: fields that come after a message has been checked, and so must not decide anything.

use http::HeaderMap;
use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    COOKIE, EXPECT, HOST, HeaderName, MAX_FORWARDS, PROXY_AUTHORIZATION, RANGE, SET_COOKIE,
    TRAILER, VIA,
};

use super::forwarded::remove_forwarded;
use super::hop::remove_hop_by_hop;

/// Fields that say where a message ends or goes, who sends it, or how it is read (RFC 9110 6.5.1).
const OF_HEADS: [HeaderName; 15] = [
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

/// Makes trailers fit to be sent on. To HTTP/2 some of what goes here would be a broken message (RFC 9113 8.2.2), and to
/// anybody a second opinion about what the head said.
pub(crate) fn prepare_trailers(trailers: &mut HeaderMap) {
    remove_hop_by_hop(trailers);
    remove_forwarded(trailers);
    for name in OF_HEADS {
        trailers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_in_a_head_is_no_trailer() {
        let mut trailers = HeaderMap::new();
        for name in OF_HEADS.into_iter().chain([
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
