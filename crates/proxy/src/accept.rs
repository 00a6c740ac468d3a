//! The accept loop: takes connections from a listening socket, reads what precedes HTTP, and hands them to the service.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use egret_config::snapshot::{BindAddress, ListenerSocket};
use nix::errno::Errno;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::Sender;
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::context::WorkerContext;
use crate::dial::race::is_out_of_descriptors;
use crate::refusal::Reason;
use crate::request;
use crate::serve::HttpService;
use crate::stream::{ClientStream, ReplayStream};
use crate::task;
use crate::telemetry::DecisionLabels;
use crate::tunnel::ReadyTunnel;
use gate::{ConnectionGate, GateFull};
use preamble::{AcceptedConnection, read_preamble};

pub(crate) mod gate;
pub(crate) mod preamble;
mod tls;

/// Signals by its drop that a listening socket has been closed. The receiving side waits for the last one to be dropped.
pub(crate) type ClosedSignal = Sender<()>;

/// Delay before the next accept when the process is out of descriptors or memory.
const OUT_OF_RESOURCES_DELAY: Duration = Duration::from_millis(50);

/// How long connections wait in the queue of the socket until it is looked again whether there is time for them.
const OVERLOAD_PAUSE: Duration = Duration::from_millis(10);

/// The accept loop of one socket.
pub(crate) struct AcceptLoop {
    pub(crate) listener: TcpListener,
    pub(crate) bind: BindAddress,
    pub(crate) gate: Arc<ConnectionGate>,
    /// Receives the signal to stop.
    pub(crate) stop: oneshot::Receiver<ClosedSignal>,
    pub(crate) context: Rc<WorkerContext>,
}

impl AcceptLoop {
    /// Accepts connections until the loop is told to stop and the socket's queue is empty, so that clients whose
    /// connections the kernel has completed are served. Closes the socket and then drops the signal.
    pub(crate) async fn run(mut self) {
        let closing = task::restarting("an accept loop", async || self.accept().await).await;
        drop(self.listener);
        drop(closing);
    }

    /// Accepts connections until the loop is told to stop. `None` if whoever could tell it is gone.
    async fn accept(&mut self) -> Option<ClosedSignal> {
        let Self {
            listener,
            bind,
            gate,
            stop,
            context,
        } = self;
        let bind = *bind;
        let mut starved = false;
        loop {
            let pauses = context.overload.takes_no_connections();
            let accepted = tokio::select! {
                biased;
                accepted = listener.accept(), if !pauses => accepted,
                closing = &mut *stop, if !pauses => return closing.ok(),
                () = sleep(OVERLOAD_PAUSE), if pauses => continue,
            };
            match accepted {
                Ok((stream, client)) => {
                    starved = false;
                    let permit = match gate.try_acquire() {
                        Ok(permit) => permit,
                        Err(full) => {
                            reject(&stream, bind, &full, gate, context);
                            continue;
                        }
                    };
                    // A dual-stack socket reports IPv4 addresses as IPv4-mapped IPv6 addresses.
                    let client = SocketAddr::new(client.ip().to_canonical(), client.port());
                    let counted = (context.connected(), permit);
                    let context = Rc::clone(context);
                    task::spawn(async move {
                        let Some(tunnel) = serve(stream, client, bind, context).await else {
                            return drop(counted);
                        };
                        // A task of its own is smaller than the one that served HTTP: tunnels are many and long-lived.
                        task::spawn(async move {
                            tunnel.run().await;
                            drop(counted);
                        });
                    });
                }
                Err(error) if is_out_of_resources(&error) => {
                    if !std::mem::replace(&mut starved, true) {
                        tracing::warn!(%error, "no connection can be accepted");
                    }
                    context.make_room();
                    sleep(OUT_OF_RESOURCES_DELAY).await;
                }
                // The client closed the connection before it was accepted.
                Err(error) => {
                    tracing::debug!(%error, "a connection was lost before it was accepted")
                }
            }
        }
    }
}

/// What a connection turned out to be.
enum BegunConnection {
    Http(HttpService),
    /// A tunnel, or one that could not be opened.
    Tunnel(Option<ReadyTunnel>),
}

/// Serves a connection until it ends or becomes a tunnel.
async fn serve(
    stream: TcpStream,
    client: SocketAddr,
    bind: BindAddress,
    context: Rc<WorkerContext>,
) -> Option<ReadyTunnel> {
    // Boxed, so that a quiet connection does not hold what only its beginning needs.
    let begun = Box::pin(begin(stream, client, bind, context));
    match begun.await? {
        BegunConnection::Http(service) => service.run().await,
        BegunConnection::Tunnel(tunnel) => tunnel,
    }
}

/// Reads what comes before HTTP or a tunnel. `None` if the connection ends with it.
async fn begin(
    stream: TcpStream,
    client: SocketAddr,
    bind: BindAddress,
    context: Rc<WorkerContext>,
) -> Option<BegunConnection> {
    // Likewise, for a client that says nothing for a while.
    let preamble = Box::pin(read_preamble(stream, client, bind, &context));
    let (stream, origin) = match preamble.await? {
        AcceptedConnection::Plain(stream, origin) => (ClientStream::Plain(stream), origin),
        AcceptedConnection::Tls(tls) => {
            let is_tunnel = tls.is_tunnel();
            // Boxed, so that connections in the clear do not pay for its size.
            let (stream, origin) = Box::pin(tls.terminate(&context)).await?;
            let stream = ClientStream::Tls(Box::new(ReplayStream::from(stream)));
            if is_tunnel {
                let relayed = Box::pin(request::tls::relay_terminated(stream, origin, context));
                return Some(BegunConnection::Tunnel(relayed.await));
            }
            (stream, origin)
        }
        AcceptedConnection::Passthrough(incoming, origin) => {
            let passed = Box::pin(request::tls::pass_through(incoming, origin, context));
            return Some(BegunConnection::Tunnel(passed.await));
        }
    };
    let service = HttpService::begin(stream, origin, context).await?;
    Some(BegunConnection::Http(service))
}

/// Rejects a connection over the listener's limit. A client that speaks HTTP in clear text gets a response, as far as the
/// socket's send buffer takes it.
fn reject(
    stream: &TcpStream,
    bind: BindAddress,
    full: &GateFull,
    gate: &ConnectionGate,
    context: &WorkerContext,
) {
    let snapshot = context.snapshot();
    let socket = snapshot.sockets.get(&bind);
    let refusals = &context.telemetry.metrics.refusals;
    refusals.increment(
        Reason::TooManyConnections,
        DecisionLabels::of_socket(socket),
    );
    if full.is_first {
        let (port, most) = (bind.port.get(), gate.limit());
        tracing::warn!(
            port,
            most,
            "a listener has as many connections as it may have"
        );
    }
    if socket.is_some_and(ListenerSocket::is_plain) {
        let _ = stream.try_write(gate::rejection());
    }
}

fn is_out_of_resources(error: &io::Error) -> bool {
    const ERRORS: [i32; 2] = [Errno::ENOBUFS as i32, Errno::ENOMEM as i32];
    let errno = error.raw_os_error();
    is_out_of_descriptors(error) || errno.is_some_and(|errno| ERRORS.contains(&errno))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_task_of_a_connection_is_small() {
        let size = task::size_of_future(|(stream, client, bind, context)| {
            serve(stream, client, bind, context)
        });
        assert!(size <= 1280, "{size} bytes");
    }
}
