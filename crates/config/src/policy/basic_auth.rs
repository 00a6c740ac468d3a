//! `basicAuth` of a TrafficPolicy: authenticates clients by user name and password.
//!
//! Passwords are stored as digests and never printed. A comparison takes the same time however much of a password is
//! right, and as long for an unknown user as for a known one.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::digest::PasswordDigest;

/// `basicAuth` of a TrafficPolicy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BasicAuth {
    users: BTreeMap<Arc<str>, PasswordDigest>,
}

impl BasicAuth {
    /// Makes a policy that accepts these users.
    #[must_use]
    pub const fn new(users: BTreeMap<Arc<str>, PasswordDigest>) -> Self {
        Self { users }
    }

    /// The name of the user, if the user is known and the password is right.
    #[must_use]
    pub fn check(&self, user: &str, password: &[u8]) -> Option<&Arc<str>> {
        let given = PasswordDigest::of(password);
        let (name, known) = self.users.get_key_value(user).unzip();
        let nobody = PasswordDigest::default();
        let is_right = known.unwrap_or(&nobody).matches(&given);
        name.filter(|_| is_right)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic() -> BasicAuth {
        let users = [("ann", "secret"), ("bob", "")];
        let users = users.map(|(name, password)| {
            let digest = PasswordDigest::of(password.as_bytes());
            (Arc::from(name), digest)
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
            let found = basic.check(user, password.as_bytes()).map(|name| &**name);
            assert_eq!(found, is_right.then_some(user), "{user}:{password}");
        }
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
