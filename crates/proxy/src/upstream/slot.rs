//! One address of a destination, with the connections of one worker to it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use super::balance::{Candidate, Standing};
use super::connection::Waiting;
use super::health::Health;
use crate::dns::family::Family;

/// One address.
pub(super) struct Slot {
    pub(super) address: SocketAddr,
    pub(super) health: Arc<Health>,
    /// The one that waited the shortest last.
    pub(super) idle: Vec<Waiting>,
    /// Whether a connection to it is being opened that no request waits for.
    pub(super) warming: bool,
}

impl Slot {
    pub(super) fn new(address: SocketAddr, health: Arc<Health>) -> Self {
        Self {
            address,
            health,
            idle: Vec::new(),
            warming: false,
        }
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
