//! DNS on the wire, by hickory: one question to the servers of the settings, or of the system.
//!
//! Of hickory only the protocol is used. Its cache, its search list and its hosts file are off, and each server has a
//! client of its own: the order of the servers is kept here, because the first may know names that the others do not.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use egret_config::name::DnsName;
use egret_config::snapshot::{DnsProtocol, NameServer, ResolverSettings};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, RecordType};
use tokio::task::{JoinError, JoinSet};

use crate::dns::failure::Failure;
use crate::dns::family::Family;
use crate::dns::query::{Answering, AnsweringServices, Query, QueryError, Records};
use crate::dns::resolver::QueryFactory;

mod answer;

/// How long a server is given before the next is asked as well.
const HEAD_START: Duration = Duration::from_secs(1);
/// The same for a server that has not been heard of for a while.
const SHORT_HEAD_START: Duration = Duration::from_millis(50);
/// How many questions in a row have to use up the head start before it becomes the short one.
const UNHEARD: u32 = 3;

/// Asks DNS servers.
pub struct HickoryQuery {
    /// Why there are none, when the system's configuration cannot be used.
    servers: Result<Arc<[Server]>, Failure>,
    head_start: Duration,
}

struct Server {
    client: TokioResolver,
    /// How many head starts it has used up since it was last heard of.
    unheard: AtomicU32,
}

impl HickoryQuery {
    /// For the servers of the settings; the system's are read from its configuration here and now, with blocking I/O.
    /// When that fails, every query does, and says why.
    #[must_use]
    pub fn new(settings: &ResolverSettings) -> Self {
        let servers = servers(settings).map_err(|error| Failure::Network(error.to_string().into()));
        let count = servers.as_ref().map_or(1, |servers| servers.len().max(1));
        let share = settings.query_timeout / u32::try_from(count).unwrap_or(u32::MAX);
        Self {
            servers,
            head_start: HEAD_START.min(share),
        }
    }

    /// Makes one for each resolver.
    #[must_use]
    pub fn factory() -> QueryFactory {
        Arc::new(|settings, _stats| Arc::new(Self::new(settings)))
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

impl Query for HickoryQuery {
    fn services(&self, _name: DnsName) -> AnsweringServices {
        Box::pin(async { Err(Failure::NoData.into()) })
    }

    fn query(&self, name: DnsName, family: Family) -> Answering {
        let servers = self.servers.clone();
        let head_start = self.head_start;
        Box::pin(async move {
            let servers = servers?;
            let mut name = Name::from_ascii(name.as_str())
                .map_err(|error| Failure::Network(error.to_string().into()))?;
            name.set_fqdn(true);
            match &*servers {
                [only] => only.ask(name, family).await,
                _ => ask_in_turn(&servers, head_start, &name, family).await,
            }
        })
    }
}

/// Asks the first server, and the next one too whenever the last asked has failed or used up its head start. The first
/// answer counts, whoever gave it; a failure only when it is everybody's.
async fn ask_in_turn(
    servers: &Arc<[Server]>,
    head_start: Duration,
    name: &Name,
    family: Family,
) -> Result<Records, QueryError> {
    let mut asked = JoinSet::new();
    let mut failure = None;
    for (index, server) in servers.iter().enumerate() {
        let (all, name) = (Arc::clone(servers), name.clone());
        asked.spawn(async move { all[index].ask(name, family).await });
        if index + 1 == servers.len() {
            break;
        }
        match tokio::time::timeout(server.head_start(head_start), asked.join_next()).await {
            Ok(Some(ended)) => match settle(ended) {
                Ok(answer) => return answer,
                Err(error) => keep(&mut failure, error),
            },
            Ok(None) => {}
            Err(_) => {
                server.unheard.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
    while let Some(ended) = asked.join_next().await {
        match settle(ended) {
            Ok(answer) => return answer,
            Err(error) => keep(&mut failure, error),
        }
    }
    Err(failure.unwrap_or_else(|| Failure::Network("there is no server to ask".into()).into()))
}

/// `Ok` is an answer, negative ones included; `Err` leaves it to the other servers.
fn settle(
    ended: Result<Result<Records, QueryError>, JoinError>,
) -> Result<Result<Records, QueryError>, QueryError> {
    match ended {
        Ok(Err(error)) if !error.failure.is_answer() => Err(error),
        Ok(answer) => Ok(answer),
        Err(error) => Err(Failure::Network(error.to_string().into()).into()),
    }
}

/// Keeps the failure that says most: one that a server stated.
fn keep(kept: &mut Option<QueryError>, error: QueryError) {
    if kept
        .as_ref()
        .is_none_or(|kept| kept.failure.rcode().is_none())
    {
        *kept = Some(error);
    }
}

impl Server {
    async fn ask(&self, name: Name, family: Family) -> Result<Records, QueryError> {
        let record_type = match family {
            Family::V4 => RecordType::A,
            Family::V6 => RecordType::AAAA,
        };
        let answer = match self.client.lookup(name.clone(), record_type).await {
            Ok(lookup) => answer::records(&name, family, lookup.answers()),
            Err(error) => Err(answer::failure(&error)),
        };
        let heard = match &answer {
            Ok(_) => true,
            Err(error) => error.failure.rcode().is_some(),
        };
        if heard {
            self.unheard.store(0, Ordering::Relaxed);
        }
        answer
    }

    fn head_start(&self, usual: Duration) -> Duration {
        if self.unheard.load(Ordering::Relaxed) < UNHEARD {
            usual
        } else {
            usual.min(SHORT_HEAD_START)
        }
    }
}

fn servers(settings: &ResolverSettings) -> Result<Arc<[Server]>, NetError> {
    let configs = if settings.servers.is_empty() {
        hickory_resolver::system_conf::read_system_conf()?
            .0
            .name_servers
    } else {
        settings.servers.iter().map(config).collect()
    };
    let options = options(settings.query_timeout);
    configs
        .into_iter()
        .map(|config| {
            let config = ResolverConfig::from_name_servers(vec![config]);
            let client =
                TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
                    .with_options(options.clone())
                    .build()?;
            Ok(Server {
                client,
                unheard: AtomicU32::new(0),
            })
        })
        .collect()
}

fn config(server: &NameServer) -> NameServerConfig {
    let mut connections = match server.protocol {
        DnsProtocol::Udp => vec![ConnectionConfig::udp(), ConnectionConfig::tcp()],
        DnsProtocol::Tcp | DnsProtocol::Tls { .. } | DnsProtocol::Https { .. } => {
            vec![ConnectionConfig::tcp()]
        }
    };
    for connection in &mut connections {
        connection.port = server.address.port();
    }
    NameServerConfig::new(server.address.ip(), true, connections)
}

fn options(timeout: Duration) -> ResolverOpts {
    let mut options = ResolverOpts::default();
    options.timeout = timeout;
    // Over UDP the packet itself is sent up to three times within the timeout. A server that failed is not asked
    // again: there are other servers, and the cache comes back soon enough.
    options.attempts = 0;
    options.edns0 = true;
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    // All questions to one server share a TCP connection; the cache bounds how many there are.
    options.max_active_requests = 8192;
    options.preserve_intermediates = true;
    // Random case would make forging harder still, but there are forwarders that fold it, and with a server that also
    // lacks TCP nothing would resolve. A random port and id for each packet remain.
    options.case_randomization = false;
    options
}

#[cfg(test)]
mod tests;
