//! Header fields for the tests of this room.

use http::{HeaderMap, HeaderName, HeaderValue};

/// A map of these fields, in their order.
pub(super) fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, HeaderValue::from_static(value));
    }
    headers
}

/// The names of the fields, sorted.
pub(super) fn names(headers: &HeaderMap) -> Vec<&str> {
    let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    names
}
