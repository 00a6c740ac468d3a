//! A worker: one thread with a runtime, sockets and a connection pool of its own. A warm request is handled entirely by one
//! worker, without state shared with other cores.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use egret_config::snapshot::BindAddress;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{Notify, oneshot};
use tokio::time::{MissedTickBehavior, interval};

use crate::accept::gate::ConnectionGate;
use crate::accept::{self, ClosedSignal};
use crate::context::{SharedContext, WorkerContext};
use crate::plan::destination::DestinationKey;
use crate::task;
use crate::upstream::NeighbourPool;

/// Interval between sweeps of the pool, which close expired connections, keep names in use resolved, and drop addresses
/// that their names no longer have.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// A command of the control side to a worker.
pub(crate) enum WorkerCommand {
    /// Accept from this socket, within the limit of the address's gate.
    Listen(BindAddress, std::net::TcpListener, Arc<ConnectionGate>),
    /// Close the socket of this address. The signal is dropped when the socket is closed.
    Close(BindAddress, ClosedSignal),
    /// Reevaluate the open tunnels, because the configuration has changed.
    ReevaluateTunnels,
    /// End when the last connection has ended.
    Drain,
    /// End now; exchanges in progress are broken off, and logged as such.
    Abort,
}

/// The control side's handle on a worker.
pub(crate) struct WorkerHandle {
    pub(crate) commands: Sender<WorkerCommand>,
    /// The way to the worker's pool, for the other workers.
    pub(crate) pool: NeighbourPool,
    pub(crate) thread: JoinHandle<()>,
}

/// The receiving side of a worker's channels.
struct WorkerInbox {
    commands: Receiver<WorkerCommand>,
    /// Destinations whose idle connections are to be closed.
    close_idle: Receiver<Arc<DestinationKey>>,
    /// Notified when this process has no descriptors left.
    make_room: Arc<Notify>,
}

/// Starts the thread of the worker with this index.
///
/// # Errors
/// If the thread cannot be started.
pub(crate) fn start(index: usize, shared: Arc<SharedContext>) -> std::io::Result<WorkerHandle> {
    let (commands, received) = channel(64);
    let (close_idle, destinations) = channel(64);
    let make_room = Arc::new(Notify::new());
    let inbox = WorkerInbox {
        commands: received,
        close_idle: destinations,
        make_room: Arc::clone(&make_room),
    };
    let pool = NeighbourPool {
        close_idle,
        make_room,
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
    // Lets the accept loops take, and count, the connections that are queued on their sockets.
    tokio::task::yield_now().await;
    while context.connections() > 0 {
        tokio::select! {
            () = context.none_left() => {}
            () = inbox.make_room.notified() => close_everything_idle(context),
            command = inbox.commands.recv() => {
                // The other commands concern listeners and tunnels, and have no effect on a draining worker.
                if matches!(command, Some(WorkerCommand::Abort) | None) {
                    return;
                }
            }
        }
    }
    context.telemetry.flush();
}

/// Closes what holds descriptors that no request needs.
fn close_everything_idle(context: &WorkerContext) {
    context.upstreams.close_idle();
    context.tunnels.close_idle_pipes();
}

/// Handles commands until the worker is to end. Returns true if it drains, and false if it aborts. Its sockets are closed
/// in either case.
async fn serve(context: &Rc<WorkerContext>, inbox: &mut WorkerInbox) -> bool {
    let mut listening: HashMap<BindAddress, oneshot::Sender<ClosedSignal>> = HashMap::new();
    let mut sweep = interval(SWEEP_INTERVAL);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let command = tokio::select! {
            command = inbox.commands.recv() => command,
            Some(destination) = inbox.close_idle.recv() => {
                context.upstreams.close_idle_to(&destination);
                continue;
            }
            () = inbox.make_room.notified() => {
                close_everything_idle(context);
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
