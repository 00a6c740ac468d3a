//! Settings of connections: of clients to listeners, and of the proxy to backends and DNS servers.

mod backend;
mod connection;
mod resolver;
mod tls;

pub use backend::{
    BackendSettings, CircuitBreakers, Http2Keepalive, Http2Settings, HttpVersion, LoadBalancing,
    OutlierDetection, TcpKeepalive,
};
pub use connection::{ConnectionLimits, FOREVER, Http2Limits, ProxyProtocol};
pub use resolver::{DnsProtocol, LookupFamily, NameServer, ResolverId, ResolverSettings};
pub use tls::{
    Alpn, Certificate, ClientValidation, Identity, PrivateKey, ServerTls, TlsVersion, TlsVersions,
    Trust, UpstreamTls, ValidationMode,
};
