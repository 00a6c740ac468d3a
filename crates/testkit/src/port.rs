//! One port on several loopback addresses, for names that have more than one address.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

use socket2::{Domain, Socket, Type};

const TRIES: usize = 100;

/// A port kept free on several addresses, until fakes are started there.
///
/// It holds bound sockets that do not listen, so that nobody else is given the port meanwhile.
/// An address where nothing is started refuses connections.
#[derive(Debug)]
pub struct SharedPort {
    port: u16,
    _sockets: Vec<Socket>,
}

impl SharedPort {
    /// Finds a port that is free on all of `ips`.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn reserve<I: Into<IpAddr>>(ips: impl IntoIterator<Item = I>) -> Self {
        let ips: Vec<IpAddr> = ips.into_iter().map(Into::into).collect();
        (0..TRIES)
            .find_map(|_| Self::try_reserve(&ips).ok())
            .unwrap_or_else(|| panic!("no port is free on all of {ips:?}"))
    }

    /// The port.
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

/// 127.0.0.1
pub(crate) const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A bound TCP socket that does not listen, so that it refuses connections.
pub(crate) fn bind(addr: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
    // Lets a listener take an address that a SharedPort keeps, as neither listens yet.
    socket.set_reuse_address(true)?;
    socket.bind(&addr.into())?;
    Ok(socket)
}

/// A listener on `ip` and `port`; port 0 picks a free one.
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
