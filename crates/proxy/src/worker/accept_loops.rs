//! The accept loops of a worker.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use egret_config::snapshot::BindAddress;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::accept::gate::ConnectionGate;
use crate::accept::{AcceptLoop, ClosedSignal};
use crate::context::WorkerContext;
use crate::task;

/// The accept loops of a worker, with the way to stop each. They stop when this is dropped.
#[derive(Default)]
pub(super) struct AcceptLoops(HashMap<BindAddress, oneshot::Sender<ClosedSignal>>);

impl AcceptLoops {
    /// Starts to accept connections from a socket.
    pub(super) fn start(
        &mut self,
        bind: BindAddress,
        socket: std::net::TcpListener,
        gate: Arc<ConnectionGate>,
        context: &Rc<WorkerContext>,
    ) {
        let listener = match TcpListener::from_std(socket) {
            Ok(listener) => listener,
            Err(error) => return tracing::error!(%error, ?bind, "a worker cannot listen"),
        };
        let (sender, stop) = oneshot::channel();
        let accept_loop = AcceptLoop {
            listener,
            bind,
            gate,
            stop,
            context: Rc::clone(context),
        };
        task::spawn(accept_loop.run());
        self.0.insert(bind, sender);
    }

    /// Has a loop stop, which drops the signal once its socket is closed.
    pub(super) fn stop(&mut self, bind: BindAddress, closing: ClosedSignal) {
        if let Some(stop) = self.0.remove(&bind) {
            // An accept loop that has ended has closed its socket.
            let _ = stop.send(closing);
        }
    }

    /// The addresses whose loops are running.
    pub(super) fn running(&self) -> Vec<BindAddress> {
        let running = self.0.iter().filter(|(_, stop)| !stop.is_closed());
        running.map(|(bind, _)| *bind).collect()
    }
}
