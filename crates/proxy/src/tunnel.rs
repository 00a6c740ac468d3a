//! Tunnels: connections whose bytes are forwarded uninterpreted, for CONNECT (RFC 9110 9.3.6), for Upgrade (RFC 9110
//! 7.8), and for TLS that is routed by its server name.
//!
//! A request handler opens a tunnel, answers the request, and leaves the tunnel with the client's connection, which runs
//! it once the response has been sent. From then on bytes are [relayed](relay), and the tunnel is
//! [reevaluated](registry) when the configuration changes.

use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;

use crate::configuration::WorkerSnapshot;
use crate::exchange::{Exchange, TunnelBytes};
use crate::meter::label_values;
use crate::record::{ExchangeEnd, TunnelEnd};
use crate::stream::ClientStream;
use crate::upstream::{
    ConnectionPermit, LeasedConnection, PermitGuard, UpgradedStream, UpstreamStream,
};
pub(crate) use client::ClientSide;
use copy::StreamCopy;
pub(crate) use metrics::TunnelMetrics;
use registry::TunnelHandle;
pub(crate) use registry::{OpenTunnelFacts, TunnelRegistry};
use relay::DuplexRelay;
use sni_gate::SniGate;
pub(crate) use sni_watch::SniWatch;
pub(crate) use tunnel_request::TunnelRequest;

mod buffers;
mod client;
mod copy;
mod hello_scan;
mod metrics;
#[cfg(target_os = "linux")]
mod pipe;
mod registry;
mod relay;
mod sni_gate;
mod sni_watch;
#[cfg(target_os = "linux")]
mod splice;
#[cfg(test)]
mod test_streams;
mod tunnel_request;

label_values! {
    /// How a client asked for a tunnel.
    pub(crate) enum TunnelKind {
        /// CONNECT (RFC 9110 9.3.6).
        Connect = "connect",
        /// Upgrade (RFC 9110 7.8) or extended CONNECT (RFC 8441), to another protocol than HTTP.
        Upgrade = "upgrade",
        /// TLS passthrough, routed by the SNI.
        Passthrough = "passthrough",
        /// TLS that is terminated, routed by the SNI.
        Terminate = "terminate",
    }
}

/// A tunnel that is open towards the upstream, and runs once the response to the client has been sent.
pub(crate) struct Tunnel {
    pub(crate) kind: TunnelKind,
    pub(crate) upstream: UpgradedStream,
    pub(crate) permit: TunnelPermit,
    pub(crate) exchange: Rc<Exchange>,
    pub(crate) request: TunnelRequest,
    /// The configuration that allowed the tunnel.
    pub(crate) snapshot: WorkerSnapshot,
}

/// The permits of the destination's circuit breakers that a tunnel holds until it ends.
pub(crate) enum TunnelPermit {
    /// The lease of a pooled connection that was upgraded.
    Leased(LeasedConnection),
    /// The permit of a connection that was opened for the tunnel alone.
    Direct(PermitGuard),
}

/// A running tunnel. Its end is counted when it is dropped, even if its task is cancelled.
struct RunningTunnel {
    tunnels: Rc<TunnelRegistry>,
    exchange: Rc<Exchange>,
    /// The ClientHello inside the tunnel of a CONNECT.
    sni: Option<Rc<SniWatch>>,
    end: TunnelEnd,
    _permit: TunnelPermit,
}

/// A tunnel whose response has been sent.
pub(crate) struct ReadyTunnel {
    pub(crate) tunnel: Box<Tunnel>,
    pub(crate) client: ClientSide,
    /// Bytes that were read from the client beyond the request.
    pub(crate) early: Bytes,
    pub(crate) tunnels: Rc<TunnelRegistry>,
}

impl TunnelPermit {
    /// The upstream address of the tunnel's connection.
    fn peer(&self) -> SocketAddr {
        match self {
            Self::Leased(lease) => lease.peer(),
            Self::Direct(guard) => guard.peer(),
        }
    }
}

impl Tunnel {
    /// Records that the client closed the connection before it had the response.
    pub(crate) fn abandon(self) {
        self.exchange.body_dropped();
    }
}

