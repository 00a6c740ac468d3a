//! A client for one server: sends queries, follows aliases, and counts.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use egret_config::snapshot::{DnsProtocol, NameServer};
use hickory_proto::op::{DnsRequest, DnsRequestOptions, Message, Query, ResponseCode};
use hickory_proto::rr::Name;
use tokio::time::sleep;

use super::connection::ServerEndpoint;
use super::edns::{EdnsState, EdnsSupport};
use super::error::TransportError;
use super::response::{RecordQuery, ResponseContent, check_response, read_response};
use super::shared_connection::SharedConnection;
use crate::clock;
use crate::dns::failure::DnsFailure;
use crate::dns::query::QueryError;
use crate::dns::stats::{DnsStats, ServerStats};
use crate::tls::RootCertificates;

/// The most queries for one name, where the server leaves it to the client to follow aliases.
const MAX_QUERIES: usize = 8;

/// A client for one server.
pub(super) struct ServerClient {
    /// The server as the configuration names it.
    label: Arc<str>,
    main: SharedConnection,
    /// The connection for responses that did not fit into a datagram.
    tcp: Option<SharedConnection>,
    timeout: Duration,
    stats: Arc<ServerStats>,
    edns: EdnsState,
}

/// The extension of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extension {
    None,
    Edns,
}

impl ServerClient {
    pub(super) fn new(
        server: &NameServer,
        timeout: Duration,
        roots: &RootCertificates,
        stats: &DnsStats,
    ) -> Self {
        let label = label(server);
        let tcp = || SharedConnection::new(ServerEndpoint::tcp(server.address, timeout));
        Self {
            main: SharedConnection::new(ServerEndpoint::new(server, timeout, roots)),
            tcp: (server.protocol == DnsProtocol::Udp).then(tcp),
            timeout,
            stats: stats.server(&label),
            edns: EdnsState::default(),
            label,
        }
    }

    /// Queries the server within the timeout, and counts the result.
    pub(super) async fn ask<Q: RecordQuery>(
        &self,
        name: Name,
        query: Q,
    ) -> Result<Q::Records, QueryError> {
        self.stats.queried_at(clock::wall());
        let start = clock::now();
        let answer = tokio::time::timeout(self.timeout, self.follow_aliases(name, query)).await;
        let answer = answer.unwrap_or_else(|_| Err(DnsFailure::Timeout.into()));
        let took = clock::now().saturating_duration_since(start);
        self.stats.duration.observe(took);
        if let Err(error) = &answer {
            self.stats.failures.increment(error.failure.kind());
        }
        self.log(answer.as_ref().err().map(|error| &error.failure));
        answer
    }

    /// Logs when the server begins to fail, and when it answers again.
    fn log(&self, failure: Option<&DnsFailure>) {
        match failure {
            Some(DnsFailure::Timeout) => {
                if self.stats.timed_out() {
                    tracing::warn!("the DNS server {} does not answer", self.label);
                }
            }
            Some(DnsFailure::Network(text)) => {
                if self.stats.failed() {
                    tracing::warn!("no DNS from {text}");
                }
            }
            Some(_) | None => {
                if self.stats.answered() {
                    tracing::info!("the DNS server {} answers again", self.label);
                }
            }
        }
    }

    /// Queries the name, and then the name that it is an alias of, where the response holds only the alias.
    async fn follow_aliases<Q: RecordQuery>(
        &self,
        name: Name,
        query: Q,
    ) -> Result<Q::Records, QueryError> {
        let mut names = vec![name];
        let mut ttl = u32::MAX;
        while let Some(name) = names.last()
            && names.len() <= MAX_QUERIES
        {
            let question = Query::query(name.clone(), query.record_type());
            let response = self.exchange(&question).await?;
            match read_response(&question, query, &response, ttl)? {
                ResponseContent::Records(records) => return Ok(records),
                ResponseContent::Alias(target, _) if names.contains(&target) => break,
                ResponseContent::Alias(target, least) => {
                    names.push(target);
                    ttl = least;
                }
            }
        }
        Err(DnsFailure::AliasChain.into())
    }

    /// Sends one question and returns its response, which is checked to belong to it.
    async fn exchange(&self, question: &Query) -> Result<Message, QueryError> {
        let (response, extension) = self.negotiate(question).await?;
        match &self.tcp {
            Some(tcp) if response.metadata.truncation => {
                // Boxed, like all that few queries need: each query is a task, which is as large as its largest step.
                Box::pin(self.send(tcp, &request(question, extension))).await
            }
            _ => Ok(response),
        }
    }

    /// Sends one question with EDNS unless the server is known not to speak it, and without it if the server refuses it
    /// or, as long as it is unknown, does not answer in half of the timeout (RFC 6891 6.2.2).
    async fn negotiate(&self, question: &Query) -> Result<(Message, Extension), QueryError> {
        let known = self.edns.at(clock::now());
        if known == EdnsSupport::Missing {
            let plain = request(question, Extension::None);
            let response = Box::pin(self.send(&self.main, &plain)).await?;
            return Ok((response, Extension::None));
        }
        let with_edns = request(question, Extension::Edns);
        let mut first = pin!(self.send(&self.main, &with_edns));
        // A server on a connection that refuses EDNS says so.
        let may_be_silent = known == EdnsSupport::Unknown && self.tcp.is_some();
        let response = tokio::select! {
            biased;
            response = &mut first => response?,
            response = async { Box::pin(self.after_silence(question)).await }, if may_be_silent => {
                return Ok((response?, Extension::None));
            }
        };
        if !is_refused(&response) {
            self.edns.is_spoken();
            return Ok((response, Extension::Edns));
        }
        let response = Box::pin(self.without_edns(question)).await?;
        Ok((response, Extension::None))
    }

    /// Sends a question without EDNS once the server has been silent for half of the timeout.
    async fn after_silence(&self, question: &Query) -> Result<Message, QueryError> {
        sleep(self.timeout / 2).await;
        self.without_edns(question).await
    }

    /// Sends a question without EDNS, and remembers that the server answers it.
    async fn without_edns(&self, question: &Query) -> Result<Message, QueryError> {
        let response = self
            .send(&self.main, &request(question, Extension::None))
            .await?;
        if !is_refused(&response) {
            self.edns.is_missing(clock::now());
        }
        Ok(response)
    }

    async fn send(
        &self,
        connection: &SharedConnection,
        request: &DnsRequest,
    ) -> Result<Message, QueryError> {
        let response = connection
            .send(request)
            .await
            .map_err(|error| match error {
                TransportError::Timeout => DnsFailure::Timeout.into(),
                TransportError::Closed(text) | TransportError::Protocol(text) => {
                    self.failure(&text)
                }
            })?;
        check_response(&request.queries, &response).map_err(|text| {
            connection.close();
            self.failure(text)
        })?;
        Ok(response)
    }

    fn failure(&self, text: &str) -> QueryError {
        DnsFailure::Network(format!("{}: {text}", self.label).into()).into()
    }
}

fn request(question: &Query, extension: Extension) -> DnsRequest {
    let mut options = DnsRequestOptions::default();
    options.use_edns = extension == Extension::Edns;
    DnsRequest::from_query(question.clone(), options)
}

/// Whether a server that does not know EDNS refuses a query because of it (RFC 6891 7).
fn is_refused(response: &Message) -> bool {
    let code = response.metadata.response_code;
    [ResponseCode::FormErr, ResponseCode::NotImp].contains(&code) && response.edns.is_none()
}

/// The server as the configuration names it.
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
