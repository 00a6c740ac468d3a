//! How names are resolved.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::name::DnsName;
use crate::resources::ObjectRef;

/// Who resolves names, and so whose cache is asked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum ResolverId {
    /// The system's servers with default settings: nobody attached a ResolverPolicy.
    System,
    /// This ResolverPolicy.
    Policy(ObjectRef),
}

/// The compiled `spec` of a ResolverPolicy; the defaults are those of the resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ResolverSettings {
    /// The fastest that is well is asked first, the next when it fails or is slow; empty means the system's, in their
    /// order.
    pub servers: Vec<NameServer>,
    /// Domains that a name is tried in: one without a dot before it is taken as it is, any other after it was found not
    /// to exist. Empty takes every name as fully qualified.
    pub search: Vec<DnsName>,
    /// Whether HTTPS records (RFC 9460) are asked for beside the addresses of a destination that is reached over TLS.
    pub https_records: bool,
    /// Names that are never asked for, because their addresses are given here.
    pub hosts: BTreeMap<DnsName, Vec<IpAddr>>,
    /// Names that are kept known although nobody asks for them.
    pub preresolve: BTreeSet<DnsName>,
    /// Which families are asked for, and which is tried first.
    pub family: LookupFamily,
    /// How long one query may take, all servers and retries together.
    pub query_timeout: Duration,
    /// Lower clamp of a record's TTL.
    pub min_ttl: Duration,
    /// Upper clamp of a record's TTL.
    pub max_ttl: Duration,
    /// Ceiling of how long "there is no such name" is remembered; the SOA rules below it (RFC 2308).
    pub negative_ttl: Duration,
    /// How long past its TTL an answer may serve while it cannot be refreshed (RFC 8767); zero is never.
    pub stale_for: Duration,
    /// A name unused this long is forgotten.
    pub idle_ttl: Duration,
    /// Most names remembered; the least recently used leave first.
    pub max_hosts: usize,
    /// Most names asked for at once; further ones are refused with 503.
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
    /// Its address.
    pub address: SocketAddr,
    /// How it is asked.
    pub protocol: DnsProtocol,
}

/// How a DNS server is asked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum DnsProtocol {
    /// UDP, and TCP when the answer was truncated (RFC 1035 4.2, RFC 7766).
    Udp,
    /// TCP only.
    Tcp,
    /// DNS over TLS (RFC 7858).
    Tls {
        /// The name in the server's certificate; `None` is its address.
        server_name: Option<DnsName>,
    },
    /// DNS over HTTPS (RFC 8484), over HTTP/2.
    Https {
        /// The name in the server's certificate, and its authority; `None` is its address.
        server_name: Option<DnsName>,
        /// The path of the query, such as `/dns-query`.
        path: Arc<str>,
    },
}

/// `lookupFamily` of a ResolverPolicy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum LookupFamily {
    /// Both, raced by RFC 8305 with IPv6 first.
    #[default]
    Auto,
    /// IPv4 only.
    V4Only,
    /// IPv6 only.
    V6Only,
    /// Both, IPv4 first.
    V4Preferred,
    /// Both, IPv6 first.
    V6Preferred,
}
