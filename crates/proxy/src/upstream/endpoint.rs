//! One address of a destination, with one worker's connections to it.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use egret_config::snapshot::SlowStart;

use super::balance::{EndpointCandidate, EndpointStatus, FULL_SHARE};
use super::connection::IdleConnection;
use super::health::EndpointHealth;
use super::http2::Http2Connection;
use crate::dns::family::AddressFamily;
use crate::plan::affinity::AffinityKey;

/// What the choice of an address depends on, apart from the addresses.
#[derive(Clone, Copy)]
pub(crate) struct AddressRequest<'a> {
    /// The addresses that the request has attempted.
    pub(crate) attempted: &'a [SocketAddr],
    /// What the request has in common with others that go to the same address.
    pub(crate) affinity: Option<AffinityKey>,
    pub(crate) now: Instant,
}

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

    /// The candidate for load balancing.
    pub(super) fn candidate<A>(
        &self,
        address: A,
        request: AddressRequest<'_>,
        slow_start: Option<SlowStart>,
    ) -> EndpointCandidate<A> {
        let AddressRequest {
            attempted,
            affinity,
            now,
        } = request;
        EndpointCandidate {
            address,
            family: AddressFamily::of(&self.address.ip()),
            status: if attempted.contains(&self.address) {
                EndpointStatus::Attempted
            } else {
                self.health.status(now)
            },
            active: self.health.active(),
            score: affinity.map(|key| key.score_of_address(self.address)),
            share: slow_start.map_or(FULL_SHARE, |slow| slow.share(self.health.age(now))),
        }
    }
}
