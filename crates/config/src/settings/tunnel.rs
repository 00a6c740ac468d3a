//! The proxy that connections to a Backend go through: `tunnel` of a BackendConfigPolicy.

use http::{HeaderName, HeaderValue};
use serde::Serialize;

use crate::name::{Host, Port};
use crate::policy::headers::as_pairs;

/// A proxy that is asked for connections by CONNECT (RFC 9110 9.3.6).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct UpstreamProxy {
    /// The host of the proxy.
    pub host: Host,
    /// The port of the proxy.
    pub port: Port,
    /// Header fields of the requests to it. All of them are marked as sensitive.
    #[serde(serialize_with = "as_pairs")]
    pub headers: Vec<(HeaderName, HeaderValue)>,
}
