//! Port allocation on loopback, including one port on several addresses for names with more than one address.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

use socket2::{Domain, Socket, Type};

const TRIES: usize = 100;

/// A port that is reserved on several addresses, for fake servers to be started there.
///
/// The reservation is a bound socket on each address that does not listen, so that the kernel gives the port to nobody
/// else. An address where no server is started refuses connections.
#[derive(Debug)]
pub struct SharedPort {
    port: u16,
    _sockets: Vec<Socket>,
}

impl SharedPort {
    /// Reserves a port that is free on all of `ips`.
    ///
    /// # Panics
    /// If no such port is found.
    #[must_use]
    pub fn reserve<I: Into<IpAddr>>(ips: impl IntoIterator<Item = I>) -> Self {
        let ips: Vec<IpAddr> = ips.into_iter().map(Into::into).collect();
        (0..TRIES)
            .find_map(|_| Self::try_reserve(&ips).ok())
            .unwrap_or_else(|| panic!("no port is free on all of {ips:?}"))
    }

    /// The reserved port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    fn try_reserve(ips: &[IpAddr]) -> io::Result<Self> {
        let mut port = 0;
        let mut sockets = Vec::with_capacity(ips.len());
        for &ip in ips {
            let socket = bind(SocketAddr::new(ip, port))?;
            port = local_addr(&socket)?.port();
            sockets.push(socket);
        }
        Ok(Self {
            port,
            _sockets: sockets,
        })
    }
}

/// The address 127.0.0.1, where fake servers listen by default.
pub(crate) const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A bound TCP socket that does not listen, so that it refuses connections.
pub(crate) fn bind(addr: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
    // This lets a listener bind an address that a SharedPort has reserved, as the reserving socket does not listen.
    socket.set_reuse_address(true)?;
    socket.bind(&addr.into())?;
    Ok(socket)
}

/// Makes a non-blocking listener on `ip` and `port`. Port 0 picks a free port.
pub(crate) fn listen(ip: IpAddr, port: u16) -> TcpListener {
    let addr = SocketAddr::new(ip, port);
    let listen = || {
        let socket = bind(addr)?;
        socket.listen(1024)?;
        socket.set_nonblocking(true)?;
        io::Result::Ok(TcpListener::from(socket))
    };
    listen().unwrap_or_else(|error| panic!("cannot listen on {addr}: {error}"))
}

/// The address that `socket` is bound to.
pub(crate) fn local_addr(socket: &Socket) -> io::Result<SocketAddr> {
    let addr = socket.local_addr()?;
    addr.as_socket()
        .ok_or_else(|| io::Error::other("not an IP socket"))
}
