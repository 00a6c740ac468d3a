//! Listening sockets: the control side binds one for each worker, and the workers accept from them.

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

/// Connections that the kernel may complete before they are accepted; it caps this at `net.core.somaxconn`.
const BACKLOG: i32 = 4096;
/// How long workers may take to close sockets. An address that is still in use then is bound by a later call.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Where listeners are bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bind {
    /// The addresses and ports of the configuration.
    #[default]
    AsConfigured,
    /// A free port of this address, whatever the configuration says; for tests.
    AnyPortOf(IpAddr),
}

/// The control side's view of the listening sockets.
pub(crate) struct ListenerSet {
    bind: Bind,
    workers: Vec<Sender<WorkerCommand>>,
    admin: Option<SocketAddr>,
    /// Most connections of each listener, over all workers; `None` is no limit.
    max_connections: Option<usize>,
    /// The real address of each bound listener.
    bound: BTreeMap<BindAddress, SocketAddr>,
}

/// An address of the configuration that could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {error}")]
pub struct BindError {
    /// The address that was requested.
    pub address: SocketAddr,
    /// The error of the system.
    #[source]
    pub error: io::Error,
}

impl ListenerSet {
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

    /// The real address of each bound listener.
    pub(crate) fn addresses(&self) -> &BTreeMap<BindAddress, SocketAddr> {
        &self.bound
    }

    /// Closes removed listeners, keeps unchanged ones, and binds new ones. Returns an error for each address that cannot
    /// be bound; the next call tries it again.
    pub(crate) async fn reconcile(&mut self, shared: &SharedContext) -> Vec<BindError> {
        let snapshot = shared.snapshot.load_full();
        self.close_removed(&snapshot).await;
        let mut opened = Vec::new();
        let mut errors = Vec::new();
        for bind in snapshot
            .sockets
            .keys()
            .filter(|bind| !self.bound.contains_key(bind))
        {
            match bind_all(self.configured_address(*bind), self.workers.len()) {
                Ok((address, sockets)) => opened.push((*bind, address, sockets)),
                Err(error) => errors.push(error),
            }
        }
        self.bound
            .extend(opened.iter().map(|(bind, address, _)| (*bind, *address)));
        // Egress policies must know the gateway's own addresses before the first request arrives.
        shared.upstreams.own_addresses.store(Arc::new(OwnAddresses(
            self.bound.values().copied().chain(self.admin).collect(),
        )));
        for (bind, _, sockets) in opened {
            let gate = ConnectionGate::new(self.max_connections);
            for (worker, socket) in self.workers.iter().zip(sockets) {
                // A worker that has ended has closed its sockets.
                let _ = worker
                    .send(WorkerCommand::Listen(bind, socket, Arc::clone(&gate)))
                    .await;
            }
        }
        errors
    }

    async fn close_removed(&mut self, snapshot: &Snapshot) {
        let gone: Vec<_> = self
            .bound
            .keys()
            .filter(|bind| !snapshot.sockets.contains_key(bind))
            .copied()
            .collect();
        // An address to bind next may overlap with a removed one, until all workers have closed their sockets.
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
            tracing::warn!("a worker is slow to close a listener");
        }
    }

    fn configured_address(&self, bind: BindAddress) -> SocketAddr {
        match self.bind {
            Bind::AsConfigured => SocketAddr::new(
                bind.ip.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
                bind.port.get(),
            ),
            Bind::AnyPortOf(ip) => SocketAddr::new(ip, 0),
        }
    }
}

/// Binds one socket for each worker to the same address. The kernel spreads connections over them.
fn bind_all(
    wanted: SocketAddr,
    count: usize,
) -> Result<(SocketAddr, Vec<std::net::TcpListener>), BindError> {
    let bind_error = |error| BindError {
        address: wanted,
        error,
    };
    let address = probe_address(wanted).map_err(bind_error)?;
    let sockets = (0..count)
        .map(|_| listening_socket(address))
        .collect::<io::Result<_>>()
        .map_err(bind_error)?;
    Ok((address, sockets))
}

/// Checks that no other process listens on the address, which `SO_REUSEPORT` would hide: each process would serve some of
/// the connections. Port 0 becomes a free port, and `[::]` becomes `0.0.0.0` on a node without IPv6.
fn probe_address(wanted: SocketAddr) -> io::Result<SocketAddr> {
    let probe = match probing_socket(wanted) {
        Err(error)
            if wanted.ip() == Ipv6Addr::UNSPECIFIED && error.kind() != io::ErrorKind::AddrInUse =>
        {
            probing_socket(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), wanted.port()))?
        }
        probe => probe?,
    };
    probe
        .local_addr()?
        .as_socket()
        .ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
}

fn probing_socket(address: SocketAddr) -> io::Result<socket2::Socket> {
    let socket = new_socket(address)?;
    socket.bind(&address.into())?;
    // bind(2) succeeds beside another socket with SO_REUSEADDR; only listen(2) fails.
    socket.listen(1)?;
    Ok(socket)
}

fn listening_socket(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = new_socket(address)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn new_socket(address: SocketAddr) -> io::Result<socket2::Socket> {
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
        let mut listeners = ListenerSet::new(Bind::AsConfigured, vec![commands], None, None);
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
            listeners.close_removed(&Snapshot::default()).await;
            assert!(closed.get());
        };
        tokio::join!(slow, reconciled);
    }
}
