//! Numbers in fields, which are digits alone (RFC 9110 8.6). Rust reads a sign as well.

/// Whether it is a number.
pub(crate) fn is_number(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

/// The number; `None` if it is none, or one that is too large.
pub(crate) fn number(text: &[u8]) -> Option<u64> {
    let digits = str::from_utf8(text).ok().filter(|_| is_number(text))?;
    digits.parse().ok()
}
