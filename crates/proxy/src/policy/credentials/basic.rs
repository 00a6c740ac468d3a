//! The authentication scheme `Basic` (RFC 7617), and the syntax that all schemes share.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The user name and the password in a `Basic` field.
pub(super) struct BasicCredentials {
    pub(super) user: String,
    pub(super) password: Vec<u8>,
}

impl BasicCredentials {
    /// Parses the value of a field strictly; `None` if it is malformed. Passwords are bytes, and user names are UTF-8.
    pub(super) fn read(field: &[u8]) -> Option<Self> {
        let mut pair = STANDARD.decode(after_scheme(field, "basic")?).ok()?;
        let colon = pair.iter().position(|byte| *byte == b':')?;
        let password = pair.split_off(colon + 1);
        pair.pop();
        let user = String::from_utf8(pair).ok()?;
        let is_control = |byte: &u8| byte.is_ascii_control();
        let is_plain = !user.as_bytes().iter().chain(&password).any(is_control);
        (is_plain && !user.is_empty()).then_some(Self { user, password })
    }
}

/// The credentials in a field after this scheme, whose case does not matter (RFC 9110 11.4); never empty.
pub(crate) fn after_scheme<'a>(field: &'a [u8], scheme: &str) -> Option<&'a [u8]> {
    let (word, rest) = field.split_at_checked(scheme.len())?;
    let rest = rest.strip_prefix(b" ")?.trim_ascii();
    (word.eq_ignore_ascii_case(scheme.as_bytes()) && !rest.is_empty()).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(field: &str) -> Option<(String, Vec<u8>)> {
        let BasicCredentials { user, password } = BasicCredentials::read(field.as_bytes())?;
        Some((user, password))
    }

    #[test]
    fn fields_have_one_reading() {
        for (field, user, password) in [
            ("Basic YW5uOnNlY3JldA==", "ann", "secret"),
            ("basic YW5uOnNlY3JldA==", "ann", "secret"),
            ("BASIC   YW5uOnNlY3JldA==  ", "ann", "secret"),
            // ann:
            ("Basic YW5uOg==", "ann", ""),
            // ann:a:b
            ("Basic YW5uOmE6Yg==", "ann", "a:b"),
            // Jörg:ü
            ("Basic SsO2cmc6w7w=", "J\u{f6}rg", "\u{fc}"),
        ] {
            let expected = (user.to_owned(), password.as_bytes().to_vec());
            assert_eq!(read(field), Some(expected), "{field}");
        }
        // A password in Latin-1.
        assert_eq!(read("Basic YW5uOvw=").unwrap().1, [0xfc]);
    }

    #[test]
    fn what_is_malformed_is_nobody() {
        for field in [
            "",
            "Basic",
            "Basic ",
            "BasicYW5uOnNlY3JldA==",
            "Basic\tYW5uOnNlY3JldA==",
            "Bearer YW5uOnNlY3JldA==",
            "YW5uOnNlY3JldA==",
            "Basic ann:secret",
            // Without padding, with too much padding, in the URL-safe alphabet, with unused bits set, and twice.
            "Basic YW5uOnNlY3JldA",
            "Basic YW5uOnNlY3JldA===",
            "Basic YW5uOi0tLS0_Pw==",
            "Basic YW5uOnNlY3JldB==",
            "Basic YW5uOnNlY3JldA== YW5uOnNlY3JldA==",
            "Basic YW5uOnNlY3JldA==, Basic YW5uOnNlY3JldA==",
            // ann, :secret, and a name in Latin-1
            "Basic YW5u",
            "Basic OnNlY3JldA==",
            "Basic SvZyZzpz",
            // Control characters: ann\n:s and ann:\0
            "Basic YW5uCjpz",
            "Basic YW5uOgA=",
        ] {
            assert_eq!(read(field), None, "{field}");
        }
        assert!(BasicCredentials::read(b"Basic \xff\xff").is_none());
    }
}