impl ReadyTunnel {
    /// Runs the tunnel to its end. What only its beginning needs is let go of before: tunnels are many and long-lived.
    pub(crate) fn run(self) -> impl Future<Output = ()> + use<> {
        let begun = self.begin();
        async move {
            if let Some(begun) = begun {
                begun.relay().await;
            }
        }
    }

    /// Makes a running tunnel of it; `None` if the configuration does not allow it any more.
    fn begin(self) -> Option<BegunTunnel> {
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
            snapshot,
        } = *tunnel;
        let peer = permit.peer();
        let sni = request.sni().cloned();
        let mut running = RunningTunnel::new(Rc::clone(&tunnels), kind, exchange, permit);
        running.sni.clone_from(&sni);
        let exchange = Rc::clone(&running.exchange);
        let handle = tunnels.register(request, peer, kind, exchange);
        // The configuration may have changed, or a rule may have expired, since the request was admitted.
        let newest = tunnels.snapshot();
        let is_as_before = Arc::ptr_eq(&snapshot, &newest) && newest.expiries.is_empty();
        if !is_as_before && !handle.is_allowed(&newest) {
            running.end = TunnelEnd::PolicyChanged;
            return None;
        }
        let UpgradedStream {
            stream,
            read,
            permit: connection,
        } = upstream;
        let gate = sni.map(SniGate::new);
        Some(BegunTunnel {
            relay: join((client, early), (stream, read), gate),
            handle,
            running,
            _connection: connection,
        })
    }
}

/// A tunnel whose streams are joined.
struct BegunTunnel {
    relay: Box<dyn DuplexRelay>,
    handle: TunnelHandle,
    _connection: Option<ConnectionPermit>,
    running: RunningTunnel,
}

impl RunningTunnel {
    fn new(
        tunnels: Rc<TunnelRegistry>,
        kind: TunnelKind,
        exchange: Rc<Exchange>,
        permit: TunnelPermit,
    ) -> Self {
        tunnels.metrics.opened(kind);
        exchange.becomes_tunnel();
        Self {
            tunnels,
            exchange,
            // The value stays if the worker ends and drops the task.
            sni: None,
            end: TunnelEnd::Drained,
            _permit: permit,
        }
    }
}

impl BegunTunnel {
    /// Relays bytes until both directions have ended, or until a new configuration denies the tunnel.
    async fn relay(mut self) {
        let Self {
            relay,
            handle,
            running,
            ..
        } = &mut self;
        let TunnelRegistry {
            metrics, buffers, ..
        } = &*running.tunnels;
        let progress = running.exchange.progress();
        let closed = running.exchange.stream_closed();
        let on_progress = |moved: TunnelBytes| {
            let before = progress.tunnelled(moved);
            metrics.up.add(moved.up - before.up);
            metrics.down.add(moved.down - before.down);
        };
        let idle_timeout = progress.idle_timeout();
        let moving = relay::run(&mut **relay, buffers, idle_timeout, closed, on_progress);
        running.end = tokio::select! {
            end = moving => end,
            () = handle.denied() => TunnelEnd::PolicyChanged,
        };
    }
}

/// Joins two streams, each with the bytes that were already read from it: by splicing between two sockets, where there is
/// neither TLS nor framing on this side, and by copying between streams of any kind.
fn join(
    (client, early): (ClientSide, Bytes),
    (upstream, read): (UpstreamStream, Bytes),
    gate: Option<SniGate>,
) -> Box<dyn DuplexRelay> {
    match (client, upstream) {
        #[cfg(target_os = "linux")]
        (ClientSide::Whole(ClientStream::Plain(mut client)), UpstreamStream::Plain(upstream)) => {
            client.unread(early);
            let splice = splice::SocketSplice::new(client.into_parts(), (upstream, read));
            Box::new(splice.behind(gate))
        }
        (client, upstream) => {
            let copy = StreamCopy::new((client, early), (upstream, read));
            Box::new(copy.behind(gate))
        }
    }
}

impl Drop for RunningTunnel {
    fn drop(&mut self) {
        self.tunnels.metrics.ended(self.end);
        if let Some(sni) = &self.sni {
            self.exchange.looked_inside(sni.facts(), sni.violation());
        }
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
