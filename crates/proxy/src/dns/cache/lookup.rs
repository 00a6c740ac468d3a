//! What a lookup gets.

use std::net::IpAddr;
use std::sync::Arc;

use super::Flight;
use crate::dns::failure::Failure;
use crate::dns::query::Service;

/// What a lookup gets.
#[derive(Debug)]
pub enum Lookup<W = ()> {
    /// These addresses. A refresh comes with them when their time is nearly over, so that a name in use never expires.
    Hit(Served<W>),
    /// These addresses, whose time is over but which still serve (RFC 8767).
    Stale(Served<W>),
    /// No addresses: remembered.
    Negative(Failure),
    /// Wait for the query that is running.
    Join(W),
    /// Run this query and wait for it.
    Start(Flight<W>),
    /// As many names as allowed are being asked for.
    Overloaded,
}

/// What is known of a name.
#[derive(Debug)]
pub struct Servable {
    /// At least one.
    pub addresses: Arc<[IpAddr]>,
    /// How it says that it is reached over TLS.
    pub service: Option<Arc<Service>>,
}

/// What is known of a name that has addresses.
#[derive(Debug)]
pub struct Served<W = ()> {
    /// As they were answered.
    pub addresses: Arc<[IpAddr]>,
    /// How the name says that it is reached over TLS.
    pub service: Option<Arc<Service>>,
    /// Set when the caller has to run this query in the background.
    pub refresh: Option<Flight<W>>,
    /// Set while a family is late: what those who wait for it share.
    pub more: Option<W>,
}
