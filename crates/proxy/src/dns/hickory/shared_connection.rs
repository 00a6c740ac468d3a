//! A connection to one server over one protocol, which is made when it is needed, shared by all queries, and replaced
//! when it has died.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use hickory_net::runtime::TokioRuntimeProvider;
use hickory_proto::op::{DnsRequest, Message};
use tokio::sync::Mutex as AsyncMutex;

use super::connection::{DnsConnection, ServerEndpoint};
use super::error::TransportError;
use crate::clock;

/// The connection to one server over one protocol.
pub(super) struct SharedConnection {
    endpoint: ServerEndpoint,
    /// Runs the tasks of the connection, and ends them when it is dropped.
    provider: TokioRuntimeProvider,
    current: Mutex<Option<Arc<OpenConnection>>>,
    /// Locked while a connection is made; holds when that last failed, and why.
    connecting: AsyncMutex<Option<(Instant, TransportError)>>,
}

struct OpenConnection {
    connection: DnsConnection,
    /// How many responses came over the connection.
    responses: AtomicU64,
}

/// A query in flight. When it is dropped and no response at all has come over the connection since it was sent, the
/// connection is taken for dead, which nothing else would ever detect.
struct PendingExchange<'a> {
    owner: &'a SharedConnection,
    open: Arc<OpenConnection>,
    /// The value of [`OpenConnection::responses`] when the query was sent.
    responses_before: u64,
}

impl SharedConnection {
    pub(super) fn new(endpoint: ServerEndpoint) -> Self {
        Self {
            endpoint,
            provider: TokioRuntimeProvider::default(),
            current: Mutex::default(),
            connecting: AsyncMutex::default(),
        }
    }

    /// Sends a request and returns the response. A request that finds its connection closed, or loses it, is sent once
    /// more over a new one: the server may close a connection at any time (RFC 7766 6.2.3).
    pub(super) async fn send(&self, request: &DnsRequest) -> Result<Message, TransportError> {
        let open = self.open().await?;
        match self.exchange(&open, request).await {
            Err(TransportError::Closed(_)) if self.endpoint.is_stream() => {
                // Boxed, so that queries over open connections pay nothing for it.
                Box::pin(async {
                    let open = self.open().await?;
                    self.exchange(&open, request).await
                })
                .await
            }
            response => response,
        }
    }

    /// Closes the connection for later requests, because of a response that violates the protocol.
    pub(super) fn close(&self) {
        self.lock().take();
    }

    async fn exchange(
        &self,
        open: &Arc<OpenConnection>,
        request: &DnsRequest,
    ) -> Result<Message, TransportError> {
        let exchange = PendingExchange {
            owner: self,
            responses_before: open.responses.load(Ordering::Relaxed),
            open: Arc::clone(open),
        };
        let response = open.connection.send(request.clone()).await;
        match &response {
            Ok(_) | Err(TransportError::Protocol(_)) => {
                open.responses.fetch_add(1, Ordering::Relaxed);
            }
            Err(TransportError::Closed(_)) => self.discard(open),
            Err(TransportError::Timeout) => {}
        }
        drop(exchange);
        response
    }

    /// The open connection, or a new one. One is made at a time; requests that waited for it share its failure.
    async fn open(&self) -> Result<Arc<OpenConnection>, TransportError> {
        if let Some(open) = &*self.lock() {
            return Ok(Arc::clone(open));
        }
        // Likewise.
        Box::pin(self.connect()).await
    }

    async fn connect(&self) -> Result<Arc<OpenConnection>, TransportError> {
        let started = clock::now();
        let mut failed = self.connecting.lock().await;
        if let Some(open) = &*self.lock() {
            return Ok(Arc::clone(open));
        }
        if let Some((_, error)) = failed.as_ref().filter(|(when, _)| *when >= started) {
            return Err(error.clone());
        }
        match self.endpoint.connect(&self.provider).await {
            Ok(connection) => {
                let open = Arc::new(OpenConnection {
                    connection,
                    responses: AtomicU64::new(0),
                });
                *self.lock() = Some(Arc::clone(&open));
                Ok(open)
            }
            Err(error) => {
                *failed = Some((clock::now(), error.clone()));
                Err(error)
            }
        }
    }

    fn discard(&self, dead: &Arc<OpenConnection>) {
        self.lock().take_if(|open| Arc::ptr_eq(open, dead));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Arc<OpenConnection>>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for PendingExchange<'_> {
    fn drop(&mut self) {
        if self.open.responses.load(Ordering::Relaxed) == self.responses_before {
            self.owner.discard(&self.open);
        }
    }
}
