//! The proxy that connections to a Backend go through: `tunnel` of a BackendConfigPolicy.

use std::net::SocketAddr;
use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use serde::Serialize;

use super::UpstreamTls;
use crate::name::{Host, Port};
use crate::policy::headers::as_pairs;

/// How connections go through a proxy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UpstreamTunnel {
    /// The proxy.
    pub proxy: Arc<UpstreamProxy>,
    /// The addresses of the endpoints, if the proxy is a Service, sorted; its host is not resolved then. They are no part
    /// of what the proxy is: connections stay when others of them come and go.
    pub endpoints: Option<Arc<[SocketAddr]>>,
}

/// A proxy that is asked for connections by CONNECT (RFC 9110 9.3.6).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct UpstreamProxy {
    /// The host of the proxy; of a Service its name in the DNS of the cluster.
    pub host: Host,
    /// The port of the proxy.
    pub port: Port,
    /// Whether it is a Service, whose endpoints are configured.
    pub is_service: bool,
    /// The TLS settings of connections to it; `None` is a plain connection.
    pub tls: Option<Arc<UpstreamTls>>,
    /// Header fields of the requests to it. All of them are marked as sensitive.
    #[serde(serialize_with = "as_pairs")]
    pub headers: Vec<(HeaderName, HeaderValue)>,
}
