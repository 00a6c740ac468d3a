//! The way to one server over one protocol: a connection that is made when it is needed, shared by all who ask, and
//! made anew when it has died.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use hickory_net::runtime::TokioRuntimeProvider;
use hickory_proto::op::{DnsRequest, Message};
use tokio::sync::Mutex as AsyncMutex;

use super::connection::{Connection, Route};
use crate::clock;

/// Why there is no response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// None came in time.
    Timeout,
    /// There is no connection, or it ended: another one may do.
    Closed(String),
    /// What came was no DNS; another connection would not change that.
    Nonsense(String),
}

/// A kept connection.
pub(super) struct Link {
    route: Route,
    /// Ends what it drives when it is dropped.
    provider: TokioRuntimeProvider,
    current: Mutex<Option<Arc<Open>>>,
    /// Held by the one who connects; holds the last failure to do so.
    connecting: AsyncMutex<Option<(Instant, Trouble)>>,
}

struct Open {
    connection: Connection,
    /// How many responses came over it.
    heard: AtomicU64,
}

/// A query that is under way. When it is given up, and nothing at all came over the connection since, the connection
/// is taken for dead, which nobody may ever say.
struct Waiting<'a> {
    link: &'a Link,
    open: Arc<Open>,
    /// What [`Open::heard`] was.
    before: u64,
}

impl Link {
    pub(super) fn new(route: Route) -> Self {
        Self {
            route,
            provider: TokioRuntimeProvider::default(),
            current: Mutex::default(),
            connecting: AsyncMutex::default(),
        }
    }

    /// The response to a request. A request that finds its connection closed, or loses it, is made once more over a new
    /// one: the server may close a connection whenever it likes (RFC 7766 6.2.3).
    pub(super) async fn send(&self, request: &DnsRequest) -> Result<Message, Trouble> {
        let open = self.open().await?;
        match self.ask(&open, request).await {
            Err(Trouble::Closed(_)) if self.route.is_stream() => {
                let open = self.open().await?;
                self.ask(&open, request).await
            }
            response => response,
        }
    }

    /// Not to be used by those who come: it said what it must not.
    pub(super) fn distrust(&self) {
        self.slot().take();
    }

    async fn ask(&self, open: &Arc<Open>, request: &DnsRequest) -> Result<Message, Trouble> {
        let waiting = Waiting {
            link: self,
            before: open.heard.load(Ordering::Relaxed),
            open: Arc::clone(open),
        };
        let response = open.connection.send(request.clone()).await;
        match &response {
            Ok(_) | Err(Trouble::Nonsense(_)) => {
                open.heard.fetch_add(1, Ordering::Relaxed);
            }
            Err(Trouble::Closed(_)) => self.discard(open),
            Err(Trouble::Timeout) => {}
        }
        drop(waiting);
        response
    }

    /// The connection. One is made at a time, and who waited for one that failed shares the failure.
    async fn open(&self) -> Result<Arc<Open>, Trouble> {
        if let Some(open) = &*self.slot() {
            return Ok(Arc::clone(open));
        }
        let came = clock::now();
        let mut failed = self.connecting.lock().await;
        if let Some(open) = &*self.slot() {
            return Ok(Arc::clone(open));
        }
        if let Some((_, trouble)) = failed.as_ref().filter(|(when, _)| *when >= came) {
            return Err(trouble.clone());
        }
        match self.route.connect(&self.provider).await {
            Ok(connection) => {
                let open = Arc::new(Open {
                    connection,
                    heard: AtomicU64::new(0),
                });
                *self.slot() = Some(Arc::clone(&open));
                Ok(open)
            }
            Err(trouble) => {
                *failed = Some((clock::now(), trouble.clone()));
                Err(trouble)
            }
        }
    }

    fn discard(&self, dead: &Arc<Open>) {
        self.slot().take_if(|open| Arc::ptr_eq(open, dead));
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<Arc<Open>>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.open.heard.load(Ordering::Relaxed) == self.before {
            self.link.discard(&self.open);
        }
    }
}
