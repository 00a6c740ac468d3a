//! What a head says of the bytes of its content, which is true of no others.

use http::HeaderMap;
use http::header::{ACCEPT_RANGES, HeaderName};

/// Digests (RFC 9530, and those that it takes the place of), and the unit by which parts of a content are asked for.
const OF_BYTES: [HeaderName; 5] = [
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-md5"),
    ACCEPT_RANGES,
];

/// Removes from a head what it says of the bytes of a content in whose place others are sent. Whoever checked them against it
/// would refuse the message.
pub(crate) fn forget_bytes(headers: &mut HeaderMap) {
    for name in &OF_BYTES {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_fields::{headers, names};
    use super::*;

    #[test]
    fn what_is_said_of_the_bytes_is_gone_and_of_what_is_wanted_stays() {
        let mut head = headers(&[
            ("content-digest", "sha-256=:AAAA:"),
            ("repr-digest", "sha-256=:AAAA:"),
            ("digest", "SHA-256=AAAA"),
            ("content-md5", "AAAA"),
            ("accept-ranges", "bytes"),
            ("want-content-digest", "sha-256=1"),
            ("content-type", "text/plain"),
        ]);
        forget_bytes(&mut head);
        assert_eq!(names(&head), ["content-type", "want-content-digest"]);
    }
}
