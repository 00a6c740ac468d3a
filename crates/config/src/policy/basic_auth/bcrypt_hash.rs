//! Hashes of bcrypt, as `htpasswd -B` writes them.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use serde::{Serialize, Serializer};

/// The costs that are taken: one more doubles the time. That of the highest is about a second.
const COSTS: RangeInclusive<u32> = 4..=14;
/// The versions, which differ in nothing that matters here.
const VERSIONS: [&str; 3] = ["$2y$", "$2b$", "$2a$"];
/// The length of a salt and a hash in the base64 of bcrypt.
const ENCODED_LENGTH: usize = 53;

/// A hash of bcrypt. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct BcryptHash(Arc<str>);

/// Why a text is not a hash of bcrypt that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BcryptFault {
    /// It is not one of bcrypt.
    Other,
    /// It is malformed.
    Malformed,
    /// To compare it would take too long, or too short.
    Cost,
}

impl BcryptHash {
    /// Parses a hash, such as `$2y$05$...`.
    ///
    /// # Errors
    /// If it is none, or its cost is not one of 4 to 14.
    pub fn parse(text: &str) -> Result<Self, BcryptFault> {
        let rest = VERSIONS
            .iter()
            .find_map(|version| text.strip_prefix(version));
        let rest = rest.ok_or(BcryptFault::Other)?;
        let (cost, encoded) = rest.split_once('$').ok_or(BcryptFault::Malformed)?;
        let is_encoded = |byte: u8| byte.is_ascii_alphanumeric() || b"./".contains(&byte);
        let is_number = cost.len() == 2 && cost.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number || encoded.len() != ENCODED_LENGTH || !encoded.bytes().all(is_encoded) {
            return Err(BcryptFault::Malformed);
        }
        let cost = cost.parse().map_err(|_| BcryptFault::Malformed)?;
        match COSTS.contains(&cost) {
            true => Ok(Self(text.into())),
            false => Err(BcryptFault::Cost),
        }
    }

    /// Whether this is the password, which takes long to find out. Of a password the first 72 bytes count.
    #[must_use]
    pub fn matches(&self, password: &[u8]) -> bool {
        bcrypt::verify(password, &self.0).unwrap_or(false)
    }

    /// The bytes by which one hash differs from another. They are not to be shown.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for BcryptHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BcryptHash")
    }
}

impl Serialize for BcryptHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("not shown")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_htpasswd() {
        let made = bcrypt::hash("secret", 4).unwrap();
        for version in ["$2y$", "$2b$", "$2a$"] {
            let text = format!("{version}{}", &made[4..]);
            let hash = BcryptHash::parse(&text).unwrap();
            for (password, is_right) in [("secret", true), ("Secret", false), ("", false)] {
                assert_eq!(hash.matches(password.as_bytes()), is_right, "{password}");
            }
        }
        let encoded = &made[7..];
        for (text, fault) in [
            (made.replace("$2b$", "$2x$"), BcryptFault::Other),
            (format!("$2y${encoded}"), BcryptFault::Malformed),
            (format!("$2y$5${encoded}"), BcryptFault::Malformed),
            (format!("$2y$+5${encoded}"), BcryptFault::Malformed),
            (format!("$2y$05${encoded}a"), BcryptFault::Malformed),
            (format!("$2y$05${}:", &encoded[1..]), BcryptFault::Malformed),
            (format!("$2y$03${encoded}"), BcryptFault::Cost),
            (format!("$2y$15${encoded}"), BcryptFault::Cost),
        ] {
            assert_eq!(BcryptHash::parse(&text), Err(fault), "{text}");
        }
    }
}
