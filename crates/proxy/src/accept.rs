//! Connections from clients, from the socket that accepts them to what serves them.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use egret_config::snapshot::{BindAddress, Socket};
use nix::errno::Errno;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::Sender;
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::context::WorkerContext;
use crate::dial::race::is_out_of_descriptors;
use crate::refusal::Reason;
use crate::request::passthrough;
use crate::serve;
use crate::stream::{ClientStream, Replay};
use crate::task;
use crate::tunnel::ReadyTunnel;
use gate::{ConnectionGate, GateFull};
use preamble::{AcceptedConnection, begin};

pub(crate) mod gate;
pub(crate) mod preamble;
mod tls;

/// Whoever waits for sockets to be closed waits for the last of these to be dropped.
pub(crate) type ClosedSignal = Sender<()>;

/// How long to wait when the process is out of descriptors or memory.
const OUT_OF_RESOURCES: Duration = Duration::from_millis(50);

/// Accepts until told to stop, and then what is already in the queue: a client whose connection was made is served.
/// Lets go of what it is told with once the socket is closed.
pub(crate) async fn accept(
    listener: TcpListener,
    bind: BindAddress,
    gate: Arc<ConnectionGate>,
    mut stop: oneshot::Receiver<ClosedSignal>,
    context: Rc<WorkerContext>,
) {
    let mut starved = false;
    loop {
        let accepted = tokio::select! {
            biased;
            accepted = listener.accept() => accepted,
            closing = &mut stop => {
                drop(listener);
                drop(closing);
                return;
            }
        };
        match accepted {
            Ok((stream, client)) => {
                starved = false;
                let permit = match gate.enter() {
                    Ok(permit) => permit,
                    Err(full) => {
                        reject(&stream, bind, &full, &gate, &context);
                        continue;
                    }
                };
                // A socket for both families tells IPv4 addresses inside IPv6 ones.
                let client = SocketAddr::new(client.ip().to_canonical(), client.port());
                let counted = (context.connected(), permit);
                let context = Rc::clone(&context);
                task::spawn(async move {
                    let Some(tunnel) = serve(stream, client, bind, context).await else {
                        return drop(counted);
                    };
                    // In a task of its own, without what HTTP needed: there may be very many, and they may last.
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
                sleep(OUT_OF_RESOURCES).await;
            }
            // The client was gone before it was accepted.
            Err(error) => tracing::debug!(%error, "a connection was lost before it was accepted"),
        }
    }
}

/// Serves a connection to its end, or until it becomes a tunnel.
async fn serve(
    stream: TcpStream,
    client: SocketAddr,
    bind: BindAddress,
    context: Rc<WorkerContext>,
) -> Option<ReadyTunnel> {
    let (stream, origin) = match begin(stream, client, bind, &context).await? {
        AcceptedConnection::Plain(stream, origin) => (ClientStream::Plain(stream), origin),
        AcceptedConnection::Tls(tls) => {
            let (stream, origin) = tls.terminate(&context).await?;
            (ClientStream::Tls(Box::new(Replay::from(stream))), origin)
        }
        AcceptedConnection::Passthrough(incoming, origin) => {
            return passthrough::open(incoming, origin, context).await;
        }
    };
    serve::connection(stream, origin, context).await
}

/// There are too many: says so to who understands it, as far as the socket takes it at once, and closes.
fn reject(
    stream: &TcpStream,
    bind: BindAddress,
    full: &GateFull,
    gate: &ConnectionGate,
    context: &WorkerContext,
) {
    context
        .telemetry
        .metrics
        .refusals
        .increment(Reason::TooManyConnections);
    if full.is_first {
        let (port, most) = (bind.port.get(), gate.most());
        tracing::warn!(
            port,
            most,
            "a listener has as many connections as it may have"
        );
    }
    let snapshot = context.snapshot();
    if snapshot.sockets.get(&bind).is_some_and(Socket::is_plain) {
        let _ = stream.try_write(gate::refusal());
    }
}

fn is_out_of_resources(error: &io::Error) -> bool {
    const ERRORS: [i32; 2] = [Errno::ENOBUFS as i32, Errno::ENOMEM as i32];
    let errno = error.raw_os_error();
    is_out_of_descriptors(error) || errno.is_some_and(|errno| ERRORS.contains(&errno))
}
