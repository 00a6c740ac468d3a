//! Settings of connections: from clients to listeners, and from the proxy to backends and DNS servers.

mod algorithms;
mod backend;
mod connection;
mod edge;
mod forwarding;
mod hash;
mod health_check;
mod local_reply;
mod resolver;
mod session;
mod tls;
mod tracing;
mod tunnel;

pub(crate) use algorithms::read as read_algorithms;
pub use algorithms::{
    CipherSuite, KeyExchangeGroup, NamedAlgorithm, SignatureAlgorithm, TlsAlgorithms,
};
pub use backend::{
    BackendSettings, CircuitBreakers, Http2Keepalive, Http2Settings, HttpVersion, LoadBalancing,
    OutlierDetection, ProxyVersion, RetryBudget, TcpKeepalive,
};
pub use connection::{ConnectionLimits, FOREVER, Http2Limits, ProxyProtocol};
pub use edge::{ListenerHttp, RequestIds, ServerHeader, StripPort};
pub use forwarding::{
    CertificateDetails, CertificateForwarding, ForwardedFor, ForwardedTrust, SpokenFor,
};
pub use hash::{HashCookie, HashKey, HashPolicy, SlowStart};
pub use health_check::{HealthCheck, HealthProbe};
pub use local_reply::{BodyFormat, LocalReplies, LocalReplyMapper, ReplyFormat};
pub use resolver::{
    BackendDns, BackendResolver, DnsProtocol, LookupFamily, NameServer, ResolverId,
    ResolverSettings,
};
pub use session::{SessionPersistence, SessionToken};
pub use tls::{
    AlpnProtocol, Certificate, ClientValidation, PeerName, PeerTrust, PrivateKey, ServerTls,
    TlsIdentity, TlsVersion, TlsVersions, UpstreamTls, ValidationMode,
};
pub use tracing::{Tracing, WHOLE};
pub use tunnel::{UpstreamProxy, UpstreamTunnel};
