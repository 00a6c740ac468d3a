//! Normalization and comparison of request paths. Routes and policies compare normalized paths; the path that is
//! forwarded keeps the client's spelling.

use std::borrow::Cow;

/// Whether `prefix` covers `path` by whole segments: `/v1` and `/v1/` cover `/v1`, `/v1/` and `/v1/x`, not `/v10`
/// (Gateway API, `PathPrefix`).
#[must_use]
pub(crate) fn prefix_matches(prefix: &str, path: &str) -> bool {
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Normalizes a path, so that no spelling gets around a route or a policy. Bytes that a segment may hold as they are
/// (RFC 3986 3.3, `pchar`) are decoded. All other bytes, among them those outside ASCII and an escaped `/`, `\` or `%`,
/// become `%XX` in upper case. Then `\` becomes `/`, repeated slashes are merged and dot segments are resolved. The
/// result is borrowed if the path is normal already.
///
/// Servers take `%3A` for `:` although RFC 3986 6.2.2 does not. The result is a valid path, so that a later hop does
/// not read a query out of `%3F`.
#[must_use]
pub fn normalize_path(path: &str) -> Cow<'_, str> {
    if path == "*" || is_normal(path.as_bytes()) {
        return Cow::Borrowed(path);
    }
    Cow::Owned(resolve_dot_segments(&normalize_escapes(path)))
}

/// Resolves dot segments and repeated slashes. The segments are those of [`normalize_path`], each in the client's
/// spelling.
pub(crate) fn resolve_segments(path: &str) -> Cow<'_, str> {
    if path == "*" || is_normal(path.as_bytes()) {
        return Cow::Borrowed(path);
    }
    Cow::Owned(resolve_dot_segments(path))
}

/// Parses a path of a resource to the normalized form that requests are compared in.
///
/// # Errors
/// For a path that no request would ever match: one that does not start with `/`, or has dot segments, repeated
/// slashes, backslashes, a query or a fragment.
pub fn literal_path(text: &str) -> Result<String, String> {
    if !text.starts_with('/') {
        return Err("a path starts with '/'".to_owned());
    }
    if let Some(odd) = text
        .chars()
        .find(|c| matches!(c, '?' | '#' | '\\' | ' ') || c.is_control())
    {
        return Err(format!("{odd:?} is not part of a path"));
    }
    let normal = normalize_path(text).into_owned();
    if normal == normalize_escapes(text) {
        Ok(normal)
    } else {
        Err(format!("write it as {normal}"))
    }
}

/// Decodes the `%XX` at this offset.
pub(crate) fn escaped(bytes: &[u8], at: usize) -> Option<u8> {
    let digit = |at: usize| char::from(*bytes.get(at)?).to_digit(16);
    match (bytes.get(at), digit(at + 1), digit(at + 2)) {
        (Some(b'%'), Some(high), Some(low)) => u8::try_from(high * 16 + low).ok(),
        _ => None,
    }
}

/// The bytes that a segment may hold unescaped (RFC 3986 3.3, `pchar`): a table, because every byte of every path is looked
/// up.
const PCHARS: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let marks = b"-._~!$&'()*+,;=:@";
    let mut at = 0;
    while at < marks.len() {
        table[marks[at] as usize] = true;
        at += 1;
    }
    table
};

fn is_pchar(byte: u8) -> bool {
    PCHARS[usize::from(byte)]
}

fn is_normal(path: &[u8]) -> bool {
    let is_normal_at = |at: usize| match path[at] {
        b'%' => {
            let is_upper = |at: usize| !path[at].is_ascii_lowercase();
            escaped(path, at)
                .is_some_and(|byte| !is_pchar(byte) && is_upper(at + 1) && is_upper(at + 2))
        }
        b'/' => {
            let rest = &path[at + 1..];
            let end = rest.iter().position(|byte| *byte == b'/');
            match &rest[..end.unwrap_or(rest.len())] {
                b"" => end.is_none(),
                segment => !matches!(segment, b"." | b".."),
            }
        }
        byte => is_pchar(byte),
    };
    path.first() == Some(&b'/') && (0..path.len()).all(is_normal_at)
}

