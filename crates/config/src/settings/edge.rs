//! What a listener does with HTTP messages, whatever their routes are: `httpSettings` of a ListenerPolicy.

use std::sync::Arc;

use http::header::{HeaderMap, HeaderValue, SERVER};
use serde::{Serialize, Serializer};

use super::forwarding::{CertificateForwarding, ForwardedFor};
use super::local_reply::LocalReplies;
use super::tracing::Tracing;
use crate::name::{Host, Port};
use crate::policy::headers::HeaderEdit;

/// What a listener does with HTTP messages, whatever their routes are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ListenerHttp {
    /// What becomes of `X-Request-Id`.
    pub request_ids: RequestIds,
    /// What responses say in `Server`; `None` is what the upstream says.
    pub server: Option<ServerHeader>,
    /// The path at which the gateway says whether it is ready.
    pub health_path: Option<Arc<str>>,
    /// Which ports are taken off the host of a request.
    pub strip_port: Option<StripPort>,
    /// Whether a path with an escaped slash or backslash is refused.
    pub rejects_escaped_slashes: bool,
    /// The host of HTTP/1.0 requests that name none.
    pub default_host: Option<Host>,
    /// Which requests are traced, and where their spans go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracing: Option<Arc<Tracing>>,
    /// Changes to the fields of requests before anything is decided about them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub early_headers: Option<HeaderEdit>,
    /// Who may say for whom a request is sent; without it nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forwarded_for: Option<ForwardedFor>,
    /// What upstreams are told of the client's certificate; without it nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateForwarding>,
    /// What becomes of the responses that the gateway makes itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_replies: Option<Arc<LocalReplies>>,
}

/// What becomes of `X-Request-Id`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum RequestIds {
    /// It is passed on as any other field.
    #[default]
    Untouched,
    /// Every request gets one of its own.
    Generated,
    /// Requests without one get one.
    Completed,
}

/// What responses say in `Server`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServerHeader {
    /// The value.
    #[serde(serialize_with = "as_text")]
    pub name: HeaderValue,
    /// Whether the value of an upstream stays.
    pub keeps: bool,
}

/// Which ports are taken off the host of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum StripPort {
    /// That of the listener.
    Matching,
    /// Any.
    Any,
}

impl ServerHeader {
    /// Changes the head of a response.
    pub fn apply(&self, headers: &mut HeaderMap) {
        if !self.keeps || !headers.contains_key(SERVER) {
            headers.insert(SERVER, self.name.clone());
        }
    }
}

impl StripPort {
    /// Whether a port of a request to a listener at this port is taken off.
    #[must_use]
    pub fn strips(self, port: Port, of_listener: Port) -> bool {
        match self {
            Self::Matching => port == of_listener,
            Self::Any => true,
        }
    }
}

pub(super) fn as_text<S: Serializer>(
    value: &HeaderValue,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&String::from_utf8_lossy(value.as_bytes()))
}
