//! The configuration that the proxy serves: compiled, complete and immutable.
//!
//! A request loads one [`Snapshot`] and keeps it to its end. A snapshot holds no lock, counter or socket, so that `Eq`
//! says whether a reload changed anything. State that outlives a reload (caches, pools) lives in the proxy, keyed by
//! the identities in the snapshot ([`ObjectRef`], [`ResolverId`]).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;

use crate::access_log::AccessLog;
use crate::name::{DnsName, Host, HostPattern, Port};
use crate::policy::jwt_auth::RemoteKeys;
use crate::policy::service::ServiceId;
use crate::resources::ObjectRef;
use crate::route::RouteTable;

pub use crate::policy::egress::Expiry;
pub use crate::policy::http_upgrade::AllowedUpgrades;
pub use crate::policy::retry::{ResetFormat, ResetHeader, ResetHeaders, RetryOn, RetryPolicy};
pub use crate::policy::route_tracing::{AttributeSource, SpanAttribute};
pub use crate::policy::timeouts::TimeoutSetting;
pub use crate::rule::{
    BackendDestination, DynamicDestination, FixedResponse, MirrorShare, Misconfiguration,
    PathRewrite, RedirectResponse, RequestMirror, RequestRewrite, RouteFilters, RouteRule,
    RouteTimeouts, RuleAction, Scheme, ServiceDestination, StaticDestination, WeightedBackend,
    WeightedBackends,
};
pub use crate::settings::{
    AlpnProtocol, BackendDns, BackendResolver, BackendSettings, BodyFormat, Certificate,
    CertificateDetails, CertificateForwarding, CipherSuite, CircuitBreakers, ClientValidation,
    ConnectionLimits, DnsProtocol, FOREVER, ForwardedFor, ForwardedTrust, HashCookie, HashKey,
    HashPolicy, HealthCheck, HealthProbe, Http2Keepalive, Http2Limits, Http2Settings, HttpVersion,
    KeyExchangeGroup, ListenerHttp, LoadBalancing, LocalReplies, LocalReplyMapper, LookupFamily,
    NameServer, NamedAlgorithm, OutlierDetection, PeerName, PeerTrust, PrivateKey, ProxyProtocol,
    ProxyVersion, ReplyFormat, RequestIds, ResolverId, ResolverSettings, RetryBudget, ServerHeader,
    ServerTls, SessionPersistence, SessionToken, SignatureAlgorithm, SlowStart, SpokenFor,
    StripPort, TcpKeepalive, TlsAlgorithms, TlsIdentity, TlsVersion, TlsVersions, Tracing,
    UpstreamProxy, UpstreamTls, UpstreamTunnel, ValidationMode, WHOLE,
};

/// Everything that the proxy serves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// The sockets to listen on. No two overlap: the compiler reports a conflict at the younger Gateway.
    #[serde(serialize_with = "as_list")]
    pub sockets: BTreeMap<BindAddress, ListenerSocket>,
    /// The settings of the resolvers. [`ResolverId::System`] is always present.
    #[serde(serialize_with = "as_list")]
    pub resolvers: BTreeMap<ResolverId, Arc<ResolverSettings>>,
    /// The services that the gateway itself asks for its policies.
    #[serde(serialize_with = "as_list")]
    pub services: BTreeMap<ServiceId, Arc<WeightedBackend>>,
    /// The backends that are checked for their health, as rules and services use them; each once for each set of policies.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checked: Vec<CheckedBackend>,
    /// The keys that rules need and that are fetched; each once.
    pub remote_keys: Vec<Arc<RemoteKeys>>,
    /// The times at which rules and exceptions of EgressPolicies expire, in their order. Open tunnels are judged again then.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expiries: Vec<Expiry>,
}

/// A backend that is checked for its health (`healthCheck` of a BackendConfigPolicy).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckedBackend {
    /// The backend.
    pub backend: Arc<WeightedBackend>,
    /// Whether it is a service that the gateway itself asks.
    pub is_service: bool,
}

