//! What the proxy serves: the configuration after compilation, immutable and complete.
//!
//! A request loads one [`Snapshot`] and keeps it to its end. Nothing here holds a lock, a counter or a socket, so that
//! `Eq` says whether a reload changed anything; what outlives a reload (caches, pools) lives in the proxy, keyed by the
//! identities found here ([`ObjectRef`], [`ResolverId`]).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;

use crate::name::{DnsName, Host, HostPattern, Port};
use crate::resources::ObjectRef;
use crate::route::RouteTable;

pub use crate::policy::http_upgrade::Upgrades;
pub use crate::policy::retry::{RetryOn, RetryPolicy};
pub use crate::rule::{
    Action, Destination, DynamicDestination, Filters, FixedResponse, Misconfiguration, PathRewrite,
    Redirect, Rewrite, Rule, Scheme, StaticDestination, Timeout, Timeouts, WeightedBackend,
    WeightedBackends,
};
pub use crate::settings::{
    Alpn, BackendSettings, Certificate, CircuitBreakers, ClientValidation, ConnectionLimits,
    DnsProtocol, FOREVER, Http2Keepalive, Http2Limits, Http2Settings, HttpVersion, Identity,
    LoadBalancing, LookupFamily, NameServer, OutlierDetection, PrivateKey, ProxyProtocol,
    ResolverId, ResolverSettings, ServerTls, TcpKeepalive, TlsVersion, TlsVersions, Trust,
    UpstreamTls, ValidationMode,
};

/// Everything that is served.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// The sockets to listen on. No two overlap: the compiler reports a conflict on the younger Gateway.
    #[serde(serialize_with = "as_list")]
    pub sockets: BTreeMap<BindAddress, Socket>,
    /// How names are resolved, by who asked for it. [`ResolverId::System`] is always there.
    #[serde(serialize_with = "as_list")]
    pub resolvers: BTreeMap<ResolverId, Arc<ResolverSettings>>,
}

/// Where a listener is bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct BindAddress {
    /// From `spec.addresses` of the Gateway; `None` binds every local address, IPv4 and IPv6.
    pub ip: Option<IpAddr>,
    /// The listener's port.
    pub port: Port,
}

/// One bound socket, and the listeners that share it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Socket {
    /// Most specific hostname first, the one without a hostname last.
    pub listeners: Vec<Arc<Listener>>,
    /// What connections to it may do: the strictest of what holds for its listeners.
    pub limits: ConnectionLimits,
    /// Whether a connection begins with a PROXY protocol header.
    pub proxy_protocol: ProxyProtocol,
}

/// One listener of a Gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listener {
    /// The Gateway it belongs to.
    pub gateway: ObjectRef,
    /// Its name in the Gateway (`sectionName`).
    pub name: String,
    /// The hosts it takes; `None` takes all, IP literals included. Of a listener that speaks TLS, also the names that
    /// clients ask for (SNI).
    pub hostname: Option<HostPattern>,
    /// What its connections carry. Listeners of one socket are either all [`Protocol::Http`] or none is.
    pub protocol: Protocol,
    /// Whether requests are written to the access log.
    pub access_log: bool,
    /// The routes attached to it.
    pub routes: RouteTable,
    /// Set when a policy on the Gateway or listener is invalid: every request is refused (fail closed).
    pub refuse: Option<Misconfiguration>,
}

/// What the connections of a listener carry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub enum Protocol {
    /// HTTP in the clear: HTTP/1.1, or HTTP/2 with prior knowledge.
    #[default]
    Http,
    /// HTTP in TLS that ends here (`protocol: HTTPS`).
    Https(Arc<ServerTls>),
    /// TLS that is passed on as it comes (`protocol: TLS`, `mode: Passthrough`). Rules of such a listener are those of
    /// TLSRoutes: they match by name alone.
    Passthrough,
}

impl Socket {
    /// Whether its connections carry HTTP in the clear.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        let mut listeners = self.listeners.iter();
        listeners.all(|listener| matches!(listener.protocol, Protocol::Http))
    }

    /// The listener of a request: the one with the most specific hostname that matches.
    #[must_use]
    pub fn listener_for(&self, host: &Host) -> Option<&Arc<Listener>> {
        let mut reads = self.listeners.iter();
        reads.find(|listener| {
            listener.protocol != Protocol::Passthrough
                && match host {
                    Host::Name(name) => listener.takes(Some(name)),
                    Host::Ip(_) => listener.takes(None),
                }
        })
    }

    /// The listener of a connection over TLS whose client asks for this name (RFC 6066 3), or for none.
    #[must_use]
    pub fn listener_named(&self, name: Option<&DnsName>) -> Option<&Arc<Listener>> {
        self.listeners.iter().find(|listener| listener.takes(name))
    }
}

impl Listener {
    /// Whether this is one of its names; `None` is what has no name.
    fn takes(&self, name: Option<&DnsName>) -> bool {
        match (&self.hostname, name) {
            (None, _) => true,
            (Some(pattern), Some(name)) => pattern.matches(name),
            (Some(_), None) => false,
        }
    }
}

fn as_list<S, K, V>(map: &BTreeMap<K, V>, serializer: S) -> Result<S::Ok, S::Error>
where
    S: serde::Serializer,
    K: Serialize,
    V: Serialize,
{
    serializer.collect_seq(map.iter())
}
