//! The proof that a server understood a handshake of WebSocket (RFC 6455 4), which HTTP/2 does without (RFC 8441 5): who
//! stands between the two has to make up what one side lacks.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;

/// RFC 6455 1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// What a client sends: 16 octets that nobody can foresee.
pub(crate) fn new_key() -> HeaderValue {
    text(STANDARD.encode(rand::random::<[u8; 16]>()))
}

/// What a server answers to it (RFC 6455 4.2.2).
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
    fn keys_are_sixteen_octets_and_differ() {
        let (one, other) = (new_key(), new_key());
        assert_ne!(one, other);
        assert_eq!(STANDARD.decode(one.as_bytes()).unwrap().len(), 16);
    }
}
