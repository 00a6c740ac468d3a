//! A connection that is not from the pool and does not go there: that of a CONNECT.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use egret_config::snapshot::Rule;
use http::Method;

use super::connection::{Open, Outlet};
use super::health::Health;
use super::limits::Permit;
use super::seek::Seeker;
use super::shelf::Shelf;
use super::stream::Stream;
use super::{after, earliest};
use crate::clock;
use crate::plan::Plan;
use crate::record::Exchange;
use crate::refusal::Refusal;
use crate::worker::Worker;

/// What counts at a destination while a connection of its own is used.
pub(crate) struct Occupied {
    peer: SocketAddr,
    health: Arc<Health>,
    shelf: Rc<Shelf>,
    _request: Permit,
}

/// Connects to where the plan leads, within the limits of the destination and the time that the rule gives.
///
/// # Errors
/// As for a request, up to the connection.
pub(crate) async fn connect(
    plan: &Plan<'_>,
    rule: &Rule,
    worker: &Rc<Worker>,
    exchange: &Exchange,
) -> Result<(Outlet, Occupied), Refusal> {
    let now = clock::now();
    let limits = earliest(
        after(rule.timeouts.request, exchange.started()),
        after(rule.timeouts.backend_request, now),
    );
    let shelf = worker.pool.shelf(&plan.destination, plan.settings);
    let seeker = Seeker {
        plan,
        shelf: &shelf,
        worker,
        exchange,
        method: &Method::CONNECT,
        tried: &[],
        until: limits.unwrap_or_else(|| now + exchange.silence()),
    };
    let (stream, peer, permit, request) = seeker.find_alone().await?;
    exchange.upstream(peer, false);
    let outlet = Outlet {
        stream: Stream::Plain(stream),
        read: Bytes::new(),
        open: Some(Open::new(worker, permit)),
    };
    let health = shelf.health(peer, clock::now());
    Ok((outlet, Occupied::new(peer, health, &shelf, request)))
}

impl Occupied {
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

    /// The address it is connected to.
    pub(crate) fn peer(&self) -> SocketAddr {
        self.peer
    }
}

impl Drop for Occupied {
    fn drop(&mut self) {
        self.health.request_ends();
        self.shelf.came_back();
    }
}
