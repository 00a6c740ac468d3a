//! Listening sockets: the control side binds one for each worker, and the workers accept from them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use egret_config::snapshot::{BindAddress, Snapshot};
use tokio::sync::mpsc::{Sender, channel};
use tokio::time::timeout;

use crate::accept::gate::ConnectionGate;
use crate::context::SharedContext;
use crate::dial::egress::OwnAddresses;
use crate::worker::WorkerCommand;

mod socket;
mod stand_in;

/// How long workers may take to close sockets.
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
    /// The addresses of the proxy's own servers.
    own: Vec<SocketAddr>,
    /// Most connections of each listener, over all workers; `None` is no limit.
    max_connections: Option<usize>,
    /// The real address of each bound listener.
    bound: BTreeMap<BindAddress, SocketAddr>,
}

/// The sockets of a configuration, bound and not yet accepted from.
pub(crate) struct PreparedSockets {
    /// What can be served: the configuration, with the sockets that stay because others cannot be bound.
    pub(crate) snapshot: Snapshot,
    /// The addresses that could not be bound; the next call tries them again.
    pub(crate) errors: Vec<BindError>,
    opened: Vec<OpenedSocket>,
    gone: BTreeSet<BindAddress>,
}

/// A new address, with a socket for each worker.
struct OpenedSocket {
    bind: BindAddress,
    address: SocketAddr,
    sockets: Vec<std::net::TcpListener>,
}

/// An address of the configuration that could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {error}{}{}", remedy(.error), staying(.stays_on))]
pub struct BindError {
    /// The address that was requested.
    pub address: SocketAddr,
    /// Where its listeners are served meanwhile: where they were before they were moved.
    pub stays_on: Vec<SocketAddr>,
    /// The error of the system.
    #[source]
    pub error: io::Error,
}

/// What helps against an error of the system that does not say so.
fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "; a port below 1024 needs the capability CAP_NET_BIND_SERVICE"
        }
        io::ErrorKind::AddrNotAvailable => "; this machine does not have the address",
        _ => "",
    }
}

fn staying(on: &[SocketAddr]) -> String {
    if on.is_empty() {
        return String::new();
    }
    let on: Vec<String> = on.iter().map(ToString::to_string).collect();
    format!("; what was to move there stays on {}", on.join(", "))
}

impl ListenerSet {
    pub(crate) fn new(
        bind: Bind,
        workers: Vec<Sender<WorkerCommand>>,
        own: Vec<SocketAddr>,
        max_connections: Option<usize>,
    ) -> Self {
        Self {
            bind,
            workers,
            own,
            max_connections,
            bound: BTreeMap::new(),
        }
    }

    /// The real address of each bound listener.
    pub(crate) fn addresses(&self) -> &BTreeMap<BindAddress, SocketAddr> {
        &self.bound
    }

    /// Binds the sockets that a configuration has in addition to those that are bound; `served` is the configuration
    /// before it. Nothing is closed yet: a listener that was to move stays where it is if it cannot be bound anew.
    pub(crate) fn prepare(&self, wanted: Snapshot, served: &Snapshot) -> PreparedSockets {
        let bound = self.bound.keys().copied().collect();
        let binds: Vec<_> = wanted.sockets.keys().copied().collect();
        let mut prepared = PreparedSockets {
            snapshot: wanted,
            errors: Vec::new(),
            opened: Vec::new(),
            gone: BTreeSet::new(),
        };
        for bind in binds {
            if self.bound.contains_key(&bind) {
                continue;
            }
            let address = self.configured_address(bind);
            let shares = self.bound.values().any(|own| overlap(*own, address));
            match socket::bind_all(address, self.workers.len(), shares) {
                Ok((address, sockets)) => prepared.opened.push(OpenedSocket {
                    bind,
                    address,
                    sockets,
                }),
                Err(error) => {
                    let stays = stand_in::leave(&mut prepared.snapshot, bind, served, &bound);
                    let stays = stays.into_iter();
                    let stays_on = stays.filter_map(|bind| self.bound.get(&bind).copied());
                    prepared.errors.push(BindError {
                        address,
                        stays_on: stays_on.collect(),
                        error,
                    });
                }
            }
        }
        let sockets = &prepared.snapshot.sockets;
        let gone = bound.into_iter();
        prepared.gone = gone.filter(|bind| !sockets.contains_key(bind)).collect();
        prepared
    }

