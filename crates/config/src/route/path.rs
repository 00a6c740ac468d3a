//! Paths as they are compared. What is forwarded is never changed by this.

use std::borrow::Cow;

/// Whether `prefix` covers `path` by whole segments: `/v1` and `/v1/` cover `/v1`, `/v1/` and `/v1/x`, not `/v10`
/// (Gateway API, `PathPrefix`).
#[must_use]
pub fn prefix_matches(prefix: &str, path: &str) -> bool {
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The one spelling of a path that routes and policies are asked about, so that no spelling gets around them: escaped
/// letters, digits, `-`, `.`, `_` and `~` are decoded (RFC 3986 6.2.2.2), `\` is `/`, repeated slashes are one, and dot
/// segments are resolved. An escaped slash stays escaped. Borrowed if there is nothing to do.
#[must_use]
pub fn normalize_path(path: &str) -> Cow<'_, str> {
    if path == "*" || is_normal(path.as_bytes()) {
        return Cow::Borrowed(path);
    }
    let decoded = decode_unreserved(path);
    let mut kept: Vec<&str> = Vec::new();
    let mut last = "";
    for segment in decoded.split(['/', '\\']) {
        last = segment;
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            _ => kept.push(segment),
        }
    }
    let mut normal = String::with_capacity(decoded.len() + 1);
    for segment in &kept {
        normal.push('/');
        normal.push_str(segment);
    }
    if kept.is_empty() || matches!(last, "" | "." | "..") {
        normal.push('/');
    }
    Cow::Owned(normal)
}

/// A path as configuration writes it, in the spelling that requests are compared in.
///
/// # Errors
/// What no request would ever match: a path that does not start with `/`, or one with dot segments, repeated slashes,
/// backslashes, a query or a fragment.
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
    let decoded = decode_unreserved(text);
    let normal = normalize_path(text).into_owned();
    if normal == decoded {
        Ok(normal)
    } else {
        Err(format!("write it as {normal}"))
    }
}

/// The byte that `%XX` at this place stands for.
pub(super) fn escaped(bytes: &[u8], at: usize) -> Option<u8> {
    let digit = |at: usize| char::from(*bytes.get(at)?).to_digit(16);
    match (bytes.get(at), digit(at + 1), digit(at + 2)) {
        (Some(b'%'), Some(high), Some(low)) => u8::try_from(high * 16 + low).ok(),
        _ => None,
    }
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn is_normal(path: &[u8]) -> bool {
    let needs_work = |at: usize| match path[at] {
        b'\\' => true,
        b'%' => escaped(path, at).is_some_and(is_unreserved),
        b'/' => {
            let rest = &path[at + 1..];
            let end = rest.iter().position(|byte| matches!(byte, b'/' | b'\\'));
            match &rest[..end.unwrap_or(rest.len())] {
                b"" => end.is_some(),
                segment => matches!(segment, b"." | b".."),
            }
        }
        _ => false,
    };
    path.first() == Some(&b'/') && !(0..path.len()).any(needs_work)
}

/// Once decoded, nothing decodes again: a byte that would complete an escape with a stray `%` before it stays escaped.
fn decode_unreserved(path: &str) -> String {
    let bytes = path.as_bytes();
    let mut decoded = String::with_capacity(path.len());
    let mut from = 0;
    let mut at = 0;
    while at < bytes.len() {
        let Some(byte) = escaped(bytes, at) else {
            at += 1;
            continue;
        };
        decoded.push_str(&path[from..at]);
        from = at;
        at += 3;
        if is_unreserved(byte)
            && !(byte.is_ascii_hexdigit() && ends_in_open_escape(decoded.as_bytes()))
        {
            decoded.push(char::from(byte));
            from = at;
        }
    }
    decoded.push_str(&path[from..]);
    decoded
}

fn ends_in_open_escape(bytes: &[u8]) -> bool {
    match bytes {
        [.., b'%'] => true,
        [.., b'%', digit] => digit.is_ascii_hexdigit(),
        _ => false,
    }
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
            ("/a/..%2fb", "/a/..%2fb"),
            ("/%61dmin", "/admin"),
            ("/a%20b", "/a%20b"),
            ("/%252e%252e/x", "/%252e%252e/x"),
            ("/%%32e", "/%%32e"),
            ("/%2%65", "/%2%65"),
            ("/%2%47", "/%2G"),
            ("/100%", "/100%"),
        ];
        for (path, expected) in cases {
            assert_eq!(normalize_path(path), expected, "{path}");
        }
        for path in ["/", "/a/b/", "/a%2Fb", "/.well-known/x", "/a%20b", "*"] {
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

    proptest! {
        #[test]
        fn is_stable_and_stays_below_the_root(path in "([/\\\\.%a]|%2[eEfF]|%3[0-9]|%6[1-6]|[25e]){0,24}") {
            let normal = normalize_path(&path);
            prop_assert_eq!(&normalize_path(&normal), &normal);
            prop_assert!(normal.starts_with('/'));
            prop_assert!(!normal.contains("//") && !normal.contains('\\'));
            prop_assert!(!normal.split('/').any(|segment| matches!(segment, "." | "..")));
        }

        #[test]
        fn takes_any_text(path in ".{0,40}") {
            let normal = normalize_path(&path);
            prop_assert_eq!(&normalize_path(&normal), &normal);
        }
    }
}
