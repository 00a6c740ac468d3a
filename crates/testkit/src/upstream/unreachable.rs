//! Addresses where connecting fails: ports that refuse connections, and ports that never answer.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::port;

/// A connect timeout for loopback, where the kernel completes a connect at once or not at all.
const UNANSWERED: Duration = Duration::from_millis(100);
const FILLERS: usize = 16;

/// A port that refuses connections, until dropped.
///
/// The port is held by a bound socket that does not listen, so that nobody else can listen there.
#[derive(Debug)]
pub struct ClosedPort {
    addr: SocketAddr,
    _socket: Socket,
}

/// An address where connecting neither succeeds nor fails, until dropped.
///
/// The address has a listener that never accepts and whose queue is full, so that the kernel drops further SYNs.
#[derive(Debug)]
pub struct Blackhole {
    addr: SocketAddr,
    _listener: Socket,
    _fillers: Vec<Socket>,
}

impl ClosedPort {
    /// Uses a free port of 127.0.0.1.
    #[must_use]
    pub fn start() -> Self {
        Self::start_on_port(port::LOOPBACK, 0)
    }

    /// Uses a given port. [`SharedPort`](crate::SharedPort) reserves free ports.
    ///
    /// # Panics
    /// If the port is in use.
    #[must_use]
    pub fn start_on_port(ip: impl Into<IpAddr>, port: u16) -> Self {
        let (addr, socket) = bind(ip.into(), port);
        Self {
            addr,
            _socket: socket,
        }
    }

    /// The address.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Blackhole {
    /// Uses a free port of 127.0.0.1.
    #[must_use]
    pub fn start() -> Self {
        Self::start_on_port(port::LOOPBACK, 0)
    }

    /// Uses a given port. [`SharedPort`](crate::SharedPort) reserves free ports.
    ///
    /// # Panics
    /// If the port is in use, or the queue of the listener cannot be filled.
    #[must_use]
    pub fn start_on_port(ip: impl Into<IpAddr>, port: u16) -> Self {
        let (addr, listener) = bind(ip.into(), port);
        listener.listen(0).expect("a bound socket can listen");
        let fillers = fill(addr).expect("a queue that fills");
        Self {
            addr,
            _listener: listener,
            _fillers: fillers,
        }
    }

    /// The address.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

fn bind(ip: IpAddr, port: u16) -> (SocketAddr, Socket) {
    let addr = SocketAddr::new(ip, port);
    let socket = port::bind(addr).unwrap_or_else(|error| panic!("cannot bind {addr}: {error}"));
    let addr = port::local_addr(&socket).expect("a bound socket has an address");
    (addr, socket)
}

/// Connects until a connect is not answered.
fn fill(addr: SocketAddr) -> io::Result<Vec<Socket>> {
    let mut fillers = Vec::new();
    for _ in 0..FILLERS {
        let filler = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
        match filler.connect_timeout(&addr.into(), UNANSWERED) {
            Ok(()) => fillers.push(filler),
            // The queue holds at least one connection, so that this timeout is caused by the load of the machine.
            Err(error) if is_timeout(&error) && fillers.is_empty() => {}
            Err(error) if is_timeout(&error) => return Ok(fillers),
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("every connection was answered"))
}

fn is_timeout(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::TimedOut
}
