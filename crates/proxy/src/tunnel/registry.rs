//! The open tunnels of one worker, which are reevaluated once after each configuration change.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use egret_config::name::{Host, Port};
use egret_config::snapshot::Snapshot;
use tokio::sync::Notify;

use super::TunnelKind;
use super::buffers::TunnelBuffers;
use super::metrics::TunnelMetrics;
use super::tunnel_request::TunnelRequest;
use crate::client::OpenQuery;
use crate::clock;
use crate::configuration::{SnapshotReader, WorkerSnapshot};
use crate::exchange::{Exchange, TunnelBytes};
use crate::upstream::SharedUpstreams;

/// The open tunnels of one worker, and the resources that they share.
pub(crate) struct TunnelRegistry {
    entries: RefCell<HashMap<u64, Rc<OpenTunnel>>>,
    next: Cell<u64>,
    /// When [`Self::expire`] was called last, in seconds of Unix time.
    expired_until: Cell<i64>,
    pub(super) buffers: TunnelBuffers,
    pub(super) metrics: Arc<TunnelMetrics>,
    snapshots: Rc<SnapshotReader>,
    upstreams: Arc<SharedUpstreams>,
}

/// The entry of an open tunnel.
struct OpenTunnel {
    request: TunnelRequest,
    peer: SocketAddr,
    kind: TunnelKind,
    exchange: Rc<Exchange>,
    /// Notified when a new configuration denies the tunnel.
    denied: Notify,
}

/// The facts of an open tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OpenTunnelFacts {
    pub(crate) host: Host,
    pub(crate) port: Port,
    pub(crate) client: SocketAddr,
    pub(crate) kind: TunnelKind,
    /// The full name of its rule.
    pub(crate) route: String,
    /// How long ago its request came.
    pub(crate) age: Duration,
    /// Bytes so far.
    pub(crate) bytes: TunnelBytes,
}

/// The registration of an open tunnel, removed on drop.
pub(super) struct TunnelHandle {
    tunnels: Rc<TunnelRegistry>,
    id: u64,
    tunnel: Rc<OpenTunnel>,
}

impl TunnelRegistry {
    pub(crate) fn new(
        snapshots: Rc<SnapshotReader>,
        upstreams: Arc<SharedUpstreams>,
        metrics: Arc<TunnelMetrics>,
    ) -> Rc<Self> {
        Rc::new(Self {
            entries: RefCell::default(),
            next: Cell::default(),
            expired_until: Cell::default(),
            buffers: TunnelBuffers::default(),
            metrics,
            snapshots,
            upstreams,
        })
    }

    pub(super) fn register(
        self: &Rc<Self>,
        request: TunnelRequest,
        peer: SocketAddr,
        kind: TunnelKind,
        exchange: Rc<Exchange>,
    ) -> TunnelHandle {
        let id = self.next.get();
        self.next.set(id + 1);
        let tunnel = Rc::new(OpenTunnel {
            request,
            peer,
            kind,
            exchange,
            denied: Notify::new(),
        });
        self.entries.borrow_mut().insert(id, Rc::clone(&tunnel));
        TunnelHandle {
            tunnels: Rc::clone(self),
            id,
            tunnel,
        }
    }

    /// The open tunnels, in no order.
    pub(crate) fn list(&self, query: &OpenQuery) -> Vec<OpenTunnelFacts> {
        let now = clock::now();
        let entries = self.entries.borrow();
        let wanted = entries.values().filter(|tunnel| {
            let host = tunnel.request.destination().0;
            query.host.as_ref().is_none_or(|wanted| wanted == host)
        });
        let told = wanted.take(query.limit).map(|tunnel| tunnel.told(now));
        told.collect()
    }

    /// The current configuration.
    pub(super) fn snapshot(&self) -> WorkerSnapshot {
        self.snapshots.load()
    }

    /// Ends the tunnels that the current configuration does not allow.
    pub(crate) fn reevaluate(&self) {
        let snapshot = self.snapshots.load();
        for tunnel in self.entries.borrow().values() {
            if !self.allows(tunnel, &snapshot) {
                tunnel.denied.notify_one();
            }
        }
    }

    /// Ends the tunnels that the configuration does not allow any more because time has passed: a rule or an exception has
    /// expired since the last call.
    pub(crate) fn expire(&self) {
        let snapshot = self.snapshots.load();
        if snapshot.expiries.is_empty() {
            return;
        }
        let now = clock::unix_time();
        let earlier = self.expired_until.replace(now);
        let mut expiries = snapshot.expiries.iter();
        if expiries.any(|expiry| expiry.has_come_since(earlier, now)) {
            self.reevaluate();
        }
    }

    /// Closes the idle pipes, because the process has no descriptors left.
    pub(crate) fn close_idle_pipes(&self) {
        self.buffers.close_idle_pipes();
    }

    fn allows(&self, tunnel: &OpenTunnel, snapshot: &Snapshot) -> bool {
        let OpenTunnel { request, peer, .. } = tunnel;
        request.is_allowed(snapshot, *peer, &self.upstreams)
    }
}

impl OpenTunnel {
    fn told(&self, now: Instant) -> OpenTunnelFacts {
        let (host, port) = self.request.destination();
        let progress = self.exchange.progress();
        OpenTunnelFacts {
            host: host.clone(),
            port,
            client: self.request.client_address(),
            kind: self.kind,
            route: self.exchange.route(),
            age: now.saturating_duration_since(progress.started()),
            bytes: TunnelBytes {
                up: progress.request_bytes(),
                down: progress.response_bytes(),
            },
        }
    }
}

impl TunnelHandle {
    /// Whether this configuration allows the tunnel.
    pub(super) fn is_allowed(&self, snapshot: &Snapshot) -> bool {
        self.tunnels.allows(&self.tunnel, snapshot)
    }

    /// Completes when a new configuration denies the tunnel.
    pub(super) async fn denied(&self) {
        self.tunnel.denied.notified().await;
    }
}

impl Drop for TunnelHandle {
    fn drop(&mut self) {
        let mut entries = self.tunnels.entries.borrow_mut();
        entries.remove(&self.id);
        if entries.capacity() > 4 * entries.len() + 1024 {
            entries.shrink_to_fit();
        }
    }
}
