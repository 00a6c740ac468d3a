//! A worker: one thread, one runtime, its own sockets and its own pool. Everything on the path of a warm request
//! happens here, and nothing of it is shared with another core.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use egret_config::name::Host;
use egret_config::snapshot::{BindAddress, Snapshot};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::Notify;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::accept;
use crate::accept::gate::Gate;
use crate::clock;
use crate::plan::destination::Destination;
use crate::shared::Shared;
use crate::task;
use crate::telemetry::access_log::{Buffer, FLUSH_EVERY, Line};
use crate::telemetry::metrics::WorkerMetrics;
use crate::tunnel::live::Tunnels;
use crate::tunnel::scratch::Scratch;
use crate::upstream::pool::{Pool, Swept};

/// How often the pool is searched for what has waited too long, for names in use, and for addresses that are not those of
/// their name any more.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// What the control side asks of a worker.
pub(crate) enum Command {
    /// Accept from this socket, within what the gate of its address lets in.
    Listen(BindAddress, std::net::TcpListener, Arc<Gate>),
    /// Accept from it no more. What comes with it is dropped when the socket is closed.
    Close(BindAddress, Closing),
    /// Close the connections to a destination that no request needs.
    GiveUp(Arc<Destination>),
    /// Look at the tunnels: the configuration has changed.
    Judge,
    /// Close every connection that no request needs: there are no descriptors left.
    MakeRoom,
    /// End when the last connection has.
    Drain,
    /// End now; what is in flight is broken off, and logged as such.
    Abort,
}

/// Whoever waits for sockets to be closed waits for the last of these to be dropped.
pub(crate) type Closing = Sender<()>;

/// What the tasks of a worker share.
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) pool: Rc<Pool>,
    pub(crate) metrics: Arc<WorkerMetrics>,
    pub(crate) tunnels: Tunnels,
    /// What octets of tunnels pass through.
    pub(crate) scratch: Scratch,
    log: Buffer,
    /// This worker's handle on the current snapshot.
    current: RefCell<Current>,
    connections: Cell<usize>,
    none_left: Notify,
}

/// A snapshot as one worker holds it: requests count their handles here, on their own core, and not on the one counter
/// of all workers.
pub(crate) type Current = Rc<Arc<Snapshot>>;

/// The control side's handle.
pub(crate) struct Handle {
    pub(crate) commands: Sender<Command>,
    pub(crate) thread: JoinHandle<()>,
}

/// Counts a connection while it is there.
pub(crate) struct Counted(Rc<Worker>);

/// Starts a worker's thread.
///
/// # Errors
/// If the thread or its runtime cannot be made.
pub(crate) fn start(index: usize, shared: Arc<Shared>, log: Buffer) -> std::io::Result<Handle> {
    let (commands, received) = channel(64);
    let mut builder = Builder::new_current_thread();
    let metrics = Arc::clone(&shared.metrics[index]);
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
            runtime.block_on(async move { Worker::new(shared, metrics, log).run(received).await });
        })?;
    Ok(Handle { commands, thread })
}

impl Worker {
    fn new(shared: Arc<Shared>, metrics: Arc<WorkerMetrics>, log: Buffer) -> Rc<Self> {
        Rc::new(Self {
            pool: Pool::new(Arc::clone(&shared.sites), Arc::clone(&metrics)),
            current: RefCell::new(Rc::new(shared.snapshot())),
            shared,
            metrics,
            tunnels: Tunnels::default(),
            scratch: Scratch::default(),
            log,
            connections: Cell::default(),
            none_left: Notify::new(),
        })
    }

    /// The configuration as of now; a request loads it once.
    pub(crate) fn snapshot(&self) -> Current {
        let newest = self.shared.current.load();
        let mut current = self.current.borrow_mut();
        if !Arc::ptr_eq(&newest, &current) {
            *current = Rc::new(Arc::clone(&newest));
        }
        Rc::clone(&current)
    }

