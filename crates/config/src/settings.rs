//! Settings of connections: from clients to listeners, and from the proxy to backends and DNS servers.

mod algorithms;
mod backend;
mod connection;
mod resolver;
mod tls;

pub(crate) use algorithms::read as read_algorithms;
pub use algorithms::{
    CipherSuite, KeyExchangeGroup, NamedAlgorithm, SignatureAlgorithm, TlsAlgorithms,
};
pub use backend::{
    BackendSettings, CircuitBreakers, Http2Keepalive, Http2Settings, HttpVersion, LoadBalancing,
    OutlierDetection, TcpKeepalive,
};
pub use connection::{ConnectionLimits, FOREVER, Http2Limits, ProxyProtocol};
pub use resolver::{DnsProtocol, LookupFamily, NameServer, ResolverId, ResolverSettings};
pub use tls::{
    AlpnProtocol, Certificate, ClientValidation, PeerName, PeerTrust, PrivateKey, ServerTls,
    TlsIdentity, TlsVersion, TlsVersions, UpstreamTls, ValidationMode,
};
