//! Connections that carry what the gateway does not read: those of CONNECT (RFC 9110 9.3.6) and of Upgrade (7.8), and
//! TLS that is [passed on](crate::request::passthrough).
//!
//! A handler opens one, answers, and leaves it with the client's connection, which runs it once the
//! answer is sent. From then on octets are [copied](copy), and [judged](live) again when the configuration changes.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;

use crate::meter::{LabelValue as _, label_values};
use crate::record::Exchange;
use crate::stream::ClientStream;
use crate::upstream::connection::{Lease, Outlet};
use crate::upstream::direct::Occupied;
use crate::upstream::stream::Stream;
use crate::worker::{Current, Worker};
use between::{Moved, Mover};
pub(crate) use client::ClientSide;
use copy::Copied;
use live::{Facts, Place};

pub(crate) mod between;
mod client;
pub(crate) mod copy;
pub(crate) mod live;
#[cfg(target_os = "linux")]
mod pipe;
pub(crate) mod scratch;
#[cfg(target_os = "linux")]
mod splice;

label_values! {
    /// How a client asked for a tunnel.
    pub enum Kind {
        /// By CONNECT (RFC 9110 9.3.6).
        Connect = "connect",
        /// By Upgrade or extended CONNECT, for another protocol in place of HTTP.
        Upgrade = "upgrade",
        /// By the SNI of a TLS connection that is passed through.
        Passthrough = "passthrough",
    }
}

label_values! {
    /// Why a tunnel ended.
    pub enum End {
        /// The client closed first.
        ClientClosed = "client_closed",
        /// The upstream closed first.
        UpstreamClosed = "upstream_closed",
        /// No bytes moved for the idle timeout.
        Idle = "idle",
        /// A configuration change denies the tunnel.
        PolicyChanged = "policy_changed",
        /// The process is stopping.
        Drained = "drained",
    }
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
        running.end = match Joint::of((client, early), (stream, read)) {
            #[cfg(target_os = "linux")]
            Joint::Sockets(sockets) => running.join(sockets, &place).await,
            Joint::Streams(streams) => running.join(streams, &place).await,
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

impl Running<'_> {
    /// Moves octets to the end, or until the tunnel may not be any more.
    async fn join(&self, mover: impl Mover, place: &Place<'_>) -> End {
        let worker = self.worker;
        let metrics = &worker.metrics.tunnels;
        let closed = self.exchange.stream_closed();
        let told = |moved: Moved| {
            let before = self.exchange.moved(moved);
            metrics.up.add(moved.up - before.up);
            metrics.down.add(moved.down - before.down);
        };
        let moving = between::run(
            mover,
            &worker.scratch,
            self.exchange.silence(),
            closed,
            told,
        );
        tokio::select! {
            end = moving => end,
            () = place.denied() => End::PolicyChanged,
        }
    }
}

/// How octets go between two streams, each with what was read of it before.
enum Joint {
    /// Between two sockets: no TLS ends here, and no frames do.
    #[cfg(target_os = "linux")]
    Sockets(splice::Spliced),
    Streams(Copied<ClientSide, Stream>),
}

impl Joint {
    fn of((client, early): (ClientSide, Bytes), (upstream, read): (Stream, Bytes)) -> Self {
        match (client, upstream) {
            #[cfg(target_os = "linux")]
            (ClientSide::Whole(ClientStream::Plain(mut client)), Stream::Plain(upstream)) => {
                client.unread(early);
                Self::Sockets(splice::Spliced::new(client.into_parts(), (upstream, read)))
            }
            (client, upstream) => Self::Streams(Copied::new((client, early), (upstream, read))),
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.worker.metrics.tunnels.ended(self.end);
        self.exchange.broken(self.end.as_str());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::assert_is_label;

    #[test]
    fn every_label_has_a_counter_of_its_own() {
        assert_is_label::<Kind>();
        assert_is_label::<End>();
    }
}
