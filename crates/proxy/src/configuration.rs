//! The configuration that is served, as each worker reads it.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use arc_swap::ArcSwap;
use egret_config::snapshot::{Listener, ListenerSocket, Snapshot};

/// A snapshot as one worker holds it. Requests count their handles in the worker's own `Rc`, on their own core, and not in
/// the one counter that all workers share.
pub(crate) type WorkerSnapshot = Rc<Arc<Snapshot>>;

/// One worker's handle on the newest configuration.
pub(crate) struct SnapshotReader {
    newest: Arc<ArcSwap<Snapshot>>,
    last: RefCell<WorkerSnapshot>,
}

impl SnapshotReader {
    pub(crate) fn new(newest: Arc<ArcSwap<Snapshot>>) -> Self {
        Self {
            last: RefCell::new(Rc::new(newest.load_full())),
            newest,
        }
    }

    /// The configuration as of now. A request loads it once.
    pub(crate) fn load(&self) -> WorkerSnapshot {
        let newest = self.newest.load();
        let mut last = self.last.borrow_mut();
        if !Arc::ptr_eq(&newest, &last) {
            *last = Rc::new(Arc::clone(&newest));
        }
        Rc::clone(&last)
    }
}

/// Whether a request of the socket may have to be described: to a log, in a trace, or in a response of the gateway's own.
pub(crate) fn describes_requests(socket: &ListenerSocket) -> bool {
    let tells = |listener: &Arc<Listener>| {
        let http = listener.http.as_ref();
        listener.routes.tells_requests()
            || http.is_some_and(|http| http.tracing.is_some() || http.local_replies.is_some())
    };
    !socket.unrouted_log().is_off() || socket.listeners.iter().any(tells)
}
