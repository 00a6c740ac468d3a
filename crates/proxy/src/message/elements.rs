//! The elements of fields that are lists (RFC 9110 5.6.1).

use http::{HeaderMap, HeaderName, HeaderValue};

/// The elements of all fields of a name, without the blanks around them. They are bytes, so that an element that is no
/// text hides none of the others.
pub(super) fn elements<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'h [u8]> {
    headers.get_all(name).iter().flat_map(elements_of)
}

/// The elements of one field, likewise.
pub(crate) fn elements_of(field: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    let elements = field.as_bytes().split(|byte| *byte == b',');
    elements.map(<[u8]>::trim_ascii)
}

#[cfg(test)]
mod tests {
    use http::header::{HeaderValue, UPGRADE};

    use super::super::test_fields::headers;
    use super::*;

    #[test]
    fn elements_are_found_in_all_fields_and_beside_what_is_no_text() {
        let mut fields = headers(&[("upgrade", "h2c, WebSocket"), ("upgrade", " x/1 ")]);
        let odd = HeaderValue::from_bytes(b"y,\xff\t,,z").unwrap();
        fields.append(UPGRADE, odd);
        let found: Vec<_> = elements(&fields, &UPGRADE).collect();
        let expected: [&[u8]; 7] = [b"h2c", b"WebSocket", b"x/1", b"y", b"\xff", b"", b"z"];
        assert_eq!(found, expected);
    }
}
