//! DNS on the wire: one question to the servers of the settings, or of the system.
//!
//! Of hickory only the protocol is used, below what it calls a resolver: who is asked when, what connections are kept,
//! and what of a response is believed is decided here.

use std::fmt;
use std::sync::Arc;

use egret_config::name::DnsName;
use egret_config::snapshot::{DnsProtocol, ResolverSettings};
use hickory_proto::rr::Name;

use crate::dns::failure::Failure;
use crate::dns::family::Family;
use crate::dns::query::{Answering, AnsweringServices, Query, QueryError};
use crate::dns::resolver::QueryFactory;
use crate::dns::stats::DnsStats;
use crate::tls::RootCertificates;

use answer::Wanted;
use choice::{Choice, Order};
use server::Server;
use services::Https;
use turn::Servers;

mod answer;
mod choice;
mod connection;
mod https;
mod link;
mod server;
mod services;
mod system;
mod turn;

/// Domains below which there is nothing that DNS could know, and whose names must not be told to anybody (RFC 6761 6.3
/// and 6.4, RFC 7686 2).
const PRIVATE: [&str; 3] = ["invalid", "localhost", "onion"];

/// Asks DNS servers.
pub struct HickoryQuery {
    /// Why there are none, when the system's configuration cannot be used.
    servers: Result<Arc<Servers>, Failure>,
}

impl HickoryQuery {
    /// For the servers of the settings; the system's, and the CA certificates if they are needed, are read from its
    /// configuration here and now, with blocking I/O. When that fails, every query that needs them does, and says why.
    #[must_use]
    pub fn new(settings: &ResolverSettings, stats: &DnsStats) -> Self {
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

    /// The same, with other CA certificates than those of the system.
    #[must_use]
    pub fn with_roots(
        settings: &ResolverSettings,
        stats: &DnsStats,
        roots: &RootCertificates,
    ) -> Self {
        let (order, configured) = if settings.servers.is_empty() {
            (Order::AsGiven, system::servers())
        } else {
            (Order::Fastest, Ok(settings.servers.clone()))
        };
        let timeout = settings.query_timeout;
        let servers = configured.map(|configured| {
            let choice = Choice::new(order, configured.len(), timeout);
            let servers = configured
                .iter()
                .map(|server| Server::new(server, timeout, roots, stats));
            Arc::new(Servers::new(servers.collect(), choice))
        });
        Self { servers }
    }

    /// Makes one for each resolver.
    #[must_use]
    pub fn factory() -> QueryFactory {
        Arc::new(|settings, stats| Arc::new(Self::new(settings, stats)))
    }

    /// The same, with other CA certificates than those of the system.
    #[must_use]
    pub fn factory_with_roots(roots: RootCertificates) -> QueryFactory {
        Arc::new(move |settings, stats| Arc::new(Self::with_roots(settings, stats, &roots)))
    }

    fn ask<W: Wanted>(
        &self,
        name: &DnsName,
        wanted: W,
    ) -> impl Future<Output = Result<W::Found, QueryError>> + Send + 'static {
        let (servers, name) = (self.servers.clone(), name.clone());
        async move {
            if is_private(&name) {
                return Err(Failure::NxDomain.into());
            }
            let servers = servers?;
            let mut name = Name::from_ascii(name.as_str())
                .map_err(|error| Failure::Network(error.to_string().into()))?;
            name.set_fqdn(true);
            servers.ask(&name, wanted).await
        }
    }
}

impl Query for HickoryQuery {
    fn query(&self, name: DnsName, family: Family) -> Answering {
        Box::pin(self.ask(&name, family))
    }

    fn services(&self, name: DnsName) -> AnsweringServices {
        Box::pin(self.ask(&name, Https))
    }
}

impl fmt::Debug for HickoryQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers = self.servers.as_ref().map(|servers| servers.len());
        f.debug_struct("HickoryQuery")
            .field("servers", &servers)
            .finish_non_exhaustive()
    }
}

fn is_private(name: &DnsName) -> bool {
    let last = name.as_str().rsplit('.').next();
    last.is_some_and(|last| PRIVATE.contains(&last))
}

#[cfg(test)]
mod tests;
