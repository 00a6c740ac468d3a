//! `sessionPersistence` of a rule: the requests of a session go to the same address.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use serde::Serialize;

/// How the requests of a session are recognised, and how long it lasts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SessionPersistence {
    /// What a client sends with each request of a session.
    pub token: SessionToken,
    /// How long a session lasts.
    pub absolute_timeout: Option<Duration>,
    /// How long it lasts after its last request.
    pub idle_timeout: Option<Duration>,
}

/// What a client sends with each request of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum SessionToken {
    /// A cookie.
    Cookie {
        /// Its name.
        name: Arc<str>,
        /// Whether it outlives the program of the client.
        is_permanent: bool,
    },
    /// A header, which the client copies from the last response.
    Header(#[serde(serialize_with = "as_str")] HeaderName),
}

fn as_str<S: serde::Serializer>(name: &HeaderName, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name.as_str())
}