/// The address that a socket is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct BindAddress {
    /// The IP address, from `spec.addresses` of the Gateway; `None` binds all local addresses, IPv4 and IPv6.
    pub ip: Option<IpAddr>,
    /// The port of the listener.
    pub port: Port,
}

/// One bound socket, with the listeners that share it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ListenerSocket {
    /// The listeners; those with more specific hostnames first, the one without a hostname last.
    pub listeners: Vec<Arc<Listener>>,
    /// The limits of connections to the socket: the strictest of those of its listeners.
    pub limits: ConnectionLimits,
    /// Whether connections begin with a PROXY protocol header.
    pub proxy_protocol: ProxyProtocol,
}

/// One listener of a Gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listener {
    /// The Gateway that the listener belongs to.
    pub gateway: ObjectRef,
    /// The ListenerSet that has the listener; `None` if the Gateway itself has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set: Option<ObjectRef>,
    /// The name of the listener in the Gateway or the ListenerSet (`sectionName`).
    pub name: String,
    /// Its name in the access log and in metrics: `namespace/gateway/listener`, and with a ListenerSet
    /// `namespace/gateway/namespace/set/listener`.
    #[serde(skip)]
    pub full_name: Arc<str>,
    /// The hosts of the listener; `None` accepts all, IP literals included. With TLS, these are also the accepted
    /// server names (SNI).
    pub hostname: Option<HostPattern>,
    /// The protocol. Either all listeners of a socket are [`ListenerProtocol::Http`], or none is.
    pub protocol: ListenerProtocol,
    /// Where exchanges are logged.
    pub access_log: AccessLog,
    /// What is done with messages whatever their routes are; `None` is nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<Arc<ListenerHttp>>,
    /// The routes that are attached to the listener.
    pub routes: RouteTable,
    /// Set if a policy on the Gateway or the listener is not valid: every request is then refused (fail closed).
    pub refuse: Option<Misconfiguration>,
}

/// The protocol of a listener.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub enum ListenerProtocol {
    /// Plain HTTP: HTTP/1.1, or HTTP/2 with prior knowledge.
    #[default]
    Http,
    /// HTTP over TLS, with TLS termination (`protocol: HTTPS`).
    Https(Arc<ServerTls>),
    /// TLS passthrough (`protocol: TLS`, `mode: Passthrough`). The rules of such a listener are those of TLSRoutes, and
    /// match by server name alone.
    Passthrough,
    /// TLS termination whose content is relayed uninterpreted (`protocol: TLS`, `mode: Terminate`). The rules are those of
    /// TLSRoutes, likewise.
    Terminate(Arc<ServerTls>),
}

/// What a listener uses a certificate for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateUse<'a> {
    /// It is shown to clients, alone or as part of a chain. It is from this Secret.
    Server(&'a ObjectRef),
    /// It validates the certificates of clients.
    ClientCa,
}

impl ListenerProtocol {
    /// Whether requests are read from the connections.
    #[must_use]
    pub const fn is_http(&self) -> bool {
        matches!(self, Self::Http | Self::Https(_))
    }

    /// The TLS settings, if TLS is terminated.
    #[must_use]
    pub const fn server_tls(&self) -> Option<&Arc<ServerTls>> {
        match self {
            Self::Https(tls) | Self::Terminate(tls) => Some(tls),
            Self::Http | Self::Passthrough => None,
        }
    }
}

impl CertificateUse<'_> {
    /// The name of the use in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Server(_) => "server",
            Self::ClientCa => "client_ca",
        }
    }
}

impl ListenerSocket {
    /// Lets a listener share the socket.
    pub fn add(&mut self, listener: Arc<Listener>) {
        self.listeners.push(listener);
        self.listeners
            .sort_by_key(|listener| specificity(listener.hostname.as_ref()));
    }

