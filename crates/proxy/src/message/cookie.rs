//! The cookies of requests (RFC 6265 4.2.1).

use http::HeaderMap;
use http::header::COOKIE;

/// The values of the cookies of this name in a request.
pub(crate) fn values<'h>(headers: &'h HeaderMap, name: &str) -> impl Iterator<Item = &'h [u8]> {
    let fields = headers.get_all(COOKIE).iter();
    let all = fields.flat_map(|field| cookies(field.as_bytes()));
    all.filter(move |cookie| name_of(cookie) == name.as_bytes())
        .map(value_of)
}

/// The cookies in a `Cookie` field.
pub(crate) fn cookies(field: &[u8]) -> impl Iterator<Item = &[u8]> {
    let cookies = field.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    cookies.filter(|cookie| !cookie.is_empty())
}

/// The name of a cookie.
pub(crate) fn name_of(cookie: &[u8]) -> &[u8] {
    let end = cookie.iter().position(|byte| *byte == b'=');
    cookie[..end.unwrap_or(cookie.len())].trim_ascii()
}

/// The value of a cookie, without quotes.
fn value_of(cookie: &[u8]) -> &[u8] {
    let start = cookie.iter().position(|byte| *byte == b'=');
    let value = start.map_or(&b""[..], |at| &cookie[at + 1..]).trim_ascii();
    let inner = value.strip_prefix(b"\"");
    inner
        .and_then(|inner| inner.strip_suffix(b"\""))
        .unwrap_or(value)
}
