//! A worker: one thread, one runtime, its own sockets and its own pool. Everything on the path of a warm request happens
//! here, and nothing of it is shared with another core.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use egret_config::snapshot::BindAddress;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval};

use crate::accept::gate::ConnectionGate;
use crate::accept::{self, ClosedSignal};
use crate::context::{SharedContext, WorkerContext};
use crate::task;
use crate::upstream::PoolRequest;

/// How often the pool is searched for connections that have been idle for too long, for names in use, and for addresses
/// that are not those of their name any more.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// What the control side asks of a worker.
pub(crate) enum WorkerCommand {
    /// Accept from this socket, within what the gate of its address lets in.
    Listen(BindAddress, std::net::TcpListener, Arc<ConnectionGate>),
    /// Accept from it no more. The signal is dropped when the socket is closed.
    Close(BindAddress, ClosedSignal),
    /// Judge the open tunnels: the configuration has changed.
    ReevaluateTunnels,
    /// End when the last connection has.
    Drain,
    /// End now; what is in flight is broken off, and logged as such.
    Abort,
}

/// The control side's handle on a worker.
pub(crate) struct WorkerHandle {
    pub(crate) commands: Sender<WorkerCommand>,
    /// The way to the worker's pool, for the other workers.
    pub(crate) pool: Sender<PoolRequest>,
    pub(crate) thread: JoinHandle<()>,
}

/// What a worker is asked to do.
struct WorkerInbox {
    commands: Receiver<WorkerCommand>,
    pool: Receiver<PoolRequest>,
}

/// Starts the thread of the worker with this index.
///
/// # Errors
/// If the thread or its runtime cannot be made.
pub(crate) fn start(index: usize, shared: Arc<SharedContext>) -> std::io::Result<WorkerHandle> {
    let (commands, received) = channel(64);
    let (pool, pool_requests) = channel(64);
    let inbox = WorkerInbox {
        commands: received,
        pool: pool_requests,
    };
    let mut builder = Builder::new_current_thread();
    let thread = std::thread::Builder::new()
        .name(format!("worker-{index}"))
        .spawn(move || {
            let runtime = match builder.enable_all().build_local(LocalOptions::default()) {
                Ok(runtime) => runtime,
                Err(error) => {
                    tracing::error!(%error, "a worker cannot start");
                    std::process::abort();
                }
            };
            runtime.block_on(async move { run(&WorkerContext::new(index, shared), inbox).await });
        })?;
    Ok(WorkerHandle {
        commands,
        pool,
        thread,
    })
}

async fn run(context: &Rc<WorkerContext>, mut inbox: WorkerInbox) {
    if !serve(context, &mut inbox).await {
        return;
    }
    context.upstreams.close_idle();
    // Connections that a socket still had in its queue are accepted now, and counted.
    tokio::task::yield_now().await;
    while context.connections() > 0 {
        tokio::select! {
            () = context.none_left() => {}
            command = inbox.commands.recv() => {
                // Others are about what goes on, and nothing does.
                if matches!(command, Some(WorkerCommand::Abort) | None) {
                    return;
                }
            }
        }
    }
    context.telemetry.flush();
}

/// Does what it is asked, until it is to end: true if it may take its time for that. The sockets are closed then.
async fn serve(context: &Rc<WorkerContext>, inbox: &mut WorkerInbox) -> bool {
    let mut listening: HashMap<BindAddress, oneshot::Sender<ClosedSignal>> = HashMap::new();
    let mut sweep = interval(SWEEP_INTERVAL);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let command = tokio::select! {
            command = inbox.commands.recv() => command,
            Some(request) = inbox.pool.recv() => {
                context.upstreams.serve(&request);
                if matches!(request, PoolRequest::MakeRoom) {
                    context.tunnels.make_room();
                }
                continue;
            }
            _ = sweep.tick() => {
                context.upstreams.sweep();
                continue;
            }
        };
        match command {
            Some(WorkerCommand::Listen(bind, socket, gate)) => {
                match TcpListener::from_std(socket) {
                    Ok(listener) => {
                        let (stop, stopped) = oneshot::channel();
                        let context = Rc::clone(context);
                        task::spawn(accept::accept(listener, bind, gate, stopped, context));
                        listening.insert(bind, stop);
                    }
                    Err(error) => tracing::error!(%error, ?bind, "a worker cannot listen"),
                }
            }
            Some(WorkerCommand::Close(bind, closing)) => {
                if let Some(stop) = listening.remove(&bind) {
                    // An accept loop that has ended has closed its socket.
                    let _ = stop.send(closing);
                }
            }
            Some(WorkerCommand::ReevaluateTunnels) => context.tunnels.reevaluate(),
            Some(WorkerCommand::Drain) => return true,
            Some(WorkerCommand::Abort) | None => return false,
        }
    }
}
