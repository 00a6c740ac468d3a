//! Addresses where connecting fails: by refusal, or by nothing happening at all.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::port;

/// Far more than a connect on loopback takes, which the kernel completes at once or not at all.
const UNANSWERED: Duration = Duration::from_millis(100);
const FILLERS: usize = 16;

/// An address that refuses connections, for as long as this lives.
///
/// It is a bound socket that does not listen, so nobody else can start to listen there.
#[derive(Debug)]
pub struct Refused {
    addr: SocketAddr,
    _socket: Socket,
}

/// An address where connecting neither succeeds nor fails, for as long as this lives.
///
/// It is a listener whose queue is full and which never accepts, so that the kernel drops what
/// else comes.
#[derive(Debug)]
pub struct Blackhole {
    addr: SocketAddr,
    _listener: Socket,
    _fillers: Vec<Socket>,
}

impl Refused {
    /// Takes a port of 127.0.0.1.
    #[must_use]
    pub fn start() -> Self {
        Self::start_on_port(port::LOOPBACK, 0)
    }

    /// Takes a given port; see [`SharedPort`](crate::SharedPort) for a free one.
    ///
    /// # Panics
    /// If the port is taken.
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
    /// Takes a port of 127.0.0.1.
    #[must_use]
    pub fn start() -> Self {
        Self::start_on_port(port::LOOPBACK, 0)
    }

    /// Takes a given port; see [`SharedPort`](crate::SharedPort) for a free one.
    ///
    /// # Panics
    /// If the port is taken, or the listener's queue cannot be filled.
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

/// Connects until a connection goes unanswered.
fn fill(addr: SocketAddr) -> io::Result<Vec<Socket>> {
    let mut fillers = Vec::new();
    for _ in 0..FILLERS {
        let filler = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
        match filler.connect_timeout(&addr.into(), UNANSWERED) {
            Ok(()) => fillers.push(filler),
            // The queue holds at least one, so nothing was wrong with it but the machine's load.
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
