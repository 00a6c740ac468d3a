//! `basicAuth` of a TrafficPolicy: authenticates clients by user name and password.
//!
//! Passwords are stored as digests and never printed. A comparison takes the same time however much of a password is
//! right, and as long for an unknown user as for a known one. That of bcrypt takes long on purpose, and is left to the
//! caller.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::digest::PasswordDigest;

mod bcrypt_hash;

pub use bcrypt_hash::{BcryptFault, BcryptHash};

/// `basicAuth` of a TrafficPolicy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BasicAuth {
    users: BTreeMap<Arc<str>, StoredPassword>,
}

/// What is known of a password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum StoredPassword {
    /// Its SHA-1.
    Sha1(PasswordDigest),
    /// Its bcrypt.
    Bcrypt(BcryptHash),
}

/// What is known about credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PasswordCheck<'a> {
    /// They are this user's.
    Right(&'a Arc<str>),
    /// They are nobody's.
    Wrong,
    /// They are this user's if the password matches the hash, which takes long to find out. They are nobody's without a
    /// user, which is to take as long.
    Slow {
        /// The user, if it is known.
        user: Option<&'a Arc<str>>,
        /// What the password is compared with.
        hash: &'a BcryptHash,
    },
}

impl BasicAuth {
    /// Makes a policy that accepts these users.
    #[must_use]
    pub const fn new(users: BTreeMap<Arc<str>, StoredPassword>) -> Self {
        Self { users }
    }

    /// Whose credentials these are.
    #[must_use]
    pub fn check(&self, user: &str, password: &[u8]) -> PasswordCheck<'_> {
        let given = PasswordDigest::of(password);
        let nobody = PasswordDigest::default();
        let (name, known) = match self.users.get_key_value(user) {
            Some((user, StoredPassword::Bcrypt(hash))) => {
                let user = Some(user);
                return PasswordCheck::Slow { user, hash };
            }
            Some((name, StoredPassword::Sha1(known))) => (Some(name), known),
            None => match self.users.values().find_map(StoredPassword::bcrypt) {
                Some(hash) => return PasswordCheck::Slow { user: None, hash },
                None => (None, &nobody),
            },
        };
        match name.filter(|_| known.matches(&given)) {
            Some(name) => PasswordCheck::Right(name),
            None => PasswordCheck::Wrong,
        }
    }
}

impl StoredPassword {
    const fn bcrypt(&self) -> Option<&BcryptHash> {
        match self {
            Self::Sha1(_) => None,
            Self::Bcrypt(hash) => Some(hash),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic() -> BasicAuth {
        let users = [("ann", "secret"), ("bob", "")];
        let users = users.map(|(name, password)| {
            let digest = PasswordDigest::of(password.as_bytes());
            (Arc::from(name), StoredPassword::Sha1(digest))
        });
        BasicAuth::new(users.into())
    }

    #[test]
    fn a_user_has_one_password() {
        for (user, password, is_right) in [
            ("ann", "secret", true),
            ("ann", "secret ", false),
            ("ann", "Secret", false),
            ("ann", "", false),
            ("bob", "", true),
            ("Ann", "secret", false),
            ("eve", "secret", false),
            ("eve", "", false),
            ("", "", false),
        ] {
            let basic = basic();
            let name = Arc::from(user);
            let expected = match is_right {
                true => PasswordCheck::Right(&name),
                false => PasswordCheck::Wrong,
            };
            let found = basic.check(user, password.as_bytes());
            assert_eq!(found, expected, "{user}:{password}");
        }
    }

    #[test]
    fn whoever_is_not_known_takes_as_long_as_a_user_of_bcrypt() {
        let mut users = basic().users;
        let hash =
            BcryptHash::parse("$2y$04$6vXvEGqVq9pA8aZx1bPkUOnkS0wTNAhQnXyUDCOyc3NaqCWVqkKwu");
        let hash = hash.unwrap();
        let carl: Arc<str> = Arc::from("carl");
        users.insert(Arc::clone(&carl), StoredPassword::Bcrypt(hash.clone()));
        let basic = BasicAuth::new(users);
        for (user, expected) in [("carl", Some(&carl)), ("eve", None)] {
            let slow = PasswordCheck::Slow {
                user: expected,
                hash: &hash,
            };
            assert_eq!(basic.check(user, b"any"), slow, "{user}");
        }
        assert!(matches!(
            basic.check("ann", b"secret"),
            PasswordCheck::Right(_)
        ));
        let shown = serde_json::to_string(&basic).unwrap() + &format!("{basic:?}");
        assert!(!shown.contains("2y"), "{shown}");
    }

    #[test]
    fn no_password_is_shown() {
        let shown = [
            format!("{:?}", basic()),
            serde_json::to_string(&basic()).unwrap(),
        ];
        for text in shown {
            assert!(text.contains("ann"), "{text}");
            for secret in ["secret", "5en6G6MezRroT3XKqkdPOmY", "229, 233, 250"] {
                assert!(!text.contains(secret), "{text}");
            }
        }
    }
}