    /// Whether connections carry plain HTTP.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        let mut listeners = self.listeners.iter();
        listeners.all(|listener| matches!(listener.protocol, ListenerProtocol::Http))
    }

    /// The listener of a request: the one with the most specific hostname that matches the host.
    #[must_use]
    pub fn listener_for(&self, host: &Host) -> Option<&Arc<Listener>> {
        let mut candidates = self.listeners.iter();
        candidates.find(|listener| {
            listener.protocol.is_http()
                && match host {
                    Host::Name(name) => listener.accepts(Some(name)),
                    Host::Ip(_) => listener.accepts(None),
                }
        })
    }

    /// The access log of what cannot be told to be for one of the listeners: that of the widest hostname which is not off.
    #[must_use]
    pub fn unrouted_log(&self) -> &AccessLog {
        let mut logs = self
            .listeners
            .iter()
            .rev()
            .map(|listener| &listener.access_log);
        logs.find(|log| !log.is_off()).unwrap_or(&AccessLog::Off)
    }

    /// What becomes of the gateway's own responses to what cannot be told to be for one of the listeners: what the widest
    /// hostname says that has a word in that.
    #[must_use]
    pub fn unrouted_replies(&self) -> Option<&Arc<LocalReplies>> {
        let listeners = self.listeners.iter().rev();
        let mut settings = listeners.filter_map(|listener| listener.http.as_ref());
        settings.find_map(|http| http.local_replies.as_ref())
    }

    /// The listener of a TLS connection whose client sent this server name (SNI, RFC 6066 3), or none.
    #[must_use]
    pub fn listener_for_sni(&self, name: Option<&DnsName>) -> Option<&Arc<Listener>> {
        self.listeners
            .iter()
            .find(|listener| listener.accepts(name))
    }
}

impl Listener {
    /// The object that has the listener: the Gateway, or a ListenerSet.
    #[must_use]
    pub fn owner(&self) -> &ObjectRef {
        self.set.as_ref().unwrap_or(&self.gateway)
    }

    /// Whether this is the same listener, in this or another configuration.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }

    /// What tells the listener from all others.
    #[must_use]
    pub fn identity(&self) -> (&ObjectRef, &ObjectRef, &str) {
        (&self.gateway, self.owner(), &self.name)
    }

    /// Every certificate that the listener uses.
    pub fn certificates(&self) -> impl Iterator<Item = (CertificateUse<'_>, &Certificate)> {
        let tls = self.protocol.server_tls();
        let own = tls.into_iter().flat_map(|tls| &tls.identities);
        let own = own.flat_map(|identity| {
            let used = CertificateUse::Server(&identity.source);
            identity.chain.iter().map(move |one| (used, one))
        });
        let clients = tls.and_then(|tls| tls.clients.as_ref());
        let authorities = clients.into_iter().flat_map(|clients| &clients.authorities);
        own.chain(authorities.map(|one| (CertificateUse::ClientCa, one)))
    }

    /// Whether the listener's hostname matches the name; `None` is a request without a host name.
    fn accepts(&self, name: Option<&DnsName>) -> bool {
        match (&self.hostname, name) {
            (None, _) => true,
            (Some(pattern), Some(name)) => pattern.matches(name),
            (Some(_), None) => false,
        }
    }
}

/// Sorts exact names before wildcards, longer wildcards before shorter ones, and no hostname last.
fn specificity(hostname: Option<&HostPattern>) -> (u8, std::cmp::Reverse<usize>) {
    let (class, length) = match hostname {
        Some(HostPattern::Exact(_)) => (0, 0),
        Some(HostPattern::Below(name)) => (1, name.as_str().len()),
        None => (2, 0),
    };
    (class, std::cmp::Reverse(length))
}

fn as_list<S, K, V>(map: &BTreeMap<K, V>, serializer: S) -> Result<S::Ok, S::Error>
where
    S: serde::Serializer,
    K: Serialize,
    V: Serialize,
{
    serializer.collect_seq(map.iter())
}
