//! `apiKeyAuth` of a TrafficPolicy: authenticates clients by API key.
//!
//! Keys are stored as digests and never printed. A comparison takes the same time however much of a key is right.

use std::sync::Arc;

use http::HeaderName;
use serde::{Serialize, Serializer};

use super::digest::KeyDigest;

/// `apiKeyAuth` of a TrafficPolicy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ApiKeyAuth {
    /// The places where a key is looked for in a request that is routed by its host: the first place that has one
    /// counts. At least one.
    pub sources: Vec<KeySource>,
    /// Whether keys of requests in proxy form may be there too, because the policy names the places.
    pub in_every_form: bool,
    /// Whether the key is forwarded to the upstream.
    pub forwards: bool,
    /// The header that tells the upstream which client sent the key.
    #[serde(serialize_with = "as_text")]
    pub client_id_header: Option<HeaderName>,
    clients: Vec<ApiKeyClient>,
}

/// A place in a request where a key is looked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum KeySource {
    /// A header; `Bearer` may precede the key.
    Header(#[serde(serialize_with = "as_str")] HeaderName),
    /// A query parameter.
    Query(String),
    /// A cookie.
    Cookie(String),
}

/// The key of one client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct ApiKeyClient {
    id: Arc<str>,
    key: KeyDigest,
}

impl ApiKeyAuth {
    /// Makes a policy that accepts these keys, each with the name of its client. The other fields have their defaults.
    #[must_use]
    pub fn new(
        sources: Vec<KeySource>,
        clients: impl IntoIterator<Item = (Arc<str>, KeyDigest)>,
    ) -> Self {
        let clients = clients.into_iter();
        Self {
            sources,
            in_every_form: false,
            forwards: false,
            client_id_header: None,
            clients: clients.map(|(id, key)| ApiKeyClient { id, key }).collect(),
        }
    }

    /// The client that the key belongs to; `None` if it is not a known key.
    #[must_use]
    pub fn check(&self, key: &[u8]) -> Option<&Arc<str>> {
        let given = KeyDigest::of(key);
        // All keys are compared, so that the time taken does not say which one is right.
        self.clients.iter().fold(None, |found, client| {
            let is_right = client.key.matches(&given);
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

    fn keys() -> ApiKeyAuth {
        let clients = [("one", "k-1"), ("two", "k-2"), ("two", "k-22")];
        let clients = clients.map(|(id, key)| (Arc::from(id), KeyDigest::of(key.as_bytes())));
        ApiKeyAuth::new(vec![KeySource::Query("key".into())], clients)
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
    fn no_key_is_shown() {
        let shown = [
            format!("{:?}", keys()),
            serde_json::to_string(&keys()).unwrap(),
        ];
        for text in shown {
            assert!(text.contains("two"), "{text}");
            assert!(!text.contains("k-1"), "{text}");
        }
    }
}
