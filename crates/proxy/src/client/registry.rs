//! The open connections of one worker's clients, as the admin server lists them.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use egret_config::name::Host;

use super::ClientConnection;
use crate::clock;

/// The open connections of one worker.
#[derive(Default)]
pub(crate) struct ConnectionRegistry {
    entries: RefCell<HashMap<u64, Weak<ClientConnection>>>,
    next: Cell<u64>,
}

/// The place of a connection in the registry, which it leaves when it is dropped.
pub(super) struct Registration {
    registry: Rc<ConnectionRegistry>,
    id: u64,
    protocol: ConnectionProtocol,
}

/// What a client's connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectionProtocol {
    Http1,
    Http2,
    /// TLS that is routed by its server name.
    Tls,
}

/// Where the last request of a connection went.
#[derive(Debug, Default)]
pub(super) struct LastRequest {
    pub(super) listener: Option<Arc<str>>,
    pub(super) host: Option<Host>,
}

/// Which entries of a list of what is open are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OpenQuery {
    /// Only those with this host.
    pub(crate) host: Option<Host>,
    /// The most entries.
    pub(crate) limit: usize,
}

/// The facts of an open connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OpenConnection {
    pub(crate) client: SocketAddr,
    /// The listener that took the last request.
    pub(crate) listener: Option<Arc<str>>,
    pub(crate) protocol: ConnectionProtocol,
    /// How long it has been open.
    pub(crate) age: Duration,
    pub(crate) requests: u32,
    /// The host of the last request.
    pub(crate) host: Option<Host>,
}

impl ConnectionRegistry {
    /// Lists a connection as long as it is there.
    pub(crate) fn register(
        self: &Rc<Self>,
        connection: &Rc<ClientConnection>,
        protocol: ConnectionProtocol,
    ) {
        let id = self.next.replace(self.next.get() + 1);
        self.entries
            .borrow_mut()
            .insert(id, Rc::downgrade(connection));
        let registration = Registration {
            registry: Rc::clone(self),
            id,
            protocol,
        };
        // A connection is registered once.
        let _ = connection.registration.set(registration);
    }

    /// The open connections, in no order.
    pub(crate) fn list(&self, query: &OpenQuery) -> Vec<OpenConnection> {
        let entries = self.entries.borrow();
        let open = entries.values().filter_map(Weak::upgrade);
        let open = open.filter_map(|connection| connection.told());
        let wanted = open.filter(|told| query.host.is_none() || told.host == query.host);
        wanted.take(query.limit).collect()
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut entries = self.registry.entries.borrow_mut();
        entries.remove(&self.id);
        if entries.capacity() > 4 * entries.len() + 1024 {
            entries.shrink_to_fit();
        }
    }
}

impl ClientConnection {
    fn told(&self) -> Option<OpenConnection> {
        let protocol = self.registration.get()?.protocol;
        let last = self.last.borrow();
        Some(OpenConnection {
            client: self.address,
            listener: last.listener.clone(),
            protocol,
            age: clock::now().saturating_duration_since(self.opened),
            requests: self.requests(),
            host: last.host.clone(),
        })
    }
}
