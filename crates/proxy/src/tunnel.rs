//! Connections that carry what the gateway does not read: those of CONNECT (RFC 9110 9.3.6) and of Upgrade (7.8).
//!
//! A handler [opens](connect::open) one, answers, and leaves it with the client's connection, which runs it once the
//! answer is sent. From then on octets are [copied](copy), and [judged](live) again when the configuration changes.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::record::Exchange;
use crate::upstream::connection::{Lease, Outlet};
use crate::upstream::direct::Occupied;
use crate::worker::{Current, Worker};
pub(crate) use client::ClientSide;
use copy::Between;
use live::Facts;

mod client;
pub(crate) mod connect;
pub(crate) mod copy;
pub(crate) mod live;
pub(crate) mod upgrade;
pub(crate) mod websocket;

/// How long no octet may come from either side.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// What the client asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// CONNECT.
    Connect,
    /// Another protocol in place of HTTP.
    Upgrade,
}

/// How a tunnel came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The client was the first to close.
    ClientClosed,
    /// The upstream was.
    UpstreamClosed,
    /// Nothing came for too long.
    Idle,
    /// The configuration does not allow it any more.
    PolicyChanged,
    /// The process stops.
    Drained,
}

/// A tunnel that waits for the answer to be sent, and then runs.
pub(crate) struct Tunnel {
    pub(crate) kind: Kind,
    pub(crate) outlet: Outlet,
    pub(crate) held: Held,
    pub(crate) exchange: Rc<Exchange>,
    pub(crate) facts: Facts,
    /// What allowed it.
    pub(crate) judged_by: Current,
}

/// What counts at the destination until the tunnel is over.
pub(crate) enum Held {
    /// A connection from the pool that was upgraded.
    Leased(Lease),
    /// A connection of its own.
    Alone(Occupied),
}

/// A tunnel that runs: counted when it is dropped, however that comes about.
struct Running<'a> {
    worker: &'a Worker,
    exchange: Rc<Exchange>,
    end: End,
    _held: Held,
}

/// A tunnel whose answer has been sent, with the client's connection and what was read of that beyond the request.
pub(crate) struct Ready {
    pub(crate) tunnel: Box<Tunnel>,
    pub(crate) client: ClientSide,
    pub(crate) early: Bytes,
    pub(crate) worker: Rc<Worker>,
}

impl Held {
    /// The address it is connected to.
    fn peer(&self) -> SocketAddr {
        match self {
            Self::Leased(lease) => lease.peer(),
            Self::Alone(occupied) => occupied.peer(),
        }
    }
}

impl Kind {
    /// As metrics tell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Upgrade => "upgrade",
        }
    }
}

impl End {
    /// As the log and the metrics tell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientClosed => "client_closed",
            Self::UpstreamClosed => "upstream_closed",
            Self::Idle => "idle",
            Self::PolicyChanged => "policy_changed",
            Self::Drained => "drained",
        }
    }
}

impl Tunnel {
    /// The client left before it had its answer.
    pub(crate) fn abandon(self) {
        self.exchange.left();
    }
}

impl Ready {
    /// Runs it to its end.
    pub(crate) async fn run(self) {
        let Self {
            tunnel,
            client,
            early,
            worker,
        } = self;
        let Tunnel {
            kind,
            outlet,
            held,
            exchange,
            facts,
            judged_by,
        } = *tunnel;
        let worker = &*worker;
        let peer = held.peer();
        let mut running = Running::new(worker, kind, exchange, held);
        let place = worker.tunnels.enter(facts, peer);
        // The configuration may have changed between the decision and this.
        let newest = worker.snapshot();
        let allowed = Arc::ptr_eq(&judged_by, &newest) || place.is_allowed(&newest, worker);
        drop((judged_by, newest));
        if !allowed {
            running.end = End::PolicyChanged;
            return;
        }
        let Outlet { stream, read, open } = outlet;
        let between = Between::new((client, early), (stream, read));
        let exchange = Rc::clone(&running.exchange);
        let metrics = &worker.metrics.tunnels;
        let copied = between.run(&worker.scratch, IDLE_TIMEOUT, |moved| {
            let before = exchange.moved(moved);
            metrics.up.add(moved.up - before.up);
            metrics.down.add(moved.down - before.down);
        });
        running.end = tokio::select! {
            end = copied => end,
            () = place.denied() => End::PolicyChanged,
        };
        drop(open);
    }
}

impl<'a> Running<'a> {
    fn new(worker: &'a Worker, kind: Kind, exchange: Rc<Exchange>, held: Held) -> Self {
        worker.metrics.tunnels.opened(kind);
        exchange.becomes_tunnel();
        Self {
            worker,
            exchange,
            // If nothing else ends it, the worker does.
            end: End::Drained,
            _held: held,
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.worker.metrics.tunnels.ended(self.end);
        self.exchange.broken(self.end.as_str());
    }
}
