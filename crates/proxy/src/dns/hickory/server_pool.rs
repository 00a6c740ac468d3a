//! Sends a query to several servers, one after the other or beside each other, and takes the first answer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hickory_proto::rr::Name;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::response::RecordQuery;
use super::selection::ServerSelection;
use super::server::ServerClient;
use crate::clock;
use crate::dns::failure::DnsFailure;
use crate::dns::query::QueryError;

/// The servers, and what is known about them.
pub(super) struct ServerPool {
    servers: Box<[ServerClient]>,
    selection: Mutex<ServerSelection>,
}

/// The index of a server, and its answer or failure.
type ServerReply<R> = (usize, Result<R, QueryError>);

impl ServerPool {
    pub(super) fn new(servers: Box<[ServerClient]>, selection: ServerSelection) -> Self {
        Self {
            servers,
            selection: Mutex::new(selection),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.servers.len()
    }

    /// Queries the first server, and the next one too whenever the last one has failed or used up its head start. The
    /// first answer counts, whichever server gave it; a failure only when every server has failed.
    pub(super) async fn ask<Q: RecordQuery>(
        self: &Arc<Self>,
        name: &Name,
        query: Q,
    ) -> Result<Q::Records, QueryError> {
        let plan = self.selection().plan(clock::now());
        // There is room for every server, so that none has to wait for the receiver.
        let (sender, mut replies) = mpsc::channel(self.len().max(1));
        if let Some(probe) = plan.probe {
            self.spawn(probe, name, query, None);
        }
        let mut progress = QueryProgress::default();
        let mut order = plan.order.into_iter().peekable();
        while let Some(index) = order.next() {
            self.spawn(index, name, query, Some(sender.clone()));
            if order.peek().is_none() {
                break;
            }
            let head_start = self.selection().head_start(index);
            match timeout(head_start, replies.recv()).await {
                Ok(Some(reply)) => {
                    if let Some(answer) = self.settle(reply, &mut progress) {
                        return answer;
                    }
                }
                Ok(None) => {}
                Err(_) => progress.failed.push(index),
            }
        }
        drop(sender);
        while let Some(reply) = replies.recv().await {
            if let Some(answer) = self.settle(reply, &mut progress) {
                return answer;
            }
        }
        let no_server = || DnsFailure::Network("there is no server to ask".into()).into();
        Err(progress.failure.unwrap_or_else(no_server))
    }

    /// Queries one server in a task of its own, to the end: its result is learned from even when nobody waits for it.
    fn spawn<Q: RecordQuery>(
        self: &Arc<Self>,
        index: usize,
        name: &Name,
        query: Q,
        sender: Option<mpsc::Sender<ServerReply<Q::Records>>>,
    ) {
        let (servers, name) = (Arc::clone(self), name.clone());
        Handle::current().spawn(async move {
            let start = clock::now();
            let answer = servers.servers[index].ask(name, query).await;
            let now = clock::now();
            if is_answer(&answer) {
                let took = now.saturating_duration_since(start);
                servers.selection().answered(index, took, now);
            } else if sender.is_none() {
                servers.selection().failed(index, now);
            }
            if let Some(sender) = sender {
                // The receiver may have the answer of another server already.
                let _ = sender.send((index, answer)).await;
            }
        });
    }

    /// The result of the query, if this is an answer. It shows that servers which failed or were slow are to blame, and
    /// not the name.
    fn settle<R>(
        &self,
        (index, answer): ServerReply<R>,
        progress: &mut QueryProgress,
    ) -> Option<Result<R, QueryError>> {
        match answer {
            Err(error) if !error.failure.is_answer() => {
                progress.failed.push(index);
                progress.keep(error);
                None
            }
            answer => {
                let now = clock::now();
                let mut selection = self.selection();
                for &other in progress.failed.iter().filter(|&&other| other != index) {
                    selection.failed(other, now);
                }
                Some(answer)
            }
        }
    }

    /// The order in which the next query would be sent.
    #[cfg(test)]
    pub(super) fn order(&self) -> Vec<usize> {
        self.selection().order()
    }

    fn selection(&self) -> MutexGuard<'_, ServerSelection> {
        self.selection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The progress of a query that has no answer yet.
#[derive(Default)]
struct QueryProgress {
    /// The servers that failed, or used up their head start.
    failed: Vec<usize>,
    failure: Option<QueryError>,
}

impl QueryProgress {
    /// Keeps the failure that says most, which is one with an RCODE.
    fn keep(&mut self, error: QueryError) {
        let known = self.failure.as_ref();
        if known.is_none_or(|known| known.failure.rcode().is_none()) {
            self.failure = Some(error);
        }
    }
}

/// Whether a server answered; negative answers are answers.
fn is_answer<R>(answer: &Result<R, QueryError>) -> bool {
    match answer {
        Ok(_) => true,
        Err(error) => error.failure.is_answer(),
    }
}