/// Gives every byte its one spelling; slashes and backslashes stay. A `%` that begins no escape is escaped, so that
/// nothing decoded after it can complete an escape.
fn normalize_escapes(path: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let bytes = path.as_bytes();
    let mut spelled = String::with_capacity(path.len());
    let mut at = 0;
    while at < bytes.len() {
        let (byte, is_plain, length) = match escaped(bytes, at) {
            Some(byte) => (byte, is_pchar(byte), 3),
            None => {
                let byte = bytes[at];
                (byte, is_pchar(byte) || matches!(byte, b'/' | b'\\'), 1)
            }
        };
        at += length;
        if is_plain {
            spelled.push(char::from(byte));
        } else {
            let digit = |number: u8| char::from(DIGITS[usize::from(number)]);
            spelled.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    spelled
}

/// Resolves dot segments, however the dots are spelled, and repeated slashes.
fn resolve_dot_segments(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut ends_in_name = false;
    for segment in path.split(['/', '\\']) {
        let dots = dots(segment);
        ends_in_name = dots.is_none();
        match dots {
            None => kept.push(segment),
            Some(2) => drop(kept.pop()),
            Some(_) => {}
        }
    }
    let mut resolved = String::with_capacity(path.len() + 1);
    for segment in &kept {
        resolved.push('/');
        resolved.push_str(segment);
    }
    if !ends_in_name {
        resolved.push('/');
    }
    resolved
}

/// The number of dots if the segment is one or two dots, else `None`.
fn dots(segment: &str) -> Option<usize> {
    let bytes = segment.as_bytes();
    let (mut dots, mut at) = (0, 0);
    while at < bytes.len() {
        at += match (bytes[at], escaped(bytes, at)) {
            (b'.', _) => 1,
            (_, Some(b'.')) => 3,
            _ => return None,
        };
        dots += 1;
    }
    (dots <= 2).then_some(dots)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn prefixes_cover_whole_segments() {
        let cases = [
            ("/", "/", true),
            ("/", "/x", true),
            ("/v1", "/v1", true),
            ("/v1", "/v1/", true),
            ("/v1", "/v1/x", true),
            ("/v1/", "/v1", true),
            ("/v1", "/v10", false),
            ("/v1", "/", false),
            ("/v1/x", "/v1", false),
            ("/v1", "/V1", false),
        ];
        for (prefix, path, expected) in cases {
            assert_eq!(prefix_matches(prefix, path), expected, "{prefix} {path}");
        }
    }

    #[test]
    fn one_spelling() {
        let cases = [
            ("", "/"),
            ("/", "/"),
            ("//", "/"),
            ("*", "*"),
            ("a", "/a"),
            ("/a/b/", "/a/b/"),
            ("/a//b", "/a/b"),
            ("/a/./b", "/a/b"),
            ("/a/.", "/a/"),
            ("/a/..", "/"),
            ("/a/b/..", "/a/"),
            ("/a/../b", "/b"),
            ("/../../etc/passwd", "/etc/passwd"),
            ("/a/%2e%2E/b", "/b"),
            ("/a/%2e./b", "/b"),
            ("/a/.%2E", "/"),
            ("/a\\..\\b", "/b"),
            ("\\a", "/a"),
            ("/.well-known/x", "/.well-known/x"),
            ("/a/...", "/a/..."),
            ("/a%2Fb", "/a%2Fb"),
            ("/a%2fb", "/a%2Fb"),
            ("/a/..%2fb", "/a/..%2Fb"),
            ("/a%5cb", "/a%5Cb"),
            ("/%61dmin", "/admin"),
            ("/a%20b", "/a%20b"),
            ("/a b", "/a%20b"),
            ("/v1/x%3Adelete", "/v1/x:delete"),
            ("/%40admin", "/@admin"),
            ("/k%c3%a4se", "/k%C3%A4se"),
            ("/k\u{e4}se", "/k%C3%A4se"),
            ("/%e4%FF", "/%E4%FF"),
            ("/a%3fb%23c%3B", "/a%3Fb%23c;"),
            ("/a|\"%7C%22", "/a%7C%22%7C%22"),
            ("/%00%0a\n", "/%00%0A%0A"),
            ("/%252e%252e/x", "/%252e%252e/x"),
            ("/%25", "/%25"),
            ("/%%32e", "/%252e"),
            ("/%2%65", "/%252e"),
            ("/%2%47", "/%252G"),
            ("/100%", "/100%25"),
        ];
        for (path, expected) in cases {
            assert_eq!(normalize_path(path), expected, "{path}");
        }
        for path in [
            "/",
            "/a/b/",
            "/a%2Fb",
            "/.well-known/x",
            "/a%20b",
            "/k%C3%A4se",
            "/v1/x:delete;v=1,2+('3')!&*=$@~_-",
            "*",
        ] {
            assert!(matches!(normalize_path(path), Cow::Borrowed(_)), "{path}");
        }
    }

    #[test]
    fn written_paths_can_be_matched() {
        for (text, expected) in [
            ("/", "/"),
            ("/a/", "/a/"),
            ("/%7Euser", "/~user"),
            ("/a%2Fb", "/a%2Fb"),
            ("/a%2fb", "/a%2Fb"),
            ("/@admin/x%3adelete", "/@admin/x:delete"),
            ("/k\u{e4}se", "/k%C3%A4se"),
            ("/100%", "/100%25"),
        ] {
            assert_eq!(literal_path(text).as_deref(), Ok(expected));
        }
        for text in [
            "", "a", "*", "/a//b", "/a/./b", "/a/..", "/a/%2e", "/a\\b", "/a?b", "/a#b", "/a b",
            "/\n",
        ] {
            assert!(literal_path(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn segments_keep_their_spelling() {
        let cases = [
            ("/a%3Ab/%6F", "/a%3Ab/%6F"),
            ("/a/b/./%2e%2E//c%3b/.%2e/x|", "/a/x|"),
            ("/k\u{e4}se\\%c3/", "/k\u{e4}se/%c3/"),
            ("", "/"),
            ("*", "*"),
        ];
        for (path, expected) in cases {
            assert_eq!(resolve_segments(path), expected, "{path}");
        }
    }

    /// The path with its characters plain, or escaped in upper or lower case, as `choices` say. An escaped slash is not
    /// a slash, and a plain `%` is not an escaped one; both stay.
    fn respelled(path: &str, choices: &[u8]) -> String {
        let escape = |c: char| -> String {
            let bytes = c.encode_utf8(&mut [0; 4]).to_owned().into_bytes();
            bytes.iter().map(|byte| format!("%{byte:02X}")).collect()
        };
        let spell = |(at, c): (usize, char)| match (c, choices.get(at)) {
            ('/', _) => c.to_string(),
            (_, Some(1)) => escape(c),
            (_, Some(2)) => escape(c).to_ascii_lowercase(),
            ('%', _) => escape(c),
            _ => c.to_string(),
        };
        path.chars().enumerate().map(spell).collect()
    }

    proptest! {
        #[test]
        fn is_stable_and_stays_below_the_root(path in "([/\\\\.%a]|%2[eEfF]|%3[0-9]|%6[1-6]|[25e]){0,24}") {
            let normal = normalize_path(&path);
            prop_assert!(matches!(normalize_path(&normal), Cow::Borrowed(_)));
            prop_assert!(normal.starts_with('/'));
            prop_assert!(!normal.contains("//") && !normal.contains('\\'));
            prop_assert!(!normal.split('/').any(|segment| matches!(segment, "." | "..")));
        }

        #[test]
        fn takes_any_text(path in ".{0,40}") {
            let normal = normalize_path(&path);
            prop_assert_eq!(&normalize_path(&normal), &normal);
            let resolved = resolve_segments(&path);
            prop_assert_eq!(&normalize_path(&resolved), &normal);
        }

        #[test]
        fn every_spelling_compares_equal(
            path in "(/([.a%:@;| ?\u{e4}\u{20ac}\\x00-\\x5b\\x5d-\\x7f]{0,4}|[.]{1,2})){1,5}",
            choices in proptest::collection::vec(0..3_u8, 0..30),
        ) {
            let plain = respelled(&path, &[]);
            let normal = normalize_path(&plain);
            let respelled = respelled(&path, &choices);
            prop_assert_eq!(&normalize_path(&respelled), &normal);
            if let Ok(literal) = literal_path(&plain) {
                prop_assert_eq!(&literal, &normal);
            }
        }
    }
}
