//! The tunnels of one worker that are open. They are judged again when the configuration has changed, once, and cost
//! nothing otherwise.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use egret_config::snapshot::Snapshot;
use tokio::sync::Notify;

use super::buffers::Scratch;
use super::metrics::TunnelMetrics;
use super::tunnel_request::TunnelRequest;
use crate::configuration::{SnapshotReader, WorkerSnapshot};
use crate::upstream::SharedUpstreams;

/// The tunnels of one worker, and what they share.
pub(crate) struct Tunnels {
    entries: RefCell<HashMap<u64, Rc<OpenTunnel>>>,
    next: Cell<u64>,
    pub(super) scratch: Scratch,
    pub(super) metrics: Arc<TunnelMetrics>,
    snapshots: Rc<SnapshotReader>,
    upstreams: Arc<SharedUpstreams>,
}

struct OpenTunnel {
    request: TunnelRequest,
    peer: SocketAddr,
    denied: Notify,
}

/// The place of an open tunnel among the others; it leaves when this is dropped.
pub(super) struct TunnelHandle<'a> {
    tunnels: &'a Tunnels,
    id: u64,
    tunnel: Rc<OpenTunnel>,
}

impl Tunnels {
    pub(crate) fn new(
        snapshots: Rc<SnapshotReader>,
        upstreams: Arc<SharedUpstreams>,
        metrics: Arc<TunnelMetrics>,
    ) -> Rc<Self> {
        Rc::new(Self {
            entries: RefCell::default(),
            next: Cell::default(),
            scratch: Scratch::default(),
            metrics,
            snapshots,
            upstreams,
        })
    }

    pub(super) fn enter(&self, request: TunnelRequest, peer: SocketAddr) -> TunnelHandle<'_> {
        let id = self.next.get();
        self.next.set(id + 1);
        let tunnel = Rc::new(OpenTunnel {
            request,
            peer,
            denied: Notify::new(),
        });
        self.entries.borrow_mut().insert(id, Rc::clone(&tunnel));
        TunnelHandle {
            tunnels: self,
            id,
            tunnel,
        }
    }

    /// The configuration as of now.
    pub(super) fn snapshot(&self) -> WorkerSnapshot {
        self.snapshots.load()
    }

    /// Ends the tunnels that the configuration as of now does not allow.
    pub(crate) fn reevaluate(&self) {
        let snapshot = self.snapshots.load();
        for tunnel in self.entries.borrow().values() {
            if !self.allows(tunnel, &snapshot) {
                tunnel.denied.notify_one();
            }
        }
    }

    /// Closes the pipes that are kept: this process has no descriptors left.
    pub(crate) fn make_room(&self) {
        self.scratch.make_room();
    }

    fn allows(&self, tunnel: &OpenTunnel, snapshot: &Snapshot) -> bool {
        let own = self.upstreams.own_addresses.load();
        tunnel.request.is_allowed(snapshot, tunnel.peer, &own)
    }
}

impl TunnelHandle<'_> {
    /// Whether this configuration allows the tunnel.
    pub(super) fn is_allowed(&self, snapshot: &Snapshot) -> bool {
        self.tunnels.allows(&self.tunnel, snapshot)
    }

    /// Ends when the tunnel has to.
    pub(super) async fn denied(&self) {
        self.tunnel.denied.notified().await;
    }
}

impl Drop for TunnelHandle<'_> {
    fn drop(&mut self) {
        let mut entries = self.tunnels.entries.borrow_mut();
        entries.remove(&self.id);
        if entries.capacity() > 4 * entries.len() + 1024 {
            entries.shrink_to_fit();
        }
    }
}
