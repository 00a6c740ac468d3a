//! The open connections of one worker that wait for a next request, by destination.
//!
//! A pool belongs to one thread, so that taking a warm connection locks nothing. What is taken out is checked again
//! under the rule that takes it: a connection carries no permission from one rule to another, nor from last month's
//! policies to today's.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant};

use egret_config::name::{Host, Port};
use egret_config::snapshot::{ResolverId, Scheme};
use hyper::client::conn::http1::SendRequest;
use tokio::time::timeout;

use crate::body::RequestBody;
use crate::task;
use crate::telemetry::clock;
use crate::telemetry::metrics::WorkerMetrics;

/// How long a connection may wait in the pool.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Most connections that may wait in one worker's pool; more are closed instead.
const MAX_IDLE: usize = 4096;
/// How long a connection may take to become ready after a response has ended.
const SETTLE: Duration = Duration::from_secs(1);

/// Which requests may share a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Destination {
    /// Scheme towards the upstream.
    pub(crate) scheme: Scheme,
    /// Host, canonical.
    pub(crate) host: Host,
    /// Port.
    pub(crate) port: Port,
    /// Who resolved the host: another resolver may know other addresses by the same name.
    pub(crate) resolver: ResolverId,
}

/// The idle connections of a worker.
pub(crate) struct Pool {
    idle: RefCell<Idle>,
    metrics: Arc<WorkerMetrics>,
    this: Weak<Self>,
}

#[derive(Default)]
struct Idle {
    by_destination: HashMap<Rc<Destination>, Shelf>,
    count: usize,
}

/// The idle connections to one destination. An empty one stays while connections are out, and until the next sweep: a
/// busy destination comes back.
struct Shelf {
    destination: Rc<Destination>,
    waiting: Vec<Waiting>,
    /// Whether a connection was taken from it or came back to it since the last sweep.
    used: bool,
}

/// A connection in use.
pub(crate) struct Connection {
    sender: SendRequest<RequestBody>,
    peer: SocketAddr,
}

struct Waiting {
    connection: Connection,
    since: Instant,
}

/// A connection in use that knows its way back into the pool. Dropped without [`Lease::release`] it is closed.
pub(crate) struct Lease {
    connection: Connection,
    destination: Rc<Destination>,
    pool: Weak<Pool>,
}

impl Connection {
    pub(crate) fn new(sender: SendRequest<RequestBody>, peer: SocketAddr) -> Self {
        Self { sender, peer }
    }
}

impl Pool {
    pub(crate) fn new(metrics: Arc<WorkerMetrics>) -> Rc<Self> {
        Rc::new_cyclic(|this| Self {
            idle: RefCell::default(),
            metrics,
            this: this.clone(),
        })
    }

    /// Takes the connection that waited the shortest and is still open.
    pub(crate) fn take(&self, destination: &Destination) -> Option<Lease> {
        let mut idle = self.idle.borrow_mut();
        let Idle {
            by_destination,
            count,
        } = &mut *idle;
        let shelf = by_destination.get_mut(destination)?;
        shelf.used = true;
        loop {
            let Waiting { connection, .. } = shelf.waiting.pop()?;
            *count -= 1;
            self.left(1);
            if connection.sender.is_ready() {
                let destination = Rc::clone(&shelf.destination);
                return Some(Lease {
                    connection,
                    destination,
                    pool: self.this.clone(),
                });
            }
        }
    }

    /// Gives a new connection its way into the pool.
    pub(crate) fn lease(&self, connection: Connection, destination: Destination) -> Lease {
        let mut idle = self.idle.borrow_mut();
        let shelf = idle.shelf(Rc::new(destination));
        Lease {
            connection,
            destination: Rc::clone(&shelf.destination),
            pool: self.this.clone(),
        }
    }

    /// Closes what has waited too long or was closed by its upstream. Gives the destinations to which connections are
    /// out, or were since the last time.
    pub(crate) fn sweep(&self, now: Instant) -> Vec<Rc<Destination>> {
        let mut idle = self.idle.borrow_mut();
        let before = idle.count;
        let mut count = 0;
        let mut in_use = Vec::new();
        idle.by_destination.retain(|_, shelf| {
            let waiting = &mut shelf.waiting;
            waiting
                .retain(|one| now - one.since < IDLE_TIMEOUT && !one.connection.sender.is_closed());
            count += waiting.len();
            let keep = !waiting.is_empty() || shelf.is_leased();
            if std::mem::take(&mut shelf.used) || shelf.is_leased() {
                in_use.push(Rc::clone(&shelf.destination));
            }
            keep
        });
        idle.count = count;
        drop(idle);
        self.left(before - count);
        in_use
    }

    /// Closes everything that waits.
    pub(crate) fn clear(&self) {
        let idle = self.idle.take();
        self.left(idle.count);
    }

    fn left(&self, count: usize) {
        self.metrics
            .idle_connections
            .add(-i64::try_from(count).unwrap_or(i64::MAX));
    }

    fn put(&self, connection: Connection, destination: Rc<Destination>) {
        let mut idle = self.idle.borrow_mut();
        if idle.count >= MAX_IDLE {
            return;
        }
        idle.count += 1;
        let since = clock::now();
        let shelf = idle.shelf(destination);
        shelf.waiting.push(Waiting { connection, since });
        self.metrics.idle_connections.add(1);
    }
}

impl Idle {
    /// The shelf for a destination that is in use.
    fn shelf(&mut self, destination: Rc<Destination>) -> &mut Shelf {
        let shelf = self.by_destination.entry(destination);
        let shelf = shelf.or_insert_with_key(|key| Shelf {
            destination: Rc::clone(key),
            waiting: Vec::new(),
            used: true,
        });
        shelf.used = true;
        shelf
    }
}

impl Shelf {
    /// Whether connections to the destination are out. Each holds a handle on it, besides the two of the table: its key
    /// and the shelf's own. Counting them here costs the requests nothing.
    fn is_leased(&self) -> bool {
        Rc::strong_count(&self.destination) > 2
    }
}

impl Lease {
    /// The address it is connected to.
    pub(crate) fn peer(&self) -> SocketAddr {
        self.connection.peer
    }

    pub(crate) fn sender(&mut self) -> &mut SendRequest<RequestBody> {
        &mut self.connection.sender
    }

    /// The response has ended: back to the pool, as soon as the connection can take the next request.
    pub(crate) fn release(self) {
        let Self {
            mut connection,
            destination,
            pool,
        } = self;
        let Some(pool) = pool.upgrade() else { return };
        if connection.sender.is_ready() {
            pool.put(connection, destination);
        } else if !connection.sender.is_closed() {
            // The request body is still being sent, or the connection's task has not run yet.
            task::spawn(async move {
                let ready = poll_fn(|cx| connection.sender.poll_ready(cx));
                if matches!(timeout(SETTLE, ready).await, Ok(Ok(()))) {
                    pool.put(connection, destination);
                }
            });
        }
    }
}

#[cfg(test)]
mod tests;
