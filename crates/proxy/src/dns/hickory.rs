//! The DNS client: sends a query to the servers of the settings, or to those of the system.
//!
//! Only the protocol layers of hickory are used, not its resolver: which server is queried when, which connections are
//! kept, and what of a response is believed is decided here.

use std::fmt;
use std::sync::Arc;

use egret_config::name::DnsName;
use egret_config::snapshot::{DnsProtocol, ResolverSettings};
use hickory_proto::rr::Name;

use crate::dns::failure::DnsFailure;
use crate::dns::family::AddressFamily;
use crate::dns::query::{
    AddressRecords, DnsClient, DnsClientFactory, HttpsRecords, QueryError, QueryFuture,
};
use crate::dns::stats::DnsStats;
use crate::tls::RootCertificates;

use https_record::HttpsRecordQuery;
use response::RecordQuery;
use selection::{ServerOrder, ServerSelection};
use server::ServerClient;
use server_pool::ServerPool;

mod connection;
mod doh;
mod edns;
mod error;
mod https_record;
mod response;
mod selection;
mod server;
mod server_pool;
mod shared_connection;
mod system;

/// Domains whose names do not exist in DNS and must not be disclosed to any server (RFC 6761 6.3 and 6.4, RFC 7686 2).
const PRIVATE_DOMAINS: [&str; 3] = ["invalid", "localhost", "onion"];

/// A client for one set of DNS servers.
pub(crate) struct HickoryClient {
    /// The servers, or why there are none, when the system's configuration cannot be used.
    servers: Result<Arc<ServerPool>, DnsFailure>,
}

impl HickoryClient {
    /// A client for the servers of the settings, or for those of the system if the settings name none. The system's
    /// configuration, and the CA certificates if they are needed, are read at once with blocking I/O. When that fails,
    /// every query that needs them fails, and says why.
    #[must_use]
    pub(crate) fn new(settings: &ResolverSettings, stats: &DnsStats) -> Self {
        let encrypted = settings.servers.iter().any(|server| {
            matches!(
                server.protocol,
                DnsProtocol::Tls { .. } | DnsProtocol::Https { .. }
            )
        });
        let roots = if encrypted {
            RootCertificates::system()
        } else {
            RootCertificates::of([])
        };
        Self::with_roots(settings, stats, &roots)
    }

    /// A client that trusts these CA certificates in place of those of the system.
    #[must_use]
    pub(crate) fn with_roots(
        settings: &ResolverSettings,
        stats: &DnsStats,
        roots: &RootCertificates,
    ) -> Self {
        let (order, configured) = if settings.servers.is_empty() {
            (ServerOrder::AsGiven, system::servers())
        } else {
            (ServerOrder::Fastest, Ok(settings.servers.clone()))
        };
        let timeout = settings.query_timeout;
        let servers = configured.map(|configured| {
            let selection = ServerSelection::new(order, configured.len(), timeout);
            let servers = configured
                .iter()
                .map(|server| ServerClient::new(server, timeout, roots, stats));
            Arc::new(ServerPool::new(servers.collect(), selection))
        });
        Self { servers }
    }

    /// A factory for clients that trust the CA certificates of the system.
    #[must_use]
    pub(crate) fn factory() -> DnsClientFactory {
        Arc::new(|settings, stats| Arc::new(Self::new(settings, stats)))
    }

    fn ask<Q: RecordQuery>(
        &self,
        name: &DnsName,
        query: Q,
    ) -> impl Future<Output = Result<Q::Records, QueryError>> + Send + 'static {
        let (servers, name) = (self.servers.clone(), name.clone());
        async move {
            if is_private(&name) {
                return Err(DnsFailure::NxDomain.into());
            }
            let servers = servers?;
            // Byte by byte, as hickory's parsers refuse labels that begin with a hyphen.
            let mut name = Name::from_labels(name.as_str().split('.').map(str::as_bytes))
                .map_err(|error| DnsFailure::Network(error.to_string().into()))?;
            name.set_fqdn(true);
            servers.ask(&name, query).await
        }
    }
}

impl DnsClient for HickoryClient {
    fn query_addresses(&self, name: DnsName, family: AddressFamily) -> QueryFuture<AddressRecords> {
        Box::pin(self.ask(&name, family))
    }

    fn query_https(&self, name: DnsName) -> QueryFuture<HttpsRecords> {
        Box::pin(self.ask(&name, HttpsRecordQuery))
    }
}

impl fmt::Debug for HickoryClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers = self.servers.as_ref().map(|servers| servers.len());
        f.debug_struct("HickoryClient")
            .field("servers", &servers)
            .finish_non_exhaustive()
    }
}

fn is_private(name: &DnsName) -> bool {
    let last = name.as_str().rsplit('.').next();
    last.is_some_and(|last| PRIVATE_DOMAINS.contains(&last))
}

#[cfg(test)]
mod tests;
