//! One address of a destination, with one worker's connections to it.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use super::balance::{EndpointCandidate, EndpointStatus};
use super::connection::IdleConnection;
use super::health::EndpointHealth;
use super::http2::Http2Connection;
use crate::dns::family::AddressFamily;

/// One address of a destination.
pub(super) struct Endpoint {
    pub(super) address: SocketAddr,
    pub(super) health: Arc<EndpointHealth>,
    /// Idle HTTP/1.1 connections, the most recently used last.
    pub(super) idle: Vec<IdleConnection>,
    /// HTTP/2 connections, in use or idle; the first that has room is used.
    pub(super) shared: Vec<Rc<Http2Connection>>,
    /// Whether a connection is being opened that no request waits for.
    pub(super) warming: bool,
}

impl Endpoint {
    pub(super) fn new(address: SocketAddr, health: Arc<EndpointHealth>) -> Self {
        Self {
            address,
            health,
            idle: Vec::new(),
            shared: Vec::new(),
            warming: false,
        }
    }

    /// Whether the endpoint has no connection for a next request.
    pub(super) fn is_empty(&self) -> bool {
        self.idle.is_empty() && self.shared.is_empty()
    }

    /// The candidate for load balancing, for a request that has attempted these addresses.
    pub(super) fn candidate<A>(
        &self,
        address: A,
        attempted: &[SocketAddr],
        now: Instant,
    ) -> EndpointCandidate<A> {
        EndpointCandidate {
            address,
            family: AddressFamily::of(&self.address.ip()),
            status: if attempted.contains(&self.address) {
                EndpointStatus::Attempted
            } else {
                self.health.status(now)
            },
            active: self.health.active(),
        }
    }
}
