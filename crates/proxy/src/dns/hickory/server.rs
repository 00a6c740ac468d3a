//! One server: a question, followed along its aliases, to an answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use egret_config::snapshot::{DnsProtocol, NameServer};
use hickory_proto::op::{DnsRequest, DnsRequestOptions, Message, Query};
use hickory_proto::rr::Name;

use super::answer::{self, Said, Wanted};
use super::connection::Route;
use super::link::{Link, Trouble};
use crate::clock;
use crate::dns::failure::Failure;
use crate::dns::query::QueryError;
use crate::dns::stats::{DnsStats, ServerStats};
use crate::tls::RootCertificates;

/// Most questions asked for one name, where the server leaves it to us to follow its aliases.
const MAX_QUESTIONS: usize = 8;

/// Questions in a row that have to go unanswered before people are told.
const TROUBLES: u32 = 3;

/// A server that can be asked.
pub(super) struct Server {
    /// As in the configuration.
    label: Arc<str>,
    main: Link,
    /// For what did not fit into a datagram.
    tcp: Option<Link>,
    timeout: Duration,
    stats: Arc<ServerStats>,
    /// Since the last answer.
    troubles: AtomicU32,
}

impl Server {
    pub(super) fn new(
        server: &NameServer,
        timeout: Duration,
        roots: &RootCertificates,
        stats: &DnsStats,
    ) -> Self {
        let label = label(server);
        let tcp = || Link::new(Route::tcp(server.address, timeout));
        Self {
            main: Link::new(Route::new(server, timeout, roots)),
            tcp: (server.protocol == DnsProtocol::Udp).then(tcp),
            timeout,
            stats: stats.server(&label),
            troubles: AtomicU32::new(0),
            label,
        }
    }

    /// Asks, within the time, and counts.
    pub(super) async fn ask<W: Wanted>(
        &self,
        name: Name,
        wanted: W,
    ) -> Result<W::Found, QueryError> {
        let start = clock::now();
        let answer = tokio::time::timeout(self.timeout, self.follow(name, wanted)).await;
        let answer = answer.unwrap_or_else(|_| Err(Failure::Timeout.into()));
        let took = clock::now().saturating_duration_since(start);
        self.stats.duration.observe(took);
        if let Err(error) = &answer {
            self.stats.failures[error.failure.kind()].increment();
        }
        self.tell(answer.as_ref().err().map(|error| &error.failure));
        answer
    }

    /// Tells people when the server begins to fail, and when that is over.
    fn tell(&self, failure: Option<&Failure>) {
        match failure {
            // The name may be to blame for one that takes too long, and hardly for several in a row.
            Some(Failure::Timeout) => {
                if self.troubles.fetch_add(1, Relaxed) + 1 == TROUBLES {
                    tracing::warn!("the DNS server {} does not answer", self.label);
                }
            }
            Some(Failure::Network(text)) => {
                if self.troubles.swap(TROUBLES, Relaxed) < TROUBLES {
                    tracing::warn!("no DNS from {text}");
                }
            }
            Some(_) | None => {
                if self.troubles.swap(0, Relaxed) >= TROUBLES {
                    tracing::info!("the DNS server {} answers again", self.label);
                }
            }
        }
    }

    /// Asks for the name, and for what it is an alias of where the response ends with that.
    async fn follow<W: Wanted>(&self, name: Name, wanted: W) -> Result<W::Found, QueryError> {
        let mut asked = vec![name];
        let mut ttl = u32::MAX;
        while let Some(name) = asked.last()
            && asked.len() <= MAX_QUESTIONS
        {
            let question = Query::query(name.clone(), wanted.record_type());
            let response = self.exchange(&question).await?;
            match answer::read(&question, wanted, &response, ttl)? {
                Said::Found(found) => return Ok(found),
                Said::Alias(target, _) if asked.contains(&target) => break,
                Said::Alias(target, least) => {
                    asked.push(target);
                    ttl = least;
                }
            }
        }
        Err(Failure::NoData.into())
    }

    /// The response to one question, which is known to be to this one.
    async fn exchange(&self, question: &Query) -> Result<Message, QueryError> {
        let request = DnsRequest::from_query(question.clone(), DnsRequestOptions::default());
        let response = self.send(&self.main, &request).await?;
        match &self.tcp {
            Some(tcp) if response.metadata.truncation => self.send(tcp, &request).await,
            _ => Ok(response),
        }
    }

    async fn send(&self, link: &Link, request: &DnsRequest) -> Result<Message, QueryError> {
        let response = link.send(request).await.map_err(|trouble| match trouble {
            Trouble::Timeout => Failure::Timeout.into(),
            Trouble::Closed(text) | Trouble::Nonsense(text) => self.failure(&text),
        })?;
        answer::check(&request.queries, &response).map_err(|text| {
            link.distrust();
            self.failure(text)
        })?;
        Ok(response)
    }

    fn failure(&self, text: &str) -> QueryError {
        Failure::Network(format!("{}: {text}", self.label).into()).into()
    }
}

/// What people know the server by.
fn label(server: &NameServer) -> Arc<str> {
    let address = server.address;
    match &server.protocol {
        DnsProtocol::Udp => address.to_string(),
        DnsProtocol::Tcp => format!("tcp://{address}"),
        DnsProtocol::Tls { .. } => format!("tls://{address}"),
        DnsProtocol::Https { path, .. } => format!("https://{address}{path}"),
    }
    .into()
}
