//! Connections from clients, from the socket that accepts them to what serves them.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use egret_config::snapshot::{BindAddress, Socket};
use nix::errno::Errno;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::dial::race::is_out_of_descriptors;
use crate::refusal::Reason;
use crate::request::passthrough;
use crate::serve;
use crate::stream::{ClientStream, ReplayStream};
use crate::task;
use crate::tunnel::Ready;
use crate::worker::{Closing, Worker};
use begin::{Begun, begin};
use gate::{Full, Gate};

pub(crate) mod begin;
pub(crate) mod gate;
mod tls;

/// How long to wait when the process is out of descriptors or memory.
const OUT_OF_RESOURCES: Duration = Duration::from_millis(50);

/// Accepts until told to stop, and then what is already in the queue: a client whose connection was made is served.
/// Lets go of what it is told with once the socket is closed.
pub(crate) async fn accept(
    listener: TcpListener,
    bind: BindAddress,
    gate: Arc<Gate>,
    mut stop: oneshot::Receiver<Closing>,
    worker: Rc<Worker>,
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
                let place = match gate.enter() {
                    Ok(place) => place,
                    Err(full) => {
                        turn_away(&stream, bind, &full, &gate, &worker);
                        continue;
                    }
                };
                // A socket for both families tells IPv4 addresses inside IPv6 ones.
                let client = SocketAddr::new(client.ip().to_canonical(), client.port());
                let counted = (worker.connected(), place);
                let worker = Rc::clone(&worker);
                task::spawn(async move {
                    let Some(tunnel) = serve(stream, client, bind, worker).await else {
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
                worker.make_room();
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
    worker: Rc<Worker>,
) -> Option<Ready> {
    let (stream, origin) = match begin(stream, client, bind, &worker).await? {
        Begun::Plain(stream, origin) => (ClientStream::Plain(stream), origin),
        Begun::Tls(tls) => {
            let (stream, origin) = tls.end(&worker).await?;
            (
                ClientStream::Tls(Box::new(ReplayStream::from(stream))),
                origin,
            )
        }
        Begun::Passthrough(incoming, origin) => {
            return passthrough::open(incoming, origin, worker).await;
        }
    };
    serve::connection(stream, origin, worker).await
}

/// There are too many: says so to who understands it, as far as the socket takes it at once, and closes.
fn turn_away(stream: &TcpStream, bind: BindAddress, full: &Full, gate: &Gate, worker: &Rc<Worker>) {
    worker
        .metrics
        .refusals
        .increment(Reason::TooManyConnections);
    if full.is_news {
        let (port, most) = (bind.port.get(), gate.most());
        tracing::warn!(
            port,
            most,
            "a listener has as many connections as it may have"
        );
    }
    let snapshot = worker.snapshot();
    if snapshot.sockets.get(&bind).is_some_and(Socket::is_plain) {
        let _ = stream.try_write(gate::refusal());
    }
}

fn is_out_of_resources(error: &io::Error) -> bool {
    const ERRORS: [i32; 2] = [Errno::ENOBUFS as i32, Errno::ENOMEM as i32];
    let errno = error.raw_os_error();
    is_out_of_descriptors(error) || errno.is_some_and(|errno| ERRORS.contains(&errno))
}
