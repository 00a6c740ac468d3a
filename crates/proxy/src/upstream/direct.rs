//! Connections for tunnels: not from the pool, and not given back to it.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use egret_config::snapshot::Timeouts;

use super::connection::{Open, UpgradedStream};
use super::health::Health;
use super::limits::Permit;
use super::request::{after, earliest};
use super::checkout::Seeker;
use super::host_pool::Shelf;
use super::stream::Stream;
use super::upstreams::Upstreams;
use crate::clock;
use crate::exchange::Progress;
use crate::policy::Cleared;
use crate::record::Trip;
use crate::refusal::Refusal;

/// A connection of a tunnel's own.
pub(crate) struct DirectConnection {
    pub(crate) stream: UpgradedStream,
    pub(crate) permit: PermitGuard,
}

/// What a tunnel counts for at its destination while it is open.
pub(crate) struct PermitGuard {
    peer: SocketAddr,
    health: Arc<Health>,
    shelf: Rc<Shelf>,
    _request: Permit,
}

impl Upstreams {
    /// Connects to where a cleared request goes, within the limits of the destination and the timeouts of the rule. Nothing
    /// has been sent, so every host of the backend is as good: the next is tried while another may help.
    ///
    /// # Errors
    /// As for a request, up to the connection; of several hosts the refusal of the last.
    pub(crate) async fn connect(
        self: &Rc<Self>,
        cleared: &mut Cleared<'_>,
        timeouts: Timeouts,
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
            if !refusal.elsewhere() || others == 0 || !cleared.next_host() {
                return Err(refusal);
            }
            others -= 1;
            let destination = &cleared.plan().destination;
            trip.heads_for(&destination.host, destination.port);
        }
    }

    async fn connect_to_host(
        self: &Rc<Self>,
        cleared: &Cleared<'_>,
        timeouts: Timeouts,
        progress: &Progress,
        trip: &Trip,
    ) -> Result<DirectConnection, Refusal> {
        let now = clock::now();
        let deadline = earliest(
            after(timeouts.request, progress.started()),
            after(timeouts.backend_request, now),
        );
        let plan = cleared.plan();
        let shelf = self.pool.shelf(&plan.destination, plan.settings);
        let seeker = Seeker {
            cleared,
            shelf: &shelf,
            upstreams: self,
            trip,
            tried: &[],
            until: deadline.unwrap_or_else(|| now + progress.idle_timeout()),
        };
        let (stream, peer, permit, request) = seeker.find_alone().await?;
        trip.has_connection(peer, false);
        let health = shelf.health(peer, clock::now());
        Ok(DirectConnection {
            stream: UpgradedStream {
                stream: Stream::Plain(stream),
                read: Bytes::new(),
                open: Some(Open::new(self, permit)),
            },
            permit: PermitGuard::new(peer, health, &shelf, request),
        })
    }
}

impl PermitGuard {
    fn new(peer: SocketAddr, health: Arc<Health>, shelf: &Rc<Shelf>, request: Permit) -> Self {
        health.request_begins();
        shelf.lent();
        Self {
            peer,
            health,
            shelf: Rc::clone(shelf),
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
        self.health.request_ends();
        self.shelf.came_back();
    }
}
