//! Connections that carry what the gateway does not read: those of CONNECT (RFC 9110 9.3.6) and of Upgrade (7.8), and
//! TLS that is [passed on](crate::request::passthrough).
//!
//! A handler opens one, answers, and leaves it with the client's connection, which runs it once the
//! answer is sent. From then on octets are [copied](copy), and [judged](live) again when the configuration changes.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;

use crate::configuration::WorkerSnapshot;
use crate::exchange::{Exchange, TunnelBytes};
use crate::meter::label_values;
use crate::record::{ExchangeEnd, TunnelEnd};
use crate::stream::ClientStream;
use crate::upstream::{LeasedConnection, PermitGuard, UpgradedStream, UpstreamStream};
use between::Mover;
pub(crate) use client::ClientSide;
use copy::Copied;
pub(crate) use metrics::TunnelMetrics;
pub(crate) use tunnel_request::TunnelRequest;
use tunnels::TunnelHandle;
pub(crate) use tunnels::Tunnels;

mod between;
mod client;
mod copy;
mod metrics;
#[cfg(target_os = "linux")]
mod pipe;
mod scratch;
#[cfg(target_os = "linux")]
mod splice;
mod tunnel_request;
mod tunnels;

label_values! {
    /// How a client asked for a tunnel.
    pub(crate) enum TunnelKind {
        /// By CONNECT (RFC 9110 9.3.6).
        Connect = "connect",
        /// By Upgrade or extended CONNECT, for another protocol in place of HTTP.
        Upgrade = "upgrade",
        /// By the SNI of a TLS connection that is passed through.
        Passthrough = "passthrough",
    }
}

/// A tunnel that waits for the answer to be sent, and then runs.
pub(crate) struct Tunnel {
    pub(crate) kind: TunnelKind,
    pub(crate) upstream: UpgradedStream,
    pub(crate) permit: TunnelPermit,
    pub(crate) exchange: Rc<Exchange>,
    pub(crate) request: TunnelRequest,
    /// What allowed it.
    pub(crate) judged_by: WorkerSnapshot,
}

/// What counts at the destination until the tunnel is over.
pub(crate) enum TunnelPermit {
    /// A connection from the pool that was upgraded.
    Leased(LeasedConnection),
    /// A connection of the tunnel's own.
    Direct(PermitGuard),
}

/// A tunnel that runs: counted when it is dropped, however that comes about.
struct RunningTunnel<'a> {
    tunnels: &'a Tunnels,
    exchange: Rc<Exchange>,
    end: TunnelEnd,
    _permit: TunnelPermit,
}

/// A tunnel whose answer has been sent, with the client's connection and what was read of that beyond the request.
pub(crate) struct ReadyTunnel {
    pub(crate) tunnel: Box<Tunnel>,
    pub(crate) client: ClientSide,
    pub(crate) early: Bytes,
    pub(crate) tunnels: Rc<Tunnels>,
}

impl TunnelPermit {
    /// The address it is connected to.
    fn peer(&self) -> SocketAddr {
        match self {
            Self::Leased(lease) => lease.peer(),
            Self::Direct(guard) => guard.peer(),
        }
    }
}

impl Tunnel {
    /// The client left before it had its answer.
    pub(crate) fn abandon(self) {
        self.exchange.body_dropped();
    }
}

impl ReadyTunnel {
    /// Runs the tunnel to its end.
    pub(crate) async fn run(self) {
        let Self {
            tunnel,
            client,
            early,
            tunnels,
        } = self;
        let Tunnel {
            kind,
            upstream,
            permit,
            exchange,
            request,
            judged_by,
        } = *tunnel;
        let peer = permit.peer();
        let mut running = RunningTunnel::new(&tunnels, kind, exchange, permit);
        let handle = tunnels.enter(request, peer);
        // The configuration may have changed between the decision and this.
        let newest = tunnels.snapshot();
        let allowed = Arc::ptr_eq(&judged_by, &newest) || handle.is_allowed(&newest);
        drop((judged_by, newest));
        if !allowed {
            running.end = TunnelEnd::PolicyChanged;
            return;
        }
        let UpgradedStream {
            stream,
            read,
            permit: connection,
        } = upstream;
        running.end = match TunnelIo::of((client, early), (stream, read)) {
            #[cfg(target_os = "linux")]
            TunnelIo::Sockets(sockets) => running.join(sockets, &handle).await,
            TunnelIo::Streams(streams) => running.join(streams, &handle).await,
        };
        drop(connection);
    }
}

impl<'a> RunningTunnel<'a> {
    fn new(
        tunnels: &'a Tunnels,
        kind: TunnelKind,
        exchange: Rc<Exchange>,
        permit: TunnelPermit,
    ) -> Self {
        tunnels.metrics.opened(kind);
        exchange.becomes_tunnel();
        Self {
            tunnels,
            exchange,
            // If nothing else ends it, the worker does.
            end: TunnelEnd::Drained,
            _permit: permit,
        }
    }
}

impl RunningTunnel<'_> {
    /// Moves bytes until both ends are closed, or until the tunnel is not allowed any more.
    async fn join(&self, mover: impl Mover, handle: &TunnelHandle<'_>) -> TunnelEnd {
        let Tunnels {
            metrics, scratch, ..
        } = self.tunnels;
        let progress = self.exchange.progress();
        let closed = self.exchange.stream_closed();
        let on_progress = |moved: TunnelBytes| {
            let before = progress.tunnelled(moved);
            metrics.up.add(moved.up - before.up);
            metrics.down.add(moved.down - before.down);
        };
        let idle_timeout = progress.idle_timeout();
        let moving = between::run(mover, scratch, idle_timeout, closed, on_progress);
        tokio::select! {
            end = moving => end,
            () = handle.denied() => TunnelEnd::PolicyChanged,
        }
    }
}

/// How octets go between two streams, each with what was read of it before.
enum TunnelIo {
    /// Between two sockets: no TLS ends here, and no frames do.
    #[cfg(target_os = "linux")]
    Sockets(splice::Spliced),
    Streams(Copied<ClientSide, UpstreamStream>),
}

impl TunnelIo {
    fn of((client, early): (ClientSide, Bytes), (upstream, read): (UpstreamStream, Bytes)) -> Self {
        match (client, upstream) {
            #[cfg(target_os = "linux")]
            (
                ClientSide::Whole(ClientStream::Plain(mut client)),
                UpstreamStream::Plain(upstream),
            ) => {
                client.unread(early);
                Self::Sockets(splice::Spliced::new(client.into_parts(), (upstream, read)))
            }
            (client, upstream) => Self::Streams(Copied::new((client, early), (upstream, read))),
        }
    }
}

impl Drop for RunningTunnel<'_> {
    fn drop(&mut self) {
        self.tunnels.metrics.ended(self.end);
        self.exchange.broken_off(ExchangeEnd::Tunnel(self.end));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_counter_of_its_own() {
        crate::meter::assert_is_label::<TunnelKind>();
    }
}
