//! Connections for tunnels, which neither come from the pool nor return to it.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use egret_config::snapshot::RouteTimeouts;

use super::checkout::Checkout;
use super::connection_permit::ConnectionPermit;
use super::health::EndpointHealth;
use super::host_pool::HostPool;
use super::limits::LimitPermit;
use super::open::ConnectionSetup;
use super::timeouts::{after, earliest};
use super::upgraded::UpgradedStream;
use super::upstreams::Upstreams;
use crate::clock;
use crate::exchange::Progress;
use crate::policy::Cleared;
use crate::record::Trip;
use crate::refusal::Refusal;

/// A connection for one tunnel.
pub(crate) struct DirectConnection {
    pub(crate) stream: UpgradedStream,
    pub(crate) permit: PermitGuard,
}

/// The permits of a tunnel at its destination, held while it is open.
pub(crate) struct PermitGuard {
    peer: SocketAddr,
    health: Arc<EndpointHealth>,
    host_pool: Rc<HostPool>,
    _request: LimitPermit,
}

impl Upstreams {
    /// Connects to the destination of a cleared request, within the limits of the destination and the timeouts of the
    /// rule. Nothing has been sent, so that another host of the backend is tried while it may help.
    ///
    /// # Errors
    /// Those of a request up to its connection; of several hosts the refusal of the last.
    pub(crate) async fn connect(
        self: &Rc<Self>,
        cleared: &mut Cleared<'_>,
        timeouts: RouteTimeouts,
        progress: &Progress,
        trip: &Trip,
    ) -> Result<DirectConnection, Refusal> {
        let mut others = cleared.plan().other_hosts();
        loop {
            let connected = self.connect_to_host(cleared, timeouts, progress, trip);
            let refusal = match connected.await {
                Ok(connected) => return Ok(connected),
                Err(refusal) => refusal,
            };
            let left = Some(others).filter(|_| refusal.elsewhere());
            let Some(left) = left.and_then(|others| cleared.next_host(others)) else {
                return Err(refusal);
            };
            others = left;
            let destination = &cleared.plan().destination;
            trip.heads_for(&destination.host, destination.port);
        }
    }

    async fn connect_to_host(
        self: &Rc<Self>,
        cleared: &Cleared<'_>,
        timeouts: RouteTimeouts,
        progress: &Progress,
        trip: &Trip,
    ) -> Result<DirectConnection, Refusal> {
        let now = clock::now();
        let deadline = earliest(
            after(timeouts.request, progress.started()),
            after(timeouts.backend_request, now),
        );
        let plan = cleared.plan();
        let host_pool = self.pool.host_pool(&plan.destination, plan.settings);
        let until = deadline.unwrap_or_else(|| now + progress.idle_timeout());
        let expected = plan.destination.expected_by_tunnel(&self.shared.tls);
        let expected = expected.map_err(Refusal::Tls)?;
        let checkout = Checkout {
            cleared,
            host_pool: &host_pool,
            upstreams: self,
            trip,
            attempted: &[],
            until,
        };
        let (stream, peer, permit, request) = checkout.acquire_unpooled().await?;
        trip.has_connection(peer, false);
        let setup = ConnectionSetup {
            host_pool: &host_pool,
            settings: plan.settings,
            upstreams: self,
            trip: Some(trip),
            until,
            dialing: None,
        };
        let carrier = setup.announce(stream, peer).await?;
        let stream = match expected {
            None => carrier.into(),
            Some(expected) => setup.secure(carrier, peer, expected).await?.0,
        };
        trip.has_connection(peer, false);
        trip.speaks("", stream.local_address());
        let health = host_pool.health(peer, clock::now());
        Ok(DirectConnection {
            stream: UpgradedStream {
                stream,
                read: Bytes::new(),
                permit: Some(ConnectionPermit::new(&self.metrics, permit)),
            },
            permit: PermitGuard::new(peer, health, &host_pool, request),
        })
    }
}

impl PermitGuard {
    fn new(
        peer: SocketAddr,
        health: Arc<EndpointHealth>,
        host_pool: &Rc<HostPool>,
        request: LimitPermit,
    ) -> Self {
        health.request_started();
        host_pool.lease_begins();
        Self {
            peer,
            health,
            host_pool: Rc::clone(host_pool),
            _request: request,
        }
    }

    /// The address that the tunnel is connected to.
    pub(crate) fn peer(&self) -> SocketAddr {
        self.peer
    }
}

impl Drop for PermitGuard {
    fn drop(&mut self) {
        self.health.request_ended();
        self.host_pool.lease_ends();
    }
}
