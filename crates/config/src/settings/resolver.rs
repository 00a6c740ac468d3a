//! Settings of name resolution: ResolverPolicy.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::name::DnsName;
use crate::resources::ObjectRef;

pub use egret_api::egret::LookupFamily;

/// The identity of a resolver, and so of its cache.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum ResolverId {
    /// The system's servers with default settings, where no ResolverPolicy applies.
    System,
    /// The servers and settings of this ResolverPolicy.
    Policy(ObjectRef),
    /// The names of one Backend, which has settings of its own.
    Backend(BackendResolver),
}

/// The identity of the resolver of one Backend whose BackendConfigPolicy has `dns`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct BackendResolver {
    /// The Backend.
    pub backend: ObjectRef,
    /// The ResolverPolicy that all other settings are of, and the servers; `None` is the system's.
    pub policy: Option<ObjectRef>,
}

/// `dns` of a BackendConfigPolicy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BackendDns {
    /// How long an answer is used before the name is queried again, in place of its TTL.
    pub refresh_rate: Option<Duration>,
    /// Which address families are queried, and which is tried first.
    pub family: Option<LookupFamily>,
}

impl BackendDns {
    /// The settings of a resolver with these in place of its own.
    #[must_use]
    pub fn over(&self, settings: &ResolverSettings) -> ResolverSettings {
        let mut settings = settings.clone();
        if let Some(rate) = self.refresh_rate {
            settings.min_ttl = rate;
            settings.max_ttl = rate;
        }
        settings.family = self.family.unwrap_or(settings.family);
        settings
    }
}

/// The compiled `spec` of a ResolverPolicy. The defaults are those of the resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ResolverSettings {
    /// The DNS servers. The fastest healthy server is queried first, the next one when it fails or is slow. Without
    /// any, the servers of the system are queried in their order.
    pub servers: Vec<NameServer>,
    /// Search domains. A name without a dot is tried in them first, any other name after it was found not to exist.
    /// Without any, every name is fully qualified.
    pub search: Vec<DnsName>,
    /// Whether HTTPS records (RFC 9460) are queried along with the addresses of destinations that are reached over TLS.
    pub https_records: bool,
    /// Names with fixed addresses, which are never queried.
    pub hosts: BTreeMap<DnsName, Vec<IpAddr>>,
    /// Names that are kept resolved even if no request needs them.
    pub preresolve: BTreeSet<DnsName>,
    /// Which address families are queried, and which is tried first.
    pub family: LookupFamily,
    /// The time limit of one query, with all servers and retries.
    pub query_timeout: Duration,
    /// Minimum TTL: a shorter TTL of a record is raised to it.
    pub min_ttl: Duration,
    /// Maximum TTL: a longer TTL of a record is lowered to it.
    pub max_ttl: Duration,
    /// Maximum time that a negative answer ("no such name") is cached. The SOA record decides below it (RFC 2308).
    pub negative_ttl: Duration,
    /// How long past its TTL an answer may be served while it cannot be refreshed (RFC 8767); zero is never.
    pub stale_for: Duration,
    /// A name that is not used for this long is evicted.
    pub idle_ttl: Duration,
    /// Maximum number of cached names; the least recently used are evicted first.
    pub max_hosts: usize,
    /// Maximum number of names that are resolved at the same time; more are refused with 503.
    pub max_pending: usize,
}

impl Default for ResolverSettings {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            search: Vec::new(),
            https_records: true,
            hosts: BTreeMap::new(),
            preresolve: BTreeSet::new(),
            family: LookupFamily::Auto,
            query_timeout: Duration::from_secs(5),
            min_ttl: Duration::from_secs(1),
            max_ttl: Duration::from_secs(60 * 60),
            negative_ttl: Duration::from_secs(30),
            stale_for: Duration::from_secs(60 * 60),
            idle_ttl: Duration::from_secs(5 * 60),
            max_hosts: 100_000,
            max_pending: 1024,
        }
    }
}

/// A DNS server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct NameServer {
    /// The address of the server.
    pub address: SocketAddr,
    /// The transport.
    pub protocol: DnsProtocol,
}

/// The transport of a DNS server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum DnsProtocol {
    /// UDP, and TCP when the answer was truncated (RFC 1035 4.2, RFC 7766).
    Udp,
    /// TCP only.
    Tcp,
    /// DNS over TLS (RFC 7858).
    Tls {
        /// The name in the server's certificate; `None` is its IP address.
        server_name: Option<DnsName>,
    },
    /// DNS over HTTPS (RFC 8484), over HTTP/2.
    Https {
        /// The name in the server's certificate and in the URL; `None` is its IP address.
        server_name: Option<DnsName>,
        /// The path of the URL, such as `/dns-query`.
        path: Arc<str>,
    },
}
