//! A worker: one thread with a runtime, sockets and a connection pool of its own. A warm request is handled entirely by one
//! worker, without state shared with other cores.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::Duration;

use egret_config::policy::service::Collector;
use egret_config::snapshot::BindAddress;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{Notify, oneshot};
use tokio::time::{MissedTickBehavior, interval};

use crate::accept::ClosedSignal;
use crate::accept::gate::ConnectionGate;
use crate::client::{OpenConnection, OpenQuery};
use crate::context::{SharedContext, WorkerContext};
use crate::export;
use crate::plan::destination::DestinationKey;
use crate::task;
use crate::telemetry::outbox::OutboxAddress;
use crate::tunnel::OpenTunnelFacts;
use crate::upstream::{NeighbourPool, health_check};
use accept_loops::AcceptLoops;

mod accept_loops;

/// Interval between sweeps of the pool, which close expired connections, keep names in use resolved, and drop addresses
/// that their names no longer have; and of the tunnels, which end those whose rule has expired.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// A command of the control side to a worker.
pub(crate) enum WorkerCommand {
    /// Accept from this socket, within the limit of the address's gate.
    Listen(BindAddress, std::net::TcpListener, Arc<ConnectionGate>),
    /// Close the socket of this address. The signal is dropped when the socket is closed.
    Close(BindAddress, ClosedSignal),
    /// Tell which addresses this worker accepts connections of.
    Report(oneshot::Sender<Vec<BindAddress>>),
    /// Tell which connections of clients are open.
    ListConnections(OpenQuery, oneshot::Sender<Vec<OpenConnection>>),
    /// Tell which tunnels are open.
    ListTunnels(OpenQuery, oneshot::Sender<Vec<OpenTunnelFacts>>),
    /// Tell a collector these metrics, each encoded.
    Tell(Arc<Collector>, Vec<Vec<u8>>),
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
    /// Whether this worker checks the health of addresses, for all.
    checks_health: bool,
    commands: Receiver<WorkerCommand>,
    /// Destinations whose idle connections are to be closed.
    close_idle: Receiver<Arc<DestinationKey>>,
    /// Notified when this process has no descriptors left.
    make_room: Arc<Notify>,
}

/// Notifies when it is dropped: a worker has ended, in order or not.
struct EndSignal(Arc<Notify>);

impl Drop for EndSignal {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// Starts the thread of the worker with this index. `ended` is notified when the thread ends.
///
/// # Errors
/// If the thread or its runtime cannot be started.
pub(crate) fn start(
    index: usize,
    shared: Arc<SharedContext>,
    ended: Arc<Notify>,
) -> io::Result<WorkerHandle> {
    let (commands, received) = channel(64);
    let (close_idle, destinations) = channel(64);
    let make_room = Arc::new(Notify::new());
    let inbox = WorkerInbox {
        checks_health: index == 0,
        commands: received,
        close_idle: destinations,
        make_room: Arc::clone(&make_room),
    };
    let pool = NeighbourPool {
        close_idle,
        make_room,
    };
    let mut builder = Builder::new_current_thread();
    let (started, has_started) = sync_channel(1);
    let thread = std::thread::Builder::new()
        .name(format!("worker-{index}"))
        .spawn(move || {
            let _ended = EndSignal(ended);
            // The runtime belongs to the thread that builds it.
            let runtime = match builder.enable_all().build_local(LocalOptions::default()) {
                Ok(runtime) => runtime,
                Err(error) => return drop(started.send(Err(error))),
            };
            let _ = started.send(Ok(()));
            runtime.block_on(async move { run(&WorkerContext::new(index, shared), inbox).await });
        })?;
    has_started.recv().map_err(io::Error::other)??;
    Ok(WorkerHandle {
        commands,
        pool,
        thread,
    })
}

async fn run(context: &Rc<WorkerContext>, mut inbox: WorkerInbox) {
    let exporting = Rc::clone(context);
    task::spawn(async move {
        let export = async || export::run(&exporting).await;
        task::restarting("the export of telemetry", export).await;
    });
    let measured = Rc::clone(context);
    task::spawn(async move { measured.overload.measure().await });
    if inbox.checks_health {
        let checking = Rc::clone(context);
        task::spawn(async move {
            let check =
                async || health_check::run(&checking.upstreams, || checking.snapshot()).await;
            task::restarting("the health checks", check).await;
        });
    }
    let mut accept_loops = AcceptLoops::default();
    let serving = async || serve(context, &mut inbox, &mut accept_loops).await;
    if !task::restarting("a worker", serving).await {
        return;
    }
    // Closes the sockets.
    drop(accept_loops);
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
    export::finish(context).await;
}

/// Closes what holds descriptors that no request needs.
fn close_everything_idle(context: &WorkerContext) {
    context.upstreams.close_idle();
    context.tunnels.close_idle_pipes();
}

/// Handles commands until the worker is to end. Returns true if it drains, and false if it aborts. It
/// does not return otherwise.
async fn serve(
    context: &Rc<WorkerContext>,
    inbox: &mut WorkerInbox,
    accept_loops: &mut AcceptLoops,
) -> bool {
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
                context.upstreams.fetch_due_keys(&context.snapshot());
                context.tunnels.expire();
                continue;
            }
        };
        match command {
            Some(WorkerCommand::Listen(bind, socket, gate)) => {
                accept_loops.start(bind, socket, gate, context);
            }
            Some(WorkerCommand::Close(bind, closing)) => accept_loops.stop(bind, closing),
            Some(WorkerCommand::Report(asker)) => {
                // Whoever asks may have lost its patience.
                let _ = asker.send(accept_loops.running());
            }
            Some(WorkerCommand::ListConnections(query, asker)) => {
                let _ = asker.send(context.open_connections.list(&query));
            }
            Some(WorkerCommand::ListTunnels(query, asker)) => {
                let _ = asker.send(context.tunnels.list(&query));
            }
            Some(WorkerCommand::Tell(collector, metrics)) => {
                let outbox = context.telemetry.outbox();
                outbox.replace(&OutboxAddress::Metrics(collector), metrics);
            }
            Some(WorkerCommand::ReevaluateTunnels) => {
                context.upstreams.fetch_due_keys(&context.snapshot());
                context.tunnels.reevaluate();
                let snapshot = context.snapshot();
                context.telemetry.close_unused_logs(&snapshot);
                let is_wanted = |service: &_| snapshot.services.contains_key(service);
                context.shared.outboxes.keep_only(is_wanted);
            }
            Some(WorkerCommand::Drain) => return true,
            Some(WorkerCommand::Abort) | None => return false,
        }
    }
}