    /// Logs a line; it is written with the next batch.
    pub(crate) fn log(self: &Rc<Self>, line: &Line<'_>) {
        let first = self.log.write(line);
        if self.shared.is_draining() {
            // The runtime may be on its way out, and nothing can be spawned.
            self.log.flush();
        } else if first {
            let worker = Rc::clone(self);
            task::spawn(async move {
                sleep(FLUSH_EVERY).await;
                worker.log.flush();
            });
        }
    }

    /// There is no descriptor left: closes what waits in the pools, of all workers.
    pub(crate) fn make_room(&self) {
        if self.metrics.idle_connections.get() > 0 {
            self.pool.clear();
        }
        self.scratch.make_room();
        self.shared.make_room();
    }

    pub(crate) fn connected(self: &Rc<Self>) -> Counted {
        self.connections.set(self.connections.get() + 1);
        self.metrics.accepted.increment();
        self.metrics.connections.add(1);
        Counted(Rc::clone(self))
    }

    /// A warm request does not ask for its name, so its use is told here, from time to time: a name that is in use must
    /// neither be forgotten nor expire. What it resolves to by now is what connections are judged by.
    fn keep_names(&self) {
        let resolvers = self.shared.resolvers.all();
        let now = clock::now();
        for Swept { shelf, in_use } in self.pool.sweep(now) {
            let destination = &shelf.site.destination;
            if let Host::Name(name) = &destination.host
                && let Some(resolver) = resolvers.get(&destination.resolver)
            {
                if in_use {
                    resolver.touch(name);
                }
                if let Some(known) = resolver.peek(name, destination.scheme) {
                    let family = resolver.settings().family;
                    shelf.resolved(&known, family, &self.shared.families(), now);
                } else if resolver.has_no_answer(name) {
                    shelf.leads_nowhere(now);
                }
            }
        }
    }

    async fn run(self: Rc<Self>, mut commands: Receiver<Command>) {
        let mut listening: HashMap<BindAddress, oneshot::Sender<Closing>> = HashMap::new();
        let mut sweep = interval(SWEEP_EVERY);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let command = tokio::select! {
                command = commands.recv() => command,
                _ = sweep.tick() => {
                    self.keep_names();
                    continue;
                }
            };
            match command {
                Some(Command::Listen(bind, socket, gate)) => match TcpListener::from_std(socket) {
                    Ok(listener) => {
                        let (stop, stopped) = oneshot::channel();
                        let worker = Rc::clone(&self);
                        task::spawn(accept::accept(listener, bind, gate, stopped, worker));
                        listening.insert(bind, stop);
                    }
                    Err(error) => tracing::error!(%error, ?bind, "a worker cannot listen"),
                },
                Some(Command::Close(bind, closing)) => {
                    if let Some(stop) = listening.remove(&bind) {
                        // One that has ended has closed its socket.
                        let _ = stop.send(closing);
                    }
                }
                Some(Command::GiveUp(destination)) => self.pool.give_up(&destination),
                Some(Command::Judge) => {
                    let own = self.shared.own.load();
                    self.tunnels.judge(&self.snapshot(), &own);
                }
                Some(Command::MakeRoom) => {
                    self.pool.clear();
                    self.scratch.make_room();
                }
                Some(Command::Drain) => break,
                Some(Command::Abort) | None => return,
            }
        }
        drop(listening);
        self.pool.clear();
        // Connections that a socket still had in its queue are accepted now, and counted.
        tokio::task::yield_now().await;
        while self.connections.get() > 0 {
            tokio::select! {
                () = self.none_left.notified() => {}
                command = commands.recv() => {
                    // Others are about what goes on, and nothing does.
                    if matches!(command, Some(Command::Abort) | None) {
                        return;
                    }
                }
            }
        }
        self.log.flush();
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let left = self.0.connections.get() - 1;
        self.0.connections.set(left);
        self.0.metrics.connections.add(-1);
        if left == 0 {
            self.0.none_left.notify_one();
        }
    }
}
