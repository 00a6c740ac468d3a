//! One address of a destination, with the connections of one worker to it.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use super::balance::{Candidate, Standing};
use super::connection::Waiting;
use super::health::Health;
use super::http2::Shared;
use crate::dns::family::Family;

/// One address.
pub(super) struct Slot {
    pub(super) address: SocketAddr,
    pub(super) health: Arc<Health>,
    /// The one that waited the shortest last.
    pub(super) idle: Vec<Waiting>,
    /// Those that many requests share, in use or not; the first that has room is used.
    pub(super) shared: Vec<Rc<Shared>>,
    /// Whether a connection to it is being opened that no request waits for.
    pub(super) warming: bool,
}

impl Slot {
    pub(super) fn new(address: SocketAddr, health: Arc<Health>) -> Self {
        Self {
            address,
            health,
            idle: Vec::new(),
            shared: Vec::new(),
            warming: false,
        }
    }

    /// Whether it has no connection for a next request.
    pub(super) fn is_empty(&self) -> bool {
        self.idle.is_empty() && self.shared.is_empty()
    }

    /// What a choice has to know of it, for a request that has been to `tried`.
    pub(super) fn candidate<A>(
        &self,
        address: A,
        tried: &[SocketAddr],
        now: Instant,
    ) -> Candidate<A> {
        Candidate {
            address,
            family: Family::of(&self.address.ip()),
            standing: if tried.contains(&self.address) {
                Standing::Tried
            } else {
                self.health.standing(now)
            },
            active: self.health.active(),
        }
    }
}
