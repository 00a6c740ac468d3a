//! A TCP server that does byte for byte what a script says, and keeps every byte it reads.

mod connection;
mod http2;

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;

use tokio::net::TcpListener;

pub use connection::RawConnection;
pub use http2::Frame;

use crate::background::Background;
use crate::board::{Board, unblocked};
use crate::port;

/// The server; dropping it closes its connections.
#[derive(Debug)]
pub struct RawServer {
    addr: SocketAddr,
    shared: Arc<Shared>,
    _background: Background,
}

#[derive(Debug)]
struct Shared {
    /// The bytes received, by connection in the order of accepting.
    received: Board<Vec<Vec<u8>>>,
    /// To end the scripts that wait for bytes.
    streams: Mutex<Vec<Weak<TcpStream>>>,
}

impl RawServer {
    /// Runs `script` for each connection, on a thread of its own, on a free port of 127.0.0.1.
    ///
    /// The connection closes when the script returns.
    #[must_use]
    pub fn start(script: impl Fn(&mut RawConnection) + Send + Sync + 'static) -> Self {
        Self::start_on_port(port::LOOPBACK, 0, script)
    }

    /// As [`Self::start`], on a given port; see [`SharedPort`](crate::SharedPort) for a free one.
    ///
    /// # Panics
    /// If the port is taken.
    #[must_use]
    pub fn start_on_port(
        ip: impl Into<IpAddr>,
        port: u16,
        script: impl Fn(&mut RawConnection) + Send + Sync + 'static,
    ) -> Self {
        let listener = port::listen(ip.into(), port);
        let addr = listener.local_addr().expect("a listener has an address");
        let shared = Arc::new(Shared {
            received: Board::new(Vec::new()),
            streams: Mutex::default(),
        });
        let theirs = Arc::clone(&shared);
        let background = Background::start("raw server", move |_| async move {
            let listener = TcpListener::from_std(listener).expect("a listener of the runtime");
            let script = Arc::new(script);
            while let Ok((stream, _)) = listener.accept().await {
                let stream = blocking(stream).expect("a socket that blocks");
                run(&script, theirs.accepted(stream));
            }
        });
        Self {
            addr,
            shared,
            _background: background,
        }
    }

    /// Answers the first head of each connection, then reads to the end of the connection.
    #[must_use]
    pub fn answer(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::start(move |connection| {
            if connection.read_head().is_some() {
                connection.send(&bytes);
                connection.read_to_end();
            }
        })
    }

    /// Answers each head of each connection, and takes what follows a head for the next one.
    #[must_use]
    pub fn answer_each(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::start(move |connection| {
            while connection.read_head().is_some() {
                connection.send(&bytes);
            }
        })
    }

    /// Answers the first head of each connection, then closes it.
    #[must_use]
    pub fn answer_and_close(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::start(move |connection| {
            if connection.read_head().is_some() {
                connection.send(&bytes);
                connection.close();
            }
        })
    }

    /// Resets each connection as soon as it is accepted; the client may learn it while it connects.
    #[must_use]
    pub fn reset() -> Self {
        Self::start(RawConnection::reset)
    }

    /// Resets each connection after its first head.
    #[must_use]
    pub fn reset_after_head() -> Self {
        Self::start(|connection| {
            connection.read_head();
            connection.reset();
        })
    }

    /// Reads, and never sends.
    #[must_use]
    pub fn silent() -> Self {
        Self::start(|connection| drop(connection.read_to_end()))
    }

    /// Where it answers.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The port it answers on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.addr.port()
    }

    /// All that was read from each connection, in the order of accepting.
    #[must_use]
    pub fn received(&self) -> Vec<Vec<u8>> {
        self.shared.received.read(Vec::clone)
    }

    /// How many connections were accepted so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.received.read(Vec::len)
    }

    /// Blocks until some connection received `needle`.
    ///
    /// # Panics
    /// If none does within the deadline.
    pub fn wait_for_bytes(&self, needle: impl AsRef<[u8]>) {
        self.shared.wait_for_bytes(needle.as_ref());
    }

    /// As [`Self::wait_for_bytes`], without blocking the caller's runtime.
    ///
    /// # Panics
    /// If none does within the deadline.
    pub async fn until_bytes(&self, needle: impl AsRef<[u8]>) {
        let shared = Arc::clone(&self.shared);
        let needle = needle.as_ref().to_vec();
        unblocked(move || shared.wait_for_bytes(&needle)).await;
    }

    /// Blocks until at least `count` connections were accepted.
    ///
    /// # Panics
    /// If they are not within the deadline.
    pub fn wait_for_connections(&self, count: usize) {
        self.shared.received.wait(
            |received| received.len() >= count,
            |received| format!("{count} connections; there were {}", received.len()),
        );
    }
}

impl Drop for RawServer {
    fn drop(&mut self) {
        let streams = self.shared.streams.lock();
        for stream in streams.unwrap_or_else(PoisonError::into_inner).iter() {
            if let Some(stream) = stream.upgrade() {
                // Closed already is as good.
                let _ = stream.shutdown(std::net::Shutdown::Both);
            }
        }
    }
}

impl Shared {
    fn accepted(self: &Arc<Self>, stream: TcpStream) -> RawConnection {
        let stream = Arc::new(stream);
        let streams = self.streams.lock();
        streams
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::downgrade(&stream));
        let index = self.received.update(|received| {
            received.push(Vec::new());
            received.len() - 1
        });
        RawConnection::new(stream, Arc::clone(self), index)
    }

    fn wait_for_bytes(&self, needle: &[u8]) {
        let found = |received: &Vec<Vec<u8>>| received.iter().any(|bytes| contains(bytes, needle));
        self.received.wait(found, |received| {
            let texts: Vec<_> = received
                .iter()
                .map(|bytes| bytes.escape_ascii().to_string())
                .collect();
            format!("\"{}\"; received: {texts:#?}", needle.escape_ascii())
        });
    }
}

/// Runs the script on a thread that nobody joins: it may wait for what only the test can do.
fn run<S>(script: &Arc<S>, mut connection: RawConnection)
where
    S: Fn(&mut RawConnection) + Send + Sync + 'static,
{
    let script = Arc::clone(script);
    thread::Builder::new()
        .name("raw connection".to_owned())
        .spawn(move || script(&mut connection))
        .expect("a thread for a connection");
}

fn blocking(stream: tokio::net::TcpStream) -> io::Result<TcpStream> {
    let stream = stream.into_std()?;
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    needle.is_empty() || bytes.windows(needle.len()).any(|window| window == needle)
}
