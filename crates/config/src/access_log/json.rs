//! Strings in JSON, as Envoy writes them.

use std::io::Write as _;

/// Makes the bytes from `begin` on the content of a JSON string. Text in UTF-8 stays as it is, but for quotes, backslashes
/// and control characters. Of other bytes, every one beyond ASCII is escaped by its value.
pub fn push_escaped(out: &mut Vec<u8>, begin: usize) {
    let value = &out[begin..];
    let is_special = |byte: &u8| matches!(byte, 0..=0x1f | b'"' | b'\\' | 0x80..);
    // To the end in any case, so that many bytes are compared at once.
    if !value
        .iter()
        .fold(false, |found, byte| found | is_special(byte))
    {
        return;
    }
    let is_utf8 = str::from_utf8(value).is_ok();
    let value = out.split_off(begin);
    for byte in value {
        match byte {
            b'"' => out.extend(b"\\\""),
            b'\\' => out.extend(b"\\\\"),
            b'\n' => out.extend(b"\\n"),
            b'\r' => out.extend(b"\\r"),
            b'\t' => out.extend(b"\\t"),
            0x08 => out.extend(b"\\b"),
            0x0c => out.extend(b"\\f"),
            0..=0x1f => push_code(out, byte),
            0x80.. if !is_utf8 => push_code(out, byte),
            _ => out.push(byte),
        }
    }
}

fn push_code(out: &mut Vec<u8>, byte: u8) {
    // Writing to a vector does not fail.
    let _ = write!(out, "\\u00{byte:02x}");
}

/// A text as a JSON string, with its quotes.
pub(super) fn quoted(text: &str) -> String {
    let mut out = vec![b'"'];
    out.extend(text.as_bytes());
    push_escaped(&mut out, 1);
    out.push(b'"');
    String::from_utf8_lossy(&out).into_owned()
}
