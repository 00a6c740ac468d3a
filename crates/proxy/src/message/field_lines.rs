//! Fields as they are written in HTTP/1.1 (RFC 9112 section 5), where no library writes them.

use http::{HeaderName, HeaderValue};

/// Writes fields, and the empty line after them.
pub(crate) fn write<'a>(
    fields: impl IntoIterator<Item = (&'a HeaderName, &'a HeaderValue)>,
    to: &mut Vec<u8>,
) {
    for (name, value) in fields {
        to.extend_from_slice(name.as_str().as_bytes());
        to.extend_from_slice(b": ");
        to.extend_from_slice(value.as_bytes());
        to.extend_from_slice(b"\r\n");
    }
    to.extend_from_slice(b"\r\n");
}
