//! Who may send requests of a rule: its compiled `basicAuth` and `apiKeyAuth`.
//!
//! What clients have to know is kept as digests and shown nowhere. Comparing takes the same time however much of it is
//! right, and an unknown name as long as a known one.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::HeaderName;
use serde::{Serialize, Serializer};

use crate::resources::ObjectRef;

mod digest;

pub use digest::{KeyDigest, PasswordDigest};

/// What a rule asks of its clients: all that is set, and at least one is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Authentication {
    /// The name and password of a user.
    pub basic: Option<Arc<BasicAuth>>,
    /// The key of a client.
    pub keys: Option<Arc<ApiKeyAuth>>,
}

/// `basicAuth` of a TrafficPolicy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BasicAuth {
    /// The policy, for the log and the refusal.
    pub policy: ObjectRef,
    users: BTreeMap<Arc<str>, PasswordDigest>,
}

/// `apiKeyAuth` of a TrafficPolicy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ApiKeyAuth {
    /// The policy, for the log and the refusal.
    pub policy: ObjectRef,
    /// Where a request that is routed by its host has its key: the first of these that is there. At least one.
    pub sources: Vec<KeySource>,
    /// Whether the upstream gets the key.
    pub forwards: bool,
    /// The field that tells the upstream whose key it was.
    #[serde(serialize_with = "as_text")]
    pub client_id_header: Option<HeaderName>,
    clients: Vec<Client>,
}

/// A place of a key in a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum KeySource {
    /// A field, in which `Bearer` may go before the key.
    Header(#[serde(serialize_with = "as_str")] HeaderName),
    /// A parameter of the query.
    Query(String),
    /// A cookie.
    Cookie(String),
}

/// One key, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Client {
    id: Arc<str>,
    key: KeyDigest,
}

impl BasicAuth {
    /// Lets in these users.
    #[must_use]
    pub fn new(policy: ObjectRef, users: BTreeMap<Arc<str>, PasswordDigest>) -> Self {
        Self { policy, users }
    }

    /// The user of this name, if it is their password.
    #[must_use]
    pub fn check(&self, user: &str, password: &[u8]) -> Option<&Arc<str>> {
        let given = PasswordDigest::of(password);
        let (name, known) = self.users.get_key_value(user).unzip();
        let nobody = PasswordDigest::default();
        let is_right = known.unwrap_or(&nobody).is(&given);
        name.filter(|_| is_right)
    }
}

impl ApiKeyAuth {
    /// Lets in who has one of these keys, by client; the rest as its fields say.
    #[must_use]
    pub fn new(
        policy: ObjectRef,
        sources: Vec<KeySource>,
        clients: impl IntoIterator<Item = (Arc<str>, KeyDigest)>,
    ) -> Self {
        let clients = clients.into_iter();
        Self {
            policy,
            sources,
            forwards: false,
            client_id_header: None,
            clients: clients.map(|(id, key)| Client { id, key }).collect(),
        }
    }

    /// The client whose key it is.
    #[must_use]
    pub fn check(&self, key: &[u8]) -> Option<&Arc<str>> {
        let given = KeyDigest::of(key);
        // All of them: how long it takes must not say which it is.
        self.clients.iter().fold(None, |found, client| {
            let is_right = client.key.is(&given);
            if is_right { Some(&client.id) } else { found }
        })
    }
}

#[expect(clippy::ref_option, reason = "the signature serde asks for")]
fn as_text<S: Serializer>(name: &Option<HeaderName>, serializer: S) -> Result<S::Ok, S::Error> {
    name.as_ref().map(HeaderName::as_str).serialize(serializer)
}

fn as_str<S: Serializer>(name: &HeaderName, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::Kind;

    fn policy() -> ObjectRef {
        ObjectRef::new(Kind::TrafficPolicy, "apps", "p")
    }

    fn basic() -> BasicAuth {
        let users = [("ann", "secret"), ("bob", "")];
        let users = users.map(|(name, password)| {
            let digest = PasswordDigest::of(password.as_bytes());
            (Arc::from(name), digest)
        });
        BasicAuth::new(policy(), users.into())
    }

    fn keys() -> ApiKeyAuth {
        let clients = [("one", "k-1"), ("two", "k-2"), ("two", "k-22")];
        let clients = clients.map(|(id, key)| (Arc::from(id), KeyDigest::of(key.as_bytes())));
        ApiKeyAuth::new(policy(), vec![KeySource::Query("key".into())], clients)
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
    fn a_client_may_have_several_keys() {
        for (key, client) in [
            ("k-1", Some("one")),
            ("k-2", Some("two")),
            ("k-22", Some("two")),
            ("k-", None),
            ("k-222", None),
            ("", None),
        ] {
            let keys = keys();
            assert_eq!(keys.check(key.as_bytes()).map(|id| &**id), client, "{key}");
        }
    }

    #[test]
    fn nothing_that_is_secret_is_shown() {
        let all = Authentication {
            basic: Some(Arc::new(basic())),
            keys: Some(Arc::new(keys())),
        };
        let shown = [format!("{all:?}"), serde_json::to_string(&all).unwrap()];
        for text in shown {
            assert!(text.contains("ann") && text.contains("two"), "{text}");
            for secret in ["secret", "k-1", "5en6G6MezRroT3XKqkdPOmY", "229, 233, 250"] {
                assert!(!text.contains(secret), "{text}");
            }
        }
    }
}
