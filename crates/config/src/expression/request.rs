//! A request as expressions see it.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use http::{HeaderMap, Method, Uri, Version};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::certificate::CertificateFacts;
use crate::name::{DnsName, Host, Port};

/// A request, with where it comes from and where it goes.
#[derive(Clone, Copy, Debug)]
pub struct RequestView<'a> {
    /// How the request reaches the gateway.
    pub form: RequestForm,
    /// The scheme of its target, `http` or `https`; `None` for a tunnel.
    pub scheme: Option<&'static str>,
    /// The host that it names.
    pub host: &'a Host,
    /// The port that it names.
    pub port: Option<Port>,
    /// The head as it came; `None` for TLS passthrough.
    pub head: Option<RequestHead<'a>>,
    /// The client's address.
    pub source: SocketAddr,
    /// The listener's own address.
    pub listener: SocketAddr,
    /// The server name in the ClientHello that the client's connection began with.
    pub server_name: Option<&'a DnsName>,
    /// The user or client that credentials proved.
    pub user: Option<&'a str>,
    /// The client's certificate, if it was validated.
    pub certificate: Option<&'a Arc<CertificateFacts>>,
    /// What the client's token says, if one was verified.
    pub claims: Option<&'a Arc<Map<String, Value>>>,
    /// Where the request goes, after rewrites.
    pub egress: EgressDestination<'a>,
    /// The response; `None` for what is asked before there is one.
    pub response: Option<ResponseView<'a>>,
}

/// A response as expressions of access logs see it.
#[derive(Clone, Copy, Debug)]
pub struct ResponseView<'a> {
    /// The status; 0 without a response.
    pub code: u16,
    /// How it came about, in Envoy's words.
    pub code_details: Option<&'a str>,
    /// Envoy's response flags, as bits.
    pub flags: u64,
    /// The status of gRPC.
    pub grpc_status: i64,
    /// Bytes of the body.
    pub size: u64,
}

/// How a request reaches the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum RequestForm {
    /// Its target is a path: it is routed by its host.
    Host,
    /// Its target is an absolute URI (RFC 9112 3.2.2).
    Absolute,
    /// It is a CONNECT, which opens a tunnel.
    Connect,
    /// It is a connection of TLS passthrough, of which only the server name is known.
    Sni,
}

/// The head of a request.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// The method.
    pub method: &'a Method,
    /// The target.
    pub uri: &'a Uri,
    /// The version of HTTP.
    pub version: Version,
    /// The header fields.
    pub headers: &'a HeaderMap,
}

/// Where a request goes.
#[derive(Clone, Copy, Debug)]
pub struct EgressDestination<'a> {
    /// The scheme, `http` or `https`; `None` in a tunnel.
    pub scheme: Option<&'static str>,
    /// The host.
    pub host: &'a Host,
    /// The port.
    pub port: Port,
}

/// A request that is kept, because expressions are evaluated again after its head has been changed.
#[derive(Clone, Debug)]
pub struct KeptRequest {
    form: RequestForm,
    scheme: Option<&'static str>,
    host: Host,
    port: Option<Port>,
    head: Option<KeptHead>,
    source: SocketAddr,
    listener: SocketAddr,
    server_name: Option<DnsName>,
    user: Option<Box<str>>,
    certificate: Option<Arc<CertificateFacts>>,
    claims: Option<KeptClaims>,
}

/// What a token says, which is shown nowhere.
#[derive(Clone)]
struct KeptClaims(Arc<Map<String, Value>>);

impl fmt::Debug for KeptClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptClaims").finish_non_exhaustive()
    }
}

/// Its header fields may be credentials, which are shown nowhere.
#[derive(Clone)]
struct KeptHead {
    method: Method,
    uri: Uri,
    version: Version,
    headers: HeaderMap,
}

impl fmt::Debug for KeptHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptHead").finish_non_exhaustive()
    }
}

impl RequestView<'_> {
    /// Copies the request, without where it goes.
    #[must_use]
    pub fn keep(&self) -> KeptRequest {
        KeptRequest {
            form: self.form,
            scheme: self.scheme,
            host: self.host.clone(),
            port: self.port,
            head: self.head.map(|head| KeptHead {
                method: head.method.clone(),
                uri: head.uri.clone(),
                version: head.version,
                headers: head.headers.clone(),
            }),
            source: self.source,
            listener: self.listener,
            server_name: self.server_name.cloned(),
            user: self.user.map(Into::into),
            certificate: self.certificate.cloned(),
            claims: self.claims.cloned().map(KeptClaims),
        }
    }
}

impl KeptRequest {
    /// The request as it goes there.
    #[must_use]
    pub fn view<'a>(&'a self, egress: EgressDestination<'a>) -> RequestView<'a> {
        RequestView {
            form: self.form,
            scheme: self.scheme,
            host: &self.host,
            port: self.port,
            head: self.head.as_ref().map(|head| RequestHead {
                method: &head.method,
                uri: &head.uri,
                version: head.version,
                headers: &head.headers,
            }),
            source: self.source,
            listener: self.listener,
            server_name: self.server_name.as_ref(),
            user: self.user.as_deref(),
            certificate: self.certificate.as_ref(),
            claims: self.claims.as_ref().map(|KeptClaims(claims)| claims),
            egress,
            response: None,
        }
    }

    /// How the request reached the gateway.
    #[must_use]
    pub const fn form(&self) -> RequestForm {
        self.form
    }
}

impl RequestForm {
    /// The word for the form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Absolute => "absolute",
            Self::Connect => "connect",
            Self::Sni => "sni",
        }
    }
}
