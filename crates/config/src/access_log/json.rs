//! Strings in JSON, as Envoy writes them.

use std::io::Write as _;

/// Makes the bytes from `begin` on the content of a JSON string. Text in UTF-8 stays as it is, but for quotes, backslashes
/// and control characters. Of other bytes, every one beyond ASCII is escaped by its value.
pub fn push_escaped(out: &mut Vec<u8>, begin: usize) {
    let value = &out[begin..];
    if is_plain(value) {
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

/// Whether no character is escaped, and none is beyond ASCII.
pub(super) fn is_plain(value: &[u8]) -> bool {
    // The bit of a byte that is special is its highest one.
    const fn special(bytes: u64) -> u64 {
        const ONES: u64 = 0x0101_0101_0101_0101;
        const fn zeros(bytes: u64) -> u64 {
            bytes.wrapping_sub(ONES) & !bytes
        }
        let control = bytes.wrapping_sub(ONES * 0x20) & !bytes;
        bytes | control | zeros(bytes ^ (ONES * b'"' as u64)) | zeros(bytes ^ (ONES * b'\\' as u64))
    }
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let (words, rest) = value.as_chunks::<8>();
    // A special byte may make the next one look special, but not the first one in a value that has none.
    let mut found = 0;
    for word in words {
        found |= special(u64::from_le_bytes(*word));
    }
    let is_special = |byte: &u8| matches!(byte, 0..=0x1f | b'"' | b'\\' | 0x80..);
    found & HIGH == 0 && !rest.iter().any(is_special)
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

#[cfg(test)]
mod tests {
    use super::is_plain;

    #[test]
    fn a_special_byte_is_found_wherever_it_is() {
        let is_special = |byte: u8| !(0x20..0x80).contains(&byte) || byte == b'"' || byte == b'\\';
        for length in 1..20 {
            for place in 0..length {
                for byte in 0..=u8::MAX {
                    // The smallest and the largest bytes that are not special are its neighbours.
                    for neighbour in [b' ', 0x7f] {
                        let mut value = vec![neighbour; length];
                        value[place] = byte;
                        assert_eq!(is_plain(&value), !is_special(byte), "{value:?}");
                    }
                }
            }
        }
        assert!(is_plain(b""));
    }
}
