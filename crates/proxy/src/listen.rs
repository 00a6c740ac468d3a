//! Sockets that listen: bound on the control side, one for each worker, and accepted from on the workers.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use egret_config::snapshot::{BindAddress, Snapshot};
use socket2::{Domain, Protocol, Type};
use tokio::sync::mpsc::{Sender, channel};
use tokio::time::timeout;

use crate::accept::gate::ConnectionGate;
use crate::context::SharedContext;
use crate::dial::egress::OwnAddresses;
use crate::worker::WorkerCommand;

/// Connections that the kernel may complete ahead of us; it caps this at `net.core.somaxconn`.
const BACKLOG: i32 = 4096;
/// How long workers may take to close sockets. What cannot be bound because of them is tried again.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Where listeners are bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bind {
    /// To the addresses and ports of the configuration.
    #[default]
    AsConfigured,
    /// To a free port of this address, whatever the configuration says. For tests.
    AnyPortOf(IpAddr),
}

/// The sockets that are open, as the control side sees them.
pub(crate) struct Listeners {
    bind: Bind,
    workers: Vec<Sender<WorkerCommand>>,
    admin: Option<SocketAddr>,
    /// How many connections each may have.
    max_connections: Option<usize>,
    bound: BTreeMap<BindAddress, SocketAddr>,
}

/// A socket that the configuration asks for and that could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {error}")]
pub struct BindError {
    /// What was asked for.
    pub address: SocketAddr,
    /// Why not.
    #[source]
    pub error: io::Error,
}

impl Listeners {
    pub(crate) fn new(
        bind: Bind,
        workers: Vec<Sender<WorkerCommand>>,
        admin: Option<SocketAddr>,
        max_connections: Option<usize>,
    ) -> Self {
        Self {
            bind,
            workers,
            admin,
            max_connections,
            bound: BTreeMap::new(),
        }
    }

    /// The addresses that are listened on.
    pub(crate) fn addresses(&self) -> &BTreeMap<BindAddress, SocketAddr> {
        &self.bound
    }

    /// Binds what is new, keeps what is the same, closes what is gone. What cannot be bound is told, and tried again
    /// by the next call.
    pub(crate) async fn reconcile(&mut self, shared: &SharedContext) -> Vec<BindError> {
        let snapshot = shared.snapshot.load_full();
        self.close_gone(&snapshot).await;
        let mut opened = Vec::new();
        let mut errors = Vec::new();
        for bind in snapshot
            .sockets
            .keys()
            .filter(|bind| !self.bound.contains_key(bind))
        {
            match sockets(self.wanted(*bind), self.workers.len()) {
                Ok((address, sockets)) => opened.push((*bind, address, sockets)),
                Err(error) => errors.push(error),
            }
        }
        self.bound
            .extend(opened.iter().map(|(bind, address, _)| (*bind, *address)));
        // Before the first request can come in by one of them.
        shared.upstreams.own_addresses.store(Arc::new(OwnAddresses(
            self.bound.values().copied().chain(self.admin).collect(),
        )));
        for (bind, _, sockets) in opened {
            let gate = ConnectionGate::new(self.max_connections);
            for (worker, socket) in self.workers.iter().zip(sockets) {
                // A worker that is gone has closed its sockets.
                let _ = worker
                    .send(WorkerCommand::Listen(bind, socket, Arc::clone(&gate)))
                    .await;
            }
        }
        errors
    }

    async fn close_gone(&mut self, snapshot: &Snapshot) {
        let gone: Vec<_> = self
            .bound
            .keys()
            .filter(|bind| !snapshot.sockets.contains_key(bind))
            .copied()
            .collect();
        // What is bound next may overlap with it, and cannot be until all workers have closed theirs.
        let (closing, mut closed) = channel(1);
        for bind in gone {
            self.bound.remove(&bind);
            for worker in &self.workers {
                let _ = worker
                    .send(WorkerCommand::Close(bind, closing.clone()))
                    .await;
            }
        }
        drop(closing);
        if timeout(CLOSE_TIMEOUT, closed.recv()).await.is_err() {
            tracing::warn!("a worker takes long to close a listener");
        }
    }

    fn wanted(&self, bind: BindAddress) -> SocketAddr {
        match self.bind {
            Bind::AsConfigured => SocketAddr::new(
                bind.ip.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
                bind.port.get(),
            ),
            Bind::AnyPortOf(ip) => SocketAddr::new(ip, 0),
        }
    }
}

/// One socket for each worker, all on one address: the kernel spreads connections over them.
fn sockets(
    wanted: SocketAddr,
    count: usize,
) -> Result<(SocketAddr, Vec<std::net::TcpListener>), BindError> {
    let failed = |error| BindError {
        address: wanted,
        error,
    };
    let address = free(wanted).map_err(failed)?;
    let sockets = (0..count)
        .map(|_| listening(address))
        .collect::<io::Result<_>>()
        .map_err(failed)?;
    Ok((address, sockets))
}

/// Finds out whether anyone else listens there, which `SO_REUSEPORT` would hide: two processes would each serve some of
/// the connections. Port 0 becomes a free one, `[::]` becomes `0.0.0.0` on a node without IPv6.
fn free(wanted: SocketAddr) -> io::Result<SocketAddr> {
    let probe = match socket(wanted) {
        Err(error)
            if wanted.ip() == Ipv6Addr::UNSPECIFIED && error.kind() != io::ErrorKind::AddrInUse =>
        {
            socket(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), wanted.port()))?
        }
        probe => probe?,
    };
    probe
        .local_addr()?
        .as_socket()
        .ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
}

fn socket(address: SocketAddr) -> io::Result<socket2::Socket> {
    let socket = open(address)?;
    socket.bind(&address.into())?;
    // Only listening collides with a socket that was bound with SO_REUSEADDR as well.
    socket.listen(1)?;
    Ok(socket)
}

fn listening(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = open(address)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn open(address: SocketAddr) -> io::Result<socket2::Socket> {
    let socket = socket2::Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use egret_config::name::Port;
    use tokio::task::yield_now;

    use super::*;

    #[tokio::test]
    async fn what_is_gone_is_closed_before_anything_is_bound() {
        let (commands, mut worker) = channel(1);
        let mut listeners = Listeners::new(Bind::AsConfigured, vec![commands], None, None);
        let bind = BindAddress {
            ip: None,
            port: Port::HTTP,
        };
        let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 80);
        listeners.bound.insert(bind, address);
        let closed = Cell::new(false);
        let slow = async {
            let Some(WorkerCommand::Close(gone, closing)) = worker.recv().await else {
                panic!("there was a listener to close");
            };
            assert_eq!(gone, bind);
            for _ in 0..10 {
                yield_now().await;
            }
            closed.set(true);
            drop(closing);
        };
        let reconciled = async {
            listeners.close_gone(&Snapshot::default()).await;
            assert!(closed.get());
        };
        tokio::join!(slow, reconciled);
    }
}