    /// Accepts from the sockets that were prepared, and closes those that are gone. The configuration must be served
    /// already.
    pub(crate) async fn switch(
        &mut self,
        shared: &SharedContext,
        prepared: PreparedSockets,
    ) -> Vec<BindError> {
        let PreparedSockets {
            snapshot: _,
            errors,
            opened,
            gone,
        } = prepared;
        let new = opened.iter().map(|it| (it.bind, it.address));
        self.bound.extend(new);
        // Egress policies must know the gateway's own addresses before the first request arrives.
        self.store_own_addresses(shared);
        for OpenedSocket { bind, sockets, .. } in opened {
            let gate = ConnectionGate::new(self.max_connections);
            for (worker, socket) in self.workers.iter().zip(sockets) {
                // A worker that has ended has closed its sockets.
                let _ = worker
                    .send(WorkerCommand::Listen(bind, socket, Arc::clone(&gate)))
                    .await;
            }
        }
        if !gone.is_empty() {
            self.close(gone).await;
            self.store_own_addresses(shared);
        }
        errors
    }

    fn store_own_addresses(&self, shared: &SharedContext) {
        shared.upstreams.own_addresses.store(Arc::new(OwnAddresses(
            self.bound.values().chain(&self.own).copied().collect(),
        )));
    }

    async fn close(&mut self, gone: BTreeSet<BindAddress>) {
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

/// Whether two sockets cannot be bound at the same time, unless they share their port.
fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    let (ip_a, ip_b) = (a.ip().to_canonical(), b.ip().to_canonical());
    a.port() == b.port() && (ip_a == ip_b || ip_a.is_unspecified() || ip_b.is_unspecified())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use egret_config::name::Port;
    use egret_config::snapshot::ListenerSocket;

    use super::*;

    #[test]
    fn what_the_system_does_not_say_is_said() {
        for (kind, expected) in [
            (io::ErrorKind::PermissionDenied, "CAP_NET_BIND_SERVICE"),
            (io::ErrorKind::AddrNotAvailable, "does not have the address"),
        ] {
            let error = BindError {
                address: "10.0.0.1:80".parse().unwrap(),
                stays_on: Vec::new(),
                error: kind.into(),
            };
            let told = error.to_string();
            assert!(
                told.starts_with("cannot listen on 10.0.0.1:80: ") && told.contains(expected),
                "{told}"
            );
        }
    }

    #[test]
    fn addresses_overlap_in_every_spelling() {
        for (a, b, expected) in [
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "[::ffff:127.0.0.1]:80", true),
            ("127.0.0.1:80", "[::]:80", true),
            ("0.0.0.0:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "127.0.0.1:81", false),
            ("127.0.0.1:80", "127.0.0.2:80", false),
        ] {
            assert_eq!(overlap(a.parse().unwrap(), b.parse().unwrap()), expected);
        }
    }

    #[tokio::test]
    async fn nothing_is_closed_before_all_is_bound() {
        let (commands, mut worker) = channel(8);
        let mut listeners = ListenerSet::new(Bind::AsConfigured, vec![commands], Vec::new(), None);
        let ip = IpAddr::from(Ipv4Addr::LOCALHOST);
        let free = std::net::TcpListener::bind((ip, 0)).unwrap();
        let port = Port::new(free.local_addr().unwrap().port()).unwrap();
        drop(free);
        let old = BindAddress {
            ip: Some(ip),
            port: Port::HTTP,
        };
        listeners.bound.insert(old, SocketAddr::new(ip, 80));
        let new = BindAddress { ip: Some(ip), port };
        let wanted = Snapshot {
            sockets: [(new, ListenerSocket::default())].into(),
            ..Snapshot::default()
        };
        let prepared = listeners.prepare(wanted, &Snapshot::default());
        assert_eq!((prepared.opened.len(), prepared.errors.len()), (1, 0));
        assert_eq!(prepared.gone, [old].into());
        assert!(worker.try_recv().is_err(), "nothing is closed yet");
        assert!(listeners.bound.contains_key(&old));
    }
}
