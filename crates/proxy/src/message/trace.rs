//! The trace that a request belongs to (W3C Trace Context).

use http::{HeaderName, HeaderValue};

/// The field that carries the trace.
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Where the trace id is in the field, after the version and a hyphen.
const TRACE_ID: std::ops::Range<usize> = 3..35;

/// The trace id of a `traceparent`: 32 hexadecimal digits in lower case, not all of which are zero.
pub(crate) fn trace_id(traceparent: &HeaderValue) -> Option<&str> {
    let id = traceparent.to_str().ok()?.get(TRACE_ID)?;
    let is_delimited = [2, 35].map(|at| traceparent.as_bytes().get(at)) == [Some(&b'-'); 2];
    let is_hex = id
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_id = is_delimited && is_hex && id.bytes().any(|byte| byte != b'0');
    is_id.then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_taken_from_well_formed_fields_alone() {
        let id = "0af7651916cd43dd8448eb211c80319c";
        for (text, expected) in [
            (format!("00-{id}-b7ad6b7169203331-01"), Some(id)),
            (
                format!("cc-{id}-b7ad6b7169203331-01-what-the-future-brings"),
                Some(id),
            ),
            (format!("00-{}-b7ad6b7169203331-01", "0".repeat(32)), None),
            (
                format!("00-{}-b7ad6b7169203331-01", id.to_uppercase()),
                None,
            ),
            (format!("00-{id}"), None),
            (id.to_owned(), None),
            (String::new(), None),
        ] {
            let value = HeaderValue::try_from(&text).unwrap();
            assert_eq!(trace_id(&value), expected, "{text}");
        }
    }
}
