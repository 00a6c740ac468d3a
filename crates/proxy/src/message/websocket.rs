//! `Sec-WebSocket-Key` and `Sec-WebSocket-Accept` (RFC 6455 4). HTTP/2 has neither (RFC 8441 5), so that a gateway between
//! HTTP/2 and HTTP/1.1 has to generate them.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;

/// The GUID that a server appends to the key (RFC 6455 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Generates a `Sec-WebSocket-Key`: 16 random bytes (RFC 6455 4.1).
pub(crate) fn new_key() -> HeaderValue {
    text(STANDARD.encode(rand::random::<[u8; 16]>()))
}

/// The `Sec-WebSocket-Accept` for a key (RFC 6455 4.2.2).
pub(crate) fn accept_of(key: &HeaderValue) -> HeaderValue {
    let proof = [key.as_bytes().trim_ascii(), GUID].concat();
    text(STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &proof)))
}

fn text(base64: String) -> HeaderValue {
    HeaderValue::try_from(base64).expect("base64 is visible ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_that_of_the_standard() {
        // RFC 6455 1.3.
        let key = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(accept_of(&key), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn keys_are_sixteen_bytes_and_differ() {
        let (one, other) = (new_key(), new_key());
        assert_ne!(one, other);
        assert_eq!(STANDARD.decode(one.as_bytes()).unwrap().len(), 16);
    }
}
