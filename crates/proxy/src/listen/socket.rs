//! Binds sockets to an address.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Protocol, Type};

/// Connections that the kernel may complete before they are accepted; it caps this at `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// Binds one socket for each worker to the same address. The kernel spreads connections over them.
///
/// `shares` is whether a listener of this process overlaps with the address, and is closed when this one is served.
pub(super) fn bind_all(
    wanted: SocketAddr,
    count: usize,
    shares: bool,
) -> io::Result<(SocketAddr, Vec<std::net::TcpListener>)> {
    let address = probe_address(wanted, shares)?;
    let sockets = (0..count).map(|_| listening_socket(address));
    Ok((address, sockets.collect::<io::Result<_>>()?))
}

/// Checks that no other process listens on the address, which `SO_REUSEPORT` would hide: each process would serve some of
/// the connections. Port 0 becomes a free port, and `[::]` becomes `0.0.0.0` on a node without IPv6.
fn probe_address(wanted: SocketAddr, shares: bool) -> io::Result<SocketAddr> {
    let probe = match probing_socket(wanted, shares) {
        Err(error)
            if wanted.ip() == Ipv6Addr::UNSPECIFIED && error.kind() != io::ErrorKind::AddrInUse =>
        {
            probing_socket(
                SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), wanted.port()),
                shares,
            )?
        }
        probe => probe?,
    };
    probe
        .local_addr()?
        .as_socket()
        .ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
}

fn probing_socket(address: SocketAddr, shares: bool) -> io::Result<socket2::Socket> {
    let socket = new_socket(address)?;
    if shares {
        // It does not listen, because it would take connections from the listener that it overlaps with.
        socket.set_reuse_port(true)?;
        socket.bind(&address.into())?;
        return Ok(socket);
    }
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
